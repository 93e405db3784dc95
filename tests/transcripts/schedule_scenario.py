"""The client's part of the scenario of a schedule."""

from tests.process.raw_client import RawClient


def play_schedule(host: RawClient) -> None:
    """Schedules a run of Claude by a rule, changes it, runs it now, reads what became of it, and deletes it."""
    host.initialize(client_info={"name": "a host", "version": "1"})
    weekdays = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0"
    run = {"type": "claude.run", "payload": {"prompt": "[[text:You met Grace.]] What did I do yesterday?"}}
    schedule = host.call("jobs.schedules.create", title="Stand-up", rrule=weekdays, time_zone="Europe/Berlin", **run)
    schedule_id = schedule["schedule_id"]
    host.call("jobs.schedules.update", schedule_id=schedule_id, time_zone="Asia/Tokyo", misfire_policy="skip")
    host.call("jobs.schedules.run", schedule_id=schedule_id)
    host.until("jobs.schedule_run_ended")
    host.call("jobs.schedules.update", schedule_id=schedule_id, payload={"prompt": "[[text: ]]"})
    host.call("jobs.schedules.run", schedule_id=schedule_id)
    host.until("jobs.schedule_run_ended")
    host.call("jobs.schedules.runs.list", schedule_id=schedule_id)
    host.call("jobs.schedules.create", title="Never", rrule="FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", **run)
    host.call("jobs.schedules.delete", schedule_id="maintenance.prune")
    host.call("jobs.schedules.delete", schedule_id=schedule_id)
    host.until("jobs.schedule_deleted")
