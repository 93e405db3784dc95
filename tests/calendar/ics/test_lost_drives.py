"""Calendar files on a network drive that no longer answers: no threads pile up."""

from pathlib import Path

from tests.calendar.ics.harness import OWNER, day, vcalendar, vevent
from tests.calendar.ics.test_process import connect, sync
from tests.conftest import StartRawClient
from tests.preload import preload
from tests.process.raw_client import RawClient


def threads(wire: RawClient) -> int:
    """Returns the number of threads of the process."""
    return len(list(Path(f"/proc/{wire.process.pid}/task").iterdir()))


def test_syncs_of_a_file_on_a_drive_that_is_gone_leave_one_thread_behind_and_work_again_when_it_is_back(
    raw_client: StartRawClient, tmp_path: Path
) -> None:
    drive, flag = tmp_path / "drive", tmp_path / "gone"
    drive.mkdir()
    for name in ("one", "other"):
        (drive / f"{name}.ics").write_bytes(vcalendar(vevent(f"DTSTART:{day(-5)}T100000Z", "SUMMARY:Tea")))
    fault = {**preload("hanging_folder"), "HANGING_FOLDER": str(drive), "HANGING_FLAG": str(flag)}
    with raw_client(**fault) as wire:
        wire.initialize()
        account_id = connect(wire, str(drive / "one.ics"))
        sync(wire, account_id)
        flag.touch()
        credentials = {"address": str(drive / "other.ics")}
        refused = wire.call("calendar.accounts.create", provider="ics", email=OWNER, credentials=credentials)
        assert refused["error"]["data"]["kind"] == "service_unreachable"
        before = threads(wire)
        job_id = wire.call("calendar.accounts.sync", account_id=account_id)["job_id"]
        for _ in range(3):
            while (failed := wire.until_job(job_id, "queued"))["waiting_for"] != "retry":
                pass
            assert failed["error"]["kind"] == "timeout"
            wire.call("jobs.retry", job_id=job_id)
        failed = wire.until_job(job_id, "failed")["error"]
        assert (failed["message"], failed["retryable"]) == ("The folder of the calendar's file does not answer.", True)
        assert wire.call("calendar.accounts.create", provider="ics", email=OWNER, credentials=credentials)["error"]
        assert threads(wire) == before
        flag.unlink()
        while "error" in wire.call("calendar.accounts.create", provider="ics", email=OWNER, credentials=credentials):
            pass  # until the thread has noticed
        sync(wire, account_id)
