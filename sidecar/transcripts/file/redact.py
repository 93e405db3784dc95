"""Removes secrets from messages.

Secret is what the contract declares so, also under a name that only resembles the declared one and in params without
names, and text that is a secret by its form or because it was sent as one (`secret_texts.py`).  Not removed are texts,
prompts, names, e-mail addresses and paths.

A secret becomes {"$secret": n}, with the same n for the same value, so that a replay stays consistent.
Each value inside a secret object is replaced separately.  An address also gets a placeholder URL (`addresses.py`), and
the content of a file is described instead of numbered (`contents.py`).
A text that contains a secret becomes {"$re": …, "$like": …}: any secret matches there, and a replay sends a placeholder
of the same length, so that offsets into the text stay right.
"""

import json
import re
from base64 import b64encode
from codecs import BOM_UTF8
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic_core import from_json, to_json

from sidecar.secret_texts import SecretFinder, Span, compiled, is_calendar
from sidecar.transcripts.file.addresses import is_web_address, placeholder_url
from sidecar.transcripts.file.contents import described, example
from sidecar.transcripts.file.facts import ContractFacts, Facts

SECRET_KEY: Final = "$secret"  # noqa: S105 - the name of a member
RE: Final = "$re"
LIKE: Final = "$like"
"""The member of a pattern that a replay sends in its place."""
MAX_SECRETS: Final = 1_000
"""Limits the digests that are remembered; all further secrets get this number."""
MAX_PARTS: Final = 8
"""Secrets in one text; one with more is replaced as a whole, as matching it would take long."""
MAX_STREAMS: Final = 64
"""Texts sent piece by piece whose ends are remembered."""
TAIL_CHARS: Final = 300
"""How much of a text's end is remembered: a secret can begin there and end in the next piece."""
START_CHARS: Final = 100
"""How much is remembered of what comes before a secret that has begun, and makes it one."""
SECRET_WORDS: Final = (
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "privatekey",
    "authorization",
    "cookie",
)
"""Ends of names of secrets in any message, also those of others, such as the input of Claude's tools."""
NAMED: Final = (
    r'(?i:token|secret|passw(?:or)?d|passphrase|(?:api|private)[^a-z0-9"]{0,3}key|authorization|cookie)[^a-z0-9"]*"'
)
"""Finds them in a line of JSON: as the name of a member, or as a value that says what another one is."""
_TEXT: Final = r'"[^"\\\x00-\x1f]*"'
_NUMBER: Final = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,2})?"
_VALUE: Final = f"(?:{_TEXT}|{_NUMBER}|true|false|null)"
HARMLESS: Final = frozenset({"progresstoken", "pagetoken", "nextpagetoken", "nextsynctoken", "synctoken"})
"""Names that end like those of secrets."""
MAX_NAME_CHARS: Final = 40
MAX_NAMES: Final = 10_000
"""Names of members whose kind is remembered."""
CLOSE: Final = 0.8
"""How similar a misspelt name is, from 0 to 1: `tokne` is, `mode` is not like `code`."""
_NOT_PLAIN: Final = re.compile(r"[\\^$.|?*+()\[\]{}/]")


class Redactor:
    """Redacts the lines of one run and remembers its secrets."""

    def __init__(self, contract: ContractFacts, patterns: Iterable[str] = (), *, keeps_files: bool = False) -> None:
        """`patterns`: of `--redact`, see `SecretFinder`.  Raises InvalidPattern."""
        self._contract = contract
        self._keeps_files = keeps_files
        streams = (name for name in contract.notifications if (contract.coalescing(name) or {}).get("appends"))
        self._finder = SecretFinder(patterns, [*(f'"{re.escape(name)}"' for name in streams), NAMED])
        self._declared = frozenset(map(_bare, contract.secret_names()))
        self._names: dict[str, tuple[bool, bool]] = {}
        names = contract.plain_names() - {"value"}  # which another member names
        self._plain_requests = compiled(
            _requests(name for name in names if not self._is_secret_name(name, is_ours=True))
        )
        self._numbers: dict[bytes, int] = {}
        self._tails: OrderedDict[bytes, str] = OrderedDict()
        self._is_in_raw = False

    def learn(self, environment: Mapping[str, str]) -> None:
        """Remembers the secrets among environment variables, which a tool of Claude can print."""
        for name, value in environment.items():
            if _bare(name).endswith(SECRET_WORDS):
                self._finder.learn(value)

    def skip(self, numbers: int) -> None:
        """Numbers further secrets after those that a file has already."""
        self._numbers = {b"%d" % number: number for number in range(1, min(numbers + 1, MAX_SECRETS))}

    def may_find(self, lines: bytes) -> bool:
        """Returns whether something may be secret in lines of the sidecar."""
        return self._finder.may_find(lines)

    def is_plain(self, lines: bytes) -> bool:
        """Returns whether lines of a client are requests without anything that may be secret."""
        is_plain = self._plain_requests.isinstance_python(lines) and not self._finder.may_find(lines)
        self._is_in_raw &= not is_plain
        return is_plain

    def redacted(self, line: bytes, *, from_client: bool) -> bytes | None:
        """Returns the line with its secrets replaced and without a line break, or None if it is not strict JSON."""
        # What a client sends can have misspelt names, so that only our own lines are looked at quickly.
        if not from_client and not self._finder.may_find(line):
            return line
        try:
            value = from_json(line.removeprefix(BOM_UTF8), allow_inf_nan=False)
        except ValueError:
            return None
        self._is_in_raw &= not from_client
        return to_json(self._line(value, from_client=from_client))

    def _line(self, value: Any, *, from_client: bool) -> Any:
        if type(value) is list:
            return [self._message(message, from_client=from_client) for message in value]
        return self._message(value, from_client=from_client)

    def may_show_secret(self, line: bytes) -> bool:
        """Returns whether a line that is not JSON must not be recorded.

        That is one with a secret or the name of one, and those after it: it may have been cut by a line break.
        With half a surrogate pair it is a message nevertheless, and searched like one.
        """
        try:
            value = json.loads(line.removeprefix(BOM_UTF8), object_pairs_hook=_unique)
            if type(value) in (dict, list):
                self._is_in_raw = False
                return bool(self._line(value, from_client=True) != value)
        except (ValueError, RecursionError):
            pass
        text = line.replace(b"\0", b"").decode("utf-8", "replace")  # without NULs: it may be UTF-16
        self._is_in_raw = self._is_in_raw or "\\u" in text or self.shows_secret(text)
        return self._is_in_raw

    def shows_secret(self, text: str) -> bool:
        """Returns whether a text contains a secret or the name of one."""
        names = {_bare(word) for word in re.findall(r"[\w-]+", text)}
        is_named = any(name in self._declared or name.endswith(SECRET_WORDS) for name in names)
        return is_named or bool(self._finder.spans(text, is_cut=True))

    def _message(self, message: Any, *, from_client: bool) -> Any:
        if type(message) is not dict:
            return self._walk(message, self._contract.undeclared, is_ours=from_client)
        method = message.get("method")
        facts = self._contract.request(method) if from_client else self._contract.notification(method)
        redacted = {}
        for key, value in message.items():
            if key == "params" and from_client and type(value) is list and self._has_secret_params(method):
                redacted[key] = self._replace(value)
            elif key == "params":
                walked = self._walk(value, facts.declared_member(key), is_ours=from_client)
                redacted[key] = walked | self._piece(method, value) if type(value) is dict else walked
            elif key in ("id", "method") and type(value) is str:
                redacted[key] = self._plain(value)  # patterns are not valid here
            else:
                redacted |= self._members({key: value}, self._contract.undeclared, is_ours=from_client)
        return redacted

    def _has_secret_params(self, method: Any) -> bool:
        """Returns whether params without names can be secret."""
        params = self._contract.params(method)
        return not params.is_declared or any(facts.is_secret for _, facts in params.all_members())

    def _walk(self, value: Any, facts: Facts, *, is_ours: bool) -> Any:
        """`is_ours`: a client's request, in which undeclared names may be misspelt ones of the contract."""
        if type(value) is str:
            return self._text(value)
        if type(value) is dict:
            return self._members(value, facts, is_ours=is_ours)
        if type(value) is list:
            item = facts.item()
            walked = [self._walk(inner, item, is_ours=is_ours) for inner in value]
            for at, (option, _) in enumerate(pairwise(value), 1):
                if type(option) is str and option.startswith("-") and self._is_secret_name(option, is_ours=is_ours):
                    walked[at] = self._replace(value[at])  # ["--token", "…"]
            return walked
        return value

    def _members(self, value: dict[str, Any], facts: Facts, *, is_ours: bool) -> dict[str, Any]:
        named = value.get("name", value.get("key")) if "value" in value else None  # {"name": "token", "value": "…"}
        redacted = {}
        for key, inner in value.items():
            member = facts.member(value, key)
            if member.is_file and type(inner) is str:
                redacted[key] = inner if self._keeps_files else {SECRET_KEY: described(inner), LIKE: example(inner)}
                continue
            is_secret = member.is_secret
            if not member.is_declared and type(inner) is not bool:
                name = named if key == "value" and type(named) is str else key
                is_secret = self._is_secret_name(name, is_ours=is_ours) and (is_ours or type(inner) not in (int, float))
            walked = (
                self._replace(inner) if is_secret and inner is not None else self._walk(inner, member, is_ours=is_ours)
            )
            redacted[self._plain(key)] = walked
        return redacted

    def _is_secret_name(self, name: str, *, is_ours: bool) -> bool:
        """Returns whether an undeclared member is secret: `apiToken`, `api-token` and, in requests, `tokne`."""
        if name not in self._names:
            if len(self._names) >= MAX_NAMES:
                self._names.clear()
            bare = _bare(name)
            is_name = len(name) <= MAX_NAME_CHARS and " " not in name and bare not in HARMLESS
            is_word = is_name and bare.endswith(SECRET_WORDS)
            is_close = is_name and bool(get_close_matches(bare, {*self._declared, *SECRET_WORDS}, 1, CLOSE))
            self._names[name] = is_word, is_word or is_close
        is_word, is_close = self._names[name]
        return is_close if is_ours else is_word

    def _text(self, text: str) -> Any:
        spans = self._finder.spans(text)
        if not spans:
            return text
        address = is_web_address(text) and is_calendar(urlsplit(text.strip()).path)
        if address or spans == [(0, len(text))] or len(spans) > MAX_PARTS:
            return self._replace(text)
        return self._pattern(text, spans)

    def _pattern(self, text: str, spans: list[Span]) -> dict[str, Any]:
        """Returns a pattern for a text of which parts are secret."""
        ends = [0, *(end for _, end in spans)]
        between = [
            text[end:begin] for end, begin in zip(ends, [*(begin for begin, _ in spans), len(text)], strict=True)
        ]
        expression = r"[\s\S]+".join(_NOT_PLAIN.sub(r"\\\g<0>", part) for part in between)
        return {RE: expression, LIKE: self._filled(text, spans)}

    def _filled(self, text: str, spans: list[Span]) -> str:
        """Returns the text with placeholders of the same length."""
        filled, at = "", 0
        for begin, end in spans:
            word = f"recorded-secret-{self._number(text[begin:end])}"
            filled += text[at:begin] + word[: end - begin].ljust(end - begin, "x")
            at = end
        return filled + text[at:]

    def _plain(self, text: str) -> str:
        spans = self._finder.spans(text)
        return self._filled(text, spans) if spans else text

    def _piece(self, method: Any, params: dict[str, Any]) -> dict[str, Any]:
        """Returns the redacted piece of a text that is sent in pieces: a secret must not survive in two of them."""
        rule = self._contract.coalescing(method)
        name: str = (rule["appends"] if rule else None) or ""
        piece = params.get(name)
        if type(piece) is not str:
            return {}
        key = to_json([method, *(params.get(one) for one in self._contract.key(method))])
        before = self._tails.pop(key, "")
        text = before + piece
        spans = self._finder.spans(text, is_cut=True)
        is_open = bool(spans) and spans[-1][1] == len(text)
        tail_at = max(0, spans[-1][0] - START_CHARS if is_open else len(text) - TAIL_CHARS)
        self._tails[key] = text[tail_at : tail_at + TAIL_CHARS]
        if len(self._tails) > MAX_STREAMS:
            self._tails.popitem(last=False)
        inside = [(max(0, begin - len(before)), end - len(before)) for begin, end in spans if end > len(before)]
        return {name: self._pattern(piece, inside) if inside else piece}

    def _replace(self, value: Any) -> Any:
        """Replaces each leaf of an object, so that the replayed value keeps its shape."""
        if type(value) is dict:
            return {name: self._replace(inner) for name, inner in value.items()}
        if type(value) is list:
            return [self._replace(inner) for inner in value]
        number = self._number(value)
        if type(value) is not str:
            return {SECRET_KEY: number}
        if not is_web_address(value):
            self._finder.learn(value)
            return {SECRET_KEY: number}
        parts = urlsplit(value.strip())
        self._finder.learn(f"{parts.path}?{parts.query}" if parts.query else parts.path)
        return {SECRET_KEY: number, LIKE: placeholder_url(value)}

    def _number(self, value: Any) -> int:
        digest = sha256(to_json(value)).digest()
        number = self._numbers.get(digest) or min(len(self._numbers) + 1, MAX_SECRETS)
        if number < MAX_SECRETS:
            self._numbers[digest] = number
        return number


def _requests(names: Iterable[str]) -> str:
    """Returns an expression for lines with requests whose members have these names only, as most clients write them."""
    name = f'"(?:{"|".join(map(re.escape, sorted(names)))})": ?'
    inner = _object(name + _VALUE)
    params = _object(f"{name}(?:{_VALUE}|{inner})")
    member = rf'"jsonrpc": ?"2\.0"|"id": ?(?:{_NUMBER}|{_TEXT})|"method": ?{_TEXT}|"params": ?{params}'
    line = _object(f"(?:{member})")
    return f"^{line}(?:\n{line})*$"


def _object(member: str) -> str:
    return rf"\{{(?:{member}(?:, ?{member})*)?\}}"


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(value := dict(members)) < len(members):
        raise ValueError  # of which JSON keeps the last only
    return value


def _bare(name: str) -> str:
    """Returns the letters and digits of a name in lower case: `apitoken` for `API-Token`."""
    return "".join(one for one in name.lower() if one.isalnum())


def placeholder(number: int) -> str:
    """Returns what to send for a secret that has no `$like`: 32 bytes in base64, which is valid in every place."""
    return b64encode(sha256(b"secret %d of a transcript" % number).digest()).decode()
