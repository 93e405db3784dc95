"""The sidecar process: handshake and shutdown, status, maintenance, progress of requests."""
