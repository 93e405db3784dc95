"""The transcript file: format, patterns, redaction and the facts that the contract declares."""
