"""Composition of the feature: the Jira and Confluence accounts and the jobs that sync them."""

from sidecar_protocol.confluence import SyncConfluence
from sidecar_protocol.jira import SyncJira

from sidecar.atlassian.accounts import Accounts
from sidecar.atlassian.handlers import SyncHandler
from sidecar.atlassian.service import ConfluenceService, JiraService
from sidecar.atlassian.sign_in import SiteAuthenticator
from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Runtime


def make(runtime: Runtime) -> Feature:
    accounts = Accounts(runtime, SiteAuthenticator(runtime.http(), runtime.settings.atlassian_gateway))
    handler = SyncHandler(runtime, accounts)
    return Feature(
        services=(JiraService(runtime, accounts), ConfluenceService(runtime, accounts)),
        registrations=tuple(Registration(spec, handler, admit=accounts.admit) for spec in (SyncJira, SyncConfluence)),
        run=accounts.resume,
        account_counts=accounts.store.account_counts,
    )
