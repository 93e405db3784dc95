"""Sessions through the real process, with the scripted stand-in as the CLI."""

import json
import os
import signal
from pathlib import Path

import anyio
import psutil
import pytest
from sidecar_protocol.claude.runs import ClaudeUsage
from sidecar_protocol.claude.sessions import MessageKind, SessionStatus

from sidecar.commandline.client import RemoteError
from tests.claude.client import ClaudeClient, Talk, connected, scripted
from tests.claude.harness import processes_of, until
from tests.conftest import StartSidecar


def pids_of(session_id: str) -> list[int]:
    return [process.pid for process in processes_of(session_id)]


async def texts(claude: ClaudeClient, session_id: str, *kinds: MessageKind) -> list[str]:
    return [one.text for one in await claude.messages(session_id) if one.kind in kinds]


async def test_the_next_turn_uses_the_same_process(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create(title="Birds", model="sonnet")
        assert (session.status, session.claude_session_id, session.usage) == (SessionStatus.IDLE, None, ClaudeUsage())
        assert await claude.answer_text(session.session_id, "heron") == "echo: heron"
        assert json.loads(await claude.answer_text(session.session_id, "[[prompts]]")) == ["heron", "[[prompts]]"]
        assert len(pids_of(session.session_id)) == 1
        after = await claude.sessions.get(session_id=session.session_id)
        sent = await claude.client.call("claude.sessions.get", {"session_id": session.session_id})
        assert sent == after.model_dump(mode="json")
        assert after.claude_session_id is not None
        assert (after.status, after.title, after.model) == (SessionStatus.IDLE, "Birds", "sonnet")
    await until(lambda: not pids_of(session.session_id))


async def test_the_usage_of_a_session_is_the_sum_of_its_turns(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        jobs = [await claude.take_turn(session.session_id, prompt) for prompt in ("one", "two", "three")]
        after = await claude.sessions.get(session_id=session.session_id)
    once = {"input_tokens": 12, "output_tokens": 9, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4}
    assert [job["result"]["usage"] for job in jobs] == [once] * 3
    assert [job["result"]["total_cost_usd"] for job in jobs] == pytest.approx([0.01] * 3)
    assert after.usage == ClaudeUsage(**{bucket: 3 * count for bucket, count in once.items()})
    assert after.total_cost_usd == pytest.approx(0.03)
    assert after.title == "one"


async def test_every_message_is_stored_in_order_and_notified(sidecar: StartSidecar, standin: Path) -> None:
    prompt = "[[think:hm]] [[tool:ls]] [[unknown]] [[garbage]] [[text:done]]"
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        job = await claude.take_turn(session.session_id, prompt)
        log = await claude.messages(session.session_id)
        notified = [one.params for one in claude.received if one.method == "claude.message_added"]
        first = await claude.sessions.list_messages(session_id=session.session_id, limit=2)
        later = await claude.sessions.list_messages(session_id=session.session_id, limit=2, cursor=first.next_cursor)
    assert [(one.kind, one.text) for one in log] == [
        (MessageKind.USER, prompt),
        (MessageKind.RAW, ""),
        (MessageKind.RAW, "this is not JSON {{{"),
        (MessageKind.RAW, "[1, 2]"),
        (MessageKind.THINKING, "hm"),
        (MessageKind.TOOL_USE, "Bash"),
        (MessageKind.TOOL_RESULT, "done"),
        (MessageKind.ASSISTANT_TEXT, "done"),
    ]
    assert [one.seq for one in log] == list(range(1, 9))
    assert {(one.session_id, one.job_id) for one in log} == {(session.session_id, job["job_id"])}
    assert log[1].raw["payload"] == {"nested": [1, 2, 3]}
    assert log[5].raw["message"]["content"][0]["input"] == {"command": "ls"}
    assert [params["message"] for params in notified] == [one.model_dump(mode="json") for one in log]
    assert {params["session_id"] for params in notified} == {session.session_id}
    assert ([one.seq for one in later.messages], later.next_cursor is None) == ([3, 4], False)


async def test_deltas_carry_the_ids_of_their_session_and_message(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        job = await claude.take_turn(session.session_id, "[[slow:10]]")
        deltas = [one.params for one in claude.received if one.method == "claude.delta"]
        whole = (await claude.messages(session.session_id))[-1]
    assert "".join(delta["text"] for delta in deltas) == whole.text == job["result"]["text"]
    assert {(one["session_id"], one["job_id"], one["message_id"]) for one in deltas} == {
        (session.session_id, job["job_id"], whole.api_message_id)
    }


async def test_turns_of_one_session_run_one_at_a_time_in_order(
    sidecar: StartSidecar, standin: Path, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        first = await claude.sessions.send(session_id=session.session_id, prompt=f"[[slow:{go}]]")
        second = await claude.sessions.send(session_id=session.session_id, prompt="[[text:second]]")
        third = await claude.sessions.send(session_id=session.session_id, prompt="[[text:third]]")
        await claude.first_delta(first.job_id)
        waiting = await claude.client.call("jobs.get", {"job_id": second.job_id})
        assert (waiting["status"], waiting["waiting_for"]) == ("queued", "lock")
        go.touch()
        await claude.until_job(third.job_id, "succeeded")
        prompts = await texts(claude, session.session_id, MessageKind.USER)
        assert len(pids_of(session.session_id)) == 1
    assert prompts == [f"[[slow:{go}]]", "[[text:second]]", "[[text:third]]"]


async def test_runs_and_turns_share_one_limit_and_two_idle_processes_remain(
    sidecar: StartSidecar, standin: Path
) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin), CLAUDE_CONCURRENCY="1") as claude:
        sessions = [(await claude.sessions.create()).session_id for _ in range(4)]
        for session_id in sessions:
            await claude.answer_text(session_id, "hi")
        await until(lambda: [len(pids_of(session_id)) for session_id in sessions] == [0, 0, 1, 1])
        busy = await claude.sessions.send(session_id=sessions[0], prompt="[[slow:1000]]")
        run = await claude.client.call("claude.spawn", {"prompt": "[[text:ran]]"})
        await claude.first_delta(busy.job_id)
        assert (await claude.client.call("jobs.get", {"job_id": run["job_id"]}))["status"] == "queued"
        await claude.sessions.interrupt(session_id=sessions[0])
        assert (await claude.until_job(run["job_id"], "succeeded"))["result"]["text"] == "ran"
        await until(lambda: [len(pids_of(session_id)) for session_id in sessions] == [1, 0, 0, 1])


@pytest.mark.parametrize("how", ["claude.sessions.interrupt", "jobs.cancel"])
async def test_the_turn_after_an_interrupt_uses_the_same_process(
    sidecar: StartSidecar, standin: Path, how: str
) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        pid = await claude.answer_text(session.session_id, "[[pid]]")
        job = await claude.sessions.send(session_id=session.session_id, prompt="[[grandchild]] [[hang]]")
        await claude.first_delta(job.job_id)
        if how == "jobs.cancel":
            await claude.client.call(how, {"job_id": job.job_id})
        else:
            running = await claude.sessions.interrupt(session_id=session.session_id)
            assert running.status is SessionStatus.RUNNING
        await claude.until_job(job.job_id, "cancelled")
        stopped = await claude.sessions.get(session_id=session.session_id)
        assert stopped.status is SessionStatus.INTERRUPTED
        assert await claude.answer_text(session.session_id, "[[pid]]") == pid
        assert (await claude.sessions.get(session_id=session.session_id)).status is SessionStatus.IDLE


async def test_a_turn_that_ignores_interrupts_loses_its_process_and_the_session_continues(
    sidecar: StartSidecar, standin: Path
) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        job = await claude.sessions.send(session_id=session.session_id, prompt="[[stubborn]] [[grandchild]] [[hang]]")
        await claude.first_delta(job.job_id)
        await claude.sessions.interrupt(session_id=session.session_id)
        await claude.until_job(job.job_id, "cancelled")
        known = (await claude.sessions.get(session_id=session.session_id)).claude_session_id
        about = json.loads(await claude.answer_text(session.session_id, "[[about]]"))
        assert f"--resume={known}" in about["argv"]
        assert "--fork-session" not in about["argv"]


async def test_a_run_must_not_resume_the_conversation_of_a_session(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        await claude.answer_text(session.session_id, "hi")
        known = (await claude.sessions.get(session_id=session.session_id)).claude_session_id
        run = await claude.client.call("claude.spawn", {"prompt": "hi", "session_id": known})
        refused = await claude.until_job(run["job_id"], "failed")
        run = await claude.client.call("claude.spawn", {"prompt": "[[text:free]]"})
        result = (await claude.until_job(run["job_id"], "succeeded"))["result"]
        again = await claude.client.call("claude.spawn", {"prompt": "[[text:on]]", "session_id": result["session_id"]})
        assert (await claude.until_job(again["job_id"], "succeeded"))["result"]["text"] == "on"
    assert refused["error"]["kind"] == "session_held"
    assert refused["error"]["details"] == {"session_id": session.session_id}


async def test_a_dead_process_is_replaced_by_one_that_resumes_the_session(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        pid = int(await claude.answer_text(session.session_id, "[[pid]]"))
        known = (await claude.sessions.get(session_id=session.session_id)).claude_session_id
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not psutil.pid_exists(pid))
        about = json.loads(await claude.answer_text(session.session_id, "[[about]]"))
        assert f"--resume={known}" in about["argv"]
        assert (await claude.take_turn(session.session_id, "[[kill:9]]"))["error"]["kind"] == "killed_by_signal"
        assert await claude.answer_text(session.session_id, "[[text:here again]]") == "here again"


async def test_the_failure_of_a_turn_is_a_message_of_the_session(
    sidecar: StartSidecar, standin: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create(cwd=str(folder))
        assert (await claude.take_turn(session.session_id, "[[error:529]]"))["error"]["kind"] == "overloaded"
        folder.rmdir()
        gone = await claude.take_turn(session.session_id, "hi")
        assert gone["error"]["kind"] == "cwd_missing"
        errors = await texts(claude, session.session_id, MessageKind.ERROR)
        assert (await claude.sessions.get(session_id=session.session_id)).status is SessionStatus.IDLE
    assert errors == ["API Error: 529", gone["error"]["message"]]


async def test_a_fork_has_the_earlier_messages_and_then_diverges(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create(title="Birds", model="opus", allowed_tools=["Read"])
        await claude.answer_text(session.session_id, "heron")
        parent = await claude.sessions.get(session_id=session.session_id)
        fork = await claude.sessions.fork(session_id=session.session_id, title="Fish")
        assert (fork.forked_from, fork.title, fork.model) == (session.session_id, "Fish", "opus")
        assert (fork.claude_session_id, fork.allowed_tools, fork.usage) == (None, ["Read"], ClaudeUsage())
        about = json.loads(await claude.answer_text(fork.session_id, "[[about]]"))
        assert {f"--resume={parent.claude_session_id}", "--fork-session", "--model=opus"} <= set(about["argv"])
        await claude.answer_text(session.session_id, "eagle")
        claude_id = (await claude.sessions.get(session_id=fork.session_id)).claude_session_id
        assert claude_id not in (None, parent.claude_session_id)
        assert await texts(claude, fork.session_id, MessageKind.USER) == ["heron", "[[about]]"]
        assert await texts(claude, session.session_id, MessageKind.USER) == ["heron", "eagle"]


async def test_deleting_a_session_cancels_its_turns_and_ends_its_process(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session, idle = await claude.sessions.create(), await claude.sessions.create()
        await claude.answer_text(idle.session_id, "hi")
        running = await claude.sessions.send(session_id=session.session_id, prompt="[[grandchild]] [[hang]]")
        queued = await claude.sessions.send(session_id=session.session_id, prompt="never")
        await claude.first_delta(running.job_id)
        for one in (session, idle):
            assert (await claude.sessions.delete(session_id=one.session_id)).session_id == one.session_id
        await claude.until_job(running.job_id, "cancelled")
        await claude.until_job(queued.job_id, "cancelled")
        await claude.until(lambda one: one.params.get("session_id") == idle.session_id and "deleted" in one.method)
        notified = [one.params["session_id"] for one in claude.received if one.method == "claude.session_deleted"]
        assert notified == [session.session_id, idle.session_id]
        await until(lambda: pids_of(session.session_id) == pids_of(idle.session_id) == [])
        assert (await claude.sessions.list()).sessions == []
        for method in ("get", "delete", "interrupt", "fork"):
            with pytest.raises(RemoteError, match="No Claude session"):
                await getattr(claude.sessions, method)(session_id=session.session_id)
        with pytest.raises(RemoteError, match="No Claude session"):
            await claude.sessions.list_messages(session_id=session.session_id)
        with pytest.raises(RemoteError, match="No Claude session"):
            await claude.sessions.send(session_id=session.session_id, prompt="hi")
        turn = {"type": "claude.turn", "payload": {"session_id": session.session_id, "prompt": "hi"}}
        with pytest.raises(RemoteError) as refused:
            await claude.client.call("jobs.create", turn)
        assert refused.value.data["details"] == [{"path": "payload.session_id", "message": "no session has this id"}]


async def test_sessions_are_paged_most_recently_updated_first(sidecar: StartSidecar) -> None:
    async with connected(sidecar) as claude:
        created = [(await claude.sessions.create(title=f"Session {number}")).session_id for number in range(5)]
        first = await claude.sessions.list(limit=3)
        second = await claude.sessions.list(limit=3, cursor=first.next_cursor)
    assert [one.session_id for one in (*first.sessions, *second.sessions)] == created[::-1]
    assert second.next_cursor is None


async def test_long_answers_and_unusual_characters_are_stored_completely(sidecar: StartSidecar, standin: Path) -> None:
    awkward = "[[text:a\0b \u2028 " + json.dumps("\ud83d") + " 日本]]"
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        assert len(await claude.answer_text(session.session_id, "[[big:1500000]]")) == 1_500_000
        await claude.answer_text(session.session_id, awkward)
        log = await claude.messages(session.session_id)
    assert len(log[1].text) == 1_500_000
    assert log[1].raw["truncated"] is True
    assert log[3].text == awkward.removeprefix("[[text:").removesuffix("]]")


async def test_turns_are_in_the_feed(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create()
        job = await claude.take_turn(session.session_id, "Say it\n[[text:hello]]")
        await claude.take_turn(session.session_id, "[[error:401]]")
        events = (await claude.client.call("activity.events.list", {"source": "claude"}))["events"]
    assert sorted((one["event_type"], one["title"]) for one in events) == [
        ("turn_completed", "Say it"),
        ("turn_failed", "[[error:401]]"),
    ]
    done = next(one for one in events if one["event_type"] == "turn_completed")
    assert (done["event_id"], done["description"]) == (f"claude:turn:{job['job_id']}", "hello")
    assert done["raw"]["session_id"] == session.session_id


async def test_a_session_continues_after_a_restart(sidecar: StartSidecar, standin: Path) -> None:
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        session = await claude.sessions.create(system_prompt="Be brief.", permission_mode="plan")  # type: ignore[arg-type]
        await claude.answer_text(session.session_id, "heron")
        busy = await claude.sessions.send(session_id=session.session_id, prompt="[[grandchild]] [[hang]]")
        await claude.first_delta(busy.job_id)
    await until(lambda: not pids_of(session.session_id))
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        before = await claude.sessions.get(session_id=session.session_id)
        assert before.status is SessionStatus.INTERRUPTED
        assert (await claude.client.call("jobs.get", {"job_id": busy.job_id}))["status"] == "interrupted"
        about = json.loads(await claude.answer_text(session.session_id, "[[about]]"))
        assert {
            f"--resume={before.claude_session_id}",
            "--append-system-prompt=Be brief.",
            "--permission-mode=plan",
        } <= set(about["argv"])
        users = await texts(claude, session.session_id, MessageKind.USER)
    assert users == ["heron", "[[grandchild]] [[hang]]", "[[about]]"]


@scripted
async def test_a_prompt_that_is_tried_again_without_a_record_follows_after_its_first_answer(talk: Talk) -> None:
    async with talk.connected() as claude:
        session_id = (await claude.sessions.create()).session_id
        job = await claude.take_turn(session_id, "[[text:heron]]")
    talk.delete_records()
    async with talk.connected() as claude:
        await claude.client.call("jobs.retry", {"job_id": job["job_id"]})
        await claude.until_job(job["job_id"], "succeeded")
        assert "Claude: heron" in await talk.known(claude, session_id)


@scripted
async def test_a_first_turn_of_which_claude_has_no_record_is_not_resumed(talk: Talk) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        job = await claude.sessions.send(session_id=session.session_id, prompt="[[mute]]")
        await until(talk.records)
    talk.delete_records()
    async with talk.connected() as claude:
        assert (await claude.client.call("jobs.get", {"job_id": job.job_id}))["status"] == "interrupted"
        about = json.loads(await claude.answer_text(session.session_id, "[[about]]"))
    assert not [argument for argument in about["argv"] if argument.startswith("--resume")]


async def test_after_a_kill_no_process_is_left_and_the_session_continues(sidecar: StartSidecar, standin: Path) -> None:
    with anyio.fail_after(120):
        async with sidecar(CLAUDE_PATH=str(standin)) as client:
            await client.initialize("tests")
            claude = ClaudeClient(client)
            session, idle = await claude.sessions.create(), await claude.sessions.create()
            await claude.answer_text(idle.session_id, "[[grandchild]] [[text:kept]]")
            busy = await claude.sessions.send(
                session_id=session.session_id, prompt="[[stubborn]] [[grandchild]] [[hang]]"
            )
            await claude.first_delta(busy.job_id)
            client.process.kill()
            await client.process.wait()
    assert len(pids_of(idle.session_id)) >= 1  # the parent-death signal reaches no tool
    async with connected(sidecar, CLAUDE_PATH=str(standin)) as claude:
        assert await claude.answer_text(session.session_id, "[[text:back]]") == "back"
        await until(lambda: not pids_of(idle.session_id))
        assert len(pids_of(session.session_id)) == 1
        assert (await claude.client.call("jobs.get", {"job_id": busy.job_id}))["status"] == "interrupted"
        assert (await claude.sessions.get(session_id=idle.session_id)).status is SessionStatus.IDLE
        assert await texts(claude, idle.session_id, MessageKind.USER) == ["[[grandchild]] [[text:kept]]"]
