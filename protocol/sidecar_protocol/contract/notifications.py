"""The base classes of notifications.

A notification is a dataclass and not a pydantic model: the process only builds and serialises its own, and need not
validate them.  The export derives their schemas from the annotations.
"""

from dataclasses import Field, dataclass
from typing import Any, ClassVar, Self, dataclass_transform

from sidecar_protocol.contract.encoded import json_members, json_object


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Notification:
    """A durable notification: it gets a `seq`, is stored in the event log, and can be replayed.

    It contains the whole new state of its subject, so that a client needs only the newest one.
    """

    name: ClassVar[str]
    key: ClassVar[tuple[str, ...]] = ()
    """The members that identify what it is about, by path: `job.job_id`.  In a list, those of all its items.

    The last names of the paths and their values are the entity: `jobs.updated` and `jobs.progress` are about the same
    job.  Notifications about one entity come in the same order in every run; those about different entities interleave
    as their work happens to.  Empty if its name is enough: there is one queue.
    """
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]  # set below

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Only the type checker forbids assignments; generating the methods for it takes 0.2 ms per class.
        dataclass(kw_only=True, repr=False, eq=False)(cls)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.members())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({vars(self)})"

    def members(self) -> bytes:
        """Returns the params as JSON without the outer braces; `seq` and `at` are put before them."""
        return json_members(vars(self))

    def json_bytes(self) -> bytes:
        """Returns the params as JSON, without `seq` and `at`."""
        return json_object(vars(self))


class Ephemeral(Notification):
    """A notification that matters only now: it has no `seq`, is never stored, and may be merged with a later one.

    Those of the same name and `key`, which has no nested paths, may be merged.
    """

    appends: ClassVar[str | None] = None
    """The text field that is concatenated when merging.  If None, the later notification replaces the earlier one."""
    max_per_s: ClassVar[int]
    """Maximum number of notifications sent per second and key."""

    def followed_by(self, later: Self, max_chars: int) -> Self:
        """Merges a later notification of the same key into this one.

        Returns `later` unchanged if nothing is concatenated, or if the text would be longer than `max_chars`.
        """
        if self.appends is None:
            return later
        text: str = getattr(self, self.appends) + getattr(later, self.appends)
        return later if len(text) > max_chars else type(self)(**{**vars(self), self.appends: text})
