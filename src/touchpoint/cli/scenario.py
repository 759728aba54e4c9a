"""A media item's events and segments as a scenario of tests/stitching/scenarios, personal details replaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from touchpoint.stitching.facts import SECOND, Fact, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.media import fold
from touchpoint.stitching.media.fact_set import ordered
from touchpoint.stitching.record_builder import instant
from touchpoint.stitching.verbs import GIVEN_REASONS

Table = list[list[str]]

_WORDS = ("direction", "kind", "role", "mode", "by")
_COUNTS = ("pages", "total_pages", "attempt", "length")
_REASONS = frozenset(reason for given in GIVEN_REASONS.values() for reason in given)
_AGENTS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Pseudonyms:
    """One short name for each value of a kind, in the order in which they are met."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def of(self, kind: str, value: str) -> str:
        """`A`, `B` of agents; of any other kind its letter and a number, such as `c1` or `Q2`."""
        if (kind, value) not in self._names:
            count = self._counts[kind] = self._counts.get(kind, 0) + 1
            letter = kind == "agent" and count <= len(_AGENTS)
            self._names[kind, value] = _AGENTS[count - 1] if letter else f"{_LETTERS[kind]}{count}"
        return self._names[kind, value]


_LETTERS = {"agent": "A", "item": "c", "queue": "Q", "source": "s"}


def facts_of_item(item: str, tenant: str, facts: Iterable[Fact]) -> list[Fact]:
    """What was told of a media item and of the items that are aliases of it."""
    told: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.tenant == tenant and fact.kind not in ("party", "source", "activity", "interaction"):
            told.setdefault(fact.subject, []).append(fact)
    wanted, found = [item], dict[str, list[Fact]]()
    while wanted:
        name = wanted.pop()
        if name in told and name not in found:
            found[name] = told[name]
            wanted += [
                each for each, its in told.items() if any(f.verb == "alias" and f.data["to"] == name for f in its)
            ]
    return [fact for its in found.values() for fact in its]


def scenario_text(item: str, facts: Sequence[Fact], limits: Limits) -> str:
    """The scenario: title, start, events in their order, and the segments and figures that they make."""
    names, start = Pseudonyms(), min(fact.time for fact in facts) // SECOND * SECOND
    names.of("item", item)
    within = ordered(facts)
    ranks = {source: _ranks(fact for fact in within if fact.source == source) for source in {f.source for f in within}}
    events = [_event(n, fact, start, names, ranks, len(within)) for n, fact in enumerate(within)]
    folded = fold(item, facts, limits)
    segments = [
        [each.type, names.of("agent", each.track) if each.track != "customer" else "customer",
         _since(each.started_at, start), _since(each.ended_at, start), each.end_reason or ""]
        for each in folded.segments
    ]  # fmt: skip
    figures = [[
        str(folded.queue_wait_ms / 1000), str(folded.talk_ms / 1000), str(folded.hold_ms / 1000),
        str(folded.abandoned), " ".join(folded.flags),
    ]]  # fmt: skip
    return "\n\n".join([
        f"{names.of('item', item)}  what went wrong, in a few words\n\nstart {instant(start):%Y-%m-%dT%H:%M:%SZ}",
        "events\n" + _table(["t", "event", "item", "agent", "to", "more"], events),
        "segments\n" + _table(["type", "track", "from", "to", "reason"], segments),
        "figures\n" + _table(["wait", "talk", "hold", "abandoned", "flags"], figures),
    ])  # fmt: skip


def _ranks(facts: Iterable[Fact]) -> dict[str, str]:
    """Sequences as numbers that sort alike: what a producer writes there may name a person."""
    return {each: f"{n:04d}" for n, each in enumerate(sorted({f.sequence for f in facts if f.sequence is not None}))}


def _since(time: Micros, start: Micros) -> str:
    return f"{(time - start) / SECOND:.6f}".rstrip("0").rstrip(".")


def _event(
    n: int, fact: Fact, start: Micros, names: Pseudonyms, ranks: dict[str, dict[str, str]], count: int
) -> list[str]:
    resource = fact.data.get("resource")
    agent = "" if resource is None else names.of("agent", resource["id"])
    to = _target(fact.data.get("to"), names) if fact.verb != "alias" else ""
    more = [] if count <= len("0123456789") else [f"id=e{n:05d}"]
    if len(ranks) > 1:
        more.append(f"source={names.of('source', fact.source)}")
    if fact.sequence is not None:
        more.append(f"seq={ranks[fact.source][fact.sequence]}")
    if fact.dialect is not None:
        more.append(f"dialect={fact.dialect}")
    more += _more(fact.data, names)
    return [
        _since(fact.time, start), f"{fact.kind}.{fact.verb}", names.of("item", fact.subject), agent, to, " ".join(more),
    ]  # fmt: skip


def _target(to: Any, names: Pseudonyms) -> str:
    if not isinstance(to, dict):
        return ""
    if "resource" in to:
        return names.of("agent", to["resource"]["id"])
    return f"queue:{names.of('queue', to['queue'])}" if "queue" in to else "tel:+441632960999"


def _more(data: dict[str, Any], names: Pseudonyms) -> list[str]:
    """The rest that the fold reads; free text is left out."""
    found = [f"{name}={data[name]}" for name in (*_WORDS, *_COUNTS) if name in data]
    if data.get("resource", {}).get("kind", "agent") != "agent":
        found.append(f"who={data['resource']['kind']}")
    if "queue" in data:
        found.append(f"queue={names.of('queue', data['queue'])}")
    if data.get("reason") in _REASONS:
        found.append(f"reason={data['reason']}")
    if "duration_ms" in data:
        found.append(f"duration={data['duration_ms'] / 1000:g}")
    if isinstance(data.get("to"), str):
        found.append(f"to={names.of('item', data['to'])}")
    return found + [f"reported.{name}={value}" for name, value in data.get("reported", {}).items()]


def _table(header: list[str], rows: Table) -> str:
    widths = [max(len(row[n]) for row in [header, *rows]) for n in range(len(header))]
    return "\n".join(
        " | ".join(cell.ljust(widths[n]) for n, cell in enumerate(row)).rstrip() for row in [header, *rows]
    )
