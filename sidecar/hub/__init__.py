"""The contract's methods as tools of assistants: calls, and results that are short enough for them."""
