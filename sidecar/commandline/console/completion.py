"""Completion in the console: methods, params, job types with their payloads, and values of which there are few."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from sidecar_protocol.catalog import JOB_TYPES, NOTIFICATIONS, methods

from sidecar.commandline.assignments import choices, completions
from sidecar.commandline.views.fields import alternatives

COMMANDS: Final = {
    "help": "explain the syntax, or a method: help jobs.create",
    "methods": "list the methods, or those that begin with a word",
    "exit": "end the sidecar and quit",
    ".wait": "wait until a job ends",
    ".until": "wait for a notification",
    ".show": "print a value of a response",
    ".raw": "send text as it is",
}
_PAYLOAD: Final = re.compile(r"payload:?=\{(?P<members>.*)", re.DOTALL)
_MEMBER: Final = re.compile(r'(?:^|.*[,{]\s*)"?(?P<name>\w*)$', re.DOTALL)
_VALUE: Final = re.compile(r'.*"(?P<name>\w+)"\s*:\s*(?P<value>"?[\w.-]*)$', re.DOTALL)

Word = tuple[str, str, int]
"""A completion, its description, and how many characters before the cursor it replaces."""


class ContractCompleter(Completer):
    """Completes the last word of a line."""

    def __init__(self) -> None:
        self._methods = {declared.name: declared for declared in methods()}
        self._job_types = {spec.type: spec for spec in JOB_TYPES}

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        del complete_event
        for text, description, length in self._words(document.text_before_cursor):
            yield Completion(text, start_position=-length, display_meta=description)

    def _words(self, line: str) -> Iterator[Word]:
        line = re.sub(r"^\w+\s*=\s*", "", line)
        words = line.split(" ")
        head, start = words[0], words[-1]
        found: list[tuple[str, str]] = []
        if len(words) == 1:
            found = [*self._named_methods(), *COMMANDS.items()]
        elif len(words) == 2 and head in ("help", "methods"):
            found = self._named_methods()
        elif len(words) == 2 and head == ".until":
            found = [(notification.name, _summary(notification.__doc__)) for notification in NOTIFICATIONS]
        elif head in self._methods:
            payload = _PAYLOAD.search(line)
            if payload is not None:
                yield from self._payload(line, payload["members"])
                return
            found = list(completions(self._methods[head], start))
            if head.startswith("jobs.") and start.startswith("type="):
                found = [(f"type={name}", _summary(spec.__doc__)) for name, spec in self._job_types.items()]
        yield from ((text, description, len(start)) for text, description in found if text.startswith(start))

    def _named_methods(self) -> list[tuple[str, str]]:
        return [(name, _summary(declared.doc)) for name, declared in self._methods.items()]

    def _payload(self, line: str, members: str) -> Iterator[Word]:
        """Yields members of the payload of the line's job type, and the values of the one that is being typed."""
        chosen = re.search(r"\btype=([\w.]+)", line)
        spec = self._job_types.get(chosen[1]) if chosen else None
        if spec is None:
            return
        fields = spec.model_fields
        if (value := _VALUE.fullmatch(members)) is not None and value["name"] in fields:
            for word in _values(fields[value["name"]].annotation):
                if word.startswith(value["value"]):
                    yield word, "", len(value["value"])
        elif (member := _MEMBER.fullmatch(members)) is not None:
            typed = member["name"]
            quote = 1 if members.endswith(f'"{typed}') else 0
            for name, field in fields.items():
                if name.startswith(typed) and f'"{name}"' not in members:
                    yield f'"{name}": ', field.description or "", len(typed) + quote


def _values(annotation: Any) -> list[str]:
    return [word if kind is bool else f'"{word}"' for kind in alternatives(annotation) for word in choices(kind)]


def _summary(doc: str | None) -> str:
    return (doc or "").partition("\n")[0]
