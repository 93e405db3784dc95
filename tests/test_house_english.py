"""The house rules for English: turns of phrase that made this code hard to read, and that must not come back.

A docstring begins with a verb or a noun and can be read alone; the field's terms (send, receive, return, notify) are
used in their sense.  A hit is a place to rewrite, not a word to replace.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
GENERATED = {"protocol/typescript/contract.ts", "schema/openrpc.json", "schema/schema.sql"}

FIRST_WORDS: Final = "Of|To|In|By|For|As|From|So|What|Whatever|Whoever|See"
"""A docstring that begins with one of these continues its name, or points elsewhere, instead of saying what it is."""

BANNED: Final = {
    "so many, for so long": r"\b(so many|so much|for so long|so long as|so often)\b",
    "anew": r"(?<!record[-_])\banew\b",  # but in the name of an option
    "whoever, somebody, nobody": r"\b(whoever|whosoever|somebody|nobody)\b",
    "is none": r"(?<!there )\b(is|are|was|were|be) (?-i:none)\b",
    "where there is none": r"\bwhere there (is|are) (none|no)\b",
    "told, tells": r"\b(told|tells)\b",
    "heard, hears": r"\b(heard|hears)\b",
    "stands": r"(?<!-)\b(stands|stood)\b(?!-)",
    "comes to, came to": r"\b(comes|came) to\b",
    "let in": r"\b(let|lets|letting) (\w+ )?in\b(?! the)",
    "belongs into": r"\bbelongs? into\b",
    "dear": r"\b(dear|dearer|dearest)\b",
    "at a stretch": r"\bat a stretch\b",
    "alike": r"\balike\b",
    "is reckoned": r"\b(is|are|was) reckoned\b",
    "thereof, wherein": r"\b(thereof|wherein|whereof)\b",
    "as it stands": r"\bas (it|they) stands?\b",
    "but for": r"\bbut for\b",
}


class Text(NamedTuple):
    """A piece of prose: where it is, and whether it is a docstring."""

    place: str
    text: str
    is_docstring: bool = False


def python_prose(path: Path) -> Iterator[Text]:
    """Yields docstrings, comments, and the strings of the product, which people may read."""
    source = path.read_text("utf-8")
    name = path.relative_to(ROOT).as_posix()
    docstrings = set()
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for body in (getattr(node, field, None) for field in ("body", "orelse", "finalbody")):
            for statement in body if isinstance(body, list) else ():
                match statement:
                    case ast.Expr(value=ast.Constant(value=str(text)) as constant):
                        docstrings.add(id(constant))
                        yield Text(f"{name}:{constant.lineno}", text, is_docstring=True)
    for node in ast.walk(tree) if not name.startswith("tests/") else ():
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield Text(f"{name}:{node.lineno}", node.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(f"{name}:{token.start[0]}", token.string)


def typescript_prose(path: Path) -> Iterator[Text]:
    """Yields comments, and strings with a space in them."""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        found = re.findall(r"//.*|/\*.*|^\s*\*.*|\"[^\"]* [^\"]*\"|`[^`]* [^`]*`", line)
        yield from (Text(f"{path.relative_to(ROOT).as_posix()}:{number}", text) for text in found)


def line_prose(path: Path) -> Iterator[Text]:
    """Yields every line of a document, and the comments of SQL and shell."""
    is_code = False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if path.suffix == ".md":
            is_code ^= line.startswith("```")
            text = "" if is_code else line
        else:
            text = line.partition("--" if path.suffix == ".sql" else "#")[2]
        yield Text(f"{path.relative_to(ROOT).as_posix()}:{number}", text)


def prose(*folders: str) -> Iterator[Text]:
    readers = {".py": python_prose, ".ts": typescript_prose, ".mts": typescript_prose}
    readers |= {".md": line_prose, ".sql": line_prose, ".sh": line_prose}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")) if (ROOT / folder).is_dir() else [ROOT / folder]:
            name = path.relative_to(ROOT).as_posix()
            is_ours = name not in GENERATED and "node_modules" not in path.parts and path != Path(__file__)
            if is_ours and path.suffix in readers:
                yield from readers[path.suffix](path)


DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")


@pytest.mark.parametrize("folder", ["sidecar", "protocol", "schema/migrations", "tests", *DOCUMENTS])
def test_no_banned_turn_of_phrase_is_used(folder: str) -> None:
    hits = [
        f"{text.place}: {name}: {' '.join(text.text.split())[:100]}"
        for text in prose(folder)
        for name, pattern in BANNED.items()
        if re.search(pattern, text.text, re.IGNORECASE)
    ]
    assert hits == []


def test_a_docstring_begins_with_a_verb_or_a_noun() -> None:
    begins = re.compile(rf"\s*({FIRST_WORDS})\b")
    hits = [
        f"{text.place}: {' '.join(text.text.split())[:100]}"
        for text in prose("sidecar", "protocol", "tests")
        if text.is_docstring and begins.match(text.text)
    ]
    assert hits == []
