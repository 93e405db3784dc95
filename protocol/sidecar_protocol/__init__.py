"""The wire contract: every message on the pipe.  Pure: no I/O, no clock."""
