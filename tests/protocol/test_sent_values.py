"""Values that the contract declares for the sidecar to send are sent somewhere in its code."""

import enum
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import sidecar_protocol
from sidecar_protocol.claude.permissions import PermissionDecision
from sidecar_protocol.claude.runs import PermissionMode
from sidecar_protocol.contract import Notification, RpcError
from sidecar_protocol.errors import MessageTooLarge, ParseError
from sidecar_protocol.jobs import JobLogLevel

SOURCES = "\n".join(
    path.read_text("utf-8")
    for path in (Path(__file__).parents[2] / "sidecar").rglob("*.py")
    if "commandline" not in path.parts and "transcripts" not in path.parts
)
CHOSEN_BY_CLIENTS = {PermissionDecision, PermissionMode}
FROM_OLD_ROWS = {JobLogLevel.DEBUG}
"""Values that only a database of the old backend has."""
FROM_THE_CONNECTION = {ParseError, MessageTooLarge}


def declared() -> Iterator[type]:
    """Yields the classes of the contract."""
    for module in pkgutil.walk_packages(sidecar_protocol.__path__, "sidecar_protocol."):
        for found in vars(import_module(module.name)).values():
            if inspect.isclass(found) and found.__module__ == module.name:
                yield found


def test_every_member_of_an_enumeration_is_sent() -> None:
    unsent = [
        str(member)
        for one in declared()
        if issubclass(one, enum.Enum) and one not in CHOSEN_BY_CLIENTS
        for member in one
        if member not in FROM_OLD_ROWS
        if not re.search(rf"\b{one.__name__}\.{member.name}\b|['\"]{re.escape(str(member.value))}['\"]", SOURCES)
    ]
    assert unsent == []


def test_every_error_and_notification_is_sent() -> None:
    unsent = {
        one
        for one in declared()
        if issubclass(one, RpcError | Notification)
        if not re.search(rf"\b{one.__name__}\b", SOURCES)
    }
    bases = {one for one in unsent if one.__module__.startswith("sidecar_protocol.contract")}
    assert unsent - bases == FROM_THE_CONNECTION
