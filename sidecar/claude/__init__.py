"""Claude: runs of the user's own Claude Code CLI."""
