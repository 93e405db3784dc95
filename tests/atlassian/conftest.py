"""Fixtures of the Atlassian tests."""

from tests.atlassian.harness import clock, harness, site

__all__ = ["clock", "harness", "site"]
