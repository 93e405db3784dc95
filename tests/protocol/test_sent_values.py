"""Values that the contract declares for the sidecar to send are sent somewhere in its code."""

import enum
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import sidecar_protocol
from sidecar_protocol import catalog
from sidecar_protocol.claude.runs import PermissionMode
from sidecar_protocol.claude.status import McpState
from sidecar_protocol.contract import Notification, RpcError
from sidecar_protocol.errors import MessageTooLarge, ParseError
from sidecar_protocol.export.schemas import params_of
from sidecar_protocol.jobs import JobLogLevel

SIDECAR = Path(__file__).parents[2] / "sidecar"
SOURCES = "\n".join(
    path.read_text("utf-8")
    for path in SIDECAR.rglob("*.py")
    if path.relative_to(SIDECAR).parts[0] not in {"commandline", "transcripts"}
)
CHOSEN_BY_CLIENTS = {PermissionMode}
"""Enumerations whose values are sent back as a client has set them."""
FROM_OLD_ROWS = {JobLogLevel.DEBUG}
"""Values that only a database of the old backend has."""
PASSED_ON = {McpState.DISABLED}
"""Claude Code's words."""
FROM_THE_CONNECTION = {ParseError, MessageTooLarge}


def declared() -> Iterator[type]:
    """Yields the classes of the contract."""
    for module in pkgutil.walk_packages(sidecar_protocol.__path__, "sidecar_protocol."):
        for found in vars(import_module(module.name)).values():
            if inspect.isclass(found) and found.__module__ == module.name:
                yield found


def sent_enumerations() -> set[str]:
    """Returns the names of the enumerations in results and notifications."""
    methods = {method.result for method in catalog.methods()} - {None}
    models = [*methods, *(job.result for job in catalog.JOB_TYPES), *map(params_of, catalog.NOTIFICATIONS)]
    schemas = [model.model_json_schema(mode="serialization").get("$defs", {}) for model in models if model is not None]
    return {name for definitions in schemas for name, schema in definitions.items() if "enum" in schema}


def test_every_member_of_an_enumeration_is_sent() -> None:
    names = sent_enumerations()
    assert len(names) > 10
    unsent = [
        f"{one.__name__}.{member.name}"
        for one in declared()
        if issubclass(one, enum.Enum) and one.__name__ in names and one not in CHOSEN_BY_CLIENTS
        for member in one
        if member not in FROM_OLD_ROWS | PASSED_ON
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
