"""The command line: a host made of a terminal.  Serving imports none of it."""
