"""The method claude.spawn."""

from sidecar_protocol.claude.runs import RunClaude
from sidecar_protocol.contract import Encoded, JobSpec, encode
from sidecar_protocol.entities import Job, JobStatus

from sidecar.claude.service import ClaudeService


async def test_spawn_puts_exactly_what_was_asked_into_the_queue() -> None:
    queued: list[tuple[JobSpec, int]] = []
    job = encode(Job, job_id="j1", type="claude.run", status=JobStatus.QUEUED, created_at="t", updated_at="t")

    def enqueue(spec: JobSpec, *, priority: int) -> Encoded[Job]:
        queued.append((spec, priority))
        return job

    claude = ClaudeService(enqueue)
    assert await claude.spawn(prompt="hi", model="opus", allowed_tools=["Read"], priority=5) is job.as_model()
    assert queued == [(RunClaude(prompt="hi", model="opus", allowed_tools=["Read"]), 5)]
