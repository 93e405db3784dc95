"""Finds the citations in an answer, by the rules of `sidecar_protocol.claude.citations`.  Pure.

It takes time in proportion to the length of the text, whatever is in it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sidecar.text import utf16_length

SENTENCE_CHARS: Final = 300
LOOK_BACK: Final = 2_000
"""Characters before a citation in which the beginning of its sentence is looked for."""
NOTHING: Final = "\x00"
"""Takes the place of each character of what has no citations, such as code."""

_CITATION: Final = re.compile(
    r"(?<!\\)[\[\u3010\uff3b]([0-9]{1,6}(?:[ \t]{0,2}[,\uff0c\u3001][ \t]{0,2}[0-9]{1,6}){0,49})[\]\u3011\uff3d](?!\()"
)
"""Also with the brackets and commas of Chinese and Japanese."""
_NUMBER: Final = re.compile(r"[0-9]+")
_FENCE: Final = re.compile(r"[ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)?(`{3,}|~{3,})(.*)")
_BLOCK: Final = re.compile(r"[ \t>]*(?:[-*+][ \t]|[0-9]{1,9}[.)][ \t]|#|\||$)")
"""The beginning of a line that begins a block: a list item, a heading, a row of a table, a blank line."""
_DEFINITION: Final = re.compile(r""" {0,3}\[([0-9]{1,6})\]:[ \t]*\S+(?:[ \t]+(?:"[^"]*"|'[^']*'|\([^()]*\)))?\s*$""")
_ADDRESS: Final = re.compile(r"\]\([^\s()\x00]*\)|https?://[^\s<>()\x00]+", re.IGNORECASE)
_TICKS: Final = re.compile(r"`+")
_SENTENCE_END: Final = re.compile(
    r"[.!?\u2026]+[\"'\u201d\u2019)*_]*(?=\s)|[\u3002\uff01\uff1f]+[\u201d\u2019\u300d\u300f\uff09]*"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A number that is cited at one place; `start` and `end` are in UTF-16 code units."""

    number: int
    start: int
    end: int
    sentence: str


def find_citations(text: str, limit: int) -> list[Found]:
    """Returns the first citations in a text, in order."""
    prose, defined = _prose(text)
    found: list[Found] = []
    position, units = 0, 0
    for start, end in _numbers(prose):
        number = int(text[start:end])
        if number == 0 or number in defined:
            continue
        units += utf16_length(text[position:start])
        position = start
        found.append(Found(number, units, units + end - start, _sentence(text, start)))
        if len(found) == limit:
            break
    return found


def _numbers(prose: str) -> Iterator[tuple[int, int]]:
    for citation in _CITATION.finditer(prose):
        if prose[citation.start() - 1 : citation.start()] == "[" and prose.startswith(NOTHING, citation.end()):
            continue  # [[3]](address): a link
        for number in _NUMBER.finditer(prose, *citation.span(1)):
            yield number.span()


def _prose(text: str) -> tuple[str, set[int]]:
    """Returns a text of the same length without what has no citations, and the numbers that it defines as links."""
    defined: set[int] = set()
    lines, fence = text.split("\n"), ""
    for number, line in enumerate(lines):
        mark = _FENCE.match(line)
        if fence:
            lines[number] = NOTHING * len(line)
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark and not (mark[1][0] == "`" and "`" in mark[2]):
            lines[number], fence = NOTHING * len(line), mark[1]
        elif definition := _DEFINITION.match(line):
            lines[number] = NOTHING * len(line)
            defined.add(int(definition[1]))
    prose = "\n".join(without for block in _blocks(lines) for without in _without_code(block).split("\n"))
    return _ADDRESS.sub(lambda address: NOTHING * len(address[0]), prose), defined


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    """Yields the blocks of a text: code between backticks begins and ends in one of them."""
    block: list[str] = []
    for line in lines:
        if block and (_BLOCK.match(line) or line.startswith(NOTHING)):
            yield "\n".join(block)
            block = []
        block.append(line)
    yield "\n".join(block)


def _without_code(block: str) -> str:
    """Returns a block in which code between as many backticks as before it is replaced."""
    runs = [match.span() for match in _TICKS.finditer(block)]
    by_length: dict[int, list[int]] = {}
    for index, (start, end) in enumerate(runs):
        by_length.setdefault(end - start, []).append(index)
    parts, position, index = list[str](), 0, 0
    while index < len(runs):
        start, end = runs[index]
        start += block[start - 1 : start] == "\\"  # the first one is escaped
        closing = by_length.get(end - start, [])
        place = bisect_right(closing, index)
        index += 1
        if place < len(closing):
            index = closing[place]
            parts += [block[position:start], NOTHING * (runs[index][1] - start)]
            position = runs[index][1]
            index += 1
    return "".join([*parts, block[position:]]) if parts else block


def _sentence(text: str, position: int) -> str:
    """Returns the sentence of a citation; one after a full stop belongs to the sentence before it."""
    first = max(text.rfind("\n", 0, position) + 1, position - LOOK_BACK)
    last = text.find("\n", position, position + SENTENCE_CHARS)
    part = text[first : position + SENTENCE_CHARS if last < 0 else last]
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(part)), len(part)]
    place = bisect_right(ends, position - first) - 1
    start, end = ends[place], ends[place + 1]
    before = _CITATION.sub("", part[start : position - first])
    if place and not any(character.isalnum() for character in before):
        start, end = ends[place - 1], part.find("]", position - first) + 1 or position - first
    return part[start:end].strip()[:SENTENCE_CHARS]
