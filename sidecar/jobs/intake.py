"""Reads the jobs that clients ask for by a type and a payload, and checks whether they could run."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sidecar_protocol.contract import JobSpec
from sidecar_protocol.errors import InvalidParams
from sidecar_protocol.jobs import UnknownJobType

from sidecar.job_handler import Admit
from sidecar.jobs.journal import JobTypes
from sidecar.wire.dispatch import invalid_params


@dataclass(frozen=True, slots=True)
class Intake:
    """Reads and checks the jobs that clients ask for.  The paths in its errors begin with `payload`."""

    specs: JobTypes
    _admit: Admit

    def read(self, job_type: str, payload: dict[str, Any]) -> JobSpec:
        """Returns the job.  Raises `UnknownJobType`, and `InvalidParams` for a payload that no job could have."""
        if (spec := self.specs.get(job_type)) is None:
            raise UnknownJobType(hint="The types are: " + ", ".join(sorted(self.specs)) + ".")
        try:
            return spec.model_validate(payload)
        except ValidationError as error:
            raise invalid_params(error, "payload") from None

    async def admit(self, job: JobSpec) -> None:
        """Raises `InvalidParams` for a job that could not run as things are now."""
        try:
            await self._admit(job)
        except InvalidParams as refusal:
            details = [{**one, "path": f"payload.{one['path']}"} for one in refusal.data.get("details", ())]
            raise InvalidParams(refusal.message, hint=refusal.data.get("hint"), details=details) from None
