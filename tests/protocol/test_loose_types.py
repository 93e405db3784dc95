"""The places where the TypeScript contract says nothing of a value's form, each with the reason."""

import re
from pathlib import Path

CONTRACT = Path(__file__).parents[2] / "protocol" / "typescript" / "contract.ts"

LOOSE = {
    "ActivityEvent.raw": "the source's own data: Google's, Jira's, Confluence's or the CLI's",
    "ActivityHit.raw": "as in ActivityEvent",
    "UnknownJob.payload": "a job of a type that this version does not know",
    "UnknownJob.result": "as the payload",
    "JobError.details": "differs by kind, for bug reports; those to rely on are named at the kind",
    "PermissionRequest.input": "any tool's input, also an MCP server's; `toolInput` has Claude Code's own",
    "PermissionRequest.updated_input": "as the input",
    "ClaudeMessage.raw": "a line of the CLI as it was, which changes with its releases",
    "JobLogLine.meta": "what a handler adds to a line, for people",
    "OpenRpc.*": "the OpenRPC document, which has its own schema",
    "Diagnostics.settings": "whatever settings exist, for bug reports",
    "CalendarAccountsCreateParams.config": "each provider has its own",
    "JobsSchedulesCreateParams.payload": "the payload of the job type; `JobPayload` has its form",
    "JobsSchedulesUpdateParams.payload": "as above",
    "ClaudePermissionsRespondParams.updated_input": "as PermissionRequest.input",
}
BY_KEY = {
    "Backup.contents": "the names of tables, which releases change",
    "Status.accounts": "the names of services",
    "CalendarAccountsCreateParams.credentials": "calendar.providers.list names the keys of each provider",
    "CalendarAccountsUpdateParams.credentials": "as above",
}


def members(pattern: str) -> set[str]:
    """Returns the members of the contract's interfaces whose type matches."""
    found, name = set(), ""
    for line in CONTRACT.read_text("utf-8").splitlines():
        if declared := re.match(r"export (?:interface|type) (\w+)", line):
            name = declared[1]
        member = re.match(r"  (?:(\w+)|\[key: string\])\??: (.*);$", line)
        if member and re.search(pattern, member[2]) and name != "JsonObject":
            found.add(f"{name}.{member[1] or '*'}")
    return found


def test_only_these_values_have_no_form() -> None:
    assert members(r"\bJson(Value|Object|Input)\b") == set(LOOSE)


def test_only_these_objects_have_arbitrary_keys() -> None:
    assert members(r"\bRecord<") == set(BY_KEY)


def test_nothing_is_any_or_unknown() -> None:
    code = re.sub(r"/\*.*?\*/|//.*|\"[^\"]*\"", "", CONTRACT.read_text("utf-8"), flags=re.DOTALL)
    assert re.findall(r".*\b(?:any|unknown)\b.*", code) == []
