"""The work of jobs and sessions, as it was recorded and as it is received, and which of it cannot be compared."""
