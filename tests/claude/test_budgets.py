"""Budgets of a day and of a session: held while Claude writes, and nothing starts once they are spent."""

from typing import Any

import pytest
from sidecar_protocol.claude.budgets import Budgets
from sidecar_protocol.claude.sessions import MessageKind

from sidecar.claude.billing import ModelUsage, RunUsage
from sidecar.claude.budgets import BudgetBook
from sidecar.claude.usage import UsageStore
from sidecar.commandline.client import RemoteError
from tests.claude.client import FINAL, ClaudeClient, Talk, every_claude, scripted
from tests.claude.test_scheduled_runs import run_once
from tests.in_process_app import InProcessApp

TINY = 0.000_001
TOOLS = "[[work:20]]"


async def run(claude: ClaudeClient, prompt: str, **params: Any) -> dict[str, Any]:
    job = await claude.client.call("claude.spawn", {"prompt": prompt, **params})
    return await claude.until_job(job["job_id"], *FINAL)


@every_claude
async def test_a_run_that_reaches_the_budget_of_the_day_is_stopped_within_the_turn(talk: Talk) -> None:
    async with talk.connected() as claude:
        budgets = claude.client.remote(Budgets)
        await budgets.update(max_usd=TINY)
        # The tool's answer would lead to another request to the API, and with the hanging one to none at all.
        prompt = "[[hang]]" if talk.api is None else "[[tool:bash:sleep 600]]"
        stopped = await run(claude, prompt, allowed_tools=["Bash"])
        assert (stopped["status"], stopped["error"]["kind"]) == ("failed", "budget_spent")
        assert "was reached, and Claude was stopped" in stopped["error"]["message"]
        assert "claude.budgets.update" in stopped["error"]["hint"]
        day = await budgets.get()
        assert day.spent_usd >= TINY == day.max_usd
        # What it had used is stored without a cost, and still counts.
        refused = await run(claude, "hello")
        assert (refused["error"]["kind"], "is spent" in refused["error"]["message"]) == ("budget_spent", True)
        assert "Claude started" not in [line["message"] for line in await log(claude, refused["job_id"])]
        await budgets.update(max_usd=None)
        assert (await run(claude, "hello"))["status"] == "succeeded"


async def log(claude: ClaudeClient, job_id: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = (await claude.client.call("jobs.log.list", {"job_id": job_id}))["lines"]
    return lines


@every_claude
async def test_a_session_that_has_spent_its_budget_takes_no_turn_and_another_one_does(talk: Talk) -> None:
    async with talk.connected() as claude:
        budgets = claude.client.remote(Budgets)
        session, other = await claude.sessions.create(), await claude.sessions.create()
        await claude.answer_text(session.session_id, "hello")
        spent = (await budgets.get(session_id=session.session_id)).spent_usd
        known = (await claude.sessions.get(session_id=session.session_id)).total_cost_usd
        assert spent == pytest.approx(known)
        assert spent > 0
        await budgets.update(session_id=session.session_id, max_usd=spent)
        job = await claude.take_turn(session.session_id, "hello again")
        assert (job["status"], job["error"]["kind"]) == ("failed", "budget_spent")
        assert "this session" in job["error"]["message"]
        [*_, last] = await claude.messages(session.session_id)
        assert (last.kind, last.text) == (MessageKind.ERROR, job["error"]["message"])
        await claude.answer_text(other.session_id, "hello")
        await budgets.update(session_id=session.session_id, max_usd=spent + 1)
        await claude.answer_text(session.session_id, "hello again")


@scripted
async def test_a_turn_that_reaches_the_budget_of_its_session_is_stopped(talk: Talk) -> None:
    async with talk.connected() as claude:
        session = await claude.sessions.create()
        await claude.client.remote(Budgets).update(session_id=session.session_id, max_usd=TINY)
        job = await claude.take_turn(session.session_id, "[[hang]]")
        assert (job["status"], job["error"]["kind"]) == ("failed", "budget_spent")
        assert job["error"]["details"]["session_id"] == session.session_id


async def test_ten_answers_of_one_cent_spend_a_budget_of_ten_cents(app: InProcessApp) -> None:
    usage = UsageStore(app.database, app.clock)
    budgets = BudgetBook(app.database, app.clock, usage)
    cent = ModelUsage(cost_usd=0.01)
    with app.database.write():
        usage.add("job", None, RunUsage({f"model {number}": cent for number in range(10)}))
        budgets.set_max_usd(None, 0.1)
    assert sum([0.01] * 10) < 0.1, "as binary fractions they are less"
    assert budgets.spent_budget(None) is not None


@scripted
async def test_the_record_of_a_schedule_says_that_the_budget_was_spent(talk: Talk) -> None:
    async with talk.connected() as claude:
        await run(claude, "hello")
        await claude.client.remote(Budgets).update(max_usd=TINY)
        _, ledger = await run_once(claude, "hello")
        assert (ledger["status"], ledger["reason"], ledger["error"]["kind"]) == ("failed", "budget", "budget_spent")


@scripted
async def test_a_budget_outlives_a_restart_and_goes_with_its_session(talk: Talk) -> None:
    async with talk.connected() as claude:
        budgets = claude.client.remote(Budgets)
        session = await claude.sessions.create()
        await budgets.update(session_id=session.session_id, max_usd=2.5)
        await budgets.update(max_usd=10.0)
        await budgets.update(max_usd=20.0)
    async with talk.connected() as claude:
        budgets = claude.client.remote(Budgets)
        day, own = await budgets.get(), await budgets.get(session_id=session.session_id)
        assert (day.max_usd, day.session_id, day.resets_at is not None) == (20.0, None, True)
        assert (own.max_usd, own.spent_usd, own.resets_at) == (2.5, 0.0, None)
        fork = await claude.sessions.fork(session_id=session.session_id)
        assert (await budgets.get(session_id=fork.session_id)).max_usd == 2.5
        await claude.sessions.delete(session_id=session.session_id)
        with pytest.raises(RemoteError) as raised:
            await budgets.get(session_id=session.session_id)
        assert raised.value.kind == "session_not_found"
