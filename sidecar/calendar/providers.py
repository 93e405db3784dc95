"""The providers that there are: described at once, made when first wanted, since what they need is slow to import."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from sidecar_protocol.accounts import AccountService
from sidecar_protocol.calendar.accounts import CalendarAuth, CalendarProvider, CalendarProviderUnavailable

from sidecar.calendar.provider import Provider

GOOGLE_EVERY_S: Final = 300
ICS_EVERY_S: Final = 900
"""Many a server, Google's too, sends the whole file each time, and makes it anew but a few times a day."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider as it is known before it is made."""

    service: AccountService
    """What its events are called in the feed, and its accounts in `accounts.updated`."""
    describe: Callable[[], CalendarProvider]
    make: Callable[[], Provider]
    is_one_a_person: bool
    """Whether an e-mail address names one account, so that connecting it again is no second one."""
    every_s: int
    """How often its accounts are synced."""


def google_described(*, has_client: bool) -> CalendarProvider:
    """What `calendar.providers.list` says."""
    missing = "Set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET to an OAuth client of type Desktop."
    return CalendarProvider(
        id="google",
        name="Google Calendar",
        auth=CalendarAuth.OAUTH,
        available=has_client,
        reason=None if has_client else missing,
        credentials=["refresh_token: from a sign-in that was made elsewhere with the same OAuth client"],
    )


def ics_described() -> CalendarProvider:
    """What `calendar.providers.list` says."""
    return CalendarProvider(
        id="ics",
        name="iCalendar address or file",
        auth=CalendarAuth.ADDRESS,
        available=True,
        credentials=["address: a secret iCal address (https or webcal) or the absolute path of an .ics file"],
    )


class Providers:
    """Every provider, by the id that stands in an account's row."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._all = tuple(offers)
        self._made: dict[str, Provider] = {}

    @cached_property
    def _offers(self) -> dict[str, Offer]:
        """By id; not before it is asked for, since a start has no time for descriptions."""
        return {offer.describe().id: offer for offer in self._all}

    def describe(self) -> list[CalendarProvider]:
        """What each needs, and whether it is ready."""
        return [offer.describe() for offer in self._offers.values()]

    def get(self, provider_id: str) -> Provider:
        """A provider.  Raises `CalendarProviderUnavailable` where there is none of this name, or it is not set up."""
        offer = self._offers.get(provider_id)
        if offer is None:
            known = ", ".join(sorted(self._offers))
            raise CalendarProviderUnavailable("There is no such provider.", hint=f"The providers are: {known}.")
        described = offer.describe()
        if not described.available:
            raise CalendarProviderUnavailable(hint=described.reason)
        if provider_id not in self._made:
            self._made[provider_id] = offer.make()
        return self._made[provider_id]

    def is_one_a_person(self, provider_id: str) -> bool:
        """Whether an e-mail address names one account there."""
        return provider_id in self._offers and self._offers[provider_id].is_one_a_person

    def every_s(self, provider_id: str) -> int:
        """How often an account there is synced; that it cannot be is the sync's to say."""
        return self._offers[provider_id].every_s if provider_id in self._offers else GOOGLE_EVERY_S

    def service(self, provider_id: str) -> AccountService:
        """What a provider's accounts are called outside of this feature; one that is unknown here was the old
        backend's, which knew Google alone.
        """
        offer = self._offers.get(provider_id)
        return AccountService.GOOGLE_CALENDAR if offer is None else offer.service
