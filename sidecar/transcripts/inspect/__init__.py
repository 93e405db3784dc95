"""Summaries and timelines of a transcript, for people."""
