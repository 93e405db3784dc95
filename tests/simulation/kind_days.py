"""The days of a kind world before its last one: Jira's feed follows a slow index, and keeps hidden issues."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from sidecar.clock import iso
from tests.simulation.clouds import Clouds
from tests.simulation.host import Host, Script

LAG_MS: Final = 480_000
"""How late the index learns of an issue."""


class KindDays:
    """Happens at Jira, day by day; a day is `awake_s` long, and begins with a look for missing issues.

    The first day the project is hidden, the second it is shown, and issues are made; the third it is hidden once more,
    for some minutes.  So it is never gone for a day, and nothing may be removed.
    """

    def __init__(
        self,
        host: Host,
        clouds: Clouds,
        later: Callable[[float, Callable[[], None]], None],
        fail: Callable[[str, object], None],
        seed: int,
    ) -> None:
        self._host, self._clouds, self._later, self._fail = host, clouds, later, fail
        self._hides = seed % 2 == 0
        self._had: Counter[Any] = Counter()

    def begin(self, awake_s: float) -> None:
        second, third = awake_s, 2 * awake_s
        if self._hides:
            self._later(1, lambda: self._clouds.issues.hide(True))
            self._later(second - 5, lambda: self._clouds.issues.hide(False))
            self._later(third - 60, lambda: self._play(self._remember))
            self._later(third - 5, lambda: self._clouds.issues.hide(True))
            self._later(third + 600, lambda: self._clouds.issues.hide(False))
            self._later(third + 500, lambda: self._play(self._keeps))
        for at in (60, third + 60):
            self._later(at, lambda: self._play(self._look))
        for at in (second + 120, second + 600, second + 800):  # the first is a daily one, which reads no old issue
            self._later(at, lambda: self._play(self._sync))
        # The index learns of the second one first; a sync between that and the first one must not skip it.
        self._later(second + 200, lambda: self._make("Slow", lags=True))
        self._later(second + 400, lambda: self._make("Quick", lags=False))
        self._later(second + 1_000, lambda: self._play(self._has_slow))

    def _make(self, title: str, *, lags: bool) -> None:
        issues = self._clouds.issues
        issues.jira.lag_ms = LAG_MS
        issues.made(issues.jira.create(issues.ada, f"{title} issue"), lags=lags)

    def _play(self, script: Callable[[dict[str, Any]], Script]) -> None:
        account = self._clouds.accounts.get("jira")
        if account is not None and self._host.is_ready:
            self._host.play(script(account))

    def _sync(self, account: dict[str, Any]) -> Script:
        yield "jira.accounts.sync", {"account_id": account["account_id"]}

    def _look(self, account: dict[str, Any]) -> Script:
        yield "jira.accounts.sync", {"account_id": account["account_id"], "full": True}

    def _has_synced(self, account: dict[str, Any], within_s: int) -> Script:
        """Returns whether a sync has ended well this lately."""
        listed = yield "jira.accounts.list", {}
        since = iso(self._host.now_ms() - within_s * 1_000)
        return any(
            one["account_id"] == account["account_id"] and one["status"] == "active" and one["last_sync_at"] > since
            for one in listed["accounts"]
        )

    def _has_slow(self, account: dict[str, Any]) -> Script:
        if (yield from self._has_synced(account, 250)):
            feed = yield from self._clouds.read_feed(account)
            if not any(title.endswith("Slow issue") for _, title, _ in feed):
                self._fail("What the index of a cloud learns late is in the feed after the next sync.", sorted(feed))

    def _remember(self, account: dict[str, Any]) -> Script:
        feed = yield from self._clouds.read_feed(account)
        self._had = feed & self._clouds.issues.expected()

    def _keeps(self, account: dict[str, Any]) -> Script:
        if (yield from self._has_synced(account, 480)):
            feed = yield from self._clouds.read_feed(account)
            if lost := (self._had & self._clouds.issues.expected()) - feed:
                self._fail("What was hidden for less than a day stays in the feed.", sorted(lost))
