"""Workers that come back from the dead, and requests that do: what another worker wrote since is not overwritten."""

from __future__ import annotations

import pytest
from kafka_broker import KafkaBroker
from kafka_proxy import Api, Fate, KafkaProxy
from stream_lab import Lab

from touchpoint.stream.topics import changelog

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.trap(14)]


@pytest.mark.parametrize("owner", ["goes on", "dies before it writes again"])
async def test_a_changelog_record_that_arrives_after_its_partition_moved_counts_for_nothing(
    lab: Lab, kafka: KafkaBroker, owner: str
) -> None:
    name = changelog(lab.settings, "media")
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
