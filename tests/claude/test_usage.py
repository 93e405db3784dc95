"""Usage: recorded once per run and turn, and listed by local days, sessions, models and jobs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.claude.usage import ClaudeUsages, UsageEntry, UsageGroup, UsageList

from sidecar.claude.billing import MessageUsage, ModelUsage, RunUsage
from sidecar.claude.usage import UsageStore
from sidecar.commandline.client import RemoteError
from tests.claude.client import ClaudeClient, connected
from tests.conftest import StartSidecar
from tests.in_process_app import InProcessApp

ONCE = ClaudeUsage(input_tokens=12, output_tokens=9, cache_creation_input_tokens=3, cache_read_input_tokens=4)
EVER = {"start": "2020-01-01T00:00:00Z", "end": "2020-12-31T00:00:00Z"}
HOUR = timedelta(hours=1)


class UsageHarness:
    """The services over a real database with a clock that can be set."""

    def __init__(self, path: Path) -> None:
        self.app = InProcessApp(path)
        self.store = UsageStore(self.app.database, self.app.clock)
        self.usage = self.app.remote(ClaudeUsages)

    def at(self, moment: str) -> "UsageHarness":
        self.app.clock.wall_ms = round(datetime.fromisoformat(moment).timestamp() * 1000)
        return self

    def record(self, job_id: str, *messages: str, session_id: str | None = None, model: str = "opus") -> None:
        """Adds the usage of a job with these API messages, each of 10 tokens and a cent."""
        reported = tuple(MessageUsage(one, model, ClaudeUsage(input_tokens=7, output_tokens=3)) for one in messages)
        with self.app.database.write():
            self.store.add(job_id, session_id, RunUsage({model: ModelUsage(cost_usd=0.01 * len(messages))}, reported))

    async def entries(self, group: str, start: str, end: str, zone: str = "UTC") -> list[UsageEntry]:
        listed = await self.usage.list(start=start, end=end, time_zone=zone, group=UsageGroup(group))
        assert listed.total_cost_usd == pytest.approx(sum(one.total_cost_usd for one in listed.entries))
        assert listed.usage.input_tokens == sum(one.usage.input_tokens for one in listed.entries)
        return listed.entries


@pytest.fixture
async def harness(data_dir: Path) -> Any:
    created = UsageHarness(data_dir / "sidecar.db")
    await created.app.initialize()
    yield created
    created.app.close()


async def test_the_usage_of_runs_and_turns_is_recorded_however_they_end(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create(model="sonnet")
        for prompt in ("one", "two", "[[error:400]]"):
            await claude.take_turn(session.session_id, prompt)
        run = await claude.client.call("claude.spawn", {"prompt": "[[slow:9999]]", "model": "haiku"})
        await claude.first_delta(run["job_id"])
        await claude.client.call("jobs.cancel", {"job_id": run["job_id"]})
        await claude.until_job(run["job_id"], "cancelled")
        now = datetime.now(UTC)
        during = {"start": (now - HOUR).isoformat(), "end": (now + HOUR).isoformat()}
        usage = claude.client.remote(ClaudeUsages)
        sessions, jobs, days = [await usage.list(**during, group=UsageGroup(one)) for one in ("session", "job", "day")]
        status = await claude.sessions.get(session_id=session.session_id)
    of_session, of_runs = sorted(sessions.entries, key=lambda one: one.session_id is None)
    assert (of_session.session_id, of_session.jobs, of_session.usage) == (session.session_id, 3, status.usage)
    assert of_session.total_cost_usd == pytest.approx(status.total_cost_usd)
    assert (of_runs.session_id, of_runs.jobs, of_runs.usage.input_tokens) == (None, 1, 12)
    assert len(jobs.entries) == 4
    assert {one.usage.input_tokens for one in jobs.entries} == {12}
    assert sum(one.jobs for one in days.entries) == 4
    assert days.usage == sessions.usage
    assert days.total_cost_usd == pytest.approx(0.04)


async def test_the_usage_of_a_finished_job_survives_a_kill(sidecar: StartSidecar, standin: Path) -> None:
    with anyio.fail_after(120):
        async with sidecar(CLAUDE_PATH=str(standin)) as client:
            await client.initialize("tests")
            claude = ClaudeClient(client)
            session = await claude.sessions.create()
            turn = await claude.take_turn(session.session_id, "one")
            run = await claude.client.call("claude.spawn", {"prompt": "two"})
            await claude.until_job(run["job_id"], "succeeded")
            client.process.kill()
            await client.process.wait()
    now = datetime.now(UTC)
    params = {"start": (now - HOUR).isoformat(), "end": (now + HOUR).isoformat(), "group": "job"}
    async with connected(sidecar) as claude:
        entries = (await claude.client.call("claude.usage.list", params))["entries"]
    assert {one["job_id"] for one in entries} == {turn["job_id"], run["job_id"]}
    assert [one["total_cost_usd"] for one in entries] == [0.01, 0.01]


async def test_a_message_that_two_turns_report_counts_once(harness: UsageHarness) -> None:
    harness.at("2020-06-01T10:00:00Z").record("one", "m1", "m2")
    with harness.app.database.write():
        more = MessageUsage("m2", "opus", ClaudeUsage(input_tokens=7, output_tokens=30))
        harness.store.add("two", None, RunUsage(messages=(more,)))
    (entry,) = await harness.entries("model", **EVER)
    assert (entry.model, entry.jobs, entry.usage) == ("opus", 1, ClaudeUsage(input_tokens=14, output_tokens=33))


async def test_each_grouping_has_the_same_sum(harness: UsageHarness) -> None:
    harness.at("2020-06-01T10:00:00Z").record("one", "m1", session_id="s1")
    harness.at("2020-06-02T10:00:00Z").record("two", "m2", "m3", session_id="s1", model="haiku")
    harness.at("2020-06-02T11:00:00Z").record("three", "m4")
    days = await harness.entries("day", **EVER)
    assert [(one.day, one.jobs, one.usage.input_tokens) for one in days] == [
        ("2020-06-01", 1, 7),
        ("2020-06-02", 2, 21),
    ]
    sessions = await harness.entries("session", **EVER)
    assert [(one.session_id, one.jobs, round(one.total_cost_usd, 6)) for one in sessions] == [
        ("s1", 2, 0.03),
        (None, 1, 0.01),
    ]
    models = await harness.entries("model", **EVER)
    assert [(one.model, one.usage.output_tokens) for one in models] == [("opus", 6), ("haiku", 6)]
    jobs = await harness.entries("job", **EVER)
    assert {(one.job_id, one.session_id, one.last_at) for one in jobs} == {
        ("one", "s1", "2020-06-01T10:00:00.000Z"),
        ("two", "s1", "2020-06-02T10:00:00.000Z"),
        ("three", None, "2020-06-02T11:00:00.000Z"),
    }


async def test_a_repeated_job_costs_again(harness: UsageHarness) -> None:
    harness.at("2020-06-01T10:00:00Z").record("one", "m1")
    harness.at("2020-06-01T11:00:00Z").record("one", "m2")
    (entry,) = await harness.entries("job", **EVER)
    assert (entry.jobs, entry.usage.input_tokens, round(entry.total_cost_usd, 6)) == (1, 14, 0.02)


async def test_the_range_includes_its_start_and_excludes_its_end(harness: UsageHarness) -> None:
    harness.at("2020-06-01T10:00:00Z").record("one", "m1")
    harness.at("2020-06-01T11:00:00Z").record("two", "m2")
    found = await harness.entries("job", "2020-06-01T10:00:00Z", "2020-06-01T13:00:00+02:00")
    assert [one.job_id for one in found] == ["one"]


async def test_a_local_day_with_a_clock_change_has_its_real_length(harness: UsageHarness) -> None:
    for hour, job in enumerate(("before", "first", "last", "after")):
        moment = ["2020-10-24T21:59:59Z", "2020-10-24T22:00:00Z", "2020-10-25T22:59:59Z", "2020-10-25T23:00:00Z"][hour]
        harness.at(moment).record(job, job)
    days = await harness.entries("day", **EVER, zone="Europe/Berlin")
    assert [(one.day, one.jobs) for one in days] == [("2020-10-24", 1), ("2020-10-25", 2), ("2020-10-26", 1)]


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({**EVER, "time_zone": "Atlantis/Capital"}, "time_zone_unknown"),
        ({**EVER, "time_zone": "../../etc/passwd"}, "time_zone_unknown"),
        ({**EVER, "time_zone": "Europe"}, "time_zone_unknown"),
        ({"start": EVER["end"], "end": EVER["start"]}, "invalid_params"),
        ({"start": EVER["start"], "end": EVER["start"]}, "invalid_params"),
        ({"start": "2020-01-01T00:00:00Z", "end": "2021-12-31T00:00:00Z"}, "invalid_params"),
        (
            {"start": "9999-12-30T00:00:00Z", "end": "9999-12-31T23:00:00Z", "time_zone": "Asia/Tokyo"},
            "invalid_params",
        ),
        ({**EVER, "group": "century"}, "invalid_params"),
    ],
)
async def test_invalid_ranges_and_zones_are_refused(harness: UsageHarness, params: dict[str, str], kind: str) -> None:
    with pytest.raises(RemoteError) as refused:
        await harness.app.call("claude.usage.list", params)
    assert refused.value.data["kind"] == kind


async def test_without_usage_the_list_is_empty(harness: UsageHarness) -> None:
    assert await harness.usage.list(start=EVER["start"], end=EVER["end"]) == UsageList(
        entries=[], usage=ClaudeUsage(), total_cost_usd=0
    )
