"""The console's prompt: history, and completion of methods and params from the contract."""

from collections.abc import AsyncIterator, Iterable
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout
from sidecar_protocol.catalog import NOTIFICATIONS, methods

from sidecar.commandline.assignments import META, choices, param_schemas

COMMANDS: Final = {
    ".until": "wait for a notification",
    ".raw": "send a line as it is",
    ".methods": "list them",
    ".help": "what may be typed",
    ".quit": "end the conversation",
}


class ContractCompleter(Completer):
    """Knows every method, its params, and the words that a param may be."""

    def __init__(self) -> None:
        self._methods = {declared.name: declared for declared in methods()}

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        del complete_event
        before = document.text_before_cursor
        words = before.split(" ")
        start = words[-1]
        if len(words) == 1:
            for name, declared in self._methods.items():
                yield from _offer(name, start, declared.doc.partition("\n")[0])
            for name, what in COMMANDS.items():
                yield from _offer(name, start, what)
        elif words[0] == ".until" and len(words) == 2:
            for notification in NOTIFICATIONS:
                yield from _offer(notification.name, start, (notification.__doc__ or "").partition("\n")[0])
        elif words[0] in self._methods:
            yield from self._params(words[0], start)

    def _params(self, method: str, start: str) -> Iterable[Completion]:
        schemas = param_schemas(self._methods[method])
        name, equals, value = start.partition("=")
        if equals:
            for word in choices(schemas.get(name, {})):
                yield from _offer(word, value, "")
            return
        for param, schema in schemas.items():
            if param != META:
                yield from _offer(f"{param}=", start, str(schema.get("description", "")))


def _offer(text: str, start: str, what: str) -> Iterable[Completion]:
    if text.startswith(start):
        yield Completion(text, start_position=-len(start), display_meta=what)


async def prompt() -> AsyncIterator[str]:
    """What a person types, line by line; what is printed meanwhile stands above the prompt."""
    typing: PromptSession[str] = PromptSession(
        "→ ", completer=ContractCompleter(), history=InMemoryHistory(), complete_while_typing=True
    )
    while True:
        with patch_stdout(raw=True):
            try:
                line = await typing.prompt_async()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
        yield line
