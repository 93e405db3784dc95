"""`sidecar verify`: its output and exit code; the comparison is tested in tests/transcripts."""

from tests.commandline.harness import CliHarness
from tests.transcripts.recording import BACKUP, CORPUS

FIXED = CORPUS / "a_fixed_clock_and_seed_repeat_all_ids_and_times.jsonl"


def test_the_exit_code_is_1_if_any_transcript_differs(cli: CliHarness) -> None:
    ended = cli.run("verify", "--exact", str(FIXED))
    assert (ended.code, ended.out) == (0, f"as recorded  {FIXED}\n")
    ended = cli.run("verify", "--exact", str(FIXED), str(BACKUP))
    assert ended.code == 1
    assert f"{BACKUP}:1: neither clock nor ids are fixed (--now, --seed)" in ended.out


def test_exact_and_update_exclude_each_other(cli: CliHarness) -> None:
    ended = cli.run("verify", "--exact", "--update", str(FIXED))
    assert ended.code == 2
    assert "record it again" in ended.err
