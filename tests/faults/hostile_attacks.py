"""What a hostile producer writes, as a table. All of it is what Kafka's ACLs let any producer of events write.

What is woven into the stream are valid events of tenant `hostile`, at the stream's own time. What is thrown beside it,
again and again, comes from a client of its own: records that no library would write, events that may not say what they
say, clocks that are wrong. Nothing of either may cost anybody else a row.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from installation import Event
from raw_batches import Header, batch, record

from touchpoint.kafka.fetching.unpacking import MOST_UNPACKED
from touchpoint.producer.routing import USUAL

NAME = "hostile"
"""The tenant, and what every id of theirs begins with."""
TOPICS = sorted(set(USUAL.values()))
CALLER = "tel:+447700900666"
DISTANT = timedelta(days=399)


class Aims(NamedTuple):
    """Of whom they know: others' media items and addresses."""

    items: Sequence[str]
    addresses: Sequence[str]


class Written(NamedTuple):
    """A record, as any client sends it. `partition` None: by the key."""

    topic: str
    key: bytes
    value: bytes
    partition: int | None = None


class Raw(NamedTuple):
    """A batch by hand, for any partition."""

    topic: str
    data: bytes


Shot = Written | Raw


class Woven(NamedTuple):
    """`make` has the events of one attack, which all happen at one instant (RFC 3339)."""

    name: str
    times: int  # in a round
    make: Callable[[int, str], list[Event]]


class Thrown(NamedTuple):
    """`make` has what is sent at once, and again after so many seconds."""

    name: str
    every: float
    make: Callable[[random.Random, Aims], list[Shot]]


def event(kind: str, id_: str, time: str, subject: str | None = None, **data: Any) -> Event:
    made: Event = {
        "specversion": "1.0", "source": f"/{NAME}", "id": f"{NAME}-{id_}", "type": kind, "time": time,
        "tenant": NAME, "data": data,
    }  # fmt: skip
    return made if subject is None else made | {"subject": subject}


def soon(ahead: timedelta = timedelta()) -> str:
    """Now by this machine's clock, or so much later."""
    return (datetime.now(UTC) + ahead).isoformat().replace("+00:00", "Z")


def somewhere(dice: random.Random) -> str:
    return dice.choice(TOPICS)


def letter(dice: random.Random, said: Event, topic: str | None = None) -> Written:
    return Written(topic or somewhere(dice), f"{NAME}-{dice.random()}".encode(), orjson.dumps(said))


# --- woven: valid


def many_open(number: int, time: str) -> list[Event]:
    """Calls of one caller that do not link, of which none ends."""
    return [
        event("call.offered", f"open-{number}-{n}", time, f"{NAME}-open-{number}-{n}", party={"address": CALLER})
        | {"correlationid": f"{NAME}-{number}-{n}"}
        for n in range(2_000)
    ]


def one_activity(number: int, time: str) -> list[Event]:
    """One activity, told again and again with other contents."""
    item = f"{NAME}-busy-{number}"
    told = [
        event(
            "activity.ended",
            f"told-{number}-{n}",
            time,
            activity=f"{NAME}-act-{number}",
            media_item=item,
            result=f"{n}",
        )
        for n in range(500)
    ]
    return [event("call.offered", f"busy-{number}", time, item, party={"address": CALLER}), *told]


def aliases(number: int, time: str) -> list[Event]:
    """A chain of items that are each other, closed to a circle."""
    return [
        event(
            "call.alias",
            f"alias-{number}-{n}",
            time,
            f"{NAME}-alias-{number}-{n}",
            to=f"{NAME}-alias-{number}-{(n + 1) % 300}",
        )
        for n in range(300)
    ]


def merges(number: int, time: str) -> list[Event]:
    """A chain of merged parties."""
    return [
        event(
            "party.merged",
            f"merge-{number}-{n}",
            time,
            f"{NAME}-P-{number}-{n}",
            **{"from": f"{NAME}-P-{number}-{n}", "into": f"{NAME}-P-{number}-{n + 1}"},
        )
        for n in range(300)
    ]


def identified(number: int, time: str) -> list[Event]:
    """One address that belongs to somebody else each time."""
    return [
        event("party.identified", f"who-{number}-{n}", time, CALLER, id=f"{NAME}-Q-{number}-{n}", name=f"{n}" * 20)
        for n in range(200)
    ]


def absurd_instants(number: int, time: str) -> list[Event]:
    """Activities of 1970, 2090 and 2999."""
    item = f"{NAME}-absurd-{number}"
    begun, over = {"started": "1970-01-01T00:00:00Z"}, {"ended": "2090-01-01T00:00:00Z"}
    spans = [begun, over, begun | over, {"ended": "2999-01-01T00:00:00Z"}]
    told = [
        event(
            "activity.recorded",
            f"absurd-{number}-{n}",
            time,
            activity=f"{item}-{n}",
            action="order",
            media_item=item,
            **span,
        )
        for n, span in enumerate(spans)
    ]
    return [event("call.offered", f"absurd-{number}", time, item, party={"address": CALLER}), *told]


def huge_names(number: int, time: str) -> list[Event]:
    """As long as an event may be, and as many."""
    item = f"{NAME}-huge-{number}"
    objects = [{"type": "x" * 40, "id": f"{n}" * 20} for n in range(90)]
    return [
        event("call.offered", f"huge-{number}", time, item, party={"address": CALLER}),
        event("call.queued", f"queued-{number}", time, item, queue="\U0001f4de" * 200),
        event("call.answered", f"answered-{number}", time, item, resource={"id": "a" * 200, "kind": "agent"}),
        event("activity.recorded", f"many-{number}", time, activity=f"{item}-a", action="order", media_item=item,
              objects=objects),
        event("call.held", f"ext-{number}", time, item, ext={f"k{n}": "v" * 200 for n in range(900)}),
    ]  # fmt: skip


def references(number: int, time: str) -> list[Event]:
    """Mails of one thread that refer to 200 others each."""
    others = [f"<{NAME}-{n}@example.net>" for n in range(200)]
    return [
        event("email.offered", f"mail-{number}-{n}", time, f"{NAME}-mail-{number}-{n}", references=others,
              message_id=f"<{NAME}-{number}-{n}@example.net>", party={"address": "mailto:hostile@example.net"})
        for n in range(100)
    ]  # fmt: skip


WOVEN = [
    Woven("2,000 open calls of one caller", 1, many_open),
    Woven("one activity told 500 times", 2, one_activity),
    Woven("a circle of 300 aliases", 2, aliases),
    Woven("a chain of 300 merged parties", 2, merges),
    Woven("one address identified 200 times", 2, identified),
    Woven("activities of 1970, 2090 and 2999", 10, absurd_instants),
    Woven("names of 200 characters of four bytes, 900 fields of ext", 10, huge_names),
    Woven("a thread of 100 mails with 200 references each", 2, references),
]


# --- thrown

HEADERS: list[Header] = [(b"traceparent", None), (b"\xff\xfe\xc3", b"\xfe"), (b"", b"")]


def odd_headers(dice: random.Random, _: Aims) -> list[Shot]:
    """Null values, and names that are no text, on what is refused and what is accepted."""
    item = f"{NAME}-headers-{dice.random()}"
    offered = event("call.offered", item, "2026-03-02T08:00:00Z", item, party={"address": CALLER})
    values = [b"{}", orjson.dumps(offered)]
    codec = dice.choice(["none", "gzip", "lz4", "snappy", "zstd"])
    return [Raw("calls", batch(0, [record(n, item.encode(), v, HEADERS) for n, v in enumerate(values)], codec))]


def bombs(dice: random.Random, _: Aims) -> list[Shot]:
    """A record that is far larger than a topic takes, once it is unpacked."""
    data = batch(0, [record(0, b"hostile", b"\0" * (MOST_UNPACKED + 1))], dice.choice(["gzip", "lz4", "zstd"]))
    return [Raw(somewhere(dice), data)]


def damaged(dice: random.Random, _: Aims) -> list[Shot]:
    """Batches that lie about what is in them."""
    good = [record(n, b"hostile", b"null") for n in range(3)]
    lies = [
        batch(0, [record(n, b"hostile", b"null") for n in (0, 0, 1)], count=3),
        batch(0, [record(0, b"hostile", b"null", header_count=900)]),
        batch(0, [record(0, b"hostile", headers=[(b"", b"")] * 50_000)]),
        batch(0, good, "gzip", body=b"\x1f\x8b" + dice.randbytes(50)),
        batch(0, [dice.randbytes(40)]),
        batch(0, good, count=2, last_delta=2),
    ]
    return [Raw(somewhere(dice), dice.choice(lies))]


def foreign_types(dice: random.Random, aims: Aims) -> list[Shot]:
    """Erasure, merge, identity and the end of others' interactions, sent to the topic of calls."""
    address, item = dice.choice(aims.addresses), dice.choice(aims.items)
    number, time = f"{dice.random()}", "2026-03-02T08:00:00Z"
    said = [
        event("party.erasure_requested", f"erase-{number}", time, address, request=number),
        event("party.merged", f"steal-{number}", time, address, **{"from": "C101794", "into": NAME}),
        event("party.identified", f"claim-{number}", time, address, id=NAME, name=NAME),
        event("interaction.close_requested", f"close-{number}", time, item),
        event("interaction.wrapped_up", f"wrap-{number}", time, item, outcome=NAME),
    ]
    for each in said:
        del each["tenant"]  # they speak for everybody
    return [letter(dice, each, "calls") for each in said]


def ahead(dice: random.Random, _: Aims) -> list[Shot]:
    """A clock that is 23 hours ahead, or more than a year."""
    kinds = {"calls": "call.offered", "emails": "email.offered", "chats": "chat.offered", "faxes": "fax.offered"}
    topic, span = dice.choice(sorted(kinds)), dice.choice([timedelta(hours=23), DISTANT])
    item = f"{NAME}-ahead-{dice.random()}"
    return [letter(dice, event(kinds[topic], item, soon(span), item, party={"address": CALLER}), topic)]


def heartbeats_ahead(dice: random.Random, _: Aims) -> list[Shot]:
    """In every partition of every input, more than a year ahead."""
    return [
        Written(topic, b"hostile", orjson.dumps(event("source.heartbeat", f"beat-{dice.random()}", soon(DISTANT))), p)
        for topic in TOPICS
        for p in range(4)
    ]


def many_sources(dice: random.Random, _: Aims) -> list[Shot]:
    """Each heartbeat of another source, of as many characters as a source may have."""
    beats = [
        event("source.heartbeat", f"source-{dice.random()}", "2026-03-02T08:00:00Z")
        | {"source": f"/{NAME}/{dice.random()}".ljust(190, "x")}
        for _ in range(300)
    ]
    return [Written(somewhere(dice), b"hostile", orjson.dumps(beat), dice.randrange(4)) for beat in beats]


def others_sources(dice: random.Random, _: Aims) -> list[Shot]:
    """In their own tenant: others' systems are alive, then silent, and have told all that they had to tell."""
    source = dice.choice(["sim/pbx", "sim/chat", "sim/crm", "sim/fax", "sim/mail"])
    beat = event("source.heartbeat", f"other-{dice.random()}", "2026-03-02T08:00:00Z")
    flush = event("source.flushed", f"flush-{dice.random()}", "2026-03-02T08:00:00Z", until="2026-03-02T23:00:00Z")
    return [
        Written(topic, b"hostile", orjson.dumps(said | {"source": source}), p)
        for said in (beat, flush)
        for topic in TOPICS
        for p in range(4)
    ]


def garbage(dice: random.Random, _: Aims) -> list[Shot]:
    """So much of it that it is most of what a partition holds for a while."""
    topic, partition = somewhere(dice), dice.randrange(4)
    return [Written(topic, b"hostile", dice.randbytes(30) + b"\xff", partition) for _ in range(1_500)]


def terminal(dice: random.Random, _: Aims) -> list[Shot]:
    """Escapes, numbers and addresses in names, types and sources."""
    ugly = "\x1b[2J\x07\u202e+44 1632 961055 alice@example.net"
    said = event(f"call.{ugly}", f"ugly-{dice.random()}", "2026-03-02T08:00:00Z", "hostile-ugly", **{ugly: ugly})
    return [letter(dice, said | {"source": ugly}, "calls")]


THROWN = [
    Thrown("header values that are null, header names that are no text", 2.0, odd_headers),
    Thrown("compressed records of more than may be unpacked", 12.0, bombs),
    Thrown("damaged batches", 3.0, damaged),
    Thrown("erasure, merge, identity and closing on the topic of calls", 2.0, foreign_types),
    Thrown("events 23 hours and 399 days ahead", 2.0, ahead),
    Thrown("heartbeats 399 days ahead, in every partition", 10.0, heartbeats_ahead),
    Thrown("300 heartbeats of as many sources", 8.0, many_sources),
    Thrown("heartbeats and flushes of others' sources, in their own tenant", 5.0, others_sources),
    Thrown("1,500 records of garbage in one partition", 15.0, garbage),
    Thrown("terminal escapes and addresses in names", 3.0, terminal),
]


def theirs(row: dict[str, Any]) -> bool:
    """Whether a stored record is of nothing but hostile events."""
    ids = [item["media_item_id"] for item in row["media_items"]] + [act["activity_id"] for act in row["activities"]]
    return row["tenant"] == NAME or (bool(ids) and all(each.startswith(NAME) for each in ids))


def woven_into(events: Sequence[Event], seed: int) -> list[Event]:
    """The stream with every attack that is woven, somewhere in its middle; nobody's events change places."""
    dice = random.Random(f"{seed}/{NAME}")
    latest, reached = [], ""
    for each in events:
        reached = max(reached, each["time"])
        latest.append(reached)
    added: dict[int, list[Event]] = {}
    for attack in WOVEN:
        for number in range(attack.times):
            at = dice.randrange(len(events) // 10, len(events) * 9 // 10)
            added.setdefault(at, []).extend(attack.make(number, latest[at]))
    return [each for n, event_ in enumerate(events) for each in (*added.get(n, ()), event_)]
