"""The export of models as JSON Schema draft-07: descriptions, secrets and unsupported declarations."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

import pytest
from sidecar_protocol.contract import Input, Model, Notification, Secret
from sidecar_protocol.export.schemas import UnsupportedSchema, draft7, params_of, schemas_of
from sidecar_protocol.scalars import Count, Flag, Limit, Token


class Flavour(StrEnum):
    """Its taste."""

    SWEET = "sweet"
    """Sugar."""
    SOUR = "sour"


class Shelf(Input):
    """Where it is kept."""

    cool: Flag = False
    code: Token | None = None
    spares: list[Token] = []
    named: dict[str, Annotated[str, Secret]] = {}


class House(Input):
    """Where the shelf is."""

    shelves: list[Shelf]


class Jam(Model):
    """The content of one glass."""

    flavour: Flavour = Flavour.SWEET
    """The main one."""
    glasses: Limit = 1
    """How many there are."""
    next: "Jam | None" = None


class Jelly(Jam):
    """Jam without the fruit."""

    glasses: Limit = 2
    """How many small ones there are."""


class JamMade(Notification):
    """A glass was filled."""

    name: ClassVar[str] = "jam.made"
    jam: Jam


def test_secrets_are_marked_wherever_they_occur() -> None:
    shelf = schemas_of([House], [])["Shelf"]["properties"]
    assert {name for name, schema in shelf.items() if schema.get("x-secret")} == {"code", "spares", "named"}


def test_docstrings_of_fields_and_members_become_descriptions() -> None:
    found = schemas_of([], [Jam])
    assert found["Jam"]["properties"]["flavour"] == {
        "allOf": [{"$ref": "#/components/schemas/Flavour"}],
        "description": "The main one.",
    }
    assert found["Jam"]["properties"]["glasses"]["description"] == "How many there are.  Rows per page, 1 to 500."
    assert found["Flavour"] == {
        "title": "Flavour",
        "description": "Its taste.\n\n- `sweet`: Sugar.",
        "type": "string",
        "enum": ["sweet", "sour"],
        "x-enum-descriptions": ["Sugar.", ""],
        "x-enum-varnames": ["SWEET", "SOUR"],
    }


def test_a_field_inherits_its_description_unless_it_has_its_own() -> None:
    properties = schemas_of([], [Jelly])["Jelly"]["properties"]
    assert properties["flavour"]["description"] == "The main one."
    assert properties["glasses"]["description"].startswith("How many small ones there are.")


def test_sent_models_are_closed_and_received_ones_open_and_complete() -> None:
    found = schemas_of([Shelf], [Jam])
    assert found["Shelf"]["additionalProperties"] is False
    assert "required" not in found["Shelf"]
    assert "additionalProperties" not in found["Jam"]
    assert found["Jam"]["required"] == ["flavour", "glasses", "next"]
    assert not any("default" in schema for schema in found["Jam"]["properties"].values())


def test_only_a_durable_notification_has_seq_and_at() -> None:
    made = schemas_of([], [params_of(JamMade)])["JamMade"]
    assert made["required"] == list(made["properties"]) == ["seq", "at", "jam"]


def test_an_enum_that_is_both_sent_and_received_is_one_type() -> None:
    class Wish(Input):
        """Sent."""

        flavour: Flavour

    assert set(schemas_of([Wish], [Jam])) == {"Wish", "Jam", "Flavour"}


class Both(Model):
    """Sent without its default, received with it."""

    count: Count = 0


class Pair(Model):
    """A tuple, for which draft-07 and 2020-12 have different keywords."""

    both: tuple[int, str]


def namesake() -> type[Model]:
    class Jam(Model):
        """Another of this name."""

        other: int

    return Jam


@pytest.mark.parametrize(
    ("sent", "received", "complaint"),
    [
        ([Both], [Both], "Both is both sent and received"),
        ([], [Jam, namesake()], "two classes have the name Jam"),
        ([], [Pair], "prefixItems: not in draft-07"),
    ],
)
def test_unsupported_declarations_are_refused_with_a_reason(
    sent: list[type[Model]], received: list[type[Model]], complaint: str
) -> None:
    with pytest.raises(UnsupportedSchema, match=complaint):
        schemas_of(sent, received)


def test_keywords_are_sorted_and_fields_keep_their_order() -> None:
    schema: dict[str, Any] = {"required": ["b"], "properties": {"b": {"type": "string"}, "a": {}}, "type": "object"}
    assert list(draft7(schema)) == ["type", "properties", "required"]
    assert list(draft7(schema)["properties"]) == ["b", "a"]


def test_a_field_may_have_the_name_of_a_keyword() -> None:
    schema: dict[str, Any] = {"properties": {"prefixItems": {"type": "array"}, "$ref": {"type": "string"}, "title": {}}}
    assert draft7(schema) == schema
