"""Results of the methods of the gate."""

from typing import Any, Final

from tests.commandline.views.report_samples import HOSTILE, LONG


def uuid(number: int) -> str:
    return f"01a20926-036a-71d9-a20c-{number:012x}"


GATE: Final[dict[str, list[dict[str, Any]]]] = {
    "claude.exposures.list": [
        {
            "exposures": [
                {
                    "session_id": uuid(21) if number else None,
                    "job_id": None if number else uuid(3),
                    "source": f"{uuid(900)}:{domain}",
                    "tool": "calendar_events_list",
                    "text": text,
                    "created_at": "2026-11-23T08:03:00Z",
                }
                for number, (domain, text) in enumerate([("example.com", LONG), ("evil.example", HOSTILE)])
            ]
        }
    ],
    "claude.citations.list": [
        {
            "citations": [
                {
                    "number": number,
                    "start": 10 * number,
                    "end": 10 * number + 1,
                    "row": {
                        "kind": "activity_event",
                        "event_id": "google_calendar:work:1",
                        "title": title,
                        "at": "2026-11-23T08:03:00Z",
                        "url": None,
                    }
                    if title
                    else None,
                    "sentence": None if title else HOSTILE,
                }
                for number, title in enumerate((LONG, HOSTILE, None), 1)
            ]
        }
    ],
    "claude.decisions.list": [
        {
            "decisions": [
                {
                    "decision_id": number,
                    "session_id": uuid(21),
                    "tool_name": "Bash",
                    "verdict": verdict,
                    "decided_by": by,
                    "reason": reason,
                    "created_at": "2026-11-23T08:04:00Z",
                }
                for number, verdict, by, reason in (
                    (2, "deny", "person", None),
                    (1, "ask", "gate", f"Texts that others wrote are in this conversation ({HOSTILE})."),
                )
            ],
            "next_cursor": None,
        }
    ],
    "claude.sources.list": [
        {"sources": [{"source": f"{uuid(900)}:example.com", "trusted_at": "2026-11-20T09:00:00Z"}]}
    ],
}
