"""`sidecar verify`: its output and exit code; the comparison is tested in tests/transcripts."""

from pathlib import Path

from tests.commandline.harness import CliHarness
from tests.transcripts.recording import BACKUP, CORPUS, answer, c2s, request, s2c, write

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


def test_a_file_that_cannot_be_read_is_named_with_its_line_and_the_others_are_verified(
    cli: CliHarness, tmp_path: Path
) -> None:
    bad = [
        write(tmp_path / "any.jsonl", c2s(1, request(1, "jobs.list", status={"$any": "uid"}))),
        write(tmp_path / "re.jsonl", s2c(1, answer(1, jobs=[{"$re": "(", "$like": "x"}]))),
        tmp_path / "missing.jsonl",
    ]
    ended = cli.run("verify", "--exact", *map(str, bad), str(FIXED))
    assert (ended.code, ended.out) == (1, f"as recorded  {FIXED}\n")
    assert f"{bad[0]}:2: unknown \"$any\": 'uid'" in ended.err
    assert f"{bad[1]}:2: \"$re\" is not a regular expression: '('" in ended.err
    assert "missing.jsonl" in ended.err
    assert cli.run("replay", str(bad[1])).code == 2


def test_a_fault_on_a_method_that_does_not_exist_is_refused(cli: CliHarness) -> None:
    ended = cli.run("replay", str(BACKUP), "--fault", "kill@jobs.lust")
    assert ended.code == 2
    assert "--fault jobs.lust: there is no such method; jobs.list" in ended.err
    assert cli.run("replay", str(BACKUP), "--fault", "kill@jobs.updated", "--fault", "drop@jobs.get").code == 0
