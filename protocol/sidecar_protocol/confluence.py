"""Confluence: accounts at Confluence Cloud sites, and their syncs."""

from typing import ClassVar, Protocol

from sidecar_protocol.atlassian import AtlassianAccounts, AtlassianSync
from sidecar_protocol.contract import JobSpec


class SyncConfluence(AtlassianSync, JobSpec):
    """Updates the feed with the changes at a Confluence site."""

    type: ClassVar = "confluence.sync"


class Confluence(AtlassianAccounts, Protocol):
    """Confluence Cloud."""

    domain: ClassVar[str] = "confluence"
