"""Finds secrets in texts: what is shaped like a token, and values that are known to be secret.

A shape is recognized by how it begins.  What looks like other text (an old Atlassian token of 24 letters and digits) is
found only if it is known, because it was sent in a secret param.  All patterns take linear time.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from pydantic_core import SchemaError, SchemaValidator, core_schema

Span = tuple[int, int]
"""Begin and end of a secret in a text."""

MIN_KNOWN_CHARS: Final = 8
"""Shorter secrets are not searched for in other texts: they would be found inside words."""
MIN_PART_CHARS: Final = 12
"""Length from which a text is taken for a part of a known secret."""
MAX_KNOWN: Final = 200
MIN_BASE64_CHARS: Final = 24
END_CHARS: Final = 6
"""How much of a known secret's begin and end a quick look searches for."""
MAX_DEPTH: Final = 3
"""How often a word is decoded, for example a token in base64 in an escaped address."""
PREFIXES: Final = (
    *("ATATT3", "ATCTT3", "ATSTT3", "ATBB"),  # Atlassian: API tokens of people, containers and services; Bitbucket
    "sk-ant-",  # Anthropic
    *("ya29.", "1//", "4/0", "GOCSPX-", "AIza"),  # Google: access token, refresh token, code, client secret, API key
    *("sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "npm_", "pypi-"),
    *("xoxb-", "xoxp-", "xoxa-", "xapp-", "AKIA", "ASIA"),
)
"""How the tokens of the vendors that we connect begin, and those that a conversation with Claude often quotes."""
NAMES: Final = ("token", "secret", "password", "passwd", "passphrase", "pwd", "apikey", "api_key", "api-key")
_BODY: Final = r"[\w.~+/=-]"
_VALUE: Final = r"[^\s\"'\\,;&<>{}()\[\]]"
_WORD: Final = re.compile(r"[^\s\"'<>]+")
_BASE64: Final = re.compile(rf"(?<![\w+/=-])[\w+/-]{{{MIN_BASE64_CHARS},}}={{0,2}}", re.ASCII)
_CONTINUED: Final = re.compile(rf"\s{{0,8}}\\?(?:\n|\\n)\s{{0,80}}(?={_BODY}*\d)(?P<more>{_BODY}{{12,}})(?=\s|\"|'|\Z)")
_HARMLESS: Final = re.compile(r"[0-9a-f-]{36}|\d{4}-\d\d-\d\dT[\d:.]{8,15}Z|[a-z_.]{1,30}", re.ASCII)
"""Ids, times and names as most values are; none of them has the form of a secret."""
_ESCAPED: Final = re.compile(r"\\+(?:u00|x)([0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Secrets of one form: the group `secret` of a match, or all of it."""

    anchors: tuple[str, ...]
    """One of these, in lower case, occurs in each match; searching for them is much quicker than the pattern."""
    whole: re.Pattern[str]
    cut: re.Pattern[str]
    """Matches at the end of a text that goes on elsewhere, where a secret may have begun."""
    accept: Callable[[str], bool] = bool

    def find(self, text: str, *, is_cut: bool) -> Iterator[Span]:
        for match in self.whole.finditer(text):
            if self.accept(match[self.whole.groups]):
                yield match.span(self.whole.groups)
        begun = self.cut.search(text) if is_cut else None
        if begun is not None:
            yield begun.span(self.cut.groups)


def _shape(
    anchors: str, start: str, body: str = _BODY, minimum: int = 16, accept: Callable[[str], bool] = bool
) -> Shape:
    """Returns a shape that begins with `start`, followed by the secret."""
    flags = re.ASCII | re.IGNORECASE
    whole = re.compile(f"{start}({body}{{{minimum},}})", flags)
    return Shape(tuple(anchors.split()), whole, re.compile(rf"{start}({body}+)\Z", flags), accept)


def _token(prefix: str) -> Shape:
    """Returns the shape of tokens with a prefix, which is part of the secret."""
    start = rf"(?<![A-Za-z0-9]){re.escape(prefix)}"
    minimum = 8 if len(prefix) >= 5 else 20
    return Shape(
        (prefix.lower(),), re.compile(f"{start}{_BODY}{{{minimum},}}", re.ASCII), re.compile(rf"{start}{_BODY}*\Z")
    )


def _is_basic(text: str) -> bool:
    return ":" in (decoded_base64(text) or "")


def _is_random(text: str) -> bool:
    """Returns whether a word is a token, unlike the one in "bearer authentication"."""
    return len(text) >= 24 or any(one.isdigit() for one in text) or any(one.isupper() for one in text[1:])


def _has_digit(text: str) -> bool:
    return any(one.isdigit() for one in text)


def is_calendar(path: str) -> bool:
    """Returns whether the path of an address is that of a calendar, which is often its only protection."""
    plain = path.partition("?")[0].partition("#")[0].lower()
    return plain.endswith(".ics") or "/private-" in plain or plain.startswith("/published/")


_NAMED: Final = f"(?:{'|'.join(NAMES)})"
SHAPES: Final = (
    *map(_token, PREFIXES),
    Shape(
        ("eyj",), re.compile(r"(?<![\w-])eyJ[\w-]{5,}\.[\w.=-]{8,}", re.ASCII), re.compile(r"(?<![\w-])eyJ[\w.=-]*\Z")
    ),
    _shape("bearer", r"\bbearer\s{1,4}", minimum=8, accept=_is_random),  # RFC 6750
    _shape("basic", r"\bbasic\s{1,4}", r"[\w+/=-]", 8, accept=_is_basic),  # RFC 7617
    _shape("authorization", r"authorization\\?[\"']?\s{0,4}[:=]\s{0,4}\\?[\"']?(?:[a-z]+\s{1,4})?", minimum=6),
    # User and password in an address (RFC 3986 §3.2.1), or a token alone.
    Shape(
        ("://",),
        re.compile(r"://[^\s/?#@:\"'<>]*:([^\s/?#\"'<>]+)(?=@)"),
        re.compile(r"://[^\s/?#@:\"'<>]*:(?!\d+\Z)([^\s/?#\"'<>]+)\Z"),
    ),
    Shape(("://",), re.compile(r"://([^\s/?#@:\"'<>]{16,})(?=@)"), re.compile(r"://(?!)()\Z")),
    # Assignments: TOKEN=…, "password": "…", `secret: …`, ?key=…
    _shape(" ".join(NAMES), rf"{_NAMED}(?:=\\?[\"']?|\\?[\"']\s{{0,4}}[:=]\s{{0,4}}\\?[\"'])", _VALUE, 6),
    _shape(" ".join(NAMES), rf"{_NAMED}\s{{0,4}}[:=]\s{{0,4}}", _VALUE, 8, accept=_has_digit),
    _shape("key= code= sig= signature=", r"[?&#](?:[\w-]*-)?(?:key|code|sig|signature)=", _VALUE, 8),
    # Addresses of calendars, which need no other password: Google's, Outlook's and iCloud's, and any .ics file.
    _shape(
        ".ics /published/ /private-",
        r"(?:https?|webcals?)://[^\s/?#\"'<>]+",
        r"[^\s\"'<>]",
        1,
        is_calendar,
    ),
    Shape(
        ("-----begin",),
        re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]+"),
        re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY[^-]*\Z"),
    ),
)

ANCHORS: Final = tuple((anchor, shape) for shape in SHAPES for anchor in shape.anchors)
GLANCE: Final = ("%", "\\", "cookie", "private", *sorted({anchor for anchor, _ in ANCHORS}))
"""One of these is in each line with a secret that has a form, or is escaped."""


class InvalidPattern(ValueError):
    """A pattern of `--redact` cannot be used; the message says why."""


class SecretFinder:
    """Finds secrets by their form, and those that it has learned."""

    def __init__(self, patterns: Iterable[str] = (), searched: Iterable[str] = ()) -> None:
        """`patterns`: further expressions; a text that one of them matches is secret as a whole.

        `searched`: texts of which one is in each line that must be searched whatever else is in it.
        """
        self._searched = tuple(searched)
        self._patterns = [compiled(pattern) for pattern in patterns]
        self._known: dict[str, re.Pattern[str]] = {}
        self._ends: list[str] = []
        self._glance = self._make_glance()

    def learn(self, secret: str) -> None:
        """Remembers a secret, to find it in other places: in an error that quotes it, or cut into two."""
        if len(secret) >= MIN_KNOWN_CHARS and secret not in self._known and len(self._known) < MAX_KNOWN:
            wrapped = r"\s*".join(re.escape(one) for one in secret if not one.isspace())
            self._known[secret] = re.compile(wrapped)
            self._ends += (secret[:END_CHARS], secret[-END_CHARS:])
            self._glance = self._make_glance()

    def may_find(self, line: bytes) -> bool:
        """Returns whether a line of JSON must be searched: a quick look that errs on this side."""
        return bool(self._patterns) or self._glance.isinstance_python(line)

    def _make_glance(self) -> SchemaValidator:
        """Returns the expression of the quick look: anchors, anything in base64, and ends of known secrets."""
        anchors = "|".join(map(re.escape, (*GLANCE, *self._searched, *self._ends)))
        return compiled(f"(?i:{anchors})|[A-Za-z0-9+/_]{{{MIN_BASE64_CHARS}}}")

    def spans(self, text: str, *, is_cut: bool = False, depth: int = 0) -> list[Span]:
        """Returns where secrets are, in order and without overlaps.

        `is_cut`: the text continues elsewhere, and a secret may have begun at its end.
        """
        if len(text) < MIN_KNOWN_CHARS and not is_cut:
            return []
        if any(pattern.isinstance_python(text) for pattern in self._patterns):
            return [(0, len(text))]
        found = list(self._find_known(text, is_cut=is_cut)) if self._known else []
        if _HARMLESS.fullmatch(text) is None:
            lowered = text.lower()
            shapes = dict.fromkeys(shape for anchor, shape in ANCHORS if anchor in lowered)
            for shape in shapes:
                found += (_continued(text, *span) for span in shape.find(text, is_cut=is_cut))
            if depth < MAX_DEPTH:
                found += self._find_encoded(text, depth + 1)
        return _merged(found) if found else found

    def _find_known(self, text: str, *, is_cut: bool) -> Iterator[Span]:
        bare = "".join(text.split())
        for secret, pattern in self._known.items():
            if "".join(secret.split()) in bare:
                yield from (match.span() for match in pattern.finditer(text))
            elif len(text) >= MIN_PART_CHARS and text in secret and "/" not in text:
                yield 0, len(text)
            elif is_cut:
                lengths = range(min(len(secret), len(text)), 3, -1)
                part = next((length for length in lengths if text.endswith(secret[:length])), 0)
                yield len(text) - part, len(text)

    def _find_encoded(self, text: str, depth: int) -> Iterator[Span]:
        """Finds words that contain a secret once they are decoded."""
        if "%" in text or "\\" in text:
            for word in _WORD.finditer(text):
                plain = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), unquote(word[0]))
                if plain != word[0] and self.spans(plain, depth=depth):
                    yield word.span()
        for word in _BASE64.finditer(text) if len(text) >= MIN_BASE64_CHARS else ():
            decoded = decoded_base64(word[0])
            if decoded is not None and (_is_login(decoded) or self.spans(decoded, depth=depth)):
                yield word.span()


def compiled(pattern: str) -> SchemaValidator:
    """Compiles an expression of `--redact`.  Raises InvalidPattern.

    It is one of Rust's `regex`, which pydantic contains: that has no backtracking, so no pattern and no text can keep
    it busy for longer than linear time, and no look-around and no back-references.
    """
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = " ".join(str(error).split())
        raise InvalidPattern(f"{pattern!r} is not a regular expression: {reason}") from None


def decoded_base64(text: str) -> str | None:
    """Returns the text that is encoded in base64, in either alphabet, or None if it is not text."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = b64decode(plain + "=" * (-len(plain) % 4)).decode()
    except ValueError:
        return None
    return decoded if decoded.isprintable() or "\n" in decoded else None


def _is_login(text: str) -> bool:
    """Returns whether a text is an e-mail address, a colon and a password, as Atlassian's API expects in base64."""
    user, colon, password = text.partition(":")
    return bool(colon) and "@" in user and " " not in user and len(password) > 1


def _continued(text: str, begin: int, end: int) -> Span:
    """Extends a secret over the next lines if it was wrapped."""
    while (match := _CONTINUED.match(text, end)) is not None:
        end = match.end("more")
    return begin, end


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged
