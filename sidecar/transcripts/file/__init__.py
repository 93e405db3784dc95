"""The transcript file: its format, redaction and schemas."""
