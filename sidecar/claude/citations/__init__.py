"""Citations in Claude's answers: the rows that the hub has returned, and which of them an answer names."""
