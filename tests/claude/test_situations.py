"""The situations in which people really use Claude, from the trackers of such hosts, and the test that shows each."""

import ast
from pathlib import Path
from typing import Final

import pytest

FOLDER = Path(__file__).parent
BACKGROUND, REAL_BACKGROUND = "test_background.py", "test_real_background.py"
CONVERSATION, ELSEWHERE = "sessions/test_conversation.py", "sessions/test_elsewhere.py"
SESSIONS, REAL_SESSIONS = "sessions/test_sessions.py", "test_real_sessions.py"
ATTACHMENTS, STEERING = "prompts/test_attachments.py", "prompts/test_steering.py"
PERMISSIONS, REAL_PERMISSIONS = "permissions/test_turn_requests.py", "test_real_permissions.py"
LIMITS = "test_limit_waits.py"

SITUATIONS: Final = {
    "a run whose subagent works in the background": (
        REAL_BACKGROUND, "a_run_waits_for_its_subagent_and_is_billed_for_it"
    ),
    "a command that runs on while the conversation goes on": (
        REAL_BACKGROUND, "a_conversation_goes_on_while_a_command_runs"
    ),
    "a subagent that asks after the first result": (REAL_BACKGROUND, "the_question_of_a_subagent_reaches_the_person"),
    "a task that a person stops": (REAL_BACKGROUND, "a_person_stops_a_task_and_the_session_goes_on"),
    "an interrupt while tasks run": (
        REAL_BACKGROUND, "an_interrupt_stops_all_tasks_and_the_process_takes_the_next_turn"
    ),
    "a kill while only tasks run": (REAL_BACKGROUND, "a_kill_while_only_tasks_run_leaves_no_process_and_no_task"),
    "tasks that outlast the time limit": (BACKGROUND, "tasks_that_outlast_the_timeout_are_stopped_and_named"),
    "a usage limit after Claude has acted": (LIMITS, "the_real_cli_does_not_repeat_what_it_has_done"),
    "a run that cannot be continued after a limit": (LIMITS, "a_run_that_cannot_be_continued_is_interrupted"),
    "a prompt behind one that waits for a limit": (LIMITS, "later_prompts_wait_for_the_one_that_waits_for_a_limit"),
    "a kill while a turn waits for a limit": (
        LIMITS, "a_kill_while_a_turn_waits_for_a_limit_loses_and_repeats_nothing"
    ),
    "questions that nobody answers": (LIMITS, "unanswered_questions_do_not_stop_other_sessions"),
    "a fork whose parent goes on": (CONVERSATION, "a_fork_knows_nothing_that_its_parent_said_later"),
    "a fork at an earlier message": (CONVERSATION, "a_fork_can_end_at_any_message"),
    "/clear, then a restart": (CONVERSATION, "a_cleared_conversation_stays_cleared_after_a_restart"),
    "/clear, then a kill": (CONVERSATION, "a_kill_after_a_clear_does_not_undo_it"),
    "/model, then a restart": (CONVERSATION, "a_model_that_was_chosen_by_a_prompt_stays_after_a_restart"),
    "a record that the CLI has deleted": (
        CONVERSATION, "a_session_whose_record_was_deleted_goes_on_with_its_own_messages"
    ),
    "a project that was moved": (CONVERSATION, "a_moved_project_takes_its_sessions_along"),
    "a worktree": (CONVERSATION, "a_session_in_a_worktree_works_there_from_its_first_turn_on"),
    "the terminal goes on with the conversation": (ELSEWHERE, "a_kept_process_learns_what_was_said_in_a_terminal"),
    "terminal and app go on apart": (ELSEWHERE, "two_ends_of_a_conversation_are_both_known_here"),
    "a conversation begun in the terminal": (
        "sessions/test_conversations.py", "a_conversation_begun_in_a_terminal_is_listed_taken_in_and_continued"
    ),
    "a permission request and kill -9": (
        REAL_PERMISSIONS, "a_request_survives_kill_9_and_its_response_continues_the_session"
    ),
    "a plan is approved": (REAL_PERMISSIONS, "questions_and_plans_are_requested_and_answered"),
    "a response after the turn": (PERMISSIONS, "a_late_response_allows_its_call_once_in_its_turn"),
    "an interrupt at once": (REAL_SESSIONS, "a_turn_that_is_interrupted_at_once_ends"),
    "an interrupt during a tool": (REAL_SESSIONS, "an_interrupt_ends_the_tool_and_the_process_runs_the_next_turn"),
    "a kill in the first turn": (REAL_SESSIONS, "a_session_continues_after_a_kill_in_its_first_turn"),
    "an image, a document and a text": (
        ATTACHMENTS, "claude_gets_images_documents_and_texts_in_the_order_in_which_they_were_sent"
    ),
    "a file that changes after it was sent": (ATTACHMENTS, "what_was_sent_is_what_is_asked_also_after_a_kill"),
    "a prompt while a turn runs": (STEERING, "a_prompt_is_read_in_the_running_turn_after_the_use_of_a_tool"),
    "a prompt while a turn runs, and kill -9": (STEERING, "after_a_kill_a_prompt_is_asked_unless_it_was_read"),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS)
def test_each_situation_has_a_test(situation: str) -> None:
    file, name = SITUATIONS[situation]
    tree = ast.parse((FOLDER / file).read_text("utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert f"test_{name}" in functions


def test_there_are_33_situations() -> None:
    assert len(SITUATIONS) == 33
