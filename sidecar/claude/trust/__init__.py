"""Workspace trust: what a folder would run, and whether somebody has said that it may."""
