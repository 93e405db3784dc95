"""Transcripts: the messages on the pipe, recorded once, replayed, verified and viewed anywhere."""
