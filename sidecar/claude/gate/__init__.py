"""The gate between texts that others wrote and tools that can do more than read."""
