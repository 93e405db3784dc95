"""`sidecar verify`: what is said about each transcript."""

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from sidecar.commandline.wording import printable
from sidecar.transcripts.check import Terms, check, explain, record_anew
from sidecar.transcripts.format import NotATranscript

STYLES = {"  -": "red", "  +": "green", "  @": "cyan"}


def verify_all(files: Sequence[Path], terms: Terms, *, update: bool) -> int:
    """Verify each file and say how it went; the exit code."""
    console = Console(highlight=False)
    failed = 0
    for path in files:
        try:
            findings = check(path, terms)
            if findings and update:
                record_anew(path, terms)
                console.print(Text.assemble(("updated  ", "yellow"), str(path)), soft_wrap=True)
                continue
        except (NotATranscript, OSError) as error:
            raise click.ClickException(str(error)) from None
        failed += bool(findings)
        word = ("differs  ", "red") if findings else ("as recorded  ", "green")
        console.print(Text.assemble(word, str(path)), soft_wrap=True)
        for finding in findings:
            for line in explain(path, finding).splitlines():
                console.print(Text(printable(line), style=STYLES.get(line[:3], "")), soft_wrap=True)
    return 1 if failed else 0
