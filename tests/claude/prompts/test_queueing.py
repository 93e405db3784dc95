"""Prompts are jobs: they count towards the number that a client may leave unfinished."""

import pytest

from sidecar.commandline.client import RemoteError
from sidecar.jobs import service
from tests.in_process_app import InProcessApp


async def test_prompts_beyond_the_jobs_that_may_be_unfinished_are_refused(
    app: InProcessApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_UNFINISHED_JOBS", 2)
    session_id = (await app.call("claude.sessions.create", {}))["session_id"]
    await app.call("claude.spawn", {"prompt": "One."})
    await app.call("claude.sessions.send", {"session_id": session_id, "prompt": "Two."})
    for method, params in (("claude.spawn", {}), ("claude.sessions.send", {"session_id": session_id})):
        with pytest.raises(RemoteError) as full:
            await app.call(method, {**params, "prompt": "Three."})
        assert full.value.kind == "queue_full"
    assert len((await app.call("jobs.list", {}))["jobs"]) == 2
