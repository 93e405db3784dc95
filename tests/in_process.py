"""Calls a service in this process, with its results decoded as a client would receive them."""

import json
from typing import Any, TypeVar

from sidecar_protocol.contract import methods_of, remote

T = TypeVar("T")


def decoded(interface: type[T], service: T) -> T:
    """The service, which returns decoded models instead of encoded ones."""
    attributes = {declared.name: declared.attribute for declared in methods_of(interface)}

    async def call(name: str, params: dict[str, Any]) -> Any:
        result = await getattr(service, attributes[name])(**params)
        return None if result is None else json.loads(result.json_bytes())

    return remote(interface, call)
