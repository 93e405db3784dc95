"""Conversations with Claude: sessions, messages, turns."""
