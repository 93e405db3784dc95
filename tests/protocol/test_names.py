"""Names on the wire follow one pattern each: notifications, errors, lists and their pages."""

import re
from collections.abc import Iterator

from sidecar_protocol import catalog
from sidecar_protocol.contract import Ephemeral, Model
from sidecar_protocol.contract.names import snake_case


def test_durable_notifications_are_past_participles_and_ephemeral_ones_are_nouns() -> None:
    for notification in catalog.NOTIFICATIONS:
        is_participle = re.search(r"(added|changed|deleted|ended|lost|requested|resolved|updated)$", notification.name)
        assert (is_participle is not None) != issubclass(notification, Ephemeral), notification.name


def test_no_error_has_the_name_of_a_notification() -> None:
    notifications = {notification.name.replace(".", "_") for notification in catalog.NOTIFICATIONS}
    notifications |= {name.partition("_")[2] for name in notifications}
    notifications |= {snake_case(notification.__name__) for notification in catalog.NOTIFICATIONS}
    assert {snake_case(error.__name__) for error in catalog.ERRORS} & notifications == set()


def test_every_paged_list_takes_a_cursor_and_returns_the_next() -> None:
    for declared in catalog.methods():
        is_paged = "limit" in declared.params.model_fields and declared.name != "events.replay"
        assert ("cursor" in declared.params.model_fields) == is_paged, declared.name
        result = declared.result
        fields = result.model_fields if isinstance(result, type) and issubclass(result, Model) else {}
        assert ("next_cursor" in fields) == is_paged, declared.name


def resources() -> Iterator[tuple[str, str]]:
    """Yields the names before `.list` with the methods."""
    for declared in catalog.methods():
        *resource, verb = declared.name.split(".")
        if verb == "list":
            yield resource[-1], declared.name


def test_listed_resources_are_plural() -> None:
    uncountable = {"jobs.log.list", "claude.usage.list", "claude.trust.list"}
    assert [name for resource, name in resources() if not resource.endswith("s") and name not in uncountable] == []
