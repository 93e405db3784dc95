"""Permission requests of the Claude CLI: parsed, stored, answered."""
