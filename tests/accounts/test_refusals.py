"""The state of an account after a refusal, without any I/O."""

from dataclasses import replace

import pytest
from sidecar_protocol.accounts import AccountReason, AccountService, AccountStatus

from sidecar.accounts.account import Account, AccountRefused, State, Verdict, state_after
from sidecar.clock import iso

NOW_MS = 1_795_420_800_000
HOUR_MS = 3_600_000
ACTIVE = Account("a", AccountService.JIRA, "ada@example.com", "active", None, None, None, None, "token")


def refused(verdict: Verdict, reason: AccountReason = AccountReason.TOKEN_REJECTED) -> AccountRefused:
    return AccountRefused(reason, "No.", "Do this.", verdict)


def after(account: Account, refusal: AccountRefused, now_ms: int) -> Account:
    state, _ = state_after(account, refusal, now_ms)
    return replace(account, **state._asdict())


@pytest.mark.parametrize(
    ("verdict", "status", "hours"),
    [
        (Verdict.FINAL, AccountStatus.NEEDS_REAUTH, 6),
        (Verdict.UNCONFIRMED, AccountStatus.RETRYING, 1),
        (Verdict.ELSEWHERE, AccountStatus.RETRYING, 0.25),
    ],
)
def test_a_first_refusal(verdict: Verdict, status: AccountStatus, hours: float) -> None:
    state, delay_s = state_after(ACTIVE, refused(verdict), NOW_MS)
    assert state._replace(hint=None) == State(status, "token_rejected", None, iso(NOW_MS), None)
    assert delay_s == hours * 3_600
    assert (state.hint or "").startswith("No. ")
    assert (state.hint or "").endswith("Do this.")


def test_the_same_refusal_within_an_hour_confirms_nothing_and_after_an_hour_it_does() -> None:
    account = after(ACTIVE, refused(Verdict.UNCONFIRMED), NOW_MS)
    account = after(account, refused(Verdict.UNCONFIRMED), NOW_MS + HOUR_MS - 1)
    assert (account.status, account.refused_at) == ("retrying", iso(NOW_MS))
    assert after(account, refused(Verdict.UNCONFIRMED), NOW_MS + HOUR_MS).status == "needs_reauth"


def test_a_denied_network_is_never_confirmed_and_hides_no_ended_sign_in() -> None:
    denied = refused(Verdict.ELSEWHERE, AccountReason.ACCESS_DENIED)
    account = ACTIVE
    for hours in range(100):
        account = after(account, denied, NOW_MS + hours * HOUR_MS)
    assert account.status == "retrying"
    ended = after(ACTIVE, refused(Verdict.FINAL), NOW_MS)
    assert after(ended, denied, NOW_MS + HOUR_MS) == ended


def test_after_a_clock_was_set_back_the_first_refusal_counts_from_now() -> None:
    account = after(ACTIVE, refused(Verdict.UNCONFIRMED), NOW_MS + 1000 * HOUR_MS)
    account = after(account, refused(Verdict.UNCONFIRMED), NOW_MS)
    assert account.refused_at == iso(NOW_MS)
    assert after(account, refused(Verdict.UNCONFIRMED), NOW_MS + HOUR_MS).status == "needs_reauth"
