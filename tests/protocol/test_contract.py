"""Declarations: how they are read, and the rules that those of the catalog follow."""

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Protocol

import anyio
import pytest
from pydantic import ValidationError
from sidecar_protocol import catalog, errors
from sidecar_protocol.accounts import AccountUpdated
from sidecar_protocol.claude.runs import Claude, RunClaude
from sidecar_protocol.contract import (
    Ephemeral,
    Input,
    JobSpec,
    Method,
    Model,
    Notification,
    RpcError,
    is_secret,
    method,
    methods_of,
    pascal_case,
    remote,
    snake_case,
)
from sidecar_protocol.entities import Job, JobStatus
from sidecar_protocol.jobs import JobCreated, JobNotFound, Jobs
from sidecar_protocol.meta import Meta
from sidecar_protocol.scalars import Token
from sidecar_protocol.system.lifecycle import Lifecycle, Secrets

from tests.test_house import part

AT = "2026-11-23T08:00:00.000Z"
JOB = Job(job_id="1", type="claude.run", status=JobStatus.QUEUED, created_at=AT, updated_at=AT)

DECLARED = (*catalog.INTERFACES, *catalog.NOTIFICATIONS, *catalog.JOB_TYPES)
MODULES = tuple({inspect.getmodule(one): None for one in DECLARED})
SENT: Mapping[str, type[Model]] = (
    {declared.name: declared.params for declared in catalog.methods()}
    | {job.type: job for job in catalog.JOB_TYPES}
    | {"_meta": Meta}
)


def named(name: str) -> Method:
    return next(declared for declared in catalog.methods() if declared.name == name)


# --- methods ----------------------------------------------------------------------------------------------------------


def test_methods_are_listed_in_source_order() -> None:
    assert [(declared.attribute, declared.name) for declared in methods_of(Lifecycle)] == [
        ("initialize", "initialize"),
        ("initialized", "initialized"),
        ("shutdown", "shutdown"),
        ("exit", "exit"),
        ("cancel_request", "$/cancelRequest"),
    ]


def test_a_method_has_the_attributes_of_its_declaration() -> None:
    cancel = named("jobs.cancel")
    assert (cancel.interface, cancel.result, cancel.raises) == (Jobs, Job, (JobNotFound,))
    assert (cancel.rest, cancel.since) == ("POST /jobs/{job_id}/cancel", "0.1.0")
    assert (cancel.waits, cancel.before_initialize) == (False, False)
    assert cancel.doc.startswith(
        "Requests the cancellation of a job, and returns the job.\n\nA queued job is cancelled"
    )
    assert named("shutdown").waits
    assert named("system.health").before_initialize


def test_notifications_from_the_client_have_no_result() -> None:
    without = {declared.name for declared in catalog.methods() if declared.result is None}
    assert without == {"initialized", "exit", "$/cancelRequest"}


def test_params_are_a_closed_model_named_after_the_method() -> None:
    params = named("jobs.log.list").params
    assert params.__name__ == "JobsLogListParams"
    assert params.model_validate({"job_id": "1"}).__dict__ == {"job_id": "1", "limit": 200, "cursor": None}
    assert issubclass(params, Input)


def test_a_positional_param_is_refused_when_the_method_is_read() -> None:
    class Loose(Protocol):
        @method("loose.get")
        async def get(self, job_id: str) -> None: ...

    with pytest.raises(TypeError, match=r"loose\.get: job_id must be keyword-only"):
        _ = methods_of(Loose)[0].params


def test_the_fields_of_a_positional_job_spec_are_params() -> None:
    own = {"content", "priority", "trust"}
    assert set(named("claude.spawn").params.model_fields) == {*RunClaude.model_fields, *own}
    sent: list[tuple[str, dict[str, Any]]] = []

    async def call(name: str, params: dict[str, Any]) -> Any:
        sent.append((name, params))
        return json.loads(JOB.json_bytes())

    async def main() -> Job:
        return await remote(Claude, call).spawn(RunClaude(prompt="hi", allowed_tools=["Read"]), priority=5)

    assert anyio.run(main) == JOB
    assert sent == [("claude.spawn", {"prompt": "hi", "allowed_tools": ["Read"], "priority": 5})]


def test_a_remote_omits_none_and_parses_the_result() -> None:
    sent: list[tuple[str, dict[str, Any]]] = []

    async def call(name: str, params: dict[str, Any]) -> Any:
        sent.append((name, params))
        return json.loads(JobCreated(job=JOB).json_bytes())

    async def main() -> JobCreated:
        jobs: Jobs = remote(Jobs, call)
        return await jobs.create(type="claude.run", run_at=None, priority=0)

    assert anyio.run(main) == JobCreated(job=JOB)
    assert sent == [("jobs.create", {"type": "claude.run", "priority": 0})]


def test_a_remote_returns_none_for_notifications() -> None:
    sent: list[tuple[str, dict[str, Any]]] = []

    async def call(name: str, params: dict[str, Any]) -> Any:
        sent.append((name, params))

    async def main() -> None:
        lifecycle: Lifecycle = remote(Lifecycle, call)
        await lifecycle.cancel_request(id=7)

    anyio.run(main)
    assert sent == [("$/cancelRequest", {"id": 7})]


def test_unknown_fields_of_results_are_ignored() -> None:
    newer = json.loads(JOB.json_bytes()) | {"mood": "fine"}
    assert Job.model_validate(newer) == JOB


# --- strictness -------------------------------------------------------------------------------------------------------

# Values of each JSON type.  5.0 is an integer, too.
SAMPLES: dict[str, tuple[Any, ...]] = {
    "integer": (5,),
    "number": (5.5,),
    "boolean": (True, False),
    "string": ("5", "true"),
    "array": ([],),
    "object": ({},),
    "null": (None,),
}


def accepted_types(schema: dict[str, Any], definitions: dict[str, Any]) -> set[str]:
    """Returns the JSON types that a schema accepts; empty if it accepts any value."""
    if "$ref" in schema:
        return accepted_types(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return {kind for choice in schema["anyOf"] for kind in accepted_types(choice, definitions)}
    kinds = {schema["type"]} if "type" in schema else set()
    return kinds | {"integer"} if "number" in kinds else kinds


def typed_paths(
    schema: dict[str, Any], definitions: dict[str, Any]
) -> Iterator[tuple[tuple[str | int, ...], set[str]]]:
    """Yields the path of every typed value, including nested ones, and the types accepted there."""
    if "$ref" in schema:
        yield from typed_paths(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for choice in schema.get("anyOf", ()):
        yield from typed_paths(choice, definitions)
    inner = [*schema.get("properties", {}).items(), *([(0, schema["items"])] if "items" in schema else ())]
    for name, member in inner:
        if kinds := accepted_types(member, definitions):
            yield (name,), kinds
        for path, kinds in typed_paths(member, definitions):
            yield (name, *path), kinds


def wrong_values() -> Iterator[tuple[str, tuple[str | int, ...], Any]]:
    """Yields the name in `SENT`, the path and a value that must be refused there."""
    for name, model in SENT.items():
        schema = model.model_json_schema()
        for path, kinds in typed_paths(schema, schema.get("$defs", {})):
            for kind in sorted(SAMPLES.keys() - kinds):
                for value in SAMPLES[kind]:
                    yield name, path, value


def at(path: tuple[str | int, ...], value: Any) -> Any:
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    return value


def test_a_value_of_another_json_type_is_refused_with_its_path(subtests: pytest.Subtests) -> None:
    for name, path, value in wrong_values():
        with subtests.test(name, path=".".join(map(str, path)), value=value):
            with pytest.raises(ValidationError) as refused:
                SENT[name].model_validate(at(path, value))
            wrong = [found for found in refused.value.errors() if found["type"] != "missing"]
            assert wrong
            # The location of a union's error ends with the branch.
            assert all(found["loc"][: len(path)] == path for found in wrong)


def test_a_whole_number_is_an_integer_however_it_is_written(subtests: pytest.Subtests) -> None:
    for name, model in SENT.items():
        schema = model.model_json_schema()
        for path, kinds in typed_paths(schema, schema.get("$defs", {})):
            if "integer" in kinds:
                with subtests.test(name, path=".".join(map(str, path))):
                    try:
                        model.model_validate(at(path, 5.0))
                    except ValidationError as error:
                        types = {found["type"] for found in error.errors() if found["loc"][: len(path)] == path}
                        assert "int_type" not in types


def test_the_constraints_of_integers_are_those_of_json_schema() -> None:
    text = json.dumps([model.model_json_schema() for model in SENT.values()])
    assert '"minimum"' in text
    assert [name for name in ("ge", "le", "gt", "lt") if f'"{name}"' in text] == []


@pytest.mark.parametrize("name", SENT)
def test_an_unknown_field_is_refused_with_its_path(name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SENT[name].model_validate({"no_such_field": 1})
    found = [(error["type"], error["loc"]) for error in refused.value.errors()]
    assert ("extra_forbidden", ("no_such_field",)) in found


@pytest.mark.parametrize("name", SENT)
def test_nested_models_of_params_reject_unknown_fields(name: str) -> None:
    inner = SENT[name].model_json_schema().get("$defs", {}).values()
    assert [found["title"] for found in inner if found.get("additionalProperties", "properties" in found)] == []


# --- errors -----------------------------------------------------------------------------------------------------------


def test_an_error_has_a_code_a_message_and_a_kind() -> None:
    assert json.loads(JobNotFound().json_bytes()) == {
        "code": 4041,
        "message": "No job has this id.",
        "data": {"kind": "job_not_found", "retryable": False},
    }


def test_an_error_includes_optional_data() -> None:
    error = errors.Overloaded("Busy.", hint="Wait.", retry_after_ms=250, error_id="e1", details=iter([{"path": "a"}]))
    assert json.loads(error.json_bytes()) == {
        "code": 5030,
        "message": "Busy.",
        "data": {
            "kind": "overloaded",
            "retryable": True,
            "retry_after_ms": 250,
            "hint": "Wait.",
            "error_id": "e1",
            "details": [{"path": "a"}],
        },
    }
    assert str(error) == "Busy."


def test_no_two_errors_share_a_code_or_a_kind() -> None:
    assert len({error.code for error in catalog.ERRORS}) == len(catalog.ERRORS)
    assert len({error.kind() for error in catalog.ERRORS}) == len(catalog.ERRORS)


def test_error_codes_avoid_the_reserved_range() -> None:
    reserved = {-32002, -32800, -32802, -32700, -32600, -32601, -32602, -32603}
    assert {error.code for error in catalog.ERRORS if error.code < 0} <= reserved
    assert all(4000 <= error.code < 6000 for error in catalog.ERRORS if error.code > 0)


def test_every_error_that_a_method_raises_is_in_the_catalog() -> None:
    raised = {error for declared in catalog.methods() for error in declared.raises}
    assert raised <= set(catalog.ERRORS)


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_secrets_are_found_in_optionals_and_lists() -> None:
    assert is_secret(Token)
    assert is_secret(Token | None)
    assert is_secret(list[Token])
    assert not is_secret(str | None)
    assert is_secret(Secrets.model_fields["key"].annotation)


# --- rules for declarations -------------------------------------------------------------------------------------------


def declared_classes(kind: type) -> list[type]:
    return [
        value
        for module in (*MODULES, *map(inspect.getmodule, (Job, Meta, AccountUpdated)))
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, kind) and value.__module__ == module.__name__  # type: ignore[union-attr]
    ]


def test_every_declaration_is_documented() -> None:
    undocumented = [declared.name for declared in catalog.methods() if not declared.doc]
    classes = [*catalog.INTERFACES, *catalog.ERRORS, *declared_classes(Model), *catalog.JOB_TYPES]
    # An inherited docstring does not count.
    undocumented += [cls.__name__ for cls in classes if not vars(cls).get("__doc__")]
    assert undocumented == []


def test_a_wire_name_begins_with_the_module_of_its_declaration() -> None:
    for declared in catalog.methods():
        first, *_, last = declared.name.split(".") if "." in declared.name else ("system", declared.name)
        module = part(declared.interface.__module__)
        assert {"rpc": "system"}.get(first, first) == module, declared.name
        assert declared.attribute in {last, snake_case(pascal_case(last))} or declared.attribute.startswith(f"{last}_")
    for told in catalog.NOTIFICATIONS:
        module = part(told.__module__)
        assert told.name == "$/progress" or told.name.partition(".")[0] == module


def test_names_on_the_wire_are_unique() -> None:
    names = [declared.name for declared in catalog.methods()] + [told.name for told in catalog.NOTIFICATIONS]
    assert len(set(names)) == len(names)
    types = [job.type for job in catalog.JOB_TYPES]
    assert len(set(types)) == len(types)


def test_the_catalog_lists_every_notification_and_job_type() -> None:
    assert set(declared_classes(Notification)) == set(catalog.NOTIFICATIONS)
    assert set(declared_classes(JobSpec)) == set(catalog.JOB_TYPES)


def test_the_merge_fields_of_ephemeral_notifications_exist() -> None:
    for told in catalog.NOTIFICATIONS:
        if issubclass(told, Ephemeral):
            types = {field.name: field.type for field in fields(told)}
            assert set(told.key) <= types.keys(), told.name
            assert told.appends is None or types[told.appends] is str, told.name
            assert told.max_per_s > 0, told.name


@pytest.mark.parametrize(
    ("name", "snake", "pascal"),
    [
        ("JobNotFound", "job_not_found", "JobNotFound"),
        ("jobs.log.list", "jobs.log.list", "JobsLogList"),
        ("$/cancelRequest", "$/cancel_request", "CancelRequest"),
    ],
)
def test_names_are_converted_between_cases(name: str, snake: str, pascal: str) -> None:
    assert (snake_case(name), pascal_case(name)) == (snake, pascal)


def test_an_errors_kind_is_its_class_in_snake_case() -> None:
    assert RpcError.__subclasses__()
    assert all(error.kind() == snake_case(error.__name__) for error in catalog.ERRORS)
