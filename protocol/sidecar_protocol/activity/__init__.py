"""The activity feed and its reports."""
