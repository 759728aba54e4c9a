"""What is remembered of closed interactions, beside their party's state: they are many, and most touches need none."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from touchpoint.stages.due_times import Timers, due_of, unstamped
from touchpoint.stages.protocol import FIRST, Report, State
from touchpoint.stitching.facts import Micros
from touchpoint.stitching.interactions.closed_interactions import remembered
from touchpoint.stitching.interactions.names import activity_name, item_name
from touchpoint.stitching.interactions.party_facts import Closed, PartyFacts, merged
from touchpoint.stitching.limits import Limits

CLOSED = FIRST  # before a party's key

_decode = msgspec.msgpack.Decoder(list[Closed]).decode
_encode = msgspec.msgpack.Encoder().encode


def not_forgotten(new: PartyFacts, oldest: Micros, known: PartyFacts, moved: Collection[str]) -> PartyFacts:
    """Facts without those of things that closed and were forgotten before `oldest`: they would open them anew.

    Such facts are read again after time has taken a leap; what comes that late for the first time is of a backfill.
    `known`, `moved`: what is open, and the names of what went elsewhere.
    """
    homes = [(item_name(item), its) for item, its in (*new.items.items(), *new.controls.items())]
    homes += [(activity_name(activity), its) for activity, its in new.activities.items()]
    if all(its[0].time >= oldest for _, its in homes):
        return new
    here = {*map(item_name, (*known.items, *known.controls)), *map(activity_name, known.activities), *moved}
    old = {name for name, its in homes if name not in here and all(fact.time < oldest for fact in its)}
    return merged(PartyFacts(), (new, old))


class ClosedMemory:
    """The closed interactions of one partition's parties, each until an interaction's greatest age has passed."""

    def __init__(self, state: State, limits: Limits, report: Report) -> None:
        """``report``: where it notes that something was forgotten before its time."""
        self._state, self._age, self._report = state, limits.interaction_age, report
        self._timers = Timers(state, lambda key: key.startswith(CLOSED))

    def has(self, party: bytes) -> bool:
        """Whether anything closed is remembered of a party."""
        return CLOSED + party in self._state

    def of(self, party: bytes) -> list[Closed]:
        """Of one party, oldest first."""
        raw = self._state.get(CLOSED + party)
        return _decode(unstamped(raw)) if raw is not None else []

    def keep(self, party: bytes, closed: list[Closed]) -> None:
        """Replace what is remembered of a party."""
        kept = remembered(closed)
        self._report.full["closed"] += len(kept) < len(closed)
        self._store(CLOSED + party, kept)

    def expire(self, watermark: Micros, most: int) -> None:
        """Forget what is old enough, of at most so many parties; not of one that is still to be looked at."""
        behind: list[bytes] = []
        for key in self._timers.pop_due(watermark, most):
            party = self._state.get(key.removeprefix(CLOSED))
            if party is not None and due_of(party) < watermark:
                behind.append(key)
                continue
            known = _decode(unstamped(self._state[key]))
            self._store(key, [one for one in known if self._until(one) >= watermark])
        for key in behind:
            self._timers.again(key)

    def _store(self, key: bytes, closed: list[Closed]) -> None:
        if not closed:
            self._state.pop(key, None)
            return
        due = min(map(self._until, closed)) + 1
        self._timers.put(key, due, _encode(closed))

    def _until(self, closed: Closed) -> Micros:
        return max(closed.instant + self._age, closed.kept_until)
