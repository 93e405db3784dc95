"""The syntax of a console's line: words, values of earlier results, and conditions on notifications."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

HELP: Final = """\
\b
[NAME =] METHOD key=value… [&]    call a method; & does not wait for the response
$NAME.path  $2.path  $.path       a value of the named, the second, or the last response
.wait JOB_ID [STATUS]             wait until a job ends with STATUS (succeeded)
.until NAME path=value…           wait for a notification
.show $path [field…]              print a value, or some fields of a list
.mcp TOOL key=value…              call a tool of `sidecar mcp`, which reads the same data beside the sidecar
.raw TEXT                         send TEXT as it is
methods [START]  help [METHOD]    list the methods, or explain one; in a script .methods and .help
exit                              quit, as the end of input does; in a script .quit
# TEXT                            a heading"""
GREETING: Final = "Type a method, `methods`, `help` or `exit`; Tab completes."
_CALL: Final = re.compile(r"(?:(?P<name>[A-Za-z_]\w*)\s*=\s*)?(?P<call>.*?)\s*(?P<background>&?)")
_HEAD: Final = re.compile(r" *(?=[^ ])(?P<head>[A-Za-z_][\w.]*:?=)?")
_REFERENCE: Final = re.compile(r"\$(?P<name>\w*)(?P<path>(?:\.\w+)*)")


def parse_call(line: str) -> tuple[str | None, list[str], bool]:
    """Parses `job = jobs.create type=maintenance.backup &`: the variable, the words, and if it runs in background."""
    match = _CALL.fullmatch(line)
    words = split_words(match["call"]) if match is not None else []
    if match is None or not words:
        raise click.UsageError(f"{line!r} does not name a method.")
    return match["name"], words, bool(match["background"])


def split_words(line: str) -> list[str]:
    """Splits a line at spaces, except those in a JSON value: title="A walk" payload={"keep": 2}."""
    words = []
    at = 0
    while match := _HEAD.match(line, at):
        at = match.end()
        head = match["head"] or ""
        if line[at : at + 1] in ('"', "{", "["):
            try:
                value, at = json.JSONDecoder().raw_decode(line, at)
            except ValueError as error:
                raise click.UsageError(f"{head}{line[at:]} is not JSON: {error}.") from None
            is_text = isinstance(value, str) and not head.endswith(":=")
            words.append(f"{head}{value}" if is_text else f"{head.rstrip(':=')}:={json.dumps(value)}")
        else:
            end = line.find(" ", at)
            at, start = (len(line) if end < 0 else end), at
            words.append(head + line[start:at])
    return words


class References:
    """The results that a line can use, by name and by number, and the variables of a script."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._named = dict(variables)
        self._numbered: list[Any] = []

    def add(self, result: Any, name: str | None) -> None:
        self._numbered.append(result)
        if name is not None:
            self._named[name] = result

    def fill_in(self, word: str) -> str:
        """Replaces the references in `key=$name.path` and in the strings of `key:=JSON`."""
        name, equals, text = word.partition("=")
        if not equals:
            return word
        if name.endswith(":"):
            return f"{name}={json.dumps(self._fill_in_value(json.loads(text)))}" if "$" in text else word
        return f"{name}:={json.dumps(self.resolve(text))}" if _REFERENCE.fullmatch(text) else word

    def resolve(self, text: str) -> Any:
        """Returns the value of a reference; other text is returned unchanged."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            return text
        name, path = match["name"], match["path"].split(".")[1:]
        try:
            value = self._named[name] if name in self._named else self._numbered[int(name or 0) - 1]
            for step in path:
                value = value[int(step)] if isinstance(value, list) else value[step]
        except (ValueError, LookupError, TypeError):
            raise click.UsageError(
                f"{text} does not exist: no variable or successful response has this value."
            ) from None
        return value

    def _fill_in_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._fill_in_value(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self._fill_in_value(item) for item in value]
        return self.resolve(value) if isinstance(value, str) else value


def matches(method: str, params: Mapping[str, Any], name: str, conditions: Sequence[str]) -> bool:
    """Whether a notification has this name, and its params these values: `job.status=succeeded`."""
    if method != name:
        return False
    for condition in conditions:
        path, _, expected = condition.partition("=")
        value: Any = params
        for step in path.removesuffix(":").split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if expected not in (value, json.dumps(value)):
            return False
    return True
