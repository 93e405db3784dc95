"""The fixture of the maintenance tests: an app with the queue's harness."""

from tests.jobs.conftest import harness

__all__ = ["harness"]
