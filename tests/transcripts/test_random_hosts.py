"""Recordings of a host that makes random calls are verified, however its work interleaves and its lives end."""

from pathlib import Path

import pytest

from sidecar.transcripts.verify.check import VerifyOptions, check
from sidecar.transcripts.verify.findings import explain_all
from tests.transcripts.random_host import CLAUDE, calendar_file, record

SEEDS = [10, 17, 21, 26, 29]
"""They differed by chance: in batches, when work ended as it was cancelled, and in what exports counted meanwhile."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_recording_of_a_random_host_is_verified(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    record(seed, path, tmp_path)
    options = VerifyOptions(env={"CLAUDE_PATH": CLAUDE}, secrets={1: str(calendar_file(tmp_path))})
    assert explain_all(path, check(path, options)) == ""
