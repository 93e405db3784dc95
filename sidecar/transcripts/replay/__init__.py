"""A stand-in sidecar that answers from a transcript."""
