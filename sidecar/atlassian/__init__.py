"""Atlassian: Jira and Confluence, which share their accounts."""
