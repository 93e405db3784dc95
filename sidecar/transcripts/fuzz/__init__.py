"""Damaged conversations, and what a sidecar owes to a client even then."""
