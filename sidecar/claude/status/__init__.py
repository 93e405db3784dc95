"""Reports of Claude Code about itself: what it offers, what does not work, and what is left."""
