"""Stages of every partition wired to each other in memory: the stream without a broker, to test its properties."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from aiokafka.partitioner import murmur2

from touchpoint.dialects import DIALECTS
from touchpoint.dialects.translator import Translator
from touchpoint.events import Accepted, Decoder
from touchpoint.kafka.topic_admin import FOREIGN, feed_table
from touchpoint.kafka.topic_rights import topic_rights
from touchpoint.producer.routing import address
from touchpoint.settings import Settings, load_settings
from touchpoint.settings.sections import DialectTopic
from touchpoint.stages.feed.feed_stage import FeedStage
from touchpoint.stages.media.media_stage import MediaStage
from touchpoint.stages.party.party_stage import PartyStage
from touchpoint.stages.protocol import Assignment, Forward, Record, Report, Stage, in_order
from touchpoint.stitching.facts import SECOND, Micros
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import stitch
from touchpoint.stream.tables import PartitionState

Json = dict[str, Any]
INPUTS = ("calls", "emails", "faxes", "chats", "activities", "parties")
SECRET = b"test"
SETTINGS = load_settings({})
FEED = "any.feed"
FEED_RIGHTS = topic_rights(load_settings({}, dialect_topics={FEED: {"dialect": "asterisk-ami"}}))[f"{FOREIGN}{FEED}"]
TICKS = 0.5  # after so many batches
BEFORE_COMMIT = 0.3  # so many crashes
WITHIN_CHANGELOG = 0.3  # of the others


class States(dict[tuple[str, int], PartitionState]):
    """The state of each agent's partitions, held to its bounds as in the worker."""

    def __missing__(self, place: tuple[str, int]) -> PartitionState:
        agent, _ = place
        table = {"media": "media", "party": "parties"}.get(agent) or feed_table(agent)
        self[place] = PartitionState(table)
        return self[place]


class Cluster:
    """N partitions of both stages; records move when told to, in an order drawn from a seed."""

    def __init__(
        self, partitions: int, seed: int, limits: Limits, inputs: Iterable[str] = INPUTS,
        feeds: Mapping[str, tuple[DialectTopic, int]] | None = None, settings: Settings = SETTINGS,
    ) -> None:  # fmt: skip
        """``feeds``: topics with a dialect, and how many partitions each has; ``settings``: what topics may say."""
        self.rights, self.decoder = topic_rights(settings), Decoder(settings.stitching_limits().channels)
        self.partitions, self.limits, self.inputs = partitions, limits, tuple(inputs)
        self.feeds = dict(feeds or {})
        self.rng = random.Random(seed)
        self.queues: dict[tuple[str, int], list[Record]] = defaultdict(list)
        self.offsets: dict[tuple[str, int], int] = defaultdict(int)
        self.states = States()
        self.now: Micros = 1_800_000_000 * SECOND  # after all that is played: what is ahead of the clock is refused
        self.per_batch: Micros = SECOND // 10  # so long a batch takes
        self.closed: list[Json] = []
        self.dead: list[Record] = []
        self.stamps = True  # whether the broker stamps what is appended
        self.lagging: set[str] = set()  # inputs that are not read to their end
        self.reports: dict[str, list[Report]] = defaultdict(list)  # of each agent's stages, as after each batch
        counts = {"media": partitions, "party": partitions} | {feed: of for feed, (_, of) in self.feeds.items()}
        self.stages = {(agent, p): self._stage(agent, p) for agent, of in counts.items() for p in range(of)}

    def _stage(self, agent: str, p: int) -> Stage:
        state = self.states[agent, p]
        if agent in self.feeds:
            declared, of = self.feeds[agent]
            rights = self.rights.get(agent, FEED_RIGHTS)
            translator = Translator(DIALECTS[declared.dialect], self.decoder)
            feed = declared.feed(self.limits.own_addresses)
            return FeedStage(Assignment(p, self.partitions, of, state), agent, translator, feed, self.limits, rights)
        assignment = Assignment(p, self.partitions, self.partitions, state)
        if agent == "media":
            inputs = {topic: self.rights[topic] for topic in self.inputs}
            return MediaStage(assignment, self.decoder, self.limits, SECRET, inputs, self.feeds)
        return PartyStage(assignment, self.limits, SECRET)

    def restart(self) -> None:
        """Every stage anew from its state, as after a crash."""
        self.stages = {key: self._stage(*key) for key in self.stages}

    def put(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None = None,
        headers: Iterable[tuple[str, bytes | None]] = (),
    ) -> None:
        place = self._place(topic, key, partition)
        partition = place[1]
        stamp = self.now // 1000
        record = Record(topic, partition, self.offsets[place], key, value, tuple(headers), stamp, self.stamps)
        self.queues[place].append(record)
        self.offsets[place] += 1

    def _place(self, topic: str, key: bytes | None, partition: int | None) -> tuple[str, int]:
        of = self.feeds[topic][1] if topic in self.feeds else self.partitions
        return topic, (murmur2(key or b"") & 0x7FFFFFFF) % of if partition is None else partition

    def produce(self, events: Iterable[Json]) -> None:
        for event in events:
            topic, key = address(event)
            self.put(topic, key.encode(), orjson.dumps(event))

    def finish(self, time: str) -> None:
        """A heartbeat beyond all limits to every partition of every input."""
        counts = dict.fromkeys((topic for topic in self.inputs if topic not in self.lagging), self.partitions)
        counts |= {feed: of for feed, (_, of) in self.feeds.items()}
        for topic, of in counts.items():
            for p in range(of):
                beat = {"specversion": "1.0", "id": "end", "source": "finish", "type": "source.heartbeat", "time": time}
                self.put(topic, None, orjson.dumps(beat), p)

    def flush(self, until: str, sources: Iterable[str], time: str | None = None, tenant: str | None = None) -> None:
        """What `touchpoint flush` writes: that sources have told everything until an instant."""
        for source in sources:
            event = flushed(source, until, time or datetime.fromtimestamp(self.now / SECOND, UTC).isoformat(), tenant)
            self.everywhere(orjson.dumps(event), source.encode())

    def everywhere(self, value: bytes, key: bytes) -> None:
        """A record to every partition of every input."""
        counts = dict.fromkeys(self.inputs, self.partitions) | {feed: of for feed, (_, of) in self.feeds.items()}
        for topic, of in counts.items():
            for p in range(of):
                self.put(topic, key, value, p)

    def run(self, restarts: float = 0.0, crashes: float = 0.0) -> list[Json]:
        """Until nothing moves any more."""
        self.read(restarts, crashes)
        self.idle(40)
        return self.closed

    def read(self, restarts: float = 0.0, crashes: float = 0.0) -> None:
        """What is there; no time passes but that of events."""
        while any(self.queues.values()):
            if crashes and self.rng.random() < crashes:
                self._crash()
            self._step()
            if restarts and self.rng.random() < restarts:
                self.restart()

    def idle(self, seconds: int, step: int = 1) -> None:
        """The wall clock goes on, so many seconds from tick to tick, and nothing comes in."""
        for _ in range(0, seconds, step):
            self.now += step * SECOND
            for (agent, p), stage in self.stages.items():
                caught_up = {*self.inputs, "touches", *self.feeds} - self.lagging
                self._forward(agent, p, stage.tick(self.now, caught_up))
            while any(self.queues.values()):
                self._step()

    def _step(self) -> None:
        topic, p = place = self._some_place()
        batch = self._some_batch(place)
        self.queues[place] = self.queues[place][len(batch) :]
        agent = self._agent(topic)
        self.now += self.per_batch
        self._forward(agent, p, self.stages[agent, p].apply(batch, self.now))
        if self.rng.random() < TICKS:
            self._forward(agent, p, self.stages[agent, p].tick(self.now, ()))

    def _crash(self) -> None:
        """A kill between forwards and changelog, or between changelog and commit: the offset is as before."""
        topic, p = place = self._some_place()
        agent = self._agent(topic)
        before = dict(self.states[agent, p])
        self.now += self.per_batch
        stage = self.stages[agent, p]
        if self.rng.random() < BEFORE_COMMIT:
            self._forward(agent, p, stage.apply(self._some_batch(place), self.now))
            self.stages[agent, p] = self._stage(agent, p)
            return
        if agent not in self.feeds and self.rng.random() < WITHIN_CHANGELOG:
            self._forward(agent, p, stage.apply(self._some_batch(place), self.now))
            self._lose_some(agent, p, before)
            self.stages[agent, p] = self._stage(agent, p)
            return
        tick = self.rng.random() < TICKS / 2
        forwards = stage.tick(self.now, ()) if tick else stage.apply(self._some_batch(place), self.now)
        arrives: dict[tuple[str, int], int] = {}
        for forward in forwards:
            where = self._place(forward.topic, forward.key, forward.partition)
            left = arrives.setdefault(where, self.rng.choice((0, 1, 5, 10_000)))
            if left:
                arrives[where] = left - 1
                self._forward(agent, p, [forward])
        self.states[agent, p].clear()
        self.states[agent, p].update(before)
        self.stages[agent, p] = self._stage(agent, p)

    def _lose_some(self, agent: str, p: int, before: dict[bytes, bytes]) -> None:
        """Of the changes some had reached the changelog, and some had not: it is written in parts."""
        state = self.states[agent, p]
        changed = [key for key in sorted(before.keys() | state.keys()) if before.get(key) != state.get(key)]
        parts = in_order(changed)
        reached = self.rng.randrange(len(parts)) if parts else 0
        lost = [
            key for part in parts[reached:] for key in part if part is not parts[reached] or self.rng.random() < 0.5
        ]
        for key in lost:
            if key in before:
                state[key] = before[key]
            else:
                del state[key]

    def _agent(self, topic: str) -> str:
        return topic if topic in self.feeds else "party" if topic == "touches" else "media"

    def _some_place(self) -> tuple[str, int]:
        return self.rng.choice([place for place, queue in sorted(self.queues.items()) if queue])

    def _some_batch(self, place: tuple[str, int]) -> list[Record]:
        return self.queues[place][: self.rng.choice((1, 3, 20, 200))]

    def _forward(self, agent: str, p: int, forwards: Iterable[Forward]) -> None:
        self.states[agent, p].take_changes()
        self.reports[agent].append(self.stages[agent, p].report())
        for forward in forwards:
            if forward.topic == "interactions":
                self.closed.append(orjson.loads(forward.value or b""))
            elif forward.topic == "dead-letters":
                self.dead.append(Record(agent, p, 0, forward.key, forward.value, forward.headers, 0))
            else:
                self.put(forward.topic, forward.key, forward.value, forward.partition, forward.headers)


def flushed(source: str, until: str, time: str, tenant: str | None = None) -> Json:
    """A source's declaration that it has told everything until an instant."""
    event = {"specversion": "1.0", "id": f"flush/{until}/{time}", "source": source, "type": "source.flushed"}
    return event | {"time": time, "data": {"until": until}} | ({"tenant": tenant} if tenant else {})


def records_of(closed: Iterable[Json]) -> Iterator[Json]:
    """The records of interaction.closed events, without what the topic adds."""
    for event in closed:
        if event["type"] == "interaction.closed":
            yield {name: value for name, value in event["data"].items() if name != "identity"}


def offline(events: list[Json], limits: Limits | None = None) -> dict[str, Json]:
    facts, decoder = [], Decoder()
    for event in events:
        verdict = decoder.decode(orjson.dumps(event))
        assert isinstance(verdict, Accepted)
        facts.append(verdict.fact)
    return {record["interaction_id"]: record for record in stitch(facts, limits or Limits(), SECRET)}


def arrival(events: list[Json], seed: int) -> list[Json]:
    """Each up to 50 s late, a fifth of them twice."""
    rng = random.Random(seed)
    stream = []
    for event in events:
        time = datetime.fromisoformat(event["time"]).timestamp()
        stream += [(time + rng.uniform(0, 50), rng.random(), event) for _ in range(1 + (rng.random() < 0.2))]
    return [event for *_, event in sorted(stream, key=lambda each: each[:2])]
