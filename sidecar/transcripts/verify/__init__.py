"""Running a transcript against the real sidecar and comparing."""
