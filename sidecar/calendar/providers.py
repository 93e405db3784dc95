"""The calendar providers by their ids."""

from collections.abc import Iterable
from typing import Final

from sidecar_protocol.accounts import AccountService
from sidecar_protocol.calendar.accounts import CalendarProvider, CalendarProviderUnavailable

from sidecar.calendar.provider import Provider

DEFAULT_SYNC_PERIOD_S: Final = 300
"""Used for an account of an unknown provider, whose sync then fails with the reason."""


class Providers:
    """The calendar providers by their ids.

    A stored account may have a provider that is unknown here, from a newer version or from the old backend.
    """

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._providers = {provider.provider_id: provider for provider in providers}

    def describe(self) -> list[CalendarProvider]:
        return [provider.describe() for provider in self._providers.values()]

    def get(self, provider_id: str) -> Provider:
        """Returns a provider.  Raises `CalendarProviderUnavailable` if it is unknown or not configured."""
        provider = self._providers.get(provider_id)
        if provider is None:
            known = ", ".join(sorted(self._providers))
            raise CalendarProviderUnavailable("No calendar provider has this id.", hint=f"The providers are: {known}.")
        description = provider.describe()
        if not description.available:
            raise CalendarProviderUnavailable(hint=description.reason)
        return provider

    def is_available(self, provider_id: str) -> bool:
        return provider_id in self._providers and self._providers[provider_id].describe().available

    def has_one_account_per_email(self, provider_id: str) -> bool:
        return provider_id in self._providers and self._providers[provider_id].has_one_account_per_email

    def sync_period_s(self, provider_id: str) -> int:
        return self._providers[provider_id].sync_period_s if provider_id in self._providers else DEFAULT_SYNC_PERIOD_S

    def service(self, provider_id: str) -> AccountService:
        """Returns the service of a provider's accounts; Google for an unknown provider of the old backend."""
        provider = self._providers.get(provider_id)
        return AccountService.GOOGLE_CALENDAR if provider is None else provider.service
