"""The sidecar: one person's work hub as a child process."""

__version__ = "0.1.0"
