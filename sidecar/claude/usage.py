"""Token usage and costs: the table `claude_usage`, and `claude.usage.list`."""

from collections.abc import Mapping
from typing import Final

import anyio.lowlevel
from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.claude.usage import LONGEST_DAYS, ClaudeUsages, UsageEntry, UsageGroup, UsageList

from sidecar.claude.billing import BUCKETS, ModelUsage, RunUsage, total_usage
from sidecar.clock import Clock, iso_now
from sidecar.days import spans, zone_or_raise
from sidecar.storage.database import Database, Row

COLUMN: Final = {UsageGroup.SESSION: "session_id", UsageGroup.MODEL: "model", UsageGroup.JOB: "job_id"}


class UsageStore:
    """Every statement about usage and costs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, job_id: str, session_id: str | None, usage: RunUsage) -> None:
        """Adds the usage of a run or a turn, within a `write` block of the caller.

        Totals by model are added up; a message without a result is counted once, with the largest counts reported.
        """
        now = iso_now(self._clock)
        owner = {"now": now, "job_id": job_id, "session_id": session_id}
        for model, total in usage.billed.items():
            self._add("{0} = {0} + excluded.{0}", total, {**owner, "key": f"{job_id}:{model}:{now}", "model": model})
        for one in usage.messages:
            message = {**owner, "key": one.api_message_id, "model": one.model}
            self._add("{0} = max({0}, excluded.{0})", ModelUsage(one.tokens), message)

    def _add(self, change: str, usage: ModelUsage, values: Mapping[str, object]) -> None:
        """Adds a row; `change` is how the counts of a row with the same key change."""
        counts = {**usage.tokens.model_dump(), "cost_usd": usage.cost_usd}
        if any(counts.values()):
            self._database.execute(
                f"""
                INSERT INTO claude_usage (usage_key, recorded_at, job_id, session_id, model, {", ".join(counts)})
                VALUES (:key, :now, :job_id, :session_id, :model, :{", :".join(counts)})
                ON CONFLICT (usage_key) DO UPDATE SET {", ".join(change.format(column) for column in counts)}
                """,
                {**values, **counts},
            )

    def sums(self, start: str, end: str, column: str) -> list[Row]:
        """Returns the usage in start <= time < end by a column and the job.

        Columns: the column, job, session, the four token counts, the cost in USD, the time of the last entry.
        """
        return self._database.rows(
            f"""
            SELECT {column} AS chosen, job_id, session_id, sum(input_tokens), sum(output_tokens),
                sum(cache_creation_input_tokens), sum(cache_read_input_tokens), sum(cost_usd), max(recorded_at)
            FROM claude_usage WHERE recorded_at >= :start AND recorded_at < :end
            GROUP BY chosen, job_id, session_id
            """,
            {"start": start, "end": end},
        )

    def totals(self, *, since: str | None = None, session_id: str | None = None) -> list[tuple[str, bool, ModelUsage]]:
        """Returns the usage since a time, or of a session, by model and by whether it has a cost."""
        conditions = {"recorded_at >= :since": since, "session_id = :session_id": session_id}
        rows = self._database.rows(
            f"""
            SELECT model, cost_usd > 0 AS has_cost, sum(input_tokens), sum(output_tokens),
                sum(cache_creation_input_tokens), sum(cache_read_input_tokens), sum(cost_usd)
            FROM claude_usage WHERE {" AND ".join(one for one, value in conditions.items() if value is not None)}
            GROUP BY model, has_cost
            """,
            {"since": since, "session_id": session_id},
        )
        return [
            (model, bool(has_cost), ModelUsage(ClaudeUsage(**dict(zip(BUCKETS, tokens, strict=True))), cost_usd))
            for model, has_cost, *tokens, cost_usd in rows
        ]


class UsageService(ClaudeUsages):
    """Implements `ClaudeUsages`.  Sums a day at a time, so that the event loop is not blocked for long."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store

    async def list(
        self, *, start: str, end: str, time_zone: str | None = None, group: UsageGroup = UsageGroup.DAY
    ) -> UsageList:
        zone = None if time_zone is None else zone_or_raise(time_zone)
        groups: dict[str | None, list[Row]] = {}
        for day, since, before in spans(start, end, zone, LONGEST_DAYS):
            for row in self._store.sums(since, before, COLUMN.get(group, "job_id")):
                groups.setdefault(day.isoformat() if group is UsageGroup.DAY else row[0], []).append(row)
            await anyio.lowlevel.checkpoint()
        entries = [_entry(group, key, rows) for key, rows in groups.items()]
        if group is not UsageGroup.DAY:
            entries.sort(key=lambda entry: entry.total_cost_usd, reverse=True)
        return UsageList(
            entries=entries,
            usage=total_usage(entry.usage for entry in entries),
            total_cost_usd=sum(entry.total_cost_usd for entry in entries),
        )


def _entry(group: UsageGroup, key: str | None, rows: list[Row]) -> UsageEntry:
    _, jobs, sessions, *tokens, costs, times = zip(*rows, strict=True)
    return UsageEntry(
        day=key if group is UsageGroup.DAY else None,
        session_id=sessions[0] if group in (UsageGroup.SESSION, UsageGroup.JOB) else None,
        model=key if group is UsageGroup.MODEL else None,
        job_id=key if group is UsageGroup.JOB else None,
        usage=ClaudeUsage(**dict(zip(BUCKETS, map(sum, tokens), strict=True))),
        total_cost_usd=sum(costs),
        jobs=len(set(jobs)),
        last_at=max(times),
    )
