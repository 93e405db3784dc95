"""`activity.summary`: the state of an issue is everybody's doing, the credit for it is the owner's."""

from typing import Any

import pytest
from sidecar_protocol.activity.reports import ActivityReports, ActivitySummary, SummaryGroup

from sidecar.feed import FeedEvent, Origin
from tests.activity.test_heatmap import ms
from tests.in_process_app import InProcessApp

JIRA = Origin("jira", "j")
MONDAY, TUESDAY, WEDNESDAY = "2026-11-23", "2026-11-24", "2026-11-25"
NAMES = {"todo": "To Do", "doing": "Doing", "done": "Done", "blocked": "Blocked"}


def event(day: str, hour: int, kind: str | None = None, *, by_me: bool = True, **fields: Any) -> FeedEvent:
    """Returns a transition to a status of this kind, or a comment."""
    fields = {"issue_key": "PROJ-1", "title": "PROJ-1 Boil water", **fields}
    if kind is not None:
        fields |= {"status": NAMES[kind], "status_kind": kind, "previous_status": "Before"}
    event_type = "issue_commented" if kind is None else "issue_transitioned"
    event_id = f"{day} {hour} {fields['issue_key']} {by_me}"
    return FeedEvent(
        event_id=event_id, event_type=event_type, at_ms=ms(f"{day}T{hour:02}:00:00Z"), by_me=by_me, **fields
    )


async def summary(
    app: InProcessApp, first: str = MONDAY, end: str = WEDNESDAY, group: SummaryGroup = SummaryGroup.DAY
) -> ActivitySummary:
    start, end = f"{first}T00:00:00Z", f"{end}T00:00:00Z"
    return await app.remote(ActivityReports).summary(start=start, end=end, time_zone="UTC", group=group)


def lists(found: ActivitySummary) -> tuple[list[str], list[str]]:
    """Returns the keys of the next and of the blocked issues."""
    return [one.issue_key for one in found.next_issues], [one.issue_key for one in found.blocked_issues]


async def test_what_a_colleague_has_finished_is_neither_next_nor_blocked_nor_the_owners_merit(
    app: InProcessApp,
) -> None:
    mine = {"PROJ-1": "doing", "PROJ-2": "blocked"}
    for key, kind in mine.items():
        app.activity.write(JIRA, [event(MONDAY, 9, kind, issue_key=key)])
    assert lists(await summary(app)) == (["PROJ-1"], ["PROJ-2"])
    for key in mine:
        app.activity.write(JIRA, [event(TUESDAY, 9, "done", by_me=False, issue_key=key)])
    for group in SummaryGroup:
        found = await summary(app, group=group)
        assert lists(found) == ([], [])
        assert (found.totals.issues, found.totals.issues_done) == (2, 0)
        assert [one.to_status for one in found.parts[0].issues] == ["Doing", "Blocked"]  # what the owner did
    assert [one.status_kind for one in found.parts[0].issues] == ["done", "done"]
    monday = (await summary(app)).parts[0]
    assert (monday.name, [one.status_kind for one in monday.issues]) == (MONDAY, ["doing", "blocked"])


async def test_what_a_colleague_has_finished_after_the_summary_is_not_next(app: InProcessApp) -> None:
    app.activity.write(JIRA, [event(MONDAY, 9, "doing"), event(WEDNESDAY, 8, "done", by_me=False)])
    found = await summary(app)
    assert lists(found) == ([], [])
    assert [one.status_kind for one in found.parts[0].issues] == ["doing"]


async def test_an_issue_that_a_colleague_has_blocked_is_blocked(app: InProcessApp) -> None:
    app.activity.write(JIRA, [event(MONDAY, 9, "doing"), event(MONDAY, 9, "blocked", by_me=False)])
    found = await summary(app)
    assert lists(found) == ([], ["PROJ-1"])
    assert (found.blocked_issues[0].to_status, found.blocked_issues[0].status_kind) == ("Doing", "blocked")
    assert "Blocked" in ((await app.call("activity.summary", _params("markdown")))["markdown"])


def _params(form: str) -> dict[str, str]:
    return {"start": f"{MONDAY}T00:00:00Z", "end": f"{WEDNESDAY}T00:00:00Z", "time_zone": "UTC", "format": form}


async def test_a_state_from_before_the_summary_counts(app: InProcessApp) -> None:
    app.activity.write(JIRA, [event("2026-11-02", 9, "doing"), event("2026-11-03", 9, "done", by_me=False)])
    app.activity.write(JIRA, [event("2026-11-03", 9, "blocked", by_me=False, issue_key="PROJ-2")])
    app.activity.write(
        JIRA, [event(MONDAY, 9), event(MONDAY, 10, issue_key="PROJ-2"), event(MONDAY, 11, issue_key="X-1")]
    )
    found = await summary(app)
    assert lists(found) == ([], ["PROJ-2"])
    assert [(one.issue_key, one.status_kind) for one in found.parts[0].issues] == [
        ("PROJ-1", "done"), ("PROJ-2", "blocked"), ("X-1", None),
    ]  # fmt: skip
    assert found.totals.issues_done == 0


async def test_what_a_colleague_has_reopened_is_not_done(app: InProcessApp) -> None:
    app.activity.write(JIRA, [event(MONDAY, 9, "doing"), event(MONDAY, 10, "done")])
    assert (await summary(app)).totals.issues_done == 1
    app.activity.write(JIRA, [event(TUESDAY, 9, "doing", by_me=False)])
    found = await summary(app)
    assert (lists(found), found.totals.issues_done) == ((["PROJ-1"], []), 0)
    assert found.parts[0].totals.issues_done == 1  # it was, on that day
    app.activity.write(JIRA, [event(TUESDAY, 10, "done", by_me=False)])
    found = await summary(app)
    assert (lists(found), found.totals.issues_done) == (([], []), 1)


async def test_the_work_of_others_is_not_listed(app: InProcessApp) -> None:
    app.activity.write(JIRA, [event(MONDAY, 9, "doing", by_me=False), event(MONDAY, 10, by_me=False, issue_key="X-1")])
    found = await summary(app)
    assert (found.parts, lists(found), found.totals.issues) == ([], ([], []), 0)


@pytest.mark.parametrize("state", ["done", None])
async def test_the_sites_current_state_counts_where_the_feed_has_the_owners_events_only(
    app: InProcessApp, state: str | None
) -> None:
    app.activity.write(JIRA, [event(MONDAY, 9, "doing")])
    app.activity.set_issue_states(JIRA, {"PROJ-1": state, "PROJ-2": "doing"})
    found = await summary(app)
    assert lists(found) == ([], [])
    assert [one.status_kind for one in found.parts[0].issues] == ["doing"]
    app.activity.set_issue_states(JIRA, {"PROJ-1": "blocked"})
    assert lists(await summary(app)) == ([], ["PROJ-1"])


async def test_sites_with_equal_keys_have_states_of_their_own(app: InProcessApp) -> None:
    other = Origin("jira", "other")
    app.activity.write(JIRA, [event(MONDAY, 9, "doing")])
    app.activity.set_issue_states(other, {"PROJ-1": "done"})
    app.activity.write(other, [event(WEDNESDAY, 9, "done", by_me=False)])
    assert lists(await summary(app)) == (["PROJ-1"], [])


async def test_the_states_of_a_deleted_account_are_forgotten(app: InProcessApp) -> None:
    app.activity.set_issue_states(JIRA, {"PROJ-1": "done"})
    await app.activity.remove_all(JIRA)
    app.activity.write(JIRA, [event(MONDAY, 9, "doing")])
    assert lists(await summary(app)) == (["PROJ-1"], [])


async def test_the_states_of_many_issues_are_read_in_steps(app: InProcessApp) -> None:
    keys = [f"PROJ-{number}" for number in range(1, 600)]
    app.activity.write(JIRA, [event(MONDAY, 9, "doing", issue_key=key) for key in keys])
    app.activity.set_issue_states(JIRA, dict.fromkeys(keys[::2], "done"))
    assert lists(await summary(app)) == (keys[1::2], [])
