"""Input whose cost once grew with its square or cube: what one party, item, thread or chain can have very much of.

Each shape gives about so many events, in order of time, valid ones of one tenant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]
Shape = Callable[[int], Iterator[Json]]

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
MARY, ADA = "tel:+441632960001", "tel:+441632960009"
CALLER = {"party": {"address": MARY}}
WRITER = {"party": {"address": "mailto:mary@example.com"}}


def event(at: float, kind: str, subject: str | None, data: Json | None = None, **attributes: str) -> Json:
    """One event, so many seconds after the start; its id is of its kind, subject and second."""
    made: Json = {"specversion": "1.0", "source": "x", "type": kind, "id": f"{kind}/{subject}/{at}/{len(attributes)}"}
    made["time"] = (START + timedelta(seconds=at)).isoformat()
    return made | attributes | ({"subject": subject} if subject else {}) | {"data": data or {}}


def overlapping_calls(n: int) -> Iterator[Json]:
    """Of one number, each with a correlationid of its own: no two are linked."""
    for kind, half in (("call.offered", 0), ("call.ended", 1)):
        for c in range(n // 2):
            yield event(c + half * n, kind, f"c{c}", {} if half else CALLER, correlationid=f"k{c}")


def calls_of_a_switchboard(n: int) -> Iterator[Json]:
    """Of one number, and all are linked by time."""
    for kind, later in (("call.offered", 0), ("call.ended", 1)):
        for c in range(n // 2):
            yield event(c + later * n, kind, f"c{c}", {} if later else CALLER)


def open_mails(n: int) -> Iterator[Json]:
    for m in range(n):
        yield event(m * 30, "email.offered", f"m{m}", WRITER)


def requests_to_close(n: int) -> Iterator[Json]:
    for c in range(n // 2):
        yield event(c, "call.offered", f"c{c}", CALLER, correlationid=f"k{c}")
    for c in range(n // 2):
        yield event(n + c, "interaction.close_requested", f"c{c}")


def calls_closed_on_request(n: int) -> Iterator[Json]:
    for c in range(n // 3):
        yield event(c * 100, "call.offered", f"c{c}", CALLER)
        yield event(c * 100 + 5, "call.ended", f"c{c}")
        yield event(c * 100 + 6, "interaction.close_requested", f"c{c}")


def mails_of_one_thread(n: int) -> Iterator[Json]:
    for m in range(n):
        yield event(m, "email.offered", f"m{m}", WRITER | {"related": {"thread": "t"}})


def mails_with_many_references(n: int) -> Iterator[Json]:
    for m in range(n):
        refs = [f"r{(m + k) % n}@example.com" for k in range(20)]
        yield event(m, "email.offered", f"m{m}", WRITER | {"message_id": f"r{m}@example.com", "references": refs})


def calls_of_one_correlationid(n: int) -> Iterator[Json]:
    for c in range(n // 2):
        yield event(c * 60, "call.offered", f"c{c}", CALLER, correlationid="k")
        yield event(c * 60 + 30, "call.ended", f"c{c}", correlationid="k")


def events_of_one_activity(n: int) -> Iterator[Json]:
    yield event(0, "call.offered", "c", CALLER)
    for a in range(n):
        yield event(a + 1, "activity.recorded", "c", {"activity": "a", "action": f"note{a}", "media_item": "c"})


def activities_of_one_call(n: int) -> Iterator[Json]:
    yield event(0, "call.offered", "c", CALLER)
    for a in range(n):
        yield event(a + 1, "activity.recorded", "c", {"activity": f"a{a}", "action": "note", "media_item": "c"})


def open_activities(n: int) -> Iterator[Json]:
    for a in range(n):
        yield event(a, "activity.started", None, {"activity": f"a{a}", "action": "note"} | CALLER, correlationid=f"{a}")


def chain_of_parents(n: int) -> Iterator[Json]:
    """Only the first has a party."""
    for c in range(n):
        yield event(c, "call.offered", f"c{c}", {"related": {"parent": f"c{c - 1}"}} if c else CALLER)


def chain_of_previous_calls(n: int) -> Iterator[Json]:
    for c in range(n // 2):
        yield event(c * 7_200, "call.offered", f"c{c}", CALLER | {"related": {"previous": f"c{c - 1}"}})
        yield event(c * 7_200 + 60, "call.ended", f"c{c}")


def chain_of_aliases(n: int) -> Iterator[Json]:
    for c in range(n):
        yield event(c, "call.alias", f"c{c}", {"to": f"c{c + 1}"})


def circle_of_aliases(n: int) -> Iterator[Json]:
    for c in range(n // 2):
        yield event(c, "call.offered", f"c{c}", CALLER)
        yield event(c, "call.alias", f"c{c}", {"to": f"c{(c + 1) % (n // 2)}"})


def aliases_of_one_call(n: int) -> Iterator[Json]:
    for c in range(min(n, 2_000) // 2):
        yield event(2 * c, "call.held", "c", CALLER)
        yield event(2 * c + 1, "call.alias", "c", {"to": f"d{c}"})


def calls_that_are_one(n: int) -> Iterator[Json]:
    yield event(0, "call.offered", "c", CALLER)
    for c in range(n):
        yield event(c + 1, "call.alias", f"d{c}", {"to": "c"})


def chain_of_merges(n: int) -> Iterator[Json]:
    yield event(0, "call.offered", "c", {"party": {"id": "P0", "address": MARY}})
    for p in range(n):
        yield event(p + 1, "party.merged", MARY, {"from": f"P{p}", "into": f"P{p + 1}"})


def merges_into_one(n: int) -> Iterator[Json]:
    for p in range(n // 2):
        yield event(p, "call.offered", f"c{p}", {"party": {"id": f"P{p}"}})
    for p in range(n // 2):
        yield event(n + p, "party.merged", MARY, {"from": f"P{p}", "into": "all"})


def identified_to_and_fro(n: int) -> Iterator[Json]:
    for c in range(n // 3):
        yield event(c * 3_600, "call.offered", f"c{c}", CALLER)
        yield event(c * 3_600 + 60, "call.ended", f"c{c}")
        yield event(c * 3_600 + 1_800, "party.identified", MARY, {"id": f"P{c % 2}"})


def identified_after_the_close(n: int) -> Iterator[Json]:
    for c in range(n // 4):
        yield event(c * 1_800, "call.offered", f"c{c}", CALLER)
        yield event(c * 1_800 + 60, "call.ended", f"c{c}")
    for p in range(n // 2):
        yield event(n * 1_800 + p, "party.identified", MARY, {"id": f"P{p % 2}"})


def addresses_of_one_party(n: int) -> Iterator[Json]:
    for c in range(n):
        party = {"id": "P", "address": f"mailto:m{c}@example.com"}
        yield event(c, "email.offered", f"m{c}", {"party": party})


def late_events(n: int) -> Iterator[Json]:
    """Of a call that has closed."""
    yield event(0, "call.offered", "c", CALLER)
    yield event(1, "call.ended", "c")
    for c in range(n):
        yield event(7_200 + c, "call.queued", "c", {"queue": f"q{c}"})


def questions_about_one_item(n: int) -> Iterator[Json]:
    yield event(0, "email.sent", "mailing", WRITER | {"kind": "new"})
    for m in range(n):
        reply = {"party": {"address": f"mailto:m{m}@example.com"}, "related": {"parent": "mailing"}}
        yield event(m + 1, "email.offered", f"m{m}", reply)


def consults(n: int) -> Iterator[Json]:
    yield event(0, "call.answered", "c", CALLER | {"resource": {"id": "a0", "kind": "agent"}})
    for c in range(n):
        data = {"resource": {"id": f"a{c}", "kind": "agent"}, "to": {"resource": {"id": f"a{c + 1}", "kind": "agent"}}}
        yield event(c + 1, "call.consult_started", "c", data)


def wrap_ups(n: int) -> Iterator[Json]:
    yield event(0, "call.offered", "c", CALLER)
    yield event(1, "call.ended", "c")
    for c in range(n):
        yield event(2 + c / n * 100, "call.wrapup_started", "c", {"resource": {"id": f"a{c}", "kind": "agent"}})


def one_long_chat(n: int) -> Iterator[Json]:
    yield event(0, "chat.answered", "c", CALLER | {"resource": {"id": "a", "kind": "agent"}})
    for c in range(n):
        yield event(c + 1, "chat.message", "c", {"role": "customer" if c % 2 else "agent"})


def calls_wrapped_up(n: int) -> Iterator[Json]:
    for c in range(n // 3):
        yield event(c * 100, "call.offered", f"c{c}", CALLER)
        yield event(c * 100 + 5, "call.ended", f"c{c}")
        yield event(c * 100 + 6, "interaction.wrapped_up", f"c{c}")


def requests_for_one_call(n: int) -> Iterator[Json]:
    yield event(0, "call.offered", "c", CALLER)
    for r in range(n):
        yield event(r + 1, "interaction.close_requested", "c")


def calls_that_name_one(n: int) -> Iterator[Json]:
    """As the call before them."""
    yield event(0, "call.offered", "first", CALLER)
    for c in range(n):
        yield event(c * 20 + 1, "call.offered", f"c{c}", CALLER | {"related": {"previous": "first"}})


def calls_without_party_of_one_parent(n: int) -> Iterator[Json]:
    yield event(0, "call.offered", "parent", CALLER)
    for c in range(n):
        yield event(c + 1, "call.offered", f"c{c}", {"related": {"parent": "parent"}})


def calls_linked_in_pairs(n: int) -> Iterator[Json]:
    """Each has the correlationid of the call before it and that of the call after it."""
    for c in range(n // 2):
        yield event(c, "call.offered", f"c{c}", CALLER, correlationid=f"k{c}")
        yield event(c + 0.5, "call.queued", f"c{c}", {"queue": "q"}, correlationid=f"k{c + 1}")


def mails_that_name_the_next(n: int) -> Iterator[Json]:
    for m in range(n):
        data = {"message_id": f"r{m}@example.com", "references": [f"r{m + 1}@example.com"]}
        yield event(m, "email.offered", f"m{m}", WRITER | data)


def activities_about_calls_to_come(n: int) -> Iterator[Json]:
    for a in range(n // 2):
        data = {"activity": f"a{a}", "action": "note", "media_item": f"c{a}"} | CALLER
        yield event(a, "activity.recorded", f"c{a}", data)
    for c in range(n // 2):
        yield event(n + c, "call.offered", f"c{c}", CALLER, correlationid=f"k{c}")


def identified_while_much_is_open(n: int) -> Iterator[Json]:
    for c in range(n // 2):
        yield event(c * 2, "call.offered", f"c{c}", CALLER, correlationid=f"k{c}")
        yield event(c * 2 + 1, "party.identified", MARY, {"id": f"P{c % 2}"})


def merges_in_pairs(n: int) -> Iterator[Json]:
    """Two and two, then those two and two, until all are one."""
    yield event(0, "call.offered", "c", {"party": {"id": "P0", "address": MARY}})
    step, at = 1, 1
    while step < n:
        for p in range(0, n - step, 2 * step):
            yield event(at, "party.merged", MARY, {"from": f"P{p + step}", "into": f"P{p}"})
            at += 1
        step *= 2


def queued_at_one_instant(n: int) -> Iterator[Json]:
    """In the reverse of their sequence."""
    yield event(0, "call.offered", "c", CALLER)
    for q in range(n):
        yield event(1, "call.queued", "c", {"queue": f"q{q}"}, sequence=f"{n - q:06}", id=f"queued/{q}")


def rings(n: int) -> Iterator[Json]:
    yield event(0, "call.offered", "c", CALLER)
    for a in range(n // 2):
        agent = {"resource": {"id": f"a{a}", "kind": "agent"}}
        yield event(a + 1, "call.alerting", "c", agent)
        yield event(n + a, "call.alert_ended", "c", agent | {"reason": "no_answer"})


def rings_after_a_pause(n: int) -> Iterator[Json]:
    """So long that what had no end of its own might have closed in it."""
    yield event(0, "call.offered", "c", CALLER)
    for a in range(n // 2):
        agent = {"resource": {"id": f"a{a}", "kind": "agent"}}
        yield event(3_600 + 2 * a, "call.alerting", "c", agent)
        yield event(3_601 + 2 * a, "call.alert_ended", "c", agent | {"reason": "no_answer"})


def holds(n: int) -> Iterator[Json]:
    agent = {"resource": {"id": "a", "kind": "agent"}}
    yield event(0, "call.answered", "c", CALLER | agent)
    for h in range(n // 2):
        yield event(2 * h + 1, "call.held", "c", agent)
        yield event(2 * h + 2, "call.retrieved", "c", agent)


def wrap_ups_that_end(n: int) -> Iterator[Json]:
    """All together, and end one after the other much later."""
    yield event(0, "call.answered", "c", CALLER | {"resource": {"id": "x", "kind": "agent"}})
    yield event(1, "call.ended", "c")
    for begins, kind in ((2, "call.wrapup_started"), (1_002, "call.wrapup_ended")):
        for a in range(n // 2):
            yield event(begins + a / 100, kind, "c", {"resource": {"id": f"a{a}", "kind": "agent"}})


def conference(n: int) -> Iterator[Json]:
    yield event(0, "call.answered", "c", CALLER | {"resource": {"id": "x", "kind": "agent"}})
    for begins, kind in ((1, "call.joined"), (n, "call.left")):
        for a in range(n // 2):
            yield event(begins + a, kind, "c", {"resource": {"id": f"a{a}", "kind": "agent"}})


SHAPES: dict[str, Shape] = {
    shape.__name__: shape
    for shape in (
        overlapping_calls, calls_of_a_switchboard, open_mails, requests_to_close, calls_closed_on_request,
        mails_of_one_thread, mails_with_many_references, calls_of_one_correlationid, events_of_one_activity,
        activities_of_one_call, open_activities, chain_of_parents, chain_of_previous_calls, chain_of_aliases,
        circle_of_aliases, aliases_of_one_call, calls_that_are_one, chain_of_merges, merges_into_one,
        identified_to_and_fro, identified_after_the_close, addresses_of_one_party, late_events,
        questions_about_one_item, consults, wrap_ups, wrap_ups_that_end,
        conference, one_long_chat, calls_wrapped_up, requests_for_one_call,
        calls_that_name_one, calls_without_party_of_one_parent, calls_linked_in_pairs, mails_that_name_the_next,
        activities_about_calls_to_come, identified_while_much_is_open, merges_in_pairs, queued_at_one_instant, rings,
        rings_after_a_pause,
        holds,
    )
}  # fmt: skip
