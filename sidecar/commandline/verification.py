"""`sidecar verify`: what is said about each transcript."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from sidecar.commandline.wording import printable
from sidecar.transcripts.file.format import NotATranscript
from sidecar.transcripts.verify import check
from sidecar.transcripts.verify.update import EndedEarly

STYLES = {"  -": "red", "  +": "green", "  @": "cyan"}


def verify_all(files: Sequence[Path], options: check.VerifyOptions, *, update: bool) -> int:
    """Verify each file and say how it went; the exit code."""
    console = Console(highlight=False)
    failed = 0
    for path in files:
        updated = False
        try:
            mismatches = check.check(path, options)
            if mismatches and update:
                check.update(path, options)
                updated = True
                mismatches = check.check(path, options)  # what comes now in this order and now in that still differs
        except EndedEarly as error:
            raise click.ClickException(f"{path}: {error}") from None
        except (NotATranscript, OSError) as error:
            raise click.ClickException(str(error)) from None
        failed += bool(mismatches)
        if mismatches:
            word = ("updated, and differs again  " if updated else "differs  ", "red")
        else:
            word = ("updated  ", "yellow") if updated else ("as recorded  ", "green")
        console.print(Text.assemble(word, str(path)), soft_wrap=True)
        for mismatch in mismatches:
            for line in check.explain(path, mismatch).splitlines():
                console.print(Text(printable(line), style=STYLES.get(line[:3], "")), soft_wrap=True)
    return 1 if failed else 0
