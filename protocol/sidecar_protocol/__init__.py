"""The wire contract: what may be said on the pipe.  Pure: no I/O, no clock."""
