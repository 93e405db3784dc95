"""SessionJournal with Claude: sessions, messages, turns."""
