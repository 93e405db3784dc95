"""The console's prompt, with completion and the history of earlier consoles."""

from collections.abc import AsyncIterator

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.patch_stdout import patch_stdout

from sidecar.commandline.console.completion import ContractCompleter
from sidecar.commandline.console.history import ConsoleHistory, history_path
from sidecar.transcripts.file.facts import contract_facts


async def prompt() -> AsyncIterator[str]:
    """Yields the lines that the user types; other output appears above the prompt."""
    session: PromptSession[str] = PromptSession(
        "→ ",
        completer=ContractCompleter(),
        history=ConsoleHistory(history_path(), contract_facts()),
        auto_suggest=AutoSuggestFromHistory(),
        complete_while_typing=True,
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
