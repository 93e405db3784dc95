"""The scenario of the hub inside Claude."""

from tests.process.raw_client import RawClient

ZONE = {"TZ": "Asia/Kolkata"}
"""The zone in which all transcripts are verified here: what the hub returns has times of the person's zone."""
SOURCE = "jira:01a00000-0000-7000-8000-000000000001"


def read_hub(host: RawClient) -> None:
    """Lets Claude read the hub and cite it, then no longer; trusts a source, and withdraws that."""
    prompt = "[[call:mcp__hub__calendar_accounts_list:{}]]"
    host.initialize(client_info={"name": "a host", "version": "1"})
    session_id = host.call("claude.sessions.create", hub="read")["session_id"]
    job_id = host.call("claude.sessions.send", session_id=session_id, prompt=prompt)["job_id"]
    host.until_job(job_id, "succeeded")
    host.call("claude.messages.list", session_id=session_id)
    host.call("jobs.create", type="maintenance.backup", run_at="2027-01-01T00:00:00Z")
    read = '[[call:mcp__hub__jobs_list:{"type":"maintenance.backup"}]]'
    prompt = f"{read} [[say:A backup is planned [1]. Bob liked it [9].]]"
    job_id = host.call("claude.sessions.send", session_id=session_id, prompt=prompt)["job_id"]
    host.until_job(job_id, "succeeded")
    host.call("claude.citations.list", job_id=job_id)
    host.call("claude.exposures.list", session_id=session_id)
    host.call("claude.decisions.list", session_id=session_id)
    host.call("claude.sources.trust", source=SOURCE)
    host.call("claude.sources.list")
    host.call("claude.sources.remove", source=SOURCE)
    host.call("claude.sessions.update", session_id=session_id, hub="off")
