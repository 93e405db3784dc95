"""The meanings of Jira's statuses: by their category, and by their name where the category is not enough."""

import pytest

from sidecar.atlassian.statuses import StatusKinds, kind_of

BLOCKED = (
    "Blocked", "BLOCKED", "Blocked by vendor", "Review - Blocked", "blocked/waiting", "Ｂｌｏｃｋｅｄ", "is_blocked",
    "Not started, blocked", "Not in progress - blocked", "On Hold", "On-hold", "OnHold", "Stuck", "Impeded",
    "Blockiert", "Derzeit blockiert", "Geblockt", "Bloqué", "BLOQUÉE", "Tâches bloquées", "Bloque\u0301",
    "차단됨", "차단", "외부 차단", "막힘", "막혀 있음", "보류", "보류 중", "블록됨", "준비 차단",
    "블로킹 중",
    "ブロック", "ブロック中", "ブロックされている", "ﾌﾞﾛｯｸ中", "保留", "対応保留中",
    "阻塞", "已阻塞", "被阻止", "受阻", "卡住了", "搁置", "擱置", "阻塞中", "已挂起",
)  # fmt: skip
NOT_BLOCKED = (
    "Unblocked", "Un-blocked", "Not blocked", "NOT BLOCKED", "NotBlocked", "not_blocked", "No longer blocked",
    "Not yet blocked", "Never blocked", "isn't blocked", "Isn’t blocked", "Non-blocked", "Previously blocked",
    "Ready (not blocked)", "Blockchain review", "Roadblock analysis", "Block design", "Building blocks",
    "Nicht blockiert", "Nicht mehr blockiert", "Entblockt", "Entblockiert", "Blockchain", "Blockieren prüfen",
    "Non bloqué", "Débloqué", "Pas bloqué", "N'est plus bloquée", "n’est pas bloqué",
    "차단 해제", "차단 해제됨", "차단되지 않음", "차단되어 있지 않음", "차단 안 됨", "미차단",
    "막혀 있지 않음", "막힌 것 없음", "보류 해제", "블록체인 검토", "블록 해제", "차단 아님", "차단이 풀림",
    "ブロック解除", "ブロックの解除", "ブロックされていない", "ブロックされていません", "ブロックなし",
    "ブロックではない",
    "ブロックチェーン", "アンブロック", "未ブロック", "保留解除",
    "未阻塞", "未被阻塞", "解除阻塞", "已解除阻塞", "阻塞解除", "阻塞已解除", "不再阻塞",
    "不再被阻塞", "没有阻塞", "無阻塞", "非阻塞", "取消挂起",
)  # fmt: skip
BY_NAME = {
    "todo": (
        "To Do", "ToDo", "Open", "Re-opened", "Backlog", "Selected for Development", "Not started", "Not done",
        "Zu erledigen", "Offen", "Nicht begonnen", "À faire", "A FAIRE", "Ouvert", "Rouverte", "Non commencé",
        "해야 할 일", "열림", "다시 열림", "대기", "시작 전", "완료 예정", "미완료", "미해결",
        "未着手", "作業前", "再オープン", "未完了", "レビュー待ち",
        "待办", "待處理", "重新打开", "未开始", "待完成", "未解决",
    ),
    "doing": (
        "In Progress", "InProgress", "In-progress", "Code Review", "In Test", "WIP", "In Progress (not done)",
        "In Arbeit", "In Bearbeitung", "En cours", "EN COURS", "En développement",
        "진행 중", "진행중", "검토 중", "개발 중",
        "進行中", "作業中", "対応中", "レビュー中", "进行中", "处理中", "審核中", "解决中",
    ),
    "done": (
        "Done", "Closed", "Resolved", "Complete", "Won't Do", "Cancelled", "Canceled", "Review done",
        "Erledigt", "Fertig", "Geschlossen", "Gelöst", "Terminé", "TERMINÉE", "Terminé(e)", "Fait", "Résolu", "Clôturé",
        "완료", "완료됨", "종료", "해결됨", "닫힘",
        "完了", "対応済み", "クローズ", "解決済み", "完成", "已完成", "关闭", "已關閉", "已解决",
    ),
    None: ("", "Acme", "Abandon ship", "Undone", "Donegal", "Preview", "Newsletter", "審査", "?", "\u200b"),
}  # fmt: skip


@pytest.mark.parametrize("category", ["new", "indeterminate"])
def test_a_status_of_open_work_is_blocked_if_its_name_says_so(category: str) -> None:
    kind = {"new": "todo", "indeterminate": "doing"}[category]
    assert [name for name in BLOCKED if kind_of(category, name) != "blocked"] == []
    assert [name for name in NOT_BLOCKED if kind_of(category, name) != kind] == []


def test_the_sites_category_counts_for_everything_else() -> None:
    for names in BY_NAME.values():
        for name in names:
            assert kind_of("new", name) == "todo"
            assert kind_of("indeterminate", name) == "doing"
            assert kind_of("done", name) == "done"
    assert kind_of("done", "Blocked") == "done"
    assert kind_of("done", None) == "done"


@pytest.mark.parametrize("category", [None, "undefined", "something new"])
def test_the_name_decides_where_the_category_is_unknown(category: str | None) -> None:
    for kind, names in BY_NAME.items():
        assert [name for name in names if kind_of(category, name) != kind] == []
    assert [name for name in BLOCKED if kind_of(category, name) != "blocked"] == []
    assert [name for name in NOT_BLOCKED if kind_of(category, name) == "blocked"] == []
    assert kind_of(category, None) is None


def test_a_status_is_known_by_its_id() -> None:
    kinds = StatusKinds()
    category = {"key": "done"}
    kinds.learn({"id": "1", "name": "Blocked", "statusCategory": category}, {"id": "2", "name": "Doing"}, None, "x", {})
    assert kinds.kind("1", "Doing") == "done"
    assert kinds.kind("2", "anything") == "doing"
    assert kinds.kind("3", "Unblocked") is None
    assert kinds.kind(None, "Erledigt") == "done"
    kinds.learn({"id": "1", "name": "Blocked"})
    assert kinds.kind("1", None) == "done"
    kinds.learn({"id": "1", "name": "Blocked", "statusCategory": {"key": "new"}})
    assert kinds.kind("1", None) == "blocked"
