"""A stand-in for the sidecar that answers from a transcript."""
