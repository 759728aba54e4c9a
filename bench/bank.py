"""A month of a bank's real calls: the report views beside a direct count of the raw file, into results/bank.md.

    .venv/bin/python -m bench.bank bank_january1999.tsv.gz

The file is that of Guedj and Mandelbaum's Anonymous Bank data (Technion), a line a call; it is not part of the
repository. Its lines become events, these interactions, these rows of an embedded PostgreSQL, and these reports. The
other side adds up the lines themselves. Exit status 1 if any figure of any day or hour differs.
"""

from __future__ import annotations

import asyncio
import csv
import gzip
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import orjson

from touchpoint.embedded.postgres import EmbeddedPostgres
from touchpoint.events import Accepted, Decoder
from touchpoint.history.migration_runner import migrate
from touchpoint.history.writer import HistoryWriter
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import stitch

RESULT = Path(__file__).parent / "results" / "bank.md"
ZONE = ZoneInfo("Asia/Jerusalem")
DAY = timedelta(days=1)
SINCE, UNTIL = datetime(1999, 1, 1, tzinfo=ZONE), datetime(1999, 2, 2, tzinfo=ZONE)
BATCH = 500
REPORTS = (
    ("channel_intervals", "", (("calls", "started", 1),)),
    ("queue_intervals", "queue", (
        ("waits", "offered", 1), ("answered", "answered", 1), ("abandoned", "abandoned", 1), ("withdrawn", "other", 1),
        ("waited, s", "wait_ms", 1000))),
    ("agent_intervals", "resource_id", (("services", "connected", 1), ("served, s", "handle_ms_by_start", 1000))),
)  # fmt: skip
"""Of each function: its subject, and of each figure its column and what that is divided by."""
FIGURES = ("calls", "waits", "answered", "abandoned", "withdrawn", "waited, s", "services", "served, s")
HEAD = """# A month of a bank's calls out of the report views

`python -m bench.bank bank_january1999.tsv.gz`: {calls} calls of January 1999 of the Anonymous Bank data (I. Guedj and
A. Mandelbaum, Technion; L. Brown et al., JASA 100(469), 2005), as {interactions} interactions in PostgreSQL. Calls,
waits by queue and services by agent, of every day and every hour (Asia/Jerusalem, by start), out of
`channel_intervals`, `queue_intervals` and `agent_intervals`, beside the same figures added up from the lines of the
file without anything of ours. A wait ends when the service begins, or when the queue is left, whichever is first: in
two calls of three the file has the service begin one second before the queue is left. {left_out} further lines
contradict themselves, a menu left before it was entered or a service that begins before the wait, and are left out of
both sides.
"""


Figures = Counter[tuple[str, str, str]]
"""Each figure by its day or hour, its name, and its queue or agent."""


class Call(msgspec.Struct, frozen=True):
    """A line of the file. Exits before their entry are of the next day."""

    id: str
    line: str
    queue: str
    customer: str
    outcome: str
    server: str
    entry: datetime
    left_menu: datetime
    queued: tuple[datetime, datetime] | None
    served: tuple[datetime, datetime] | None
    contradicts_itself: bool  # the menu was left before it was entered, or the service began before the wait


def calls(path: Path) -> Iterator[Call]:
    """The well-formed lines."""
    with gzip.open(path, "rt", encoding="latin-1") as file:
        rows = csv.reader(file, delimiter="\t")
        head = [name.strip() for name in next(rows)]
        for cells in rows:
            if len(cells) == len(head):
                yield call(dict(zip(head, (cell.strip() for cell in cells), strict=True)))


def call(row: dict[str, str]) -> Call:
    day = datetime.strptime(row["date"], "%y%m%d").replace(tzinfo=ZONE)

    def at(name: str) -> datetime:
        hours, minutes, seconds = map(int, row[name].split(":"))
        return day + timedelta(hours=hours, minutes=minutes, seconds=seconds)

    def span(first: str, last: str) -> tuple[datetime, datetime]:
        begin, end = at(first), at(last)
        begin += DAY if begin < entry - DAY / 2 else timedelta(0)
        return begin, end + DAY if end < begin else end

    entry = at("vru_entry")
    queued = row["q_start"] != "0:00:00" or int(row["q_time"]) > 0
    served = row["outcome"] == "AGENT" and int(row["ser_time"]) > 0
    wait, service = span("q_start", "q_exit") if queued else None, span("ser_start", "ser_exit") if served else None
    wrong = int(row["vru_time"]) < 0 or (wait is not None and service is not None and service[0] < wait[0])
    return Call(
        f"{row['date'][:4]}-{row['vru+line']}-{row['call_id']}", row["vru+line"], row["type"], row["customer_id"],
        row["outcome"], row["server"], entry, max(at("vru_exit"), entry),
        wait, service, wrong,
    )  # fmt: skip


def events(one: Call) -> Iterator[dict[str, Any]]:
    """A call as canonical events."""
    party = {"party": {"id": f"customer-{one.customer}"}} if one.customer not in ("0", "") else {}
    agent = {"resource": {"id": one.server, "kind": "agent"}}
    told: list[tuple[str, datetime, dict[str, Any]]] = [
        ("offered", one.entry, {"direction": "inbound", "dialed": one.line, **party}),
        ("ivr_entered", one.entry, {"flow": one.line}),
    ]
    end = one.left_menu
    if one.queued or one.outcome != "HANG":  # who hangs up in the menu never leaves it otherwise
        told.append(("ivr_exited", one.left_menu, {}))
    if one.queued:
        begin, end = one.queued
        told.append(("queued", begin, {"queue": one.queue}))
        if one.outcome != "HANG":  # an abandoned wait ends by the customer's hanging up
            reason = "answered" if one.outcome == "AGENT" else "withdrawn"
            told.append(("dequeued", end, {"queue": one.queue, "reason": reason}))
    if one.served:
        begin, end = one.served
        told += [("answered", begin, agent), ("released", end, agent)]
    if one.outcome == "HANG":
        told.append(("disconnected", end, {"by": "customer"}))
    told.append(("ended", end, {"reason": one.outcome.lower()}))
    for number, (verb, time, data) in enumerate(told):
        yield {"specversion": "1.0", "id": f"{one.id}/{number}", "source": "bank", "type": f"call.{verb}",
               "time": time.isoformat(), "subject": one.id, "sequence": f"{number:02d}", "data": data}  # fmt: skip


def hour_of(instant: datetime, unit: str) -> str:
    return f"{instant.astimezone(ZONE):%Y-%m-%d %H}" if unit == "1 hour" else f"{instant.astimezone(ZONE):%Y-%m-%d}"


def counted(file: Iterable[Call], unit: str) -> Figures:
    """The direct computation: each figure by (hour or day, figure, queue or agent), each line where it began."""
    found: Figures = Counter()
    for one in file:
        found[hour_of(one.entry, unit), "calls", ""] += 1
        if one.queued:
            begin, end = one.queued
            if one.served:  # in two calls of three the service begins a second before the queue is left
                end = min(end, one.served[0])
            outcome = {"AGENT": "answered", "HANG": "abandoned"}.get(one.outcome, "withdrawn")
            for figure, value in (("waits", 1), (outcome, 1), ("waited, s", int((end - begin).total_seconds()))):
                found[hour_of(begin, unit), figure, one.queue] += value
        if one.served:
            begin, end = one.served
            found[hour_of(begin, unit), "services", one.server] += 1
            found[hour_of(begin, unit), "served, s", one.server] += int((end - begin).total_seconds())
    return Counter({place: value for place, value in found.items() if value})


async def reported(database: str, unit: str) -> Figures:
    """The same figures out of the report views."""
    connection = await asyncpg.connect(database)
    found: Figures = Counter()
    for function, subject, columns in REPORTS:
        rows = await connection.fetch(
            f"SELECT * FROM touchpoint.{function}('default', $1, $2, $3::text::interval, $4)",
            SINCE, UNTIL, unit, ZONE.key,
        )  # fmt: skip
        for row in rows:
            for figure, column, divisor in columns:
                found[hour_of(row["interval_start"], unit), figure, row[subject] if subject else ""] += (
                    row[column] // divisor
                )
    await connection.close()
    return Counter({place: value for place, value in found.items() if value})


async def store(database: str, file: list[Call]) -> int:
    """Through the decoder, the fold and the writer, as the worker does it; how many interactions."""
    await migrate(database)
    decoder = Decoder()
    told = sorted((event for one in file for event in events(one)), key=lambda event: event["time"])
    decoded = (decoder.decode(orjson.dumps(event)) for event in told)
    records = list(stitch((one.fact for one in decoded if isinstance(one, Accepted)), Limits(), b"x" * 32))
    async with asyncpg.create_pool(database, min_size=1) as pool:
        writer = HistoryWriter(pool)
        envelope = {"specversion": "1.0", "source": "bank", "type": "interaction.closed"}
        values = [orjson.dumps(envelope | {"id": one["interaction_id"], "data": one}) for one in records]
        for begin in range(0, len(values), BATCH):
            assert await writer.write_batch(values[begin : begin + BATCH]) == []
        await pool.execute("ANALYZE")
    return len(records)


def page(file: list[Call], left_out: int, interactions: int, sides: Mapping[str, tuple[Figures, Figures]]) -> str:
    """The result, with the month's days."""
    lines = [HEAD.format(calls=len(file), left_out=left_out, interactions=interactions)]
    lines += ["| by | figures that are not 0 | equal | different |", "|---|---|---|---|"]
    for unit, (direct, views) in sides.items():
        places = direct.keys() | views.keys()
        same = sum(direct[place] == views[place] for place in places)
        lines.append(f"| {unit} | {len(places)} | {same} | {len(places) - same} |")
    days = sides["1 day"][1]
    lines += ["\n## By day, out of the views\n", f"| day | {' | '.join(FIGURES)} |", "|---" * (len(FIGURES) + 1) + "|"]
    for day in sorted({place[0] for place in days}):
        sums = [sum(value for place, value in days.items() if place[:2] == (day, figure)) for figure in FIGURES]
        lines.append(f"| {day} | {' | '.join(map(str, sums))} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    every = list(calls(Path(sys.argv[1])))
    file = [one for one in every if not one.contradicts_itself]
    sides: dict[str, tuple[Figures, Figures]] = {}
    with EmbeddedPostgres() as server:
        interactions = asyncio.run(store(server.dsn(), file))
        for unit in ("1 day", "1 hour"):
            sides[unit] = counted(file, unit), asyncio.run(reported(server.dsn(), unit))
    RESULT.write_text(page(file, len(every) - len(file), interactions, sides))
    different = [(unit, place, direct[place], views[place]) for unit, (direct, views) in sides.items()
                 for place in sorted(direct.keys() | views.keys()) if direct[place] != views[place]]  # fmt: skip
    for one in different[:20]:
        print("different:", *one)
    print(f"{len(file)} of {len(every)} calls, {interactions} interactions, {len(different)} figures differ: {RESULT}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
