"""JSON as strictly as the wire promises it: what JavaScript would refuse or split is refused here too."""

import json
from typing import Any, NoReturn


def parse(line: bytes) -> Any:
    """The value in one line without its newline."""
    assert b"\n" not in line
    text = line.decode("utf-8")
    assert not {"\u2028", "\u2029"} & set(text), "Node's readline splits lines there"
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
