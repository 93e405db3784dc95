"""The target and the stretch goal of each figure, mostly as multiples of a baseline measured in the same run.

Absolute figures vary by 30 % from run to run.  The baselines are FastAPI (F), the kind of backend that the sidecar
replaces, and a bare Python loop (P), the cost of the language itself.
"""

import operator
from dataclasses import dataclass
from typing import Final

LOWER: Final = "lower"
HIGHER: Final = "higher"


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit as a multiple of F, as a multiple of P, or absolute; all given limits must hold."""

    of_fastapi: float | None = None
    of_baseline: float | None = None
    absolute: float | None = None

    def text(self, unit: str, better: str) -> str:
        """Returns the limits as text: `<= 0.4 F, <= 6 us`."""
        sign = "<=" if better == LOWER else ">="
        parts = [(self.of_fastapi, " F"), (self.of_baseline, " P"), (self.absolute, f" {unit}".rstrip())]
        return ", ".join(f"{sign} {value:g}{suffix}" for value, suffix in parts if value is not None)


@dataclass(frozen=True, slots=True)
class Target:
    """One figure: its label, its unit, the better direction, its target and its stretch goal."""

    label: str
    unit: str
    better: str = LOWER
    must: Bound = Bound()
    stretch: Bound = Bound()
    fastapi_per_baseline: float | None = None
    """F / P as measured on 2026-11-23 on two shared cores; used if FastAPI is not installed."""


# Electron shows a window in about half a second; a backend that starts in half of FastAPI's 440 ms is ready before it.
_START = Bound(of_fastapi=0.5)
# Start and stop: 439 / 27 ms and 165 / 32 ms.  Loads below are per-second figures of the same measurement.
_START_F_PER_P, _STOP_F_PER_P = 16.3, 5.2

TARGETS: Final[dict[str, Target]] = {
    "life.initialize": Target("spawn to initialize answered", "ms", LOWER, _START, Bound(0.1), _START_F_PER_P),
    "life.jobs_list": Target("spawn to first jobs.list", "ms", LOWER, _START, Bound(0.15), _START_F_PER_P),
    # Electron waits for its children before it quits or updates itself.
    "life.stop": Target("stop after EOF", "ms", LOWER, Bound(0.3), Bound(0.1), _STOP_F_PER_P),
    # A click is one request; the user waits for one request in flight.  155 / 17 us on one core.
    "one_in_flight.pinned_p50": Target(
        "one in flight p50, one core", "us", LOWER, Bound(0.15, 1.5), Bound(of_baseline=1.0), 9.1
    ),
    "one_in_flight.pinned_p99": Target("one in flight p99, one core", "us"),
    "one_in_flight.p50": Target("one in flight p50", "us"),
    "one_in_flight.p99": Target("one in flight p99", "us"),
    # A renderer that opens a view sends dozens of requests at once.  5.5 k / 104 k per s; 180 / 9.6 us.
    "trivial.x64": Target("trivial x64", "/s", HIGHER, Bound(30, 1.5), Bound(50, 3), 0.053),
    "trivial.cpu": Target("CPU per trivial request", "us", LOWER, Bound(absolute=6), Bound(absolute=3.7)),
    "trivial.pipe_x64": Target("trivial x64 over pipes", "/s", HIGHER),
    # The target is 0.6 of a C server (199 k/s by Node), which is not built here.
    "node.x64": Target("trivial x64, driven by Node", "/s", HIGHER),
    # A page's call is a click: a user does not notice a millisecond.  Electron's own IPC is not included.
    "bridge.main_p50": Target("one call by the main process p50", "us"),
    "bridge.page_p50": Target("one call by a page p50", "us"),
    "bridge.added_p50": Target("added by the bridge p50", "us", LOWER, Bound(absolute=1_000)),
    # 2.8-3.3 k / 23-30 k, 1.0 k / 2.3-2.7 k, and 930-980 / 2.5 k per s.
    "jobs_get.x64": Target("jobs.get x64", "/s", HIGHER, Bound(12), Bound(20), 0.115),
    "jobs_list.x16": Target("jobs.list 50 x16", "/s", HIGHER, Bound(4), Bound(6), 0.40),
    "jobs_create.x1": Target("jobs.create committed x1", "/s", HIGHER, Bound(1.7), Bound(2.0)),
    "jobs_create.x64": Target("jobs.create committed x64", "/s", HIGHER, Bound(5), Bound(10), 0.38),
    "feed_page.x4": Target("feed page of 200 x4", "/s", HIGHER, Bound(3, 1.5), Bound(of_baseline=2.1)),
    "feed_page.walked_x4": Target("the same, another page each time", "/s", HIGHER),
    # A client that reconnects receives thousands of events and still needs its requests answered.  65-68 k / 186 k /s.
    "notifications.rate": Target("notifications to the host", "/s", HIGHER, Bound(5), Bound(10), 0.36),
    "notifications.ping_p50": Target("ping p50 meanwhile", "us"),
    "notifications.ping_worst": Target("worst ping meanwhile", "ms", LOWER, Bound(absolute=50), Bound(absolute=10)),
    # A job is written three times, each time with two events.  huey stores less: see the notes.
    "queue.created": Target("create into a paused queue x64", "/s", HIGHER),
    "queue.ran": Target("queued jobs run and reported", "/s", HIGHER),
    "queue.through": Target("create x64 to report of the end", "/s", HIGHER),
    "queue.rss": Target("RSS after these jobs", "MiB"),
    "events.rate": Target("events to a client that reads", "/s", HIGHER),
    # The sidecar buffers 8 MiB for a client that does not read; the rest stays in the log.
    "unread_events.bytes": Target("events left unread", "MiB"),
    "unread_events.growth": Target("RSS growth meanwhile", "MiB"),
    "unread_events.kept": Target("RSS growth after reading", "MiB"),
    "unread_events.answered": Target("read answers and events.lag", "ms"),
    "unread_events.caught_up": Target("the same and replay the log", "ms"),
    "replay.ms": Target("10,000 events replayed, 1,000 a page", "ms"),
    "replay.rate": Target("the same in bytes", "MB/s", HIGHER),
    # One page of 4 MB; the target was stated for 10 MB, which exceeds the page limit.  10 / 54-67 ms.
    "big_answer.socket": Target("4 MB answer, socket pair", "ms", LOWER, Bound(1.5), Bound(1.0), 0.165),
    "big_answer.pipe": Target("4 MB answer, pipe", "ms"),
    # Recording must be cheap enough to stay on; a replay must not slow down a test.
    "transcripts.recorded": Target(
        "trivial x64 while recorded, of unrecorded", "%", HIGHER, Bound(absolute=85), Bound(absolute=95)
    ),
    "transcripts.recorded_gets": Target(
        "jobs.get x64 while recorded, of unrecorded", "%", HIGHER, Bound(absolute=85), Bound(absolute=95)
    ),
    "transcripts.recorded_creates": Target(
        "jobs.create x64 while recorded, of unrecorded", "%", HIGHER, Bound(absolute=85), Bound(absolute=95)
    ),
    "transcripts.recorded_pages": Target(
        "jobs.list 50 x16 while recorded, of unrecorded", "%", HIGHER, Bound(absolute=85), Bound(absolute=95)
    ),
    "transcripts.record_cpu": Target("CPU of recording a trivial request", "us"),
    "transcripts.replayed": Target("trivial x64 replayed, of live", "%", HIGHER),
    "transcripts.replayed_calls": Target(
        "5,000 trivial requests replayed", "s", LOWER, Bound(absolute=2), Bound(absolute=1)
    ),
    "transcripts.replayed_pages": Target("jobs.list 50 x64 replayed, of live", "%", HIGHER),
    "transcripts.replay_start": Target("spawn to first answer of a replay", "ms"),
    "transcripts.inspect": Target(
        "inspect 20,000 messages, per 100 MB", "s", LOWER, Bound(absolute=2), Bound(absolute=1)
    ),
    # A sidecar idles for days on battery power.  53 / 12 MB.
    "idle.rss": Target("idle RSS", "MiB", LOWER, Bound(0.85), Bound(0.4), 4.4),
    "after_load.rss": Target("RSS after the loads above", "MiB"),
    "idle.wake_ups": Target("wake-ups in 10 s idle", "", LOWER, Bound(absolute=10), Bound(absolute=0)),
    "idle.cpu": Target("CPU in 10 s idle", "ms", LOWER, Bound(absolute=10), Bound(absolute=0)),
    # A client that hangs must not exhaust the memory; other servers grew to 1.4 GB.
    "unread.growth": Target("RSS growth, 20,000 answers unread", "MiB", LOWER, Bound(absolute=20), Bound(absolute=5)),
}


def verdict(target: Target, value: float, baseline: float | None, fastapi: float | None) -> str:
    """`stretch`, `met`, `missed` or nothing; a trailing `~` marks a verdict based on the recorded F / P."""
    if target.must == Bound() and target.stretch == Bound():
        return ""
    estimated = fastapi is None and target.must.of_fastapi is not None
    if estimated and baseline is not None and target.fastapi_per_baseline is not None:
        fastapi = baseline * target.fastapi_per_baseline
    mark = "~" if estimated else ""
    holds = {
        name: _holds(bound, target.better, value, baseline, fastapi)
        for name, bound in (("stretch", target.stretch), ("met", target.must))
        if bound != Bound()
    }
    if None in holds.values():
        return ""
    reached = [name for name, held in holds.items() if held] if holds.get("met", True) else []
    return (reached[0] if reached else "missed") + mark


def _holds(bound: Bound, better: str, value: float, baseline: float | None, fastapi: float | None) -> bool | None:
    compare = operator.le if better == LOWER else operator.ge
    checks: list[bool] = []
    for factor, reference in ((bound.of_fastapi, fastapi), (bound.of_baseline, baseline), (bound.absolute, 1.0)):
        if factor is not None:
            if reference is None:
                return None
            checks.append(compare(value, factor * reference))
    return all(checks)
