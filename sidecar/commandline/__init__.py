"""The commands for people.  `serve` imports nothing of this package."""
