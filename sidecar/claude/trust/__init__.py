"""Workspace trust: what a folder would run, and whether the user has said that it may."""
