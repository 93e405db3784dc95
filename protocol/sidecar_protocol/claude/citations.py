"""Citations: the numbers in an answer by which Claude names the rows of the hub that it rests on.

Each row of an answer of the hub's tools, such as an event, has a number `n`, the same for the same row in the whole
conversation, also in its later turns and its forks.  Claude has instructions to cite a row as `[3]`.  When the answer
of a run or a turn with the hub is complete, the sidecar looks up what it cites.

A citation is a number from 1 to 999999 in square brackets, or several with commas between: `[3]`, `[3][5]`, `[3, 5]`.
The brackets can be those of Chinese and Japanese.  No citation is: a number in code, fenced or between backticks, or in
a web address; a link, `[3](…)` or `[3]` with a line `[3]: address` in the same text; a footnote `[^3]`; a range
`[1-3]`; a bracket after a backslash.  Code that is only indented counts as text.
"""

from typing import Annotated, ClassVar, Protocol

from sidecar_protocol.contract import Model, method
from sidecar_protocol.scalars import TIME, Count, ForeignText, JobId, OpaqueId, Uuid, known

MAX_CITATIONS = 500


class CitedRow(Model):
    """A row of the hub, as it was when Claude got it last."""

    shown: ClassVar = ("kind", "title", "at")
    kind: Annotated[str, known("activity_event", "calendar_event", "issue", "job", "message")]
    """`activity_event` is an event of the feed, `message` one of a session with Claude."""
    title: ForeignText | None = None
    at: Annotated[str, TIME] | None = None
    """When it happened or begins, ISO 8601; a date for what lasts all day."""
    url: str | None = None
    account_id: str | None = None
    calendar_id: str | None = None
    event_id: str | None = None
    """An event of the feed, or with `account_id` and `calendar_id` one of a calendar."""
    issue_key: str | None = None
    job_id: Uuid | None = None
    session_id: Uuid | None = None
    message_id: OpaqueId | None = None


class Citation(Model):
    """A number that an answer cites, at one place."""

    shown: ClassVar = ("number", "row", "sentence")
    number: Count
    start: Count
    """Position of the number, without its bracket, in the answer, in UTF-16 code units: `text.slice(start, end)`."""
    end: Count
    row: CitedRow | None
    """Null if the hub has returned no row with this number: the answer names a source that does not exist."""
    sentence: ForeignText | None = None
    """The sentence that names a source that does not exist, at most 300 characters; null if `row` is not.

    A sentence is the part of a line up to a full stop, an exclamation mark, a question mark or an ellipsis.  A citation
    after its end still belongs to it."""


class CitationList(Model):
    """The citations of an answer, in order, at most 500."""

    citations: list[Citation]


class Citations(Protocol):
    """Sources that Claude names in its answers."""

    @method("claude.citations.list")
    async def list_citations(self, *, job_id: JobId) -> CitationList:
        """Returns the citations in the answer of a run or a turn; none without the hub, or before the answer.

        They are also in the job's result, which is deleted earlier; that of a prompt that another turn has answered
        names the turn, `answered_by`, which has them.  Those of the newest 10,000 answers are kept, and
        of turns as long as their session.
        """
        ...
