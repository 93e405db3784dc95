"""The console's prompt, with a history and completion of methods and params."""

import re
from collections.abc import AsyncIterator, Iterable
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout
from sidecar_protocol.catalog import NOTIFICATIONS, methods

from sidecar.commandline.assignments import completions

COMMANDS: Final = {
    ".wait": "wait until a job ends",
    ".until": "wait for a notification",
    ".show": "print a value of a response",
    ".raw": "send text as it is",
    ".methods": "list the methods",
    ".help": "show the syntax",
    ".quit": "end the sidecar and quit",
}


class ContractCompleter(Completer):
    """Completes methods, their params, and the values of a param that has few."""

    def __init__(self) -> None:
        self._methods = {declared.name: declared for declared in methods()}

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        del complete_event
        words = re.sub(r"^\w+\s*=\s*", "", document.text_before_cursor).split(" ")
        start = words[-1]
        found: list[tuple[str, str]] = []
        if len(words) == 1:
            found = [(name, _summary(declared.doc)) for name, declared in self._methods.items()] + [*COMMANDS.items()]
        elif words[0] == ".until" and len(words) == 2:
            found = [(notification.name, _summary(notification.__doc__)) for notification in NOTIFICATIONS]
        elif words[0] in self._methods:
            found = list(completions(self._methods[words[0]], start))
        for text, description in found:
            if text.startswith(start):
                yield Completion(text, start_position=-len(start), display_meta=description)


def _summary(doc: str | None) -> str:
    return (doc or "").partition("\n")[0]


async def prompt() -> AsyncIterator[str]:
    """Yields the lines that the user types; other output appears above the prompt."""
    session: PromptSession[str] = PromptSession(
        "→ ", completer=ContractCompleter(), history=InMemoryHistory(), complete_while_typing=True
    )
    while True:
        with patch_stdout(raw=True):
            try:
                line = await session.prompt_async()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
        yield line
