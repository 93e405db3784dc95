"""The meaning of Jira's statuses: `todo`, `doing`, `done` or `blocked`.

The site's own status categories decide.  Jira has none for blocked issues, so a status of open work is `blocked` if its
name says so.  The name also decides where the category is unknown: for a deleted status, and for a status that the
site does not list.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from sidecar.atlassian.fields import get_string, get_time_ms
from sidecar.json_reader import get, get_objects
from sidecar.text import folded

CATEGORIES: Final = {"new": "todo", "indeterminate": "doing", "done": "done"}
"""Jira's status categories, by the key that is not localized.  A status without a category has the key `undefined`."""

# Names are folded, their hyphens and apostrophes are blanks.  English, German and French: whole words.
_WORDS: Final = {
    "blocked": "blocked|on hold|onhold|impeded|stuck|blockiert|geblockt|bloquée?s?|en suspens",
    "done": "done|closed|resolved|completed?|finished|fixed|released|deployed|merged|shipped|cancell?ed|rejected"
    "|declined|won t (?:do|fix)|erledigt|fertig|fertiggestellt|abgeschlossen|geschlossen|gelöst|behoben|beendet"
    "|abgebrochen|abgelehnt|verworfen|terminée?|faite?|finie?|fermée?|résolue?|close?|clôturée?|achevée?|livrée?"
    "|annulée?|rejetée?",
    "doing": "in progress|doing|reviewing|review|in development|testing|in test|in qa|wip|started|ongoing|active"
    "|in arbeit|in bearbeitung|in prüfung|in umsetzung|im test|begonnen|en cours|en revue|en test|en développement",
    "todo": "to do|todo|open|new|backlog|re ?opened|selected for development|ready|planned|not started|not done"
    "|unresolved|incomplete|zu erledigen|offen|unerledigt|neu|geplant|(?:wieder|erneut) geöffnet"
    "|nicht (?:begonnen|gestartet)|[àa] faire|r?ouverte?|nouveau|nouvelle|planifiée?|prête?|(?:non|pas) commencée?",
}
_NEGATING_WORDS: Final = (
    "not|no|non|never|un|isn|aren|wasn|without|was|previously|formerly|to be|nicht|nie|keine?|ohne|pas|plus|sans|jamais"
)
"""Words before the word in the same clause: `no longer blocked`, `nicht mehr blockiert`, `n'est plus bloqué`."""

# Korean, Japanese and Chinese, which join words: parts of words.  블록체인 and ブロックチェーン are blockchains.
_PARTS: Final = {
    "blocked": "차단|막힘|막힌|막혀|막혔|보류|(?:블록|블럭|블락|블로킹)(?!체인)|(?<![ァ-ヿ])ブロック(?![ァ-ヿ])"
    "|保留|停滞|阻塞|受阻|阻止|阻断|阻斷|阻挡|阻擋|阻碍|阻礙|卡住|搁置|擱置|挂起|掛起|暂缓|暫緩|封锁|封鎖",
    "done": "완료|종료|닫힘|해결|취소|반려|完了|終了|クローズ|解決|済|却下|キャンセル|中止|完成|关闭|關閉|解决"
    "|结束|結束|取消|已发布|已發布",
    "doing": "진행|검토|리뷰|테스트|중$|進行|レビュー|テスト|着手|中$|进行|审核|審核|评审|評審|测试|測試",
    "todo": "해야|할 ?일|대기|열림|백로그|예정|전$|신규|접수|(?:^| )미|作業前|オープン|バックログ|新規|待|予定|未"
    "|打开|打開|开放|開放|新建",
}
_NEGATING_BEFORE: Final = re.compile(
    "(?:[未非不无無没沒]|解除|取消|消除|移除)[被再有了已会會]*$|待$|(?:^| )(?:미|비|안|안 ?된) ?$"
)
"""Negations before a part: `未阻塞`, `不再被阻塞`, `解除阻塞`, `待完成`, `미해결`."""
_NEGATING_AFTER: Final = (
    " ?(?:[가-힣]{0,2} ?[가-힣]{0,2}지 ?(?:않|못)"
    "|(?:됨|된|이|가|을|를)?(?: ?것)? ?(?:해제|풀|해소|해결|없|아님|아닌|안 ?됨)"
    "|[をがはの]?(?:解除|解消|なし|無し)|中?(?:では?|じゃ)(?:な|ありませ)|(?:され|し)て?い?(?:な|ませ)"
    "|已?被?(?:解除|取消|消除|移除|解决|解決))"
)
"""Negations after a part: `차단 해제`, `막혀 있지 않음`, `ブロック解除`, `ブロックされていない`, `阻塞已解除`."""
_PLANNED: Final = "| ?(?:예정|대기|전|予定|待|前)"
"""Plans after a part: `완료 예정`, `レビュー待ち`."""
_AFTER: Final = {
    "blocked": re.compile(_NEGATING_AFTER),
    "done": re.compile(f"{_NEGATING_AFTER}{_PLANNED}| ?[중中]"),
    "doing": re.compile(f"{_NEGATING_AFTER}{_PLANNED}"),
    "todo": re.compile("(?!)"),
}

_LETTER: Final = "[a-z0-9ß-ɏ]"
_WORD: Final = {kind: re.compile(f"(?<!{_LETTER})(?:{words})(?!{_LETTER})") for kind, words in _WORDS.items()}
_PART: Final = {kind: re.compile(parts) for kind, parts in _PARTS.items()}
_NEGATING_WORD: Final = re.compile(f"(?<!{_LETTER})(?:{_NEGATING_WORDS})(?!{_LETTER})")
_CAMEL_CASE: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CLAUSES: Final = re.compile(r"[/,;:()\[\]{}|&+–—→>。、·]| - ")
_BLANKS: Final = re.compile(r"[\s_.!?'’\"-]+")
MAX_NAME_CHARS: Final = 200
"""Part of a name that is read, since finding its meaning takes quadratic time; Jira allows 60 characters."""


class StatusKinds:
    """The meanings of a site's statuses."""

    def __init__(self) -> None:
        self._kinds: dict[str, str | None] = {}

    def learn(self, *statuses: object) -> None:
        """Takes statuses as Jira describes them: `{"id", "name", "statusCategory": {"key"}}`; ignores anything else."""
        for status in get_objects({"statuses": list(statuses)}, "statuses"):
            status_id = get_string(status, "id")
            category = get_string(status, "statusCategory", "key")
            if status_id is not None and (category in CATEGORIES or status_id not in self._kinds):
                self._kinds[status_id] = kind_of(category, get_string(status, "name"))

    def kind(self, status_id: str | None, name: str | None) -> str | None:
        """Returns what a status means, by its id, or by its name if the id is unknown."""
        return self._kinds[status_id] if status_id in self._kinds else kind_of(None, name)


@lru_cache(maxsize=1024)
def kind_of(category: str | None, name: str | None) -> str | None:
    """Returns what a status of this category and name means; None if it is unknown."""
    kind = CATEGORIES.get(category or "")
    if kind == "done":
        return kind
    words = folded(_CAMEL_CASE.sub(" ", (name or "")[:MAX_NAME_CHARS]))
    clauses = [_BLANKS.sub(" ", one).strip() for one in _CLAUSES.split(words)]
    candidates = _WORDS if kind is None else ("blocked",)
    return next((one for one in candidates if any(_says(clause, one) for clause in clauses)), kind)


def _says(clause: str, kind: str) -> bool:
    """Returns whether a part of a folded name says that a status is of this kind, rather than that it is not."""
    return any(
        _NEGATING_WORD.search(clause, 0, match.start()) is None for match in _WORD[kind].finditer(clause)
    ) or any(
        _NEGATING_BEFORE.search(clause[: match.start()]) is None and _AFTER[kind].match(clause, match.end()) is None
        for match in _PART[kind].finditer(clause)
    )


class StatusHistory:
    """The status of an issue at each time, according to its history."""

    def __init__(self, issue: Any, histories: Iterable[Mapping[str, Any]] | None, kinds: StatusKinds) -> None:
        """`histories` is None if they could not be read completely."""
        status = get(issue, "fields", "status")
        self.is_unknown = status is None
        """Whether the current status is unknown, since Jira has left it out."""
        kinds.learn(status)
        self._kinds = kinds
        self._first = self._fields(get_string(status, "id"), get_string(status, "name"))
        self.kind = self._first["status_kind"]
        """The meaning of its current status."""
        changes = [
            (get_time_ms(history, "created") or 0, item)
            for history in histories or ()
            for item in get_objects(history, "items")
            if field_name(item) == "status"
        ]
        changes.sort(key=lambda change: change[0])
        self._times = [at_ms for at_ms, _ in changes]
        self._after = [self.after(item) for _, item in changes]
        if histories is None:
            self._first = {}
        elif changes:
            before = changes[0][1]
            self._first = self._fields(get_string(before, "from"), get_string(before, "fromString"))

    def at(self, at_ms: int) -> dict[str, str | None]:
        """Returns the fields `status` and `status_kind` of an event at a time; without them if they are unknown."""
        number = bisect_right(self._times, at_ms)
        return self._after[number - 1] if number else self._first

    def after(self, item: Mapping[str, Any]) -> dict[str, str | None]:
        """Returns these fields of a transition."""
        return self._fields(get_string(item, "to"), get_string(item, "toString"))

    def _fields(self, status_id: str | None, name: str | None) -> dict[str, str | None]:
        return {"status": name, "status_kind": self._kinds.kind(status_id, name)}


def field_name(item: Mapping[str, Any]) -> str:
    """Returns the name of the field that an item of a history has changed, in lower case."""
    return (get_string(item, "fieldId") or get_string(item, "field") or "").casefold()
