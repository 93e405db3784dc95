"""The export of the contract as OpenRPC, and the generated files.

The files are committed.  With `UPDATE=1` the first test rewrites them, as `sidecar schema` does.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT7
from sidecar_protocol import catalog
from sidecar_protocol.contract import Ephemeral, Input, Model, Notification, method, methods_of
from sidecar_protocol.entities import Job, JobStatus
from sidecar_protocol.export import openrpc as export
from sidecar_protocol.jobs import JobUpdated
from sidecar_protocol.meta import PROTOCOL_VERSION
from sidecar_protocol.scalars import Flag, Limit

ROOT = Path(__file__).parents[2]
NODE_MODULES = ROOT / "protocol/typescript/node_modules"

Json = dict[str, Any]


class Shelf(Input):
    """Where it is kept."""

    cool: Flag = True


class Jam(Model):
    """The content of one glass."""

    flavour: str


class JamMade(Notification):
    """A glass was filled."""

    name: ClassVar[str] = "jam.made"
    key: ClassVar[tuple[str, ...]] = ("jam.flavour",)
    jam: Jam


class JamStirred(Ephemeral):
    """The pot was stirred."""

    name: ClassVar[str] = "jam.stirred"
    key: ClassVar[tuple[str, ...]] = ("pot",)
    appends: ClassVar[str | None] = "sound"
    max_per_s: ClassVar[int] = 4
    pot: str
    sound: str


class Kitchen(Protocol):
    """Where jam is made."""

    @method("jam.make", rest="POST /jam", since="0.2.0", waits=True)
    async def make(self, *, limit: Limit = 5, shelf: Shelf, loud: Flag = False, name: str) -> Jam:
        """Make jam.

        It takes a while.
        """
        ...

    @method("jam.stop")
    async def stop(self) -> None:
        """Make no more."""
        ...


SMALL = export.ExportedContract(methods_of(Kitchen), (JamMade, JamStirred))


@cache
def document() -> Json:
    loaded: Json = json.loads(export.openrpc_text())
    return loaded


@cache
def small() -> Json:
    loaded: Json = json.loads(export.openrpc_text(SMALL))
    return loaded


def objects(value: Any) -> Iterator[Json]:
    """Yields every JSON object in a value, beginning with the value."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from objects(item)


# --- the files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", export.generated_files())
def test_a_generated_file_is_current(path: str) -> None:
    text = export.generated_files()[path]
    if os.environ.get("UPDATE") == "1":
        (ROOT / path).write_text(text, encoding="utf-8", newline="\n")
    committed = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).exists() else ""
    if committed != text:
        pytest.fail(f"{path} is stale: run `uv run sidecar schema`, or this test with UPDATE=1")


def test_the_export_is_reproducible() -> None:
    program = (
        "from sidecar_protocol.export import openrpc as export; print(export.openrpc_text() + export.typescript_text())"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {export.openrpc_text() + export.typescript_text() + "\n"}


def test_both_files_have_the_same_hash() -> None:
    digest = hashlib.sha256((ROOT / "schema/openrpc.json").read_bytes()).hexdigest()[:16]  # as the server does
    assert digest == export.schema_hash(export.openrpc_text())
    typescript = (ROOT / "protocol/typescript/contract.ts").read_text(encoding="utf-8")
    assert f'export const SCHEMA_HASH = "{digest}";\n' in typescript


def test_the_hash_changes_with_the_contract() -> None:
    assert export.schema_hash(export.openrpc_text(SMALL)) != export.schema_hash(export.openrpc_text())


# --- the document -----------------------------------------------------------------------------------------------------


def test_the_document_is_valid_openrpc() -> None:
    openrpc = NODE_MODULES / "@open-rpc/spec/dist/1_4/schema.json"
    json_schema = NODE_MODULES / "@json-schema-tools/meta-schema/schema.json"
    if not (openrpc.exists() and json_schema.exists()):
        pytest.skip("OpenRPC's meta-schema is not installed: `npm install` in protocol/typescript")
    meta, referred = (json.loads(path.read_text(encoding="utf-8")) for path in (openrpc, json_schema))
    resource = DRAFT7.create_resource(referred)
    # OpenRPC's meta-schema refers to it both with and without the slash.
    names = (referred["$id"], referred["$id"].rstrip("/"))
    registry: Registry[Any] = Registry().with_resources((name, resource) for name in names)
    validator = Draft7Validator(meta, registry=registry)
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(document())] == []
    broken = document() | {"methods": [{"name": "no.params"}]}
    assert not validator.is_valid(broken), "this meta-schema accepts anything"


def test_every_reference_resolves() -> None:
    references = {found["$ref"] for found in objects(document()) if "$ref" in found}
    for reference in references:
        place: Any = document()
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
        assert isinstance(place, dict)
    assert len(references) > 50


def test_every_schema_is_valid_draft_07() -> None:
    params = {f"{entry['name']} {param['name']}": param for entry in document()["methods"] for param in entry["params"]}
    schemas = {name: param["schema"] for name, param in params.items()} | document()["components"]["schemas"]
    for name, schema in schemas.items():
        Draft7Validator.check_schema(schema)
        for found in objects(schema):
            # Draft-07 ignores siblings of $ref and has no $defs.
            assert "$ref" not in found or len(found) == 1, name
            assert not found.keys() & {"$defs", "prefixItems", "unevaluatedProperties"}, name


def test_encoded_notifications_match_their_schemas() -> None:
    moment = "2026-11-23T08:00:00.000Z"
    job = Job(job_id="1", type="claude.run", status=JobStatus.QUEUED, created_at=moment, updated_at=moment)
    params = b'{"seq":1,"at":"%s",%s}' % (moment.encode(), JobUpdated(job=job).members())
    entry = next(entry for entry in document()["x-notifications"] if entry["name"] == "jobs.updated")
    schema = {**entry["params"], "components": document()["components"]}
    assert list(Draft7Validator(schema).iter_errors(json.loads(params))) == []
    assert not Draft7Validator(schema).is_valid({"seq": 1, "at": moment, "job": {}})


def test_the_document_lists_the_whole_catalog() -> None:
    listed = document()
    assert [entry["name"] for entry in listed["methods"]] == [declared.name for declared in catalog.methods()]
    assert [entry["name"] for entry in listed["x-notifications"]] == [told.name for told in catalog.NOTIFICATIONS]
    assert [entry["name"] for entry in listed["x-job-types"]] == [job.type for job in catalog.JOB_TYPES]
    assert set(listed["components"]["errors"]) == {error.kind() for error in catalog.ERRORS}
    assert listed["info"]["version"] == str(PROTOCOL_VERSION)


def test_a_method_is_exported_as_declared() -> None:
    make, stop = small()["methods"]
    errors = make.pop("errors")
    params = [(param["name"], param["required"]) for param in make.pop("params")]
    assert make == {
        "name": "jam.make",
        "summary": "Make jam.",
        "description": "It takes a while.",
        "tags": [{"$ref": "#/components/tags/Kitchen"}],
        "paramStructure": "by-name",
        "result": {"name": "Jam", "schema": {"$ref": "#/components/schemas/Jam"}},
        "x-rest": "POST /jam",
        "x-since": "0.2.0",
        "x-waits": True,
        "x-before-initialize": False,
    }
    assert params == [("shelf", True), ("name", True), ("limit", False), ("loud", False)], "required ones come first"
    assert {"$ref": "#/components/errors/overloaded"} in errors
    assert stop.keys() & {"result", "errors"} == set(), "what has no result is a notification"
    assert small()["components"]["tags"] == {"Kitchen": {"name": "Kitchen", "description": "Where jam is made."}}


def test_a_method_lists_its_own_errors_before_the_common_ones() -> None:
    cancel = next(entry for entry in document()["methods"] if entry["name"] == "jobs.cancel")
    common = document()["x-common-errors"]
    assert cancel["errors"] == [{"$ref": "#/components/errors/job_not_found"}, *common]
    for entry in document()["methods"]:
        kinds = [reference["$ref"].rpartition("/")[2] for reference in entry.get("errors", ())]
        codes = [document()["components"]["errors"][kind]["code"] for kind in kinds]
        assert len(set(codes)) == len(codes), f"{entry['name']}: OpenRPC wants one error a code"


def test_methods_allowed_before_initialize_do_not_list_not_initialized() -> None:
    health = next(entry for entry in document()["methods"] if entry["name"] == "system.health")
    assert {"$ref": "#/components/errors/not_initialized"} not in health["errors"]


def test_an_error_is_exported_with_its_kind_and_retryable() -> None:
    assert document()["components"]["errors"]["overloaded"] == {
        "code": 5030,
        "message": "Too many requests are in flight; try again later.",
        "data": {"kind": "overloaded", "retryable": True},
    }


def test_every_notification_says_what_it_is_about() -> None:
    schemas = document()["components"]["schemas"]
    for one in document()["x-notifications"]:
        told = next(told for told in catalog.NOTIFICATIONS if told.name == one["name"])
        assert "key" in vars(told), f"{told.name} declares no key"
        for path in one["key"]:
            schema = one["params"]
            for name in path.split("."):
                schema = schemas[schema.get("items", schema)["$ref"].rpartition("/")[2]]["properties"][name]
            schema = schema.get("items", schema)
            assert schema.get("type") == "string" or told.name == "$/progress", path


def test_durable_notifications_have_seq_and_at_and_ephemeral_ones_describe_their_merging() -> None:
    assert small()["x-notifications"] == [
        {
            "name": "jam.made",
            "summary": "A glass was filled.",
            "durable": True,
            "key": ["jam.flavour"],
            "params": {"$ref": "#/components/schemas/JamMade"},
        },
        {
            "name": "jam.stirred",
            "summary": "The pot was stirred.",
            "durable": False,
            "key": ["pot"],
            "params": {"$ref": "#/components/schemas/JamStirred"},
            "coalescing": {"appends": "sound", "max_per_s": 4},
        },
    ]
    found = small()["components"]["schemas"]
    assert found["JamMade"]["required"] == list(found["JamMade"]["properties"]) == ["seq", "at", "jam"]
    assert list(found["JamStirred"]["properties"]) == ["pot", "sound"]


def test_meta_and_limits_are_documented_once() -> None:
    meta = document()["x-meta"]
    assert meta["name"] == "_meta"
    properties = document()["components"]["schemas"]["Meta"]["properties"]
    assert set(properties) == {"progress_token", "timeout_ms", "traceparent"}
    assert document()["x-limits"] == {"max_message_bytes": 32 * 1024 * 1024, "max_batch": 64}
    assert not any(param["name"] == "_meta" for entry in document()["methods"] for param in entry["params"])


def test_the_secrets_of_the_handshake_are_marked() -> None:
    handshake = next(entry for entry in document()["methods"] if entry["name"] == "initialize")
    params = {param["name"]: param["schema"] for param in handshake["params"]}
    assert [name for name, schema in params.items() if schema.get("x-secret")] == ["token"]
    assert document()["components"]["schemas"]["Secrets"]["properties"]["key"]["x-secret"] is True
