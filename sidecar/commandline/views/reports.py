"""Reports in words and bars: the summary of a time, the heatmap, the usage of Claude."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from pydantic import BaseModel
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from sidecar_protocol.activity.reports import ActivityHeatmap, ActivitySummary
from sidecar_protocol.claude.usage import UsageList

from sidecar.commandline.formatting import hanging, one_line, printable
from sidecar.commandline.views.columns import Column, dollars, length, short_id
from sidecar.commandline.views.fields import Kind
from sidecar.commandline.views.local_times import LocalTimes
from sidecar.commandline.views.tables import print_line, print_table

BLOCKS: Final = "▏▎▍▌▋▊▉█"
SHADES: Final = "░▒▓█"
NO_EVENTS: Final = "·"
FEW_DAYS: Final = 14
"""Days of which each has a bar of its own; more are shown week by week."""
NARROW: Final = 60
"""A terminal with fewer columns shows words without bars beside them."""
BAR_STYLE: Final = "cyan"
Report = Callable[[Console, Mapping[str, Any], LocalTimes], None]


def report_of(model: type[BaseModel] | None) -> Report | None:
    """Returns the function that prints a result of this type, or None."""
    return None if model is None else REPORTS.get(model)


def bar(value: float, highest: float, width: int) -> str:
    """Returns a bar in eighths of a character; a value above zero is always visible."""
    eighths = round(value / highest * width * len(BLOCKS)) if highest > 0 else 0
    eighths = max(eighths, 1 if value > 0 else 0)
    full, rest = divmod(eighths, len(BLOCKS))
    return BLOCKS[-1] * full + (BLOCKS[rest - 1] if rest else "")


def print_summary(console: Console, value: Mapping[str, Any], times: LocalTimes) -> None:
    if value["markdown"]:
        console.print(Text(printable(value["markdown"])), soft_wrap=True)
        return
    first, last = (times.show(value[name]) for name in ("first_date", "last_date"))
    span = first if first == last else f"{first}–{last}"
    console.print(Text.assemble((span, "bold"), (f"  {one_line(value['time_zone'])}", "dim")))
    console.print(Text(_totals(value["totals"]) or "no events"))
    busiest = max((_busy_s(part) for part in value["parts"]), default=0)
    names = [_part_name(part["name"], times) for part in value["parts"]]
    width = max(map(cell_len, names), default=0)
    for name, part in zip(names, value["parts"], strict=True):
        console.print()
        head = Text.assemble((name, "bold"), " " * (width - cell_len(name) + 2))
        if console.width >= NARROW and _busy_s(part):
            head.append(bar(_busy_s(part), busiest, console.width // 5) + " ", BAR_STYLE)
        console.print(hanging(console, head, _totals(part["totals"])))
        print_entries(console, list(_entries(part)))
    for heading, entries in (
        ("Next", [_meeting(one, times.show(one["date"])) for one in value["next_meetings"]]),
        ("In progress", [_issue(one) for one in value["next_issues"]]),
        ("Blocked", [_issue(one) for one in value["blocked_issues"]]),
    ):
        if entries:
            console.print(Text(f"\n{heading}", "bold"))
            print_entries(console, entries)


def print_entries(console: Console, entries: Sequence[tuple[str, str, str]]) -> None:
    """Prints entries of a label, a title and facts, whole."""
    width = max((cell_len(label) for label, _, _ in entries), default=0)
    for label, title, facts in entries:
        head = Text(f"  {label}{' ' * (width - cell_len(label))}  ", "dim")
        console.print(hanging(console, head, Text.assemble(title, (f"  {facts}" if facts else "", "dim"))))


def _busy_s(part: Mapping[str, Any]) -> int:
    return int(part["totals"]["meeting_s"] + part["totals"]["worked_s"])


def _part_name(name: str, times: LocalTimes) -> str:
    return one_line(times.show(name)) if name else "without a project"


def _totals(totals: Mapping[str, Any]) -> str:
    done = f", {totals['issues_done']} done" if totals["issues_done"] else ""
    failed = f", {totals['runs_failed']} failed" if totals["runs_failed"] else ""
    cost = f", {dollars(totals['cost_usd'])}" if totals["cost_usd"] else ""
    parts = (
        f"{_count(totals['meetings'], 'meeting')}, {length(totals['meeting_s'])}" if totals["meetings"] else "",
        f"{_count(totals['issues'], 'issue')}{done}" if totals["issues"] else "",
        f"{length(totals['worked_s'])} logged" if totals["worked_s"] else "",
        _count(totals["pages"], "page") if totals["pages"] else "",
        f"{_count(totals['runs'], 'run')} of Claude{failed}{cost}" if totals["runs"] else "",
        f"{totals['other']} more" if totals["other"] else "",
    )
    return " · ".join(filter(None, parts))


def _entries(part: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for one in part["all_day"]:
        yield "all day", one_line(one["title"]), one_line(one["calendar"] or "")
    for one in part["meetings"]:
        yield _meeting(one)
    for one in part["issues"]:
        yield _issue(one)
    for one in part["pages"]:
        created = "created" if one["is_created"] else ""
        facts = _listed(created, _some(one, "edits", "edit"), _some(one, "comments", "comment"))
        yield "page", one_line(one["title"]), facts
    for one in part["runs"]:
        failed = f"{one['failed']} failed" if one["failed"] else ""
        yield "Claude", one_line(one["title"]), _listed(_some(one, "runs", "run"), failed, dollars(one["cost_usd"]))


def _meeting(one: Mapping[str, Any], day: str = "") -> tuple[str, str, str]:
    span = f"{one['starts']}–{one['ends']}" if one["ends"] else one["starts"]
    tentative = "tentative" if one["is_tentative"] else ""
    return one_line(f"{day} {span}"), one_line(one["title"]), _listed(tentative, one_line(one["calendar"] or ""))


def _issue(one: Mapping[str, Any]) -> tuple[str, str, str]:
    status = " → ".join(filter(None, dict.fromkeys((one["from_status"], one["to_status"]))))
    created = "created" if one["is_created"] else ""
    worked = f"{length(one['worked_s'])} logged" if one["worked_s"] else ""
    facts = _listed(created, one_line(status), _some(one, "comments", "comment"), worked)
    return one_line(one["issue_key"]), one_line(one["title"]), facts


def _listed(*facts: str) -> str:
    return ", ".join(filter(None, facts))


def _some(one: Mapping[str, Any], name: str, noun: str) -> str:
    return _count(one[name], noun) if one[name] else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_heatmap(console: Console, value: Mapping[str, Any], times: LocalTimes) -> None:
    counts = {date.fromisoformat(one["date"]): int(one["count"]) for one in value["days"]}
    if not counts:
        console.print(Text("no days", "dim"))
        return
    if len(counts) <= FEW_DAYS:
        days = [times.day(day) for day in counts]
        _print_bars(console, days, list(counts.values()), [str(count) for count in counts.values()])
    else:
        _print_weeks(console, counts, value["highest"])
    busiest = next((day for day, count in counts.items() if count == value["highest"] > 0), None)
    most = "" if busiest is None else f", at most {value['highest']} ({times.day(busiest)})"
    console.print(Text(f"{_count(value['total'], 'event')} on {_count(len(counts), 'day')}{most}"))


def _print_bars(console: Console, names: Sequence[str], values: Sequence[float], texts: Sequence[str]) -> None:
    """Prints a bar for each name."""
    left = max(map(cell_len, names)), max(map(cell_len, texts))
    width = min(max(console.width - sum(left) - 4, 4), 60)
    for name, value, text in zip(names, values, texts, strict=True):
        drawn = bar(value, max(values), width)
        line = Text(name + " " * (left[0] - cell_len(name) + 2))
        print_line(console, line.append(drawn, BAR_STYLE).append(" " if drawn else "").append(text))


def _print_weeks(console: Console, counts: Mapping[date, int], highest: int) -> None:
    """Prints a column for each week, as many beside each other as fit; Monday is at the top."""
    first, last = min(counts), max(counts)
    mondays = [first - timedelta(days=first.weekday())]
    while mondays[-1] + timedelta(days=7) <= last:
        mondays.append(mondays[-1] + timedelta(days=7))
    size = 2 if 5 + 2 * len(mondays) <= console.width else 1
    fitting = max((console.width - 5) // size, 1)
    for begin in range(0, len(mondays), fitting):
        shown = mondays[begin : begin + fitting]
        print_line(console, Text((" " * 5 + _months(shown, last, size))[: console.width], "dim"))
        for weekday in range(7):
            days = [monday + timedelta(days=weekday) for monday in shown]
            cells = [_shade(counts[day], highest) if day in counts else " " for day in days]
            line = Text(f"{days[0]:%a}  ", "dim")
            print_line(console, line.append("".join(cell * size for cell in cells), BAR_STYLE))
    levels = range(1, highest + 1)
    ranges = {shade: [count for count in levels if _shade(count, highest) == shade] for shade in SHADES}
    words = [f"{shade} {_range(found)}" for shade, found in ranges.items() if found]
    console.print(Text("  ".join([f"{NO_EVENTS} none", *words]), "dim"))


def _months(mondays: Sequence[date], last: date, size: int) -> str:
    """Returns the names of the months above the weeks in which they begin."""
    text, shown = "", 0
    for number, monday in enumerate(mondays):
        sunday = min(monday + timedelta(days=6), last)
        if sunday.month != shown and len(text) <= number * size:
            text = text.ljust(number * size) + f"{sunday:%b} "
            shown = sunday.month
    return text


def _shade(count: int, highest: int) -> str:
    if count <= 0:
        return NO_EVENTS
    return SHADES[min(max(-(-count * len(SHADES) // max(highest, 1)), 1), len(SHADES)) - 1]


def _range(found: Sequence[int]) -> str:
    return str(found[0]) if len(found) == 1 else f"{found[0]}–{found[-1]}"


def print_usage(console: Console, value: Mapping[str, Any], times: LocalTimes) -> None:
    entries = value["entries"]
    if not entries:
        console.print(Text("no usage", "dim"))
        return
    highest = max(one["total_cost_usd"] for one in entries)
    columns = [
        Column("", Kind.WORD, [_usage_name(one, times) for one in entries], [_usage_id(one) for one in entries]),
        Column("", Kind.DOLLARS, [dollars(one["total_cost_usd"]) for one in entries]),
        Column("", Kind.WORD, [bar(one["total_cost_usd"], highest, max(console.width // 5, 8)) for one in entries]),
        Column("jobs", Kind.NUMBER, [str(one["jobs"]) for one in entries]),
        Column("in", Kind.NUMBER, [_short(one["usage"]["input_tokens"]) for one in entries]),
        Column("cached", Kind.NUMBER, [_short(_cached(one["usage"])) for one in entries]),
        Column("out", Kind.NUMBER, [_short(one["usage"]["output_tokens"]) for one in entries]),
    ]
    print_table(console, columns)
    usage = value["usage"]
    tokens = f"{usage['input_tokens']:,} tokens in, {_cached(usage):,} cached, {usage['output_tokens']:,} out"
    console.print(Text(f"{dollars(value['total_cost_usd'])} in all, as estimated by Claude Code; {tokens}"))


def _usage_name(entry: Mapping[str, Any], times: LocalTimes) -> str:
    if entry["day"]:
        return times.show(entry["day"])
    return one_line(entry["model"] or short_id(entry["job_id"] or entry["session_id"]) or "runs")


def _usage_id(entry: Mapping[str, Any]) -> str:
    return one_line(entry["job_id"] or entry["session_id"] or "")


def _cached(usage: Mapping[str, int]) -> int:
    return usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]


def _short(number: int) -> str:
    """Formats a number in at most five characters: `812`, `34.1k`, `1.2M`."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


REPORTS: Final[dict[type[BaseModel], Report]] = {
    ActivitySummary: print_summary,
    ActivityHeatmap: print_heatmap,
    UsageList: print_usage,
}
