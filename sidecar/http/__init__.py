"""Requests to the vendors' servers."""
