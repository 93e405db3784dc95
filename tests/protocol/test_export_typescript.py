"""The contract as a TypeScript module.

`contract_usage.mts` holds what must compile and what must not; this runs tsc over it.
"""

import json
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

import pytest
from pydantic import Field, WithJsonSchema
from sidecar_protocol.contract import Ephemeral, Input, JobSpec, Model, Notification, method, methods_of
from sidecar_protocol.entities import Job
from sidecar_protocol.export import openrpc as export
from sidecar_protocol.export.schemas import UnsupportedSchema
from sidecar_protocol.export.typescript import typescript
from sidecar_protocol.jobs import JobNotFound
from sidecar_protocol.scalars import JsonObject, Limit, known

ROOT = Path(__file__).parents[2]


class Flavour(StrEnum):
    """Its taste."""

    SWEET = "sweet"
    """Sugar.  Not the end: */ throw 1; /* nor this."""
    SOUR = "sour"


class Shelf(Input):
    """Where it is kept."""

    named: dict[str, str] = {}


class Jam(Model):
    """The content of one glass."""

    flavour: Flavour = Flavour.SWEET
    amounts: list[float | None] = []
    extra: JsonObject = {}
    next: "Jam | None" = None
    colour: Annotated[str, known("red", "blue")] = "red"
    kept: Annotated[dict[str, int], Field(json_schema_extra={"x-known-keys": "Flavour"})] = {}
    origin: Annotated[Any, WithJsonSchema({"type": "object", "properties": {"town": {"type": "string"}}})] | None = None
    note: Any = None


class JamMade(Notification):
    """A glass was filled."""

    name: ClassVar[str] = "jam.made"
    jam: Jam


class JamStirred(Ephemeral):
    """The pot was stirred."""

    name: ClassVar[str] = "jam.stirred"
    key: ClassVar[tuple[str, ...]] = ()
    max_per_s: ClassVar[int] = 1
    pot: int | str


class JamErrorKind(StrEnum):
    """Why jam is bad."""

    BURNT = "burnt"
    """It turned black."""


class CookJam(JobSpec):
    """Cook it."""

    type: ClassVar = "jam.cook"
    result: ClassVar = Jam
    errors: ClassVar = (JamErrorKind,)


class Kitchen(Protocol):
    """Where jam is made."""

    @method("jam.make", rest="POST /jam", raises=(JobNotFound,))
    async def make(self, *, limit: Limit = 5, shelf: Shelf, extra: JsonObject | None = None) -> Jam:
        """Make jam."""
        ...

    @method("jam.make.often")
    async def make_often(self, *, limit: Limit = 5) -> Jam:
        """Make it again and again."""
        ...

    @method("jam.stir", job=CookJam.type)
    async def stir(self) -> Job:
        """Stir it."""
        ...

    @method("jam.stop")
    async def stop(self) -> None:
        """Make no more."""
        ...


SMALL = export.ExportedContract(
    methods_of(Kitchen), (JamMade, JamStirred), (CookJam,), (*export.COMMON_ERRORS, JobNotFound), version=3
)


@pytest.mark.parametrize(
    "expected",
    [
        "export const PROTOCOL_VERSION = 3;\n",
        f'export const SCHEMA_HASH = "{export.schema_hash(export.openrpc_text(SMALL))}";\n',
        "  /**\n   * Make jam.\n   *\n   * Errors: job_not_found.  Replaces POST /jam.\n   */\n",
        '  "jam.make": { params: JamMakeParams; result: Jam; errors: "job_not_found" };\n',
        '  /** Make no more. */\n  "jam.stop": JamStopParams;\n',
        "export type JamStopParams = Record<string, never>;\n",
        '  "jam.cook": { payload: CookJam; result: Jam; error: CommonJobErrorKind | JamErrorKind };\n',
        'export type JamErrorKind = "burnt";\n',
        "  /** It turned black. */\n  BURNT",
        'export type CommonErrorKind =\n  | "invalid_params"',
        '"jam.stir": { params: JamStirParams; result: Job<"jam.cook">; errors: never };\n',
        'readonly stir: ((params?: JamStirParams, options?: Options) => Promise<Job<"jam.cook">>);\n',
        '  colour: "red" | "blue";\n',
        "  kept: { [Key in Flavour]?: number };\n",
        "  origin: { town?: string } | null;\n",
        "  note: JsonValue;\n",
        "/** Cook it. */\nexport type CookJam = Record<string, never>;\n",
        "  /**\n   * Rows per page, 1 to 500.\n   *\n   * @default 5\n   */\n  limit?: number;\n",
        "  shelf: Shelf;\n",
        "  extra?: JsonInput | null;\n",
        "  named?: Record<string, string>;\n",
        "  flavour: Flavour;\n",
        "  amounts: Array<number | null>;\n",
        "  extra: JsonObject;\n",
        "  next: Jam | null;\n",
        '  SWEET: "sweet",\n',
        'export type Flavour = "sweet" | "sour";\n',
        "export interface JamMade {\n",
        "  readonly jam: {\n    /**\n     * Make jam.\n",
        "    readonly make: ((params: JamMakeParams, options?: Options) => Promise<Jam>) & {\n",
        "      readonly often: ((params?: JamMakeOftenParams, options?: Options) => Promise<Jam>);\n    };\n",
        "  pot: number | string;\n",
        'export const NOTIFICATION_NAMES = [\n  "jam.made",\n  "jam.stirred",\n] as const',
        'export const DURABLE_NOTIFICATIONS = [\n  "jam.made",\n] as const',
        'export const NOTIFICATION_KEYS = {\n  "jam.made": [],\n  "jam.stirred": [],\n} as const',
        "  /** The database could not be read or written. */\n  storage: 5070,\n",
        '  | "job_not_found";\n',
    ],
)
def test_the_module_contains(expected: str) -> None:
    assert expected in export.typescript_text(SMALL)


def test_a_docstring_cannot_end_its_comment() -> None:
    assert "*/ throw" not in export.typescript_text(SMALL)
    assert "*\\/ throw" in export.typescript_text(SMALL)


def test_an_unknown_schema_is_refused() -> None:
    document: dict[str, Any] = export.openrpc(SMALL)
    document["components"]["schemas"]["Jam"]["properties"]["flavour"] = {"not": {"type": "string"}}
    with pytest.raises(UnsupportedSchema, match="no TypeScript type for"):
        typescript(document, "0" * 16)


@pytest.fixture(scope="module")
def tsc() -> Path:
    path = ROOT / "protocol/typescript/node_modules/.bin/tsc"
    if not path.exists():
        pytest.skip("tsc is not installed: `npm install` in protocol/typescript")
    return path


def test_typescript_accepts_and_rejects_what_the_contract_does(tsc: Path) -> None:
    done = subprocess.run([tsc, "-p", ROOT / "tests/protocol"], capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_the_module_of_another_contract_compiles(tsc: Path, tmp_path: Path) -> None:
    (tmp_path / "contract.mts").write_text(export.typescript_text(SMALL), encoding="utf-8")
    settings = {"extends": (ROOT / "protocol/typescript/tsconfig.json").as_posix(), "include": ["*.mts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    done = subprocess.run([tsc, "-p", tmp_path], capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)
