"""Every fact of an input, as sets: by media item, activity and party."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from touchpoint.stitching.facts import FLUSHED, Fact, FactKey, Micros, trimmed
from touchpoint.stitching.flushes import Declared, Flushes
from touchpoint.stitching.interactions.advance import advance, interactions_at
from touchpoint.stitching.interactions.party_facts import PartyFacts, reference
from touchpoint.stitching.interactions.walk import Advance
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.media import precedence
from touchpoint.stitching.ownership.aliases import Roots, alias_of
from touchpoint.stitching.ownership.parents import reference_times
from touchpoint.stitching.ownership.party_sorting import ItemKey, Parties
from touchpoint.stitching.silence import Run, silences, silent_since, with_run

Facts = dict[FactKey, Fact]
Source = tuple[str, str]
"""Tenant and source."""
_NO_CHANNELS = frozenset({"source", "party", "interaction", "activity"})


class FactStore:
    """Facts are added in any order and any number of times; then time passes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._items: dict[ItemKey, Facts] = {}
        self._controls: dict[ItemKey, Facts] = {}
        self._activities: dict[ItemKey, Facts] = {}
        self._identity: dict[str, Facts] = {}  # by tenant: one's events never count as a repetition of another's
        self._heartbeats: dict[Source, set[Micros]] = {}
        self._flushes: dict[Source, set[Declared]] = {}

    def add(self, fact: Fact) -> None:
        """Hot path: add one fact to the set it belongs to."""
        fact = trimmed(fact)
        kind = fact.kind
        if kind not in _NO_CHANNELS:
            home = self._items.setdefault((fact.tenant, fact.subject), {})
        elif kind == "source":
            source = (fact.tenant, fact.source)
            if fact.verb == FLUSHED:
                self._flushes.setdefault(source, set()).add(Declared(fact.data["until"], fact.time))
            else:
                self._heartbeats.setdefault(source, set()).add(fact.time)
            return
        elif kind == "party":
            home = self._identity.setdefault(fact.tenant, {})
        elif kind == "interaction":
            home = self._controls.setdefault((fact.tenant, fact.subject), {})
        else:
            home = self._activities.setdefault((fact.tenant, fact.data["activity"]), {})
        key = (fact.source, fact.id)
        known = home.get(key)
        if known is None or (known != fact and precedence(fact) > precedence(known)):
            home[key] = fact

    def advance(self, horizon: Micros) -> Iterator[Advance]:
        """Let time pass for every party up to the horizon."""
        silent = self._silences(horizon)
        flushes = {source: sorted(instants) for source, instants in self._flushes.items()}
        parties = self._parties().all()
        self._refer(parties, silent, flushes)
        for party in parties:
            yield advance(party, horizon, self._limits, silent, flushes)

    def _refer(self, parties: list[PartyFacts], silent: Silences, flushes: Flushes) -> None:
        """What another item names is its parent, as it was when it was named, unless that is its own interaction."""
        home = {(f.tenant, f.subject): party for party in parties for facts in party.items.values() for f in facts}
        asked: dict[int, tuple[PartyFacts, list[tuple[PartyFacts, str, str, Micros]]]] = {}
        for party in parties:
            for item, facts in party.items.items():
                for named, time in reference_times(facts).items():
                    other = home.get((facts[0].tenant, named))
                    if other is not None and named != item:
                        asked.setdefault(id(other), (other, []))[1].append((party, item, named, time))
        for other, questions in asked.values():
            found = interactions_at(
                other, [(named, time) for *_, named, time in questions], self._limits, silent, flushes
            )
            for party, item, named, time in questions:
                parent = found[named, time]
                if parent is not None:
                    party.parents[reference(item, named)] = parent

    def _silences(self, horizon: Micros) -> Silences:
        runs: dict[Source, list[Run]] = {}
        for source, beats in self._heartbeats.items():
            of_source: list[Run] = []
            for beat in sorted(beats):  # in order, so that each goes into the last run or begins one
                of_source[-1:] = with_run(of_source[-1:], Run(beat, beat), self._limits)
            if any(run.is_regular for run in of_source):
                runs[source] = of_source
        signs: dict[Source, list[Micros]] = {source: [] for source in runs}
        for fact in self._every() if runs else ():
            source = (fact.tenant, fact.source)
            if source in runs and silent_since(runs[source], fact.time, self._limits) is not None:
                signs[source].append(fact.time)
        return {source: silences(runs[source], signs[source], self._limits, horizon) for source in runs}

    def _every(self) -> Iterator[Fact]:
        for homes in (self._items, self._controls, self._activities, self._identity):
            for facts in homes.values():
                yield from facts.values()

    def _parties(self) -> Parties:
        roots = {tenant: Roots(aliases.get) for tenant, aliases in self._aliases().items()}

        def root_of(tenant: str, item: str) -> str:
            return roots[tenant].of(item) if tenant in roots else item

        items, controls = _rooted(self._items, root_of), _rooted(self._controls, root_of)
        activities = {key: list(facts.values()) for key, facts in self._activities.items()}
        identity = [fact for facts in self._identity.values() for fact in facts.values()]
        return Parties(items, controls, activities, identity, self._limits, root_of)

    def _aliases(self) -> dict[str, dict[str, str]]:
        """Which items are others', by tenant."""
        maps: dict[str, dict[str, str]] = {}
        for (tenant, item), facts in self._items.items():
            other = alias_of(item, facts.values(), self._limits)
            if other is not None:
                maps.setdefault(tenant, {})[item] = other
        return maps


def _rooted(homes: Mapping[ItemKey, Facts], root_of: Callable[[str, str], str]) -> dict[ItemKey, list[Fact]]:
    """By root: an alias's facts are its root's."""
    rooted: dict[ItemKey, list[Fact]] = {}
    for (tenant, item), facts in homes.items():
        rooted.setdefault((tenant, root_of(tenant, item)), []).extend(facts.values())
    return rooted
