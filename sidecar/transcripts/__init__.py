"""Transcripts: conversations on the pipe, recorded once, replayed, verified and looked at anywhere."""
