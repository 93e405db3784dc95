"""What Claude Code says about itself, kept and told."""
