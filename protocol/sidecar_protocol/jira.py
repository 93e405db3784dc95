"""Jira: accounts at Jira Cloud sites, and their syncs."""

from typing import ClassVar, Protocol

from sidecar_protocol.atlassian import AtlassianAccounts, AtlassianSync
from sidecar_protocol.contract import JobSpec


class SyncJira(AtlassianSync, JobSpec):
    """Updates the feed with the changes at a Jira site."""

    type: ClassVar = "jira.sync"


class Jira(AtlassianAccounts, Protocol):
    """Jira Cloud."""

    domain: ClassVar[str] = "jira"
