"""Several components with one UID: series, separate events, changes of occurrences."""

from tests.calendar.ics.harness import expand, spans, starts, titled, vevent

DAILY = ("DTSTART;TZID=Europe/Berlin:20261201T100000", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:s")
SECOND = "RECURRENCE-ID;TZID=Europe/Berlin:20261202T100000"


def weekly(start: str, title: str) -> str:
    return vevent(f"DTSTART;TZID=Europe/Berlin:{start}", "RRULE:FREQ=WEEKLY;COUNT=2", f"SUMMARY:{title}")


def test_two_series_with_one_uid_are_both_shown_and_each_has_its_changes() -> None:
    slots = weekly("20261201T080000", "a"), weekly("20261202T100000", "b")
    moved = vevent("RECURRENCE-ID;TZID=Europe/Berlin:20261209T100000", "DTSTART:20261210T090000Z", "SUMMARY:m")
    assert titled(expand(*slots, moved)) == [
        "2026-12-01T08:00+01:00 a",
        "2026-12-02T10:00+01:00 b",
        "2026-12-08T08:00+01:00 a",
        "2026-12-10T09:00+00:00 m",
    ]
    assert len(expand(*slots).events) == 4


def test_events_with_one_uid_and_the_same_starts_have_different_ids_that_do_not_depend_on_their_order() -> None:
    both = weekly("20261201T080000", "a"), weekly("20261201T080000", "b")
    found, reversed_ = expand(*both), expand(*reversed(both))
    assert len({event.event_id for event in found.events}) == 4
    assert found.events == reversed_.events
    singles = [vevent("DTSTART:20261201T100000Z", f"SUMMARY:{title}", uid="none") for title in "abc"]
    assert sorted(str(event.title) for event in expand(*singles).events) == ["a", "b", "c"]


def test_a_single_event_beside_a_series_is_shown_and_an_equal_one_only_once() -> None:
    series, single = weekly("20261201T080000", "s"), vevent("DTSTART:20261205T090000Z", "SUMMARY:one")
    shown = ["2026-12-01T08:00+01:00 s", "2026-12-05T09:00+00:00 one", "2026-12-08T08:00+01:00 s"]
    assert titled(expand(series, single)) == shown
    assert titled(expand(single, series, single, series)) == shown


def test_sequence_means_nothing_where_different_events_share_it() -> None:
    reused = [
        vevent(f"DTSTART:202612{day:02d}T100000Z", f"SUMMARY:{day}", f"SEQUENCE:{day % 3}", uid="none")
        for day in range(1, 10)
    ]
    assert len(expand(*reused).events) == 9


def test_a_later_revision_of_a_series_replaces_it() -> None:
    old = vevent("DTSTART:20261201T100000Z", "RRULE:FREQ=DAILY;COUNT=3", "SEQUENCE:0")
    new = vevent("DTSTART:20261201T120000Z", "RRULE:FREQ=DAILY;COUNT=2", "SEQUENCE:1")
    assert starts(expand(new, old)) == ["2026-12-01T12:00+00:00", "2026-12-02T12:00+00:00"]


def test_the_last_change_of_an_occurrence_counts() -> None:
    changes = [
        vevent(SECOND, f"DTSTART:20261202T{hour}0000Z", f"SEQUENCE:{sequence}")
        for hour, sequence in (("12", 1), ("14", 2), ("13", 1))
    ]
    assert starts(expand(vevent(*DAILY), *changes))[1] == "2026-12-02T14:00+00:00"


def test_a_change_without_a_start_keeps_the_occurrences_or_cancels_it() -> None:
    assert titled(expand(vevent(*DAILY), vevent(SECOND, "SUMMARY:renamed")))[1] == "2026-12-02T10:00+01:00 renamed"
    cancelled = expand(vevent(*DAILY), vevent(SECOND, "STATUS:CANCELLED"))
    assert starts(cancelled) == ["2026-12-01T10:00+01:00", "2026-12-03T10:00+01:00"]


def test_a_change_whose_series_is_missing_is_an_event() -> None:
    moved = vevent(SECOND, "DTSTART:20261205T100000Z", "SUMMARY:m")
    assert titled(expand(moved)) == ["2026-12-05T10:00+00:00 m"]
    assert titled(expand(vevent("DTSTART:20261120T100000Z", "SUMMARY:s"), moved))[1:] == ["2026-12-05T10:00+00:00 m"]


def test_an_occurrence_that_is_excluded_does_not_take_place_even_if_it_was_changed_before() -> None:
    excluded = vevent(*DAILY, "EXDATE;TZID=Europe/Berlin:20261202T100000")
    assert len(expand(excluded, vevent(SECOND, "DTSTART:20261202T150000Z")).events) == 2


def test_a_series_that_sets_recurrence_id_itself_repeats() -> None:
    odd = vevent("RECURRENCE-ID:20261201T100000Z", "DTSTART:20261201T100000Z", "RRULE:FREQ=DAILY;COUNT=2")
    assert len(expand(odd).events) == 2


def test_outlooks_copy_of_a_series_with_the_recurrence_id_of_the_first_repeats_beside_it() -> None:
    copy = ("RECURRENCE-ID;TZID=Europe/Berlin:20261201T100000", "DTSTART;TZID=Europe/Berlin:20261201T103000")
    found = expand(vevent(*DAILY), vevent(*copy, "RRULE:FREQ=DAILY;COUNT=2", "SUMMARY:copy"))
    assert titled(found) == [
        "2026-12-01T10:00+01:00 s",
        "2026-12-01T10:30+01:00 copy",
        "2026-12-02T10:00+01:00 s",
        "2026-12-02T10:30+01:00 copy",
        "2026-12-03T10:00+01:00 s",
    ]


def test_the_rest_of_a_divided_series_repeats_unless_a_later_revision_replaced_it() -> None:
    first = ("DTSTART:20261201T100000Z", "RRULE:FREQ=DAILY;UNTIL=20261202T100000Z")
    rest = vevent(
        "RECURRENCE-ID:20261203T100000Z", "DTSTART:20261203T120000Z", "RRULE:FREQ=DAILY;COUNT=2", "SEQUENCE:1"
    )
    assert len(expand(vevent(*first), rest).events) == 4
    assert len(expand(vevent(*first, "SEQUENCE:2"), rest).events) == 2


def test_an_excluded_time_at_which_nothing_starts_any_more_excludes_nothing() -> None:
    evenings = ("DTSTART;TZID=America/New_York:20261201T200000", "RRULE:FREQ=DAILY;COUNT=3")
    at_seven = ("EXDATE:20261202T000000Z", "EXDATE;TZID=America/New_York:20261203T190000")
    assert len(expand(vevent(*evenings, *at_seven)).events) == 3


def test_an_occurrence_that_was_moved_into_the_time_range_is_found() -> None:
    long_ago = vevent("DTSTART:20200101T100000Z", "RRULE:FREQ=YEARLY;COUNT=3")
    moved = vevent("RECURRENCE-ID:20220101T100000Z", "DTSTART:20261205T100000Z")
    assert starts(expand(long_ago, moved)) == ["2026-12-05T10:00+00:00"]


def test_an_event_of_any_length_is_shown() -> None:
    for length, end in (("P999999D", "4764-10-27"), ("P9999999D", "2026-12-01"), ("PT999999999H", "2026-12-01")):
        single = vevent("DTSTART:20261201T100000Z", f"DURATION:{length}", uid="single")
        series = vevent("DTSTART:20261201T100000Z", "RRULE:FREQ=DAILY;COUNT=2", f"DURATION:{length}", uid="series")
        found = expand(single, series)
        assert [event.end_time[:10] for event in found.events][:2] == [end] * 2
        assert len(found.events) == 3


def test_periods_of_rdate_have_their_own_length() -> None:
    periods = "RDATE;VALUE=PERIOD;TZID=Europe/Berlin:20261203T100000/PT3H,20261204T100000/20261204T120000"
    assert spans(expand(vevent("DTSTART;TZID=Europe/Berlin:20261201T100000", "DURATION:PT1H", periods))) == [
        "2026-12-01T10:00+01:00/2026-12-01T11:00+01:00",
        "2026-12-03T10:00+01:00/2026-12-03T13:00+01:00",
        "2026-12-04T10:00+01:00/2026-12-04T12:00+01:00",
    ]


def test_one_event_whose_times_cannot_be_computed_does_not_affect_the_others_with_its_uid() -> None:
    found = expand(
        vevent("DTSTART:99991231T230000Z", "RRULE:FREQ=DAILY", "SUMMARY:end of time"),
        vevent("DTSTART:20261201T100000Z", "SUMMARY:tea"),
    )
    assert titled(found) == ["2026-12-01T10:00+00:00 tea"]
