"""The prompts of runs and turns: their files, and how they are sent to the CLI."""
