"""The real CLI with API errors, retries and stalls, and several at once.  Skipped if the binary is absent."""

from pathlib import Path

import anyio
import pytest
from sidecar_protocol.claude.delays import ClaudeApiRetry, ClaudeStall

from tests.claude.client import connected
from tests.claude.harness import MakeRunHarness, RunHarness
from tests.claude.test_handlers import failure
from tests.conftest import StartSidecar
from tests.fakes.anthropic import FakeAnthropic


@pytest.mark.parametrize(("prompt", "kind"), [("[[error:429]]", "rate_limited"), ("[[error:500]]", "server_error")])
async def test_a_transient_error_is_retryable(real_harness: RunHarness, prompt: str, kind: str) -> None:
    failed = await failure(real_harness, prompt)
    assert (failed.kind, failed.retryable) == (kind, True)


async def test_a_retry_is_notified_and_the_run_succeeds(
    real_claude: Path, api: FakeAnthropic, make_run_harness: MakeRunHarness, tmp_path: Path
) -> None:
    harness = make_run_harness(real_claude, api.environment(tmp_path) | {"CLAUDE_CODE_MAX_RETRIES": "1"})
    with anyio.fail_after(120):
        result = await harness.run("[[error:529:1]] [[text:at last]]")
    assert result.text == "at last"
    (retry,) = [one for one in harness.delays if isinstance(one, ClaudeApiRetry)]
    assert (retry.attempt, retry.max_retries, retry.status, retry.session_id) == (1, 1, 529, result.session_id)


@pytest.mark.parametrize(("prompt", "tools"), [("[[hang]]", []), ("[[tool:bash:tail -f /dev/null]]", ["Bash"])])
async def test_a_stall_is_notified_with_the_running_tools(
    real_harness: RunHarness, prompt: str, tools: list[str]
) -> None:
    def is_notified() -> bool:
        return any(one.tools == tools for one in real_harness.delays if isinstance(one, ClaudeStall))

    with anyio.fail_after(120):
        await real_harness.cancel(prompt, when=is_notified, allowed_tools=["Bash"])
    assert real_harness.processes() == []


async def test_four_sessions_at_the_same_time_all_answer(
    sidecar: StartSidecar, real_environment: dict[str, str]
) -> None:
    async with connected(sidecar, **real_environment, CLAUDE_CONCURRENCY="4") as claude:
        sessions = [(await claude.sessions.create()).session_id for _ in range(4)]
        jobs = [
            await claude.sessions.send(session_id=one, prompt=f"[[text:{number}]]")
            for number, one in enumerate(sessions)
        ]
        done = [await claude.until_job(job.job_id, "succeeded") for job in jobs]
    assert [job["result"]["text"] for job in done] == ["0", "1", "2", "3"]
