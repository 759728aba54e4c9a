"""The heartbeats of one partition's sources, each under a key of its own (stitching.md, 4)."""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from touchpoint.stages.messages import Life, source_name
from touchpoint.stages.protocol import LAST, State
from touchpoint.stitching.facts import Fact, Micros
from touchpoint.stitching.limits import Limits, Silences
from touchpoint.stitching.silence import FOREVER, Run, silences, silent_since, thinned, with_run

SOURCES = LAST + b"source\0"
MOST_SOURCES = 1_000
"""Sources with heartbeats that are kept in a partition. Of more, those go first that have sent the fewest, then those
that sent the last of them longest ago: they count as sources without heartbeats.
"""
MOST_RUNS = 200
"""Of one source: times of regular heartbeats between which it was silent, the latest."""
_SLACK = 4
"""One part in so many above the limit before any go: each new one would else cost a look at all."""

_decode = msgspec.msgpack.Decoder(Life).decode
_encode = msgspec.msgpack.Encoder().encode


class Sources:
    """When the sources with heartbeats were alive, as far as one partition knows."""

    def __init__(self, state: State, limits: Limits) -> None:
        self._state, self._limits = state, limits
        self._lives: dict[str, Life] = {
            key[len(SOURCES) :].decode(): _decode(value) for key, value in state.items() if key.startswith(SOURCES)
        }
        self._silences: tuple[Micros, Silences] | None = None

    def __len__(self) -> int:
        return len(self._lives)

    # --- where events are read

    def observe(self, fact: Fact, news: dict[str, Life]) -> None:
        """Hot path: an event. What others must know goes to ``news``: regular heartbeats, and ends of silences."""
        if fact.verb == "heartbeat" and fact.kind == "source":
            self._beat(source_name(fact.tenant, fact.source), fact.time, news)
        elif self._lives:
            name = source_name(fact.tenant, fact.source)
            if (life := self._lives.get(name)) is not None:
                self._sign(name, life, fact.time, news)

    def _beat(self, name: str, time: Micros, news: dict[str, Life]) -> None:
        life = self._lives.get(name) or Life()
        self._sign(name, life, time, news)
        runs = with_run(life.runs, Run(time, time), self._limits)
        if runs == life.runs:
            return
        self._put(name, Life(runs, life.signs))
        run = runs[bisect_right(runs, time, key=lambda each: each.start) - 1]
        if run.is_regular:
            known = news.setdefault(name, Life())
            known.runs = with_run(known.runs, run, self._limits)

    def _sign(self, name: str, life: Life, time: Micros, news: dict[str, Life]) -> None:
        """Of each silence only the earliest end known so far is told."""
        ended = silent_since(life.runs, time, self._limits)
        if ended is None or any(ended < sign <= time for sign in life.signs):
            return
        self._put(name, Life(life.runs, sorted([*life.signs, time])))
        news.setdefault(name, Life()).signs.append(time)

    # --- where time passes for parties

    def receive(self, lives: dict[str, Life]) -> None:
        """What another partition tells."""
        for name, told in lives.items():
            known = self._lives.get(name) or Life()
            runs = known.runs
            for run in told.runs:
                runs = with_run(runs, run, self._limits)
            life = Life(runs, sorted({*known.signs, *told.signs}))
            if runs and life != known:
                self._put(name, life)

    def silences(self, horizon: Micros) -> Silences:
        """The silences of every source, with those that have not ended at the horizon."""
        if self._silences is None or self._silences[0] != horizon:
            found = {
                tuple(name.split("\0")): silences(life.runs, life.signs, self._limits, horizon)
                for name, life in self._lives.items()
            }
            self._silences = horizon, {source: spans for source, spans in found.items() if spans}  # type: ignore[misc]
        return self._silences[1]

    def someone_is_silent(self, horizon: Micros) -> bool:
        """Whether a silence may still end, and change when things are due."""
        return any(spans[-1][1] == FOREVER for spans in self.silences(horizon).values())

    # --- what is kept

    def forget(self, watermark: Micros) -> None:
        """What is older than an interaction's age: it makes no difference to anything that is open."""
        oldest = watermark - self._limits.interaction_age
        for name, life in list(self._lives.items()):
            if life.runs and life.runs[0].end < oldest:
                runs = thinned(life.runs, oldest)
                if runs:
                    self._put(name, Life(runs, [sign for sign in life.signs if sign >= oldest]))
                else:
                    self._drop(name)

    def _put(self, name: str, life: Life) -> None:
        life = Life(life.runs[-MOST_RUNS:], life.signs[-MOST_RUNS:])
        self._lives[name] = life
        self._state[SOURCES + name.encode()] = _encode(life)
        self._silences = None
        if len(self._lives) > MOST_SOURCES + MOST_SOURCES // _SLACK:
            by_worth = sorted(self._lives, key=lambda each: _worth(self._lives[each]))
            for each in by_worth[: len(self._lives) - MOST_SOURCES]:
                self._drop(each)

    def _drop(self, name: str) -> None:
        del self._lives[name]
        self._state.pop(SOURCES + name.encode(), None)
        self._silences = None


def _worth(life: Life) -> tuple[bool, Micros]:
    return any(run.is_regular for run in life.runs), life.runs[-1].end if life.runs else 0
