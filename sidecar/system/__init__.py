"""The status of the process, and the jobs that maintain the database."""
