"""The TypeScript types of jobs, which depend on the job's type and status: a union that both discriminate."""

from collections.abc import Callable, Mapping
from typing import Final

Form = Callable[[str, str, Mapping[str, str]], str]
"""Returns the declarations of a type, from its name, its comment and the lines of its members."""

BY_TYPE: Final = "<Type extends JobType = JobType>"
GENERIC_METHODS: Final = {"jobs.create": "<Type extends JobType>", "jobs.list": BY_TYPE}
"""Methods whose results depend on the job type in their params."""

COMMON_ERRORS: Final = "CommonJobErrorKind"
"""The kinds of errors with which jobs of every type can fail."""
_OWN: Final = ("type", "status", "payload", "result", "error")
UNIONS: Final = """\
/** The name of a job type. */
export type JobType = keyof JobTypes;

/** The kinds of errors with which jobs can fail. */
export type JobErrorKind = JobTypes[JobType]["error"];

/** The fields of a job that depend on its status. */
export type JobOutcome<Type extends JobType> =
  | { status: "queued" | "running"; result: null; error: JobError<JobTypes[Type]["error"]> | null }
  | { status: "succeeded"; result: JobTypes[Type]["result"]; error: null }
  | { status: "failed" | "interrupted"; result: null; error: JobError<JobTypes[Type]["error"]> }
  | { status: "cancelled"; result: null; error: JobError<JobTypes[Type]["error"]> | null };

/** The payload of a job to create; it may be omitted if none of its members is required. */
export type JobPayload<Type extends JobType> = {} extends JobTypes[Type]["payload"]
  ? { payload?: JobTypes[Type]["payload"] | null }
  : { payload: JobTypes[Type]["payload"] };
"""


def _job(name: str, doc: str, members: Mapping[str, str]) -> str:
    fields = "".join(line for key, line in members.items() if key not in _OWN)
    own = "".join(members[key] for key in _OWN)
    unknown = own.replace("type: JobType", "type: string").replace("error: JobError", "error: JobError<string>")
    return f"""\
/** The fields that jobs of every type and status have. */
export interface {name}Fields {{
{fields}}}

{doc}export type {name}{BY_TYPE} = {{
  [T in Type]: {name}Fields & {{ type: T; payload: JobTypes[T]["payload"] }} & {name}Outcome<T>;
}}[Type];

/** A job whose type this version does not know: of a newer sidecar, or of the old backend.  `unknownJob` finds it. */
export interface Unknown{name} extends {name}Fields {{
{unknown}}}
"""


def _generic(name: str, doc: str, members: Mapping[str, str]) -> str:
    """Returns an interface that depends on the type of its jobs."""
    text = "".join(members.values()).replace(": Job;", ": Job<Type>;").replace(": Job[];", ": Job<Type>[];")
    return f"{doc}export interface {name}{BY_TYPE} {{\n{text.replace(': JobType', ': Type')}}}\n"


def _job_error(name: str, doc: str, members: Mapping[str, str]) -> str:
    text = "".join(members.values()).replace("kind: JobErrorKind;", "kind: Kind;")
    return f"{doc}export interface {name}<Kind extends string = JobErrorKind> {{\n{text}}}\n"


def _schedule(name: str, doc: str, members: Mapping[str, str]) -> str:
    text = "".join(members.values()).replace("payload: JsonValue;", 'payload: JobTypes[JobType]["payload"] | null;')
    return f"{doc}export interface {name} {{\n{text}}}\n"


def _create_params(name: str, doc: str, members: Mapping[str, str]) -> str:
    fields = "".join(line for key, line in members.items() if key not in _OWN)
    return f"""\
/** The params of `jobs.create` that are the same for every job type. */
export interface JobsCreateFields {{
{fields}}}

{doc}export type {name}{BY_TYPE} = {{
  [T in Type]: JobsCreateFields & {{ type: T }} & JobPayload<T>;
}}[Type];
"""


def _logged_event(name: str, doc: str, _: Mapping[str, str]) -> str:
    names = "(typeof DURABLE_NOTIFICATIONS)[number]"
    member = f"[Name in {names}]: {{ method: Name; params: Notifications[Name] }}"
    return f"{doc}export type {name} = {{\n  {member};\n}}[{names}];\n"


FORMS: Final[Mapping[str, Form]] = {
    "Job": _job,
    "JobCreated": _generic,
    "JobPage": _generic,
    "JobError": _job_error,
    "JobsCreateParams": _create_params,
    "JobsListParams": _generic,
    "LoggedEvent": _logged_event,
    "Schedule": _schedule,
}
"""The types whose declarations differ from their schemas."""
