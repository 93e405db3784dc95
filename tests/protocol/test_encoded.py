"""Encoded models: rows that are JSON already, and the results and notifications that contain them."""

import json
from typing import ClassVar

import pytest
from pydantic import ValidationError
from sidecar_protocol.claude.runs import ClaudeDelta
from sidecar_protocol.contract import Encoded, Notification, as_models, encode
from sidecar_protocol.entities import Job, JobError, JobStatus
from sidecar_protocol.jobs import JobCreated, JobPage, JobProgress, JobUpdated

AT = "2026-11-23T08:00:00.000Z"
JOB = Job(job_id="1", type="claude.run", status=JobStatus.QUEUED, created_at=AT, updated_at=AT)


def test_an_encoded_model_is_sent_unchanged() -> None:
    data = b'{"job_id": "1", "spaces": "kept"}'
    assert Encoded(Job, data).json is data
    assert Encoded(Job, data).as_model().json_bytes() is data


def test_an_encoded_model_is_decoded_only_on_demand() -> None:
    assert Encoded(Job, JOB.json_bytes()).load() == JOB
    broken = Encoded(Job, b"not JSON")
    assert broken.json_bytes() == b"not JSON"
    with pytest.raises(ValidationError):
        broken.load()


def test_an_encoded_model_has_no_fields() -> None:
    with pytest.raises(AttributeError, match="job_id"):
        _ = Encoded(Job, JOB.json_bytes()).as_model().job_id


def test_a_model_is_encoded_from_encoded_fields() -> None:
    job = Encoded(Job, JOB.json_bytes())
    assert encode(JobCreated, job=job.as_model()).load() == JobCreated(job=JOB)
    jobs = as_models([job, Encoded(Job, b"{}")])
    page = encode(JobPage, jobs=jobs, next_cursor='x"y')
    assert page.json == b'{"jobs":[%s,{}],"next_cursor":"x\\"y"}' % job.json
    assert encode(JobPage, jobs=[JOB]).load() == JobPage(jobs=[JOB], next_cursor=None)
    assert encode(JobPage, jobs=[]).json == b'{"jobs":[],"next_cursor":null}'


def test_the_members_of_a_notification_have_no_braces() -> None:
    progress = JobProgress(job_id="1", progress=0.5, message=None)
    assert progress.members() == b'"job_id":"1","progress":0.5,"message":null'
    assert progress.json_bytes() == b"{%s}" % progress.members()


def test_a_notification_contains_encoded_entities_unchanged() -> None:
    job = Encoded(Job, b'{"job_id": "1"}')
    assert JobUpdated(job=job.as_model()).members() == b'"job":{"job_id": "1"}'


class JobsChanged(Notification):
    """Contains many entities at once."""

    name: ClassVar[str] = "test.jobs_changed"
    jobs: list[Job]
    error: JobError | None = None


def test_a_notification_may_contain_many_entities_encoded_or_not() -> None:
    job = Encoded(Job, b'{"job_id": "2"}').as_model()
    assert JobsChanged(jobs=[job, job]).members() == b'"jobs":[{"job_id": "2"},{"job_id": "2"}],"error":null'
    assert json.loads(JobsChanged(jobs=[JOB]).json_bytes()) == {"jobs": [json.loads(JOB.json_bytes())], "error": None}
    assert JobsChanged(jobs=[]).members() == b'"jobs":[],"error":null'


def test_nan_is_sent_as_null() -> None:
    assert (
        JobProgress(job_id="1", progress=float("nan"), message=None).members()
        == b'"job_id":"1","progress":null,"message":null'
    )


def test_ephemeral_notifications_of_one_key_are_merged() -> None:
    def delta(text: str) -> ClaudeDelta:
        return ClaudeDelta(session_id="s", job_id="j", message_id="m", offset=0, text=text)

    assert delta("ab").followed_by(delta("c"), 3) == delta("abc")
    assert delta("ab").followed_by(delta("cd"), 3) == delta("cd"), "too long to be concatenated"
    later = JobProgress(job_id="1", progress=0.5, message=None)
    assert JobProgress(job_id="1", progress=0.4, message=None).followed_by(later, 3) is later
