"""Claude: runs, sessions, permissions, search, usage, diagnosis."""
