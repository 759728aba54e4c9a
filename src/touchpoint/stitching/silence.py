"""A silent feed is not a silent call: spans in which a source's heartbeats were missing (stitching.md, 4).

Only a source that keeps sending heartbeats can fall silent: after at least three, each within the silence limit of the
one before. So nobody makes a source count as silent by a single heartbeat in its name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

import msgspec

from touchpoint.stitching.facts import Micros
from touchpoint.stitching.limits import Limits

Span = tuple[Micros, Micros]
FOREVER: Micros = 2**62
REGULAR = 3
"""Heartbeats, each within the silence limit of the one before, after which a source can fall silent."""


class Run(msgspec.Struct, array_like=True):
    """Heartbeats of one source, each within the silence limit of the one before."""

    start: Micros
    end: Micros
    beats: int = 1  # with different times, counted up to REGULAR

    @property
    def is_regular(self) -> bool:
        return self.beats >= REGULAR


def with_run(runs: Sequence[Run], new: Run, limits: Limits) -> list[Run]:
    """The runs in order of time with one more: a single heartbeat, or a regular run that is known from elsewhere.

    The result does not depend on the order in which heartbeats are added, nor on repetitions.
    """
    near = [run for run in runs if run.start - limits.silence <= new.end and new.start <= run.end + limits.silence]
    if not near:
        return sorted([*runs, new], key=_start)
    start, end = min(new.start, *(run.start for run in near)), max(new.end, *(run.end for run in near))
    beats = sum(run.beats for run in near) + _added(near, new)
    rest = [run for run in runs if run not in near]
    return sorted([*rest, Run(start, end, min(REGULAR, beats))], key=_start)


def _added(near: Sequence[Run], new: Run) -> int:
    """How many heartbeats with times of their own the new run adds; between the ends of a run a time is its own only
    if it is the third: of more no difference is made.
    """
    if new.start != new.end:
        return new.beats
    return int(all(new.start not in (run.start, run.end) for run in near))


def _start(run: Run) -> Micros:
    return run.start


def silent_since(runs: Sequence[Run], time: Micros, limits: Limits) -> Micros | None:
    """The end of the heartbeats before which a silence began that a sign of life at ``time`` would end, if there is
    one.
    """
    n = bisect_right(runs, time, key=_start) - 1
    if n < 0 or not runs[n].is_regular or time - runs[n].end <= limits.silence:
        return None
    return runs[n].end


def silences(runs: Sequence[Run], signs: Iterable[Micros], limits: Limits, horizon: Micros) -> tuple[Span, ...]:
    """From `limits.silence` after the last heartbeat of a regular run to the next sign of life: a heartbeat, or one of
    ``signs``, the times of other events that came while there were no heartbeats.

    The silence that has not ended at the horizon is the last. A source that is away for longer than any interaction
    lives is gone, not silent.
    """
    others = sorted(signs)
    found: list[Span] = []
    for n, run in enumerate(runs):
        if not run.is_regular:
            continue
        begin = run.end + limits.silence
        first = bisect_right(others, begin)
        following = [other.start for other in runs[n + 1 : n + 2]] + others[first : first + 1]
        until = min(following, default=FOREVER)
        away = (horizon if until == FOREVER else until) - run.end
        if limits.silence < away <= limits.interaction_age:
            found.append((begin, until))
    return tuple(found)


def thinned(runs: Sequence[Run], before: Micros) -> list[Run]:
    """Without those that ended before."""
    return [run for run in runs if run.end >= before]
