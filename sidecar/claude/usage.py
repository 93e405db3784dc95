"""Token usage and costs: the tables `claude_usage` and `claude_costs`, and `claude.usage.list`."""

from typing import Final

import anyio.lowlevel
from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.claude.usage import LONGEST_DAYS, ClaudeUsages, UsageEntry, UsageGroup, UsageList

from sidecar.claude.stream import BUCKETS, RunUsage, total_usage
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
        """Adds the usage of a run or a turn, within a `write` block of the caller."""
        common = {"now": iso_now(self._clock), "job_id": job_id, "session_id": session_id}
        for message in usage.messages:
            tokens = message.tokens.model_dump()
            if any(tokens.values()):
                self._database.execute(
                    """
                    INSERT INTO claude_usage (usage_key, recorded_at, job_id, session_id, model, input_tokens,
                        output_tokens, cache_creation_input_tokens, cache_read_input_tokens)
                    VALUES (:key, :now, :job_id, :session_id, :model, :input_tokens,
                        :output_tokens, :cache_creation_input_tokens, :cache_read_input_tokens)
                    -- The CLI repeats a message's counts while they grow.
                    ON CONFLICT (usage_key) DO UPDATE SET
                        input_tokens = max(input_tokens, excluded.input_tokens),
                        output_tokens = max(output_tokens, excluded.output_tokens),
                        cache_creation_input_tokens =
                            max(cache_creation_input_tokens, excluded.cache_creation_input_tokens),
                        cache_read_input_tokens = max(cache_read_input_tokens, excluded.cache_read_input_tokens)
                    """,
                    {**common, "key": message.api_message_id, "model": message.model, **tokens},
                )
        for model, cost in usage.costs.items():
            if cost:
                self._database.execute(
                    """
                    INSERT INTO claude_costs (job_id, model, recorded_at, session_id, cost_usd)
                    VALUES (:job_id, :model, :now, :session_id, :cost_usd)
                    ON CONFLICT (job_id, model, recorded_at) DO UPDATE SET cost_usd = cost_usd + excluded.cost_usd
                    """,
                    {**common, "model": model, "cost_usd": cost},
                )

    def sums(self, start: str, end: str, column: str) -> list[Row]:
        """Returns the usage in start <= time < end by a column and the job.

        Columns: the column, job, session, the four token counts, the cost in USD, the time of the last entry.
        """
        return self._database.rows(
            f"""
            SELECT {column} AS chosen, job_id, session_id, sum(input_tokens), sum(output_tokens),
                sum(cache_creation_input_tokens), sum(cache_read_input_tokens), sum(cost_usd), max(recorded_at)
            FROM (
                SELECT job_id, session_id, model, input_tokens, output_tokens, cache_creation_input_tokens,
                    cache_read_input_tokens, 0.0 AS cost_usd, recorded_at
                FROM claude_usage WHERE recorded_at >= :start AND recorded_at < :end
                UNION ALL
                SELECT job_id, session_id, model, 0, 0, 0, 0, cost_usd, recorded_at
                FROM claude_costs WHERE recorded_at >= :start AND recorded_at < :end
            )
            GROUP BY chosen, job_id, session_id
            """,
            {"start": start, "end": end},
        )


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
