"""Stops a worker that refuses most of a topic since it was deployed: the deploy is wrong more often than the records.

Where neither version nor settings have changed since records of the partition were accepted, the records are wrong, and
one bad producer must not be an outage: they are buried, byte for byte, and an alarm is given. The partition is not
paused, because the time of all others would stand still with it.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

import msgspec

from touchpoint.stages.dead_letter_records import TOPIC, code_of, topic_of
from touchpoint.stages.protocol import LAST, Forward, Record, State
from touchpoint.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

WINDOW = 1_000  # records of one topic and partition
LINE_SECONDS = 60.0  # between two lines about one topic
_WELL_READ = frozenset({"late"})  # nothing is wrong with how these are read: somebody repeats what is long over
_KEY = LAST + b"accepted"


class DeadLetterLimitError(Exception):
    """Too many of a topic's records would become dead letters; nothing of the batch at hand was sent or committed."""


class Excess(msgspec.Struct, frozen=True):
    """Most of a topic's last records are dead letters."""

    topic: str
    partition: int
    records: int
    refused: int  # of them
    added: int  # dead letters of the batch at hand
    codes: str  # the commonest, for people


class Versions:
    """Under which version and settings the records of each topic were last accepted: kept with a partition's state.

    As text, `1 calls=9473 chats=9473`: the number of this form, and a fingerprint by topic.
    """

    def __init__(self, current: int, state: State) -> None:
        """``current``: the fingerprint of this worker's version and of the settings by which records are accepted."""
        self._current, self._state = current, state
        kept = state.get(_KEY)
        self._earlier = kept is None and len(state) > 0  # state of a release that did not keep this
        words = (kept or b"").decode().split()[1:]
        self._accepted = {topic: int(fingerprint) for topic, _, fingerprint in (word.partition("=") for word in words)}
        self.save()

    def changed(self, topic: str) -> bool:
        """Whether records were accepted under another version or other settings, and none since."""
        if topic in self._accepted:
            return self._accepted[topic] != self._current
        return self._current not in self._accepted.values() if self._accepted else self._earlier

    def accept(self, topic: str) -> None:
        self._accepted[topic] = self._current

    def save(self) -> None:
        """Into the state, where it is not there already: what fails is undone, and this with it."""
        value = " ".join(["1", *(f"{topic}={self._accepted[topic]}" for topic in sorted(self._accepted))]).encode()
        if (self._accepted or not self._earlier) and self._state.get(_KEY) != value:
            self._state[_KEY] = value


class DeadLetterLimit:
    """Counts what becomes of the last records of each topic of one partition."""

    def __init__(
        self, partition: int, limit: float, versions: Versions, alarm: Callable[[Excess], None],
        exempt: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        """``limit``: dead letters as a share of a topic's last ``WINDOW`` records. ``exempt``: topics not counted."""
        self._partition = partition
        self._limit = limit
        self._versions = versions
        self._alarm = alarm
        self._exempt = exempt
        self._windows: dict[str, deque[tuple[int, int]]] = {}  # (records, dead letters) of each batch

    def check(self, batches: Sequence[Sequence[Record]], forwards: Sequence[Forward]) -> None:
        """Count batches, each of one topic, and what follows from them. Raises ``DeadLetterLimitError``."""
        found = list(self._excesses(batches, forwards))
        for excess in found:
            if self._versions.changed(excess.topic):
                raise DeadLetterLimitError(_explanation(excess, self._limit))
        for excess in found:
            self._alarm(excess)
        self._versions.save()

    def _excesses(self, batches: Sequence[Sequence[Record]], forwards: Sequence[Forward]) -> Iterator[Excess]:
        seen: Counter[str] = Counter()
        for records in batches:
            if records and records[0].topic not in self._exempt:
                seen[records[0].topic] += len(records)
        dead = [f for f in forwards if f.topic == TOPIC and code_of(f) not in _WELL_READ]
        refused = Counter(topic_of(forward) for forward in dead)
        for topic, count in seen.items():
            total, bad = self._counted(topic, count, refused[topic])
            if bad <= self._limit * total:
                if bad < total:
                    self._versions.accept(topic)
            elif total >= WINDOW:
                codes = Counter(code_of(each) for each in dead if topic_of(each) == topic).most_common(3)
                told = ", ".join(f"{code}: {number:,}" for code, number in codes)
                yield Excess(topic, self._partition, total, bad, refused[topic], told)

    def _counted(self, topic: str, records: int, refused: int) -> tuple[int, int]:
        """The last records of the topic and the dead letters among them."""
        window = self._windows.setdefault(topic, deque())
        window.append((records, refused))
        total = sum(count for count, _ in window)
        while total - window[0][0] >= WINDOW:
            total -= window.popleft()[0]
        return total, sum(bad for _, bad in window)


class DeadLetterAlarm:
    """What a worker says where the limit is exceeded and does not stop it: a metric, and a line a minute and topic."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._said_at: dict[str, float] = {}

    def __call__(self, excess: Excess) -> None:
        self._metrics.count("flood_dead_letters", excess.added, excess.topic)
        now = time.monotonic()
        if now - self._said_at.get(excess.topic, -LINE_SECONDS) >= LINE_SECONDS:
            self._said_at[excess.topic] = now
            log.error(
                "%s of the last %s records of topic %s, partition %d, became dead letters (%s). Neither version nor "
                "settings have changed, so a producer sends what cannot be read: its records are buried, and all "
                "others are taken; see `touchpoint dead-letters list --topic %s`",
                f"{excess.refused:,}",
                f"{excess.records:,}",
                excess.topic,
                excess.partition,
                excess.codes,
                excess.topic,
            )


def _explanation(excess: Excess, limit: float) -> str:
    return (
        f"{excess.refused:,} of the last {excess.records:,} records of topic {excess.topic}, "
        f"partition {excess.partition}, "
        f"would become dead letters ({excess.codes}): more than TOUCHPOINT_DEAD_LETTER_LIMIT ({limit:g}) allows. "
        "Records were accepted under another version or other settings, and none since: the worker stops. The last "
        "batch was neither buried nor committed. If the configuration or the version is wrong, put it right, start "
        "again and run `touchpoint dead-letters replay`; if the records are wrong, start with "
        "TOUCHPOINT_DEAD_LETTER_LIMIT=1 to bury them"
    )
