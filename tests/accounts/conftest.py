"""Fixtures of the tests of all accounts."""

from tests.accounts.harness import connector
from tests.atlassian.harness import clock, site

__all__ = ["clock", "connector", "site"]
