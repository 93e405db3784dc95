"""Activity: one feed over everything that happened."""
