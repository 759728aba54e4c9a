"""Which interaction another party's media item was in when it was named: asked across partitions, in event time."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from touchpoint.stages.due_times import POSTPONED, Timers, unstamped
from touchpoint.stages.messages import Addresses, ParentQuery, PartyMessage, latest
from touchpoint.stages.protocol import Forward, Report, State
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.flushes import Flushes
from touchpoint.stitching.interactions.advance import interactions_at
from touchpoint.stitching.interactions.party_facts import PartyFacts, reference
from touchpoint.stitching.interactions.pauses import shortest_wait
from touchpoint.stitching.limits import Limits, Silences

ASKS = b"?"  # before a party's key: the questions that wait there
MOST_ANSWERED = 500

_decode = msgspec.msgpack.Decoder(list[ParentQuery]).decode
_encode = msgspec.msgpack.Encoder().encode


class ParentLookup:
    """The questions that wait in one partition for time to reach the instant that they ask about."""

    def __init__(self, state: State, addresses: Addresses, limits: Limits, report: Report) -> None:
        """``report``: where it notes that there were too many at one place, and what failed."""
        self._state, self._addresses, self._limits, self._report = state, addresses, limits, report
        self._timers = Timers(state, lambda key: key.startswith(ASKS))
        self._wait = shortest_wait(limits)

    def take(self, key: bytes, asks: list[ParentQuery]) -> None:
        """Keep questions about a party's media items until they can be answered."""
        if asks:
            self._keep(ASKS + key, asks)

    def leave(self, key: bytes, items: Collection[str]) -> list[ParentQuery]:
        """Questions about media items that leave for another party leave with them."""
        raw = self._state.get(ASKS + key)
        if raw is None:
            return []
        waiting = _decode(unstamped(raw))
        leaving = [ask for ask in waiting if ask.item in items]
        if leaving:
            self._state.pop(ASKS + key)
            self.take(key, [ask for ask in waiting if ask.item not in items])
        return leaving

    def _keep(self, key: bytes, asks: list[ParentQuery]) -> None:
        raw = self._state.get(key)
        waiting = _decode(unstamped(raw)) if raw is not None else []
        waiting = list(dict.fromkeys([*waiting, *asks]))
        kept = latest(waiting)
        self._report.full["questions"] += len(kept) < len(waiting)
        self._timers.put(key, min(ask.time for ask in kept), _encode(kept))

    def answer(
        self, settled: Micros, facts_of: Callable[[bytes], PartyFacts], silences: Silences, flushes: Flushes,
        out: list[Forward],
    ) -> None:  # fmt: skip
        """Answer every question about an instant before `settled`."""
        for key in self._timers.pop_due(settled, MOST_ANSWERED):
            waiting = _decode(unstamped(self._state[key]))
            facts = facts_of(key.removeprefix(ASKS))
            try:
                out += self._told([ask for ask in waiting if ask.time < settled], facts, silences, flushes)
            except Exception as error:  # noqa: BLE001 - one party must not keep the others from their answers
                self._report.failures.append(("questions about a party failed and are tried again later", error))
                self._timers.postpone(key, settled + POSTPONED)
                continue
            self._state.pop(key)
            later = [ask for ask in waiting if ask.time >= settled]
            if later:
                self._keep(key, later)

    def _told(self, asks: list[ParentQuery], facts: PartyFacts, silences: Silences, flushes: Flushes) -> list[Forward]:
        asks = [ask for ask in asks if not self._walks_together(ask, facts)]
        wanted = [(ask.named, ask.time) for ask in asks]
        found = interactions_at(facts, wanted, self._limits, silences, flushes) if asks else {}
        return [
            self._addresses.touch(
                PartyMessage(ask.key, 0, PartyFacts(parents={reference(ask.asker, ask.named): parent}))
            )
            for ask in asks
            if (parent := found[ask.named, ask.time]) is not None
        ]

    def _walks_together(self, ask: ParentQuery, facts: PartyFacts) -> bool:
        """Of one party, and the named item was surely open then: the asker's own walk will find it."""
        if ask.asker not in facts.items or facts.controls:
            return False
        heard = max((fact.time for fact in facts.items.get(ask.item, ()) if fact.time <= ask.time), default=None)
        return heard is not None and ask.time - heard < self._wait
