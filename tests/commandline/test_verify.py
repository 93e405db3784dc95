"""`sidecar verify`: what is said about transcripts, and by the exit code."""

from tests.commandline.shell import Shell
from tests.transcripts.recording import BACKUP, CORPUS

FIXED = CORPUS / "a_fixed_clock_and_seed_repeat_all_ids_and_times.jsonl"


def test_a_transcript_is_as_recorded_and_exactly_so_where_clock_and_ids_are_fixed(shell: Shell) -> None:
    ended = shell.run("verify", "--exact", str(FIXED))
    assert (ended.code, ended.out) == (0, f"as recorded  {FIXED}\n")
    ended = shell.run("verify", "--exact", str(FIXED), str(BACKUP))
    assert ended.code == 1
    assert f"{BACKUP}:1: neither clock nor ids are fixed (--now, --seed)" in ended.out


def test_what_shall_be_exact_is_not_updated(shell: Shell) -> None:
    ended = shell.run("verify", "--exact", "--update", str(FIXED))
    assert ended.code == 2
    assert "record anew" in ended.err
