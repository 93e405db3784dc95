"""Sessions with Claude, their messages and turns."""
