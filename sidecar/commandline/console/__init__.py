"""The console: calls typed by a person, or read from a script."""
