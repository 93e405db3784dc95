"""The transcript file: format, patterns, redaction and the contract's schemas."""
