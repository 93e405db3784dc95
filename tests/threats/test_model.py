"""SECURITY.md's table of threats: each row names a test that exists."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


def test_each_row_of_the_threat_model_is_shown_by_a_test_that_exists() -> None:
    _, _, table = (ROOT / ".github" / "SECURITY.md").read_text("utf-8").partition("## Who could harm whom")
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 20
    for row in rows:
        named = re.search(r"\| `(tests/[\w/.]+)`: (.+) \|$", row)
        assert named is not None, row
        text = (ROOT / named[1]).read_text("utf-8")
        assert f"def {named[2]}(" in text or f'test("{named[2]}"' in text, row
