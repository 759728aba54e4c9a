"""Workers that come back from the dead, and requests that do: what another worker wrote since is not overwritten."""

from __future__ import annotations

import asyncio
import signal

import pytest
from kafka_broker import KafkaBroker
from kafka_proxy import Api, Fate, KafkaProxy
from stream_lab import Lab

from touchpoint.kafka.topic_admin import changelog

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.trap(14)]


@pytest.mark.parametrize("owner", ["goes on", "dies before it writes again"])
async def test_a_changelog_record_that_arrives_after_its_partition_moved_counts_for_nothing(
    lab: Lab, kafka: KafkaBroker, owner: str
) -> None:
    name = changelog(lab.settings, "media")
    if owner != "goes on":
        lab.fields["instance_id"] = "same"  # then all of them belong to one generation of the group
    with KafkaProxy(kafka.proxy_port, kafka.behind_proxy_port) as proxy:
        with proxy.rule(Fate.HOLD, Api.PRODUCE, contains=name) as held:
            slow = lab.worker(proxy.bootstrap)
            await lab.send(400)
            await lab.until(lambda: held.hits > 0, "a changelog request on its way")
            slow.kill()
            next_one = lab.worker()
            await lab.until_stored()
            await lab.send(400)
            await lab.until_stored()
            await lab.until_committed()
            before = len(await lab.read(name))
        await lab.until_longer(name, before)
        if owner != "goes on":
            next_one.kill()
            next_one = lab.worker()
        await lab.send(40, keys=20)  # some keys of each partition
        await lab.until_stored()
        await lab.check()
        assert await next_one.end() == 0
        assert "records that are not ours" in next_one.log.read_text() or owner != "goes on"
        last = {(partition, key): value for partition, _, key, value, _ in await lab.read(name)}
        assert last == await lab.table("media"), "what came too late was written over, or compaction would keep it"


async def test_changelog_record_sent_too_late_by_a_living_worker_counts_for_nothing(
    lab: Lab, kafka: KafkaBroker
) -> None:
    name = changelog(lab.settings, "media")
    with KafkaProxy(kafka.proxy_port, kafka.behind_proxy_port) as proxy:
        slow = lab.worker(proxy.bootstrap)
        await lab.send(400)
        await lab.until_stored()
        with proxy.rule(Fate.HOLD, Api.PRODUCE, contains=name) as held:
            await lab.send(400)
            await lab.until(lambda: held.hits > 0, "a changelog request on its way")
            other = lab.worker()
            await lab.until(lambda: "did not finish its batch" in slow.log.read_text(), "partitions given up")
            await lab.until_ready(other)
            await lab.send(400)
            await asyncio.sleep(1)  # the other's half goes on meanwhile
        await lab.until_stored()
        assert slow.running
        assert await slow.end() == 0
        assert await other.end() == 0
        lab.worker()
        await lab.send(400)
        await lab.until_stored()
        await lab.check()


async def test_a_pause_that_a_session_survives_and_a_rebalance_does_not_overwrites_nothing(lab: Lab) -> None:
    sending = asyncio.create_task(lab.send(200_000, rate=800))
    paused = lab.worker(session_timeout=5, rebalance_timeout=2.5)
    await lab.until(lambda: lab.history_lines() > 500, "the first worker's work")
    other = lab.worker(session_timeout=5, rebalance_timeout=2.5)
    await lab.until(lambda: "(Re-)joining group" in other.log.read_text(), "a rebalance")
    paused.signal(signal.SIGSTOP)
    await lab.until_ready(other)
    await lab.until_more("the other's work on what was the first one's")
    paused.signal(signal.SIGCONT)
    await lab.until_more("the work after the pause")
    await asyncio.sleep(1)  # of the one that was paused, whatever it does
    lab.enough.set()
    await sending
    await lab.until_stored()
    await lab.until_committed()
    other.kill()
    if paused.running:
        paused.kill()
    lab.worker()
    await lab.send(400)
    await lab.until_stored()
    await lab.check()
    lab.check_seen()
