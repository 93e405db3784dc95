"""System: health, status, diagnostics, and the jobs that look after the database."""
