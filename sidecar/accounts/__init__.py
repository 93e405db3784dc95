"""The accounts of all connected services: one life cycle, one store, one set of error kinds."""
