"""Finds secrets in texts: what is shaped like a token, and values that are known to be secret.

A shape is recognized by how it begins.  What looks like other text (an old Atlassian token of 24 letters and digits) is
found only if it is known, because it was sent in a secret param.  All patterns take linear time.

Most texts contain no secret, so one expression is searched for first, over whole lines or many of them: the glance.
It matches wherever one of the shapes does, and in a few harmless texts, which are then searched thoroughly.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
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
BLOCK_CHARS: Final = 6
"""The glance searches for known secrets in blocks of this length: each part of MIN_PART_CHARS contains one."""
MAX_KNOWN_CHARS: Final = 2_000
"""How much of a known secret is divided into blocks, from its begin."""
MAX_DEPTH: Final = 3
"""How often a word is decoded, for example a token in base64 in an escaped address."""
REDACTED: Final = "[redacted]"
PREFIXES: Final = (
    *("ATATT3", "ATCTT3", "ATSTT3", "ATBB"),  # Atlassian: API tokens of people, containers and services; Bitbucket
    "sk-ant-",  # Anthropic
    *("ya29.", "1//", "4/0", "GOCSPX-", "AIza"),  # Google: access token, refresh token, code, client secret, API key
    *("sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "npm_", "pypi-"),
    *("xoxb-", "xoxp-", "xoxa-", "xapp-", "AKIA", "ASIA"),
)
"""How the tokens of the vendors that we connect begin, and those that a conversation with Claude often quotes."""
NAMES: Final = ("token", "secret", "password", "passwd", "passphrase", "pwd", "apikey", "api_key", "api-key")
_NAMED: Final = f"(?:{'|'.join(NAMES)})"
_BODY: Final = r"[\w.~+/=-]"
_VALUE: Final = r"[^\s\"'\\,;&<>{}()\[\]]"
_WORD: Final = re.compile(r"[^\s\"'<>]+")
_BASE64: Final = re.compile(rf"(?<![\w+/=-])[\w+/-]{{{MIN_BASE64_CHARS},}}={{0,2}}", re.ASCII)
_CONTINUED: Final = re.compile(rf"\s{{0,8}}\\?(?:\n|\\n)\s{{0,80}}(?={_BODY}*\d)(?P<more>{_BODY}{{12,}})(?=\s|\"|'|\Z)")
_ESCAPED: Final = re.compile(r"(?<!\\)\\+(?:u00|x)([0-9a-fA-F]{2})")
_IN_A_LOG: Final = re.compile(
    rf"(\b(?:{'|'.join(NAMES)}|authorization|credentials?|code_verifier|(?:refresh|access)_token)\b"
    r"[\"']?\s{0,8}[:=]\s{0,8}(?:(?:bearer|basic)\s{1,8})?[\"']?)[^\s\"',}]+",
    re.IGNORECASE,
)
"""Values that are assigned to the name of a secret, however short they are: a log can do without them."""
_QUARTET: Final = "[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/_-]"
"""Three bytes of ASCII in base64.  Words, paths and ids hardly ever have two of them in a row."""
_ENCODED: Final = rf"(?:{_QUARTET}){{3}}|(?:^|[^\w+/=-])(?:{_QUARTET}){{2}}[\w+/-]{{16}}".replace(r"\w", "A-Za-z0-9_")
"""Where a secret may be in base64: nine bytes of ASCII, or a word that begins with six (the shortest `a@b.c:`)."""


class Shape:
    """Secrets of one form: the only group of a match, or all of it.

    `begin` is an expression of Rust's `regex` that is in each match, also while the text is part of a line of JSON, and
    `glance` a stricter one.  `cut` matches at the end of a text that goes on elsewhere, where a secret may have begun.
    """

    def __init__(
        self, begin: str, whole: str, cut: str, glance: str = "", accept: Callable[[str], bool] = bool
    ) -> None:
        self.glance = glance or begin
        self._expressions = begin, whole, cut
        self._accept = accept

    @cached_property
    def _compiled(self) -> tuple[SchemaValidator, re.Pattern[str], re.Pattern[str]]:
        """The three expressions, compiled when they are needed, as most processes do not need them."""
        begin, whole, cut = self._expressions
        return compiled(begin), re.compile(whole, re.ASCII), re.compile(cut, re.ASCII)

    def find(self, text: str, *, is_cut: bool) -> Iterator[Span]:
        begin, whole, cut = self._compiled
        if not _occurs(begin, text):
            return
        for match in whole.finditer(text):
            if self._accept(match[whole.groups]):
                yield match.span(whole.groups)
        begun = cut.search(text) if is_cut else None
        if begun is not None:
            yield begun.span(cut.groups)


def _token(prefix: str) -> Shape:
    """Returns the shape of tokens with a prefix, which is part of the secret."""
    plain = re.escape(prefix)
    start = rf"(?<![A-Za-z0-9]){plain}"
    minimum = 8 if len(prefix) >= 5 else 20
    whole, cut = f"{start}{_BODY}{{{minimum},}}", rf"{start}{_BODY}*\Z"
    return Shape(plain, whole, cut, f"{plain}[A-Za-z0-9_.~+/=-]{{8}}")


def _after(begin: str, start: str, body: str = _BODY, minimum: int = 8, accept: Callable[[str], bool] = bool) -> Shape:
    """Returns the shape of a secret that follows `start`, in upper or lower case."""
    whole, cut = f"(?i:{start})({body}{{{minimum},}})", rf"(?i:{start})({body}+)\Z"
    return Shape(f"(?i:{begin})", whole, cut, accept=accept)


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


_USER: Final = r"://[^\s/?#@:\"'<>]*:"
SHAPES: Final = (
    *map(_token, PREFIXES),
    Shape("eyJ", r"(?<![\w-])eyJ[\w-]{5,}\.[\w.=-]{8,}", r"(?<![\w-])eyJ[\w.=-]*\Z"),
    _after(r"bearer\s", r"\bbearer\s{1,4}", accept=_is_random),  # RFC 6750
    _after(r"basic\s", r"\bbasic\s{1,4}", r"[\w+/=-]", accept=_is_basic),  # RFC 7617
    _after("authorization", r"authorization\\?[\"']?\s{0,4}[:=]\s{0,4}\\?[\"']?(?:[a-z]+\s{1,4})?", minimum=6),
    # User and password in an address (RFC 3986 §3.2.1), or a token alone.
    Shape(
        "://",
        _USER + r"([^\s/?#\"'<>]+)(?=@)",
        _USER + r"(?!\d+\Z)([^\s/?#\"'<>]+)\Z",
        _USER + r"[^\s/?#\"'<>]+@",
    ),
    Shape("://", r"://([^\s/?#@:\"'<>]{16,})(?=@)", r"://(?!)()\Z", r"://[^\s/?#@:\"'<>]{16,}@"),
    # Assignments: TOKEN=…, "password": "…", `secret: …`, ?key=…
    _after(rf"{_NAMED}[\"']?\s*[:=]", rf"{_NAMED}(?:=\\?[\"']?|\\?[\"']\s{{0,4}}[:=]\s{{0,4}}\\?[\"'])", _VALUE, 6),
    _after(rf"{_NAMED}\s*[:=]", rf"{_NAMED}\s{{0,4}}[:=]\s{{0,4}}", _VALUE, accept=_has_digit),
    _after("(?:key|code|sig|signature)=", r"[?&#](?:[\w-]*-)?(?:key|code|sig|signature)=", _VALUE),
    # Addresses of calendars, which need no other password: Google's, Outlook's and iCloud's, and any .ics file.
    _after(
        r"\.ics|/published/|/private-", r"(?:https?|webcals?)://[^\s/?#\"'<>]+", r"[^\s\"'<>]", 1, accept=is_calendar
    ),
    Shape(
        "-----BEGIN",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]+",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY[^-]*\Z",
    ),
)
_GLANCE: Final = "|".join((r"\\|%[0-9A-Fa-f]{2}", *dict.fromkeys(shape.glance for shape in SHAPES), _ENCODED))
"""Searches for all shapes at once; anything escaped is searched thoroughly."""


def redact(text: str) -> str:
    """Returns a text of a log without its secrets.  A second safeguard: no code should log one at all."""
    shown, at = "", 0
    for begin, end in _unlearned().spans(text):
        shown, at = shown + text[at:begin] + REDACTED, end
    return _IN_A_LOG.sub(rf"\g<1>{REDACTED}", shown + text[at:])


@cache
def _unlearned() -> "SecretFinder":
    return SecretFinder()


class InvalidPattern(ValueError):
    """A pattern of `--redact` cannot be used; the message says why."""


class SecretFinder:
    """Finds secrets by their form, and those that it has learned."""

    def __init__(self, patterns: Iterable[str] = (), searched: Iterable[str] = ()) -> None:
        """`patterns`: further expressions; a text that one of them matches is secret as a whole.

        `searched`: expressions for lines that `may_find` must not pass over, whatever else is in them.
        """
        self._patterns = [compiled(pattern) for pattern in patterns]
        self._known: dict[str, re.Pattern[str]] = {}
        self._searched = list(searched)
        self._text_glance = compiled(_GLANCE)
        self._line_glance: SchemaValidator | None = None
        """Compiled when it is needed, as learning changes it."""

    def learn(self, secret: str) -> None:
        """Remembers a secret, to find it in other places: in an error that quotes it, or cut into two."""
        if len(secret) >= MIN_KNOWN_CHARS and secret not in self._known and len(self._known) < MAX_KNOWN:
            self._known[secret] = re.compile(r"\s*".join(re.escape(one) for one in secret if not one.isspace()))
            ends = range(BLOCK_CHARS, min(len(secret), MAX_KNOWN_CHARS) + 1, BLOCK_CHARS)
            blocks = {secret[-BLOCK_CHARS:], *(secret[end - BLOCK_CHARS : end] for end in ends)}
            self._searched += map(re.escape, blocks)
            self._line_glance = None

    def may_find(self, lines: bytes) -> bool:
        """Returns whether lines of JSON must be searched thoroughly."""
        if self._line_glance is None:
            self._line_glance = compiled("|".join((_GLANCE, *self._searched)))
        return bool(self._patterns) or self._line_glance.isinstance_python(lines)

    def spans(self, text: str, *, is_cut: bool = False, depth: int = 0) -> list[Span]:
        """Returns where secrets are, in order and without overlaps.

        `is_cut`: the text continues elsewhere, and a secret may have begun at its end.
        """
        if len(text) < MIN_KNOWN_CHARS and not is_cut:
            return []
        if any(_occurs(pattern, text) for pattern in self._patterns):
            return [(0, len(text))]
        found = list(self._find_known(text, is_cut=is_cut)) if self._known else []
        if is_cut or _occurs(self._text_glance, text):
            for shape in SHAPES:
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


def _occurs(expression: SchemaValidator, text: str) -> bool:
    """Returns whether an expression matches somewhere, also in a text with half a surrogate pair."""
    return expression.isinstance_python(text if text.isascii() else text.encode("utf-8", "replace"))


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
