"""The truth about Claude: what reached it, what it knows and has done, and the sentences that each of it must keep.

Each prompt reaches Claude once, in the order in which the host has sent those of its session, and not after it was
cancelled or its session deleted.  Claude then knows what it has answered before in that session.
A call that needs permission is made once for each time that the host has allowed it.
A conversation with texts of others asks before each Bash, and so does a run that such a one has queued.
The files of a prompt reach Claude as they were sent.  About budgets and folders see `budgets` and `folders`.
Two processes never write one conversation.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from sidecar.claude.limits import GO_ON
from tests.simulation.claude.behaviour import BAD, FOREIGN, GOOD
from tests.simulation.claude.budgets import BudgetTruth
from tests.simulation.claude.cli import Cli
from tests.simulation.claude.folders import Folders
from tests.simulation.claude.output import Output
from tests.simulation.claude.programs import PROGRAMS, Programs, Stdin, Transport
from tests.simulation.claude.records import Records
from tests.simulation.plan import some

Json = dict[str, Any]
MARKER: Final = re.compile(r"prompt (\d+)\b")
START_S: Final = 0.004
ONCE: Final = "Each prompt reaches Claude once."
ORDER: Final = "The prompts of a session reach Claude in the order in which they were sent."


@dataclass
class Prompt:
    """A prompt that the host has sent, or that Claude has queued; `session_id` is None for a run."""

    marker: int
    session_id: str | None
    job_id: str | None = None
    """The job, once it was acknowledged."""
    is_retried: bool = False
    cancelled: bool = False
    """Whether it was acknowledged that it will not be sent."""
    priority: int = 0
    file: str | None = None
    """The content of its file, if it has one."""
    max_usd: float | None = None
    """The budget of a run."""


@dataclass
class Delivery:
    """A prompt that Claude has read."""

    marker: int | None
    text: str
    owner: str
    conversation: str
    how: str
    """`prompt`, `steered` into a running turn, `waited` for its end, or `by itself`."""
    number_of_its_text: int
    has_acted: bool = False
    results: list[str] = field(default_factory=list)
    """The texts of its results without an error."""
    ends: list[str] = field(default_factory=list)
    """Why Claude has not answered."""
    at: float = 0.0
    begun: int = 0
    """Messages of the API that the turn has begun."""
    billed: int = 0
    """Messages of the API that the CLI has reported in results."""
    is_lost: bool = False
    """Whether the record that has it was deleted."""
    continues: int | None = None
    """The marker of the prompt that it makes Claude go on with, after a usage limit."""
    own_turn: "Delivery | None" = None
    """The turn in which it was read, if Claude began that by itself: the answer is that turn's."""


class World:
    """Everything that Claude knows, over all processes of a life."""

    def __init__(self, life: Any, home: Path, executable: Path) -> None:
        self.seed, self.later, self.fail = life.plan.seed, life.later, life.fail
        self.now_ms: Callable[[], int] = life.clock.true_ms
        self.now: Callable[[], float] = lambda: life.now
        self.note: Callable[[str, str], None] = life.note
        self.programs: Programs = PROGRAMS
        self.programs.begin(life.clock.now_ms, life.later)
        self.records = Records(home, self.now_ms)
        self.secrets = life.secrets
        self.budgets, self.folders = BudgetTruth(life), Folders(home / "work", self.now, self.fail)
        rng = Random(f"{self.seed} behaviour")
        self.good, self.bad = some(rng, GOOD), some(rng, BAD)
        """The turns that Claude takes, with and without trouble, and how often."""
        self._executable = executable
        self._life = life
        self.is_kind = self.kills_at_read = False
        self.answers = self.last_marker = 0
        """How many answers and prompts there were."""
        self.forget()

    def forget(self) -> None:
        """Forgets what a database that has taken the place of another one cannot know."""
        self.prompts: dict[int, Prompt] = {}
        self.deliveries: list[Delivery] = []
        self._times: Counter[str] = Counter()
        self._allowances: Counter[str] = Counter()
        self._made: Counter[str] = Counter()
        self._acts: Counter[str] = Counter()
        self.repeats: Counter[str] = Counter()
        """The calls that Claude makes again by itself, by command."""
        self._exposed: set[str] = set()
        self.prompts_of_exposed: set[str] = set()
        """The prompts that Claude has queued after it had read texts of others."""
        self.asked: dict[str, tuple[Cli, float]] = {}
        """Questions that wait for an answer, by the id of the tool's use: who asks, and since when."""
        self.deleted: set[str] = set()
        self.messages: Counter[str] = Counter()
        """Messages of the API by owner."""
        self._first_marker = self.last_marker + 1
        self.budgets.forget()
        self.folders.forget()

    def install(self) -> None:
        self._executable.write_text("#!/bin/true\n", encoding="utf-8")
        self._executable.chmod(0o755)

    def uninstall(self) -> None:
        self._executable.unlink(missing_ok=True)

    # --- programs -------------------------------------------------------------------------------------------------

    async def start(self, loop: asyncio.AbstractEventLoop, make: Callable[[], Any], *command: Any, **more: Any) -> Any:
        """Starts a program, as the loop's `subprocess_exec` does."""
        if Path(command[0]) != self._executable or "--print" not in command or not self._executable.is_file():
            raise FileNotFoundError(2, "No such file or directory", str(command[0]))
        await asyncio.sleep(START_S)
        protocol = make()
        cli = Cli(self, [str(one) for one in command[1:]], more["env"], Path(more["cwd"]))
        self.secrets.check(f"{command} {more}".encode(), self.fail)
        stdin = Stdin(cli.receive, self.later)
        cli.transport = transport = Transport(cli, stdin, protocol, loop)
        protocol.connection_made(transport)
        cli.begin()
        try:
            await asyncio.sleep(START_S)
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    def parent_ended(self) -> None:
        """Ends the input of all programs, since the process has ended, and sends a signal, which some ignore."""
        for program in list(self.programs.running.values()):
            if isinstance(program, Cli):
                program.signal(15)
                program.receive(None)

    def cli_began(self, cli: Cli) -> None:
        what = f"resumes {Path(cli.flags['--resume']).stem}" if "--resume" in cli.flags else "begins a conversation"
        owner = f"{'session' if cli.is_session else 'run'} {cli.owner[-4:]}"
        self.note(f"process {cli.pid} {what} for {owner}", "claude")
        self.folders.check_start(cli)
        for other in self.programs.running.values():
            if isinstance(other, Cli) and other is not cli and other.record is cli.record:
                self.fail("Two processes never write one conversation.", (cli.pid, other.pid, cli.owner))
        if "--fork-session" in cli.flags and Path(cli.flags["--resume"]).stem in self._exposed and cli.record:
            self._exposed.add(cli.record.conversation)

    def cli_ended(self, cli: Cli) -> None:
        self.note(f"process {cli.pid} has ended", "claude")
        self.asked = {use_id: one for use_id, one in self.asked.items() if one[0] is not cli}

    # --- prompts --------------------------------------------------------------------------------------------------

    def new_prompt(self, what: str, session_id: str | None = None, priority: int = 0) -> str:
        """Returns the text of a prompt of which the truth knows."""
        self.last_marker += 1
        self.prompts[self.last_marker] = Prompt(self.last_marker, session_id, priority=priority)
        return f"prompt {self.last_marker} {what}"

    def acknowledged(self) -> list[Prompt]:
        """Returns the prompts whose job the host knows."""
        return [one for one in self.prompts.values() if one.job_id is not None]

    def prompt_of(self, text: str) -> Prompt | None:
        found = MARKER.match(text)
        return None if found is None else self.prompts.get(int(found[1]))

    def name_of(self, text: str) -> str:
        found = MARKER.match(text)
        return found[0] if found else f"“{text[:40]}”"

    def delivered(self, cli: Cli, text: str, content: Any, how: str) -> Delivery:
        """Notes that Claude reads a prompt, and checks that it may."""
        assert cli.record is not None
        found = MARKER.match(text)
        marker = None if found is None else int(found[1])
        delivery = Delivery(marker, text, cli.owner, cli.record.conversation, how, self._times[text])
        delivery.at = self.now()
        self._times[text] += 1
        if text.startswith(GO_ON):
            limited = [one for one in self.deliveries if one.owner == cli.owner and "limit" in one.ends]
            delivery.continues = (limited[-1].marker or limited[-1].continues) if limited else None
        if how == "steered" and cli.delivery is not None and cli.delivery.how == "by itself":
            delivery.own_turn = cli.delivery
        if text in self.prompts_of_exposed:
            self._exposed |= {cli.owner, cli.record.conversation}
        if how == "prompt":
            self.budgets.check_begin(cli, delivery)
            self.folders.check_turn(cli)
        if marker is not None and marker >= self._first_marker:
            self._check_delivery(cli, delivery, self.prompts[marker], json.dumps(content))
        self.deliveries.append(delivery)
        return delivery

    def _check_delivery(self, cli: Cli, new: Delivery, prompt: Prompt, content: str) -> None:
        before = [one for one in self.deliveries if one.marker == new.marker]
        repeatable = all(("limit" in one.ends and not one.has_acted) or one.is_lost for one in before)
        if before and not prompt.is_retried and not repeatable:
            self.fail(ONCE, (new, before))
        if prompt.cancelled:
            self.fail("A prompt that was cancelled or deleted does not reach Claude.", new)
        if prompt.file is not None and json.dumps(prompt.file) not in content:
            self.fail("Claude gets the files of a prompt as they were sent.", (new, prompt))
        if prompt.max_usd is not None and cli.flags.get("--max-budget-usd") != str(prompt.max_usd):
            self.fail("Claude is told the budget of a run.", (cli.flags, prompt))
        if prompt.session_id is None:
            return
        mine = [one for one in self.deliveries if one.owner == new.owner and one.marker is not None]
        for one in mine:
            earlier = self.prompts.get(one.marker or 0)
            if earlier is None or earlier.is_retried or prompt.is_retried or earlier.priority != prompt.priority:
                continue
            if earlier.marker > prompt.marker:
                self.fail(ORDER, (one, new))
        self._check_memory(cli, new, mine, content)

    def _check_memory(self, cli: Cli, new: Delivery, mine: list[Delivery], content: str) -> None:
        assert cli.record is not None
        cleared = max(
            (n for n, one in enumerate(self.deliveries) if one.text.startswith("/clear") and one.owner == new.owner),
            default=-1,
        )
        known = cli.record.text() + content
        for one in mine:
            # Of an answer with which the process has ended, only the record may have known, and that was deleted.
            is_unknown = one.is_lost and any(end.startswith("the process has ended") for end in one.ends)
            if (
                one.results
                and one.results[-1]
                and self.deliveries.index(one) > cleared
                and not is_unknown
                and one.results[-1] not in known
            ):
                self.fail("Claude knows what it has answered in a session.", (one, new))

    def read_in_turn(self) -> None:
        """Lets the process be killed before it learns that Claude has read a prompt in a running turn."""
        if self.kills_at_read and not self.is_kind:
            self.kills_at_read, self._life.dies = False, True

    def answer_to(self, marker: int) -> list[str]:
        """Returns the results that Claude has written for a prompt."""
        read = (one.own_turn or one for one in self.deliveries if marker in (one.marker, one.continues))
        return [text for one in read for text in one.results]

    def spent(self, cli: Output, *, is_in_turn: bool) -> None:
        self.messages[cli.owner] += 1
        if cli.delivery is not None:
            cli.delivery.has_acted = True
            cli.delivery.begun += 1
            if is_in_turn:
                self.budgets.check_message(cli.owner, cli.delivery)

    def lose(self, conversation: str) -> None:
        self.records.lose(conversation)
        for one in self.deliveries:
            one.is_lost = one.is_lost or one.conversation == conversation

    # --- tools ----------------------------------------------------------------------------------------------------

    def read_texts(self, cli: Cli, text: str) -> None:
        """Notes texts of others that have come in from the hub."""
        events = json.loads(text).get("events", []) if text.startswith("{") else []
        if any(one.get("source") in FOREIGN and one.get("title") for one in events) and cli.record is not None:
            self._exposed |= {cli.owner, cli.record.conversation}

    def is_exposed(self, cli: Cli) -> bool:
        return cli.owner in self._exposed or (cli.record is not None and cli.record.conversation in self._exposed)

    def asks(self, cli: Cli, use_id: str) -> None:
        self.asked[use_id] = cli, self.now()

    def allow(self, values: Json) -> None:
        """Notes that the host allows a call with this input."""
        self._allowances[json.dumps(values, sort_keys=True)] += 1

    def allowed(self, cli: Cli, tool: str, values: Json) -> None:
        """Notes that Claude was allowed a call, and will make it."""
        key = json.dumps(values, sort_keys=True)
        self._made[key] += 1
        if self._made[key] > self._allowances[key]:
            self.fail(
                "A call that needs permission is made once for each time that the host has allowed it.",
                (cli.owner, tool, values),
            )

    def acts(self, cli: Cli, tool: str, values: Json) -> None:
        """Notes that Claude does something that cannot be taken back."""
        command = str(values.get("command"))
        self._acts[command] += 1
        found = MARKER.search(command)
        prompt = self.prompts.get(int(found[1])) if found else None
        if (
            self._acts[command] > 1 + self.repeats[command]
            and prompt is not None
            and not prompt.is_retried
            and tool == "Bash"
        ):
            self.fail("Each call is made once.", (cli.owner, values))
