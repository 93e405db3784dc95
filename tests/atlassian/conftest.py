"""The fixtures of the Atlassian tests."""

from tests.atlassian.harness import clock, desk, site

__all__ = ["clock", "desk", "site"]
