"""Requests that are late, lost or unanswered, API by API: what is committed is durable, and in the end all is there."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from kafka_broker import KafkaBroker
from kafka_proxy import COORDINATION, Api, Fate, KafkaProxy
from patience import LIMIT
from stream_lab import Lab

from touchpoint.embedded.broker import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def proxy(kafka: KafkaBroker) -> Iterator[KafkaProxy]:
    """What stands between the workers and the broker."""
    with KafkaProxy(kafka.proxy_port, kafka.behind_proxy_port) as between:
        yield between


@pytest.mark.trap(3)
@pytest.mark.trap(2)
@pytest.mark.parametrize(
    ("fate", "idempotence"),
    [(Fate.DELAY, True), (Fate.DROP, True), (Fate.DROP_ANSWER, True), (Fate.DROP_ANSWER, False)],
)
async def test_commits_wait_for_what_was_not_produced(
    lab: Lab, proxy: KafkaProxy, fate: Fate, idempotence: bool
) -> None:
    worker = lab.worker(proxy.bootstrap, idempotence=idempotence, instance_id="same")
    await lab.send(300)
    await lab.until_more("the first events")
    with proxy.rule(fate, Api.PRODUCE, seconds=(0.5, 5.0), times=None if fate is Fate.DELAY else 8) as rule:
        await lab.send(600)
        await lab.until(lambda: rule.hits >= 3, "trouble")
        await lab.check_commits()
        await asyncio.sleep(1.0)  # a commit interval
        worker.kill()
    await lab.check_commits()
    lab.worker(instance_id="same")  # the next takes over at once
    await lab.until_stored()
    await lab.until_committed()
    assert await lab.check_commits() >= 900
    await lab.check()


@pytest.mark.trap(3)
@pytest.mark.trap(16)
@pytest.mark.parametrize(("fate", "idempotence"), [(Fate.DROP, False), (Fate.SWALLOW, True)])
async def test_long_refusal_by_the_broker_holds_the_commit_and_loses_nothing(
    lab: Lab, proxy: KafkaProxy, fate: Fate, idempotence: bool
) -> None:
    worker = lab.worker(proxy.bootstrap, idempotence=idempotence, produce_seconds=1)
    await lab.send(300)
    await lab.until_stored()
    await lab.until_committed()
    before = await lab.committed()
    with proxy.rule(fate, Api.PRODUCE) as rule:
        await lab.send(300)
        await lab.until(lambda: rule.hits > 1, "a request that was sent again")
        await asyncio.sleep(2)  # twice what the producer waits
        assert await lab.committed() == before
    await lab.until_stored()
    await lab.check()
    assert worker.running


@pytest.mark.trap(5)
async def test_late_offsets_at_a_start_with_a_backlog_skip_and_repeat_nothing(lab: Lab, proxy: KafkaProxy) -> None:
    await lab.send(3_000)
    worker = lab.worker()
    await lab.until_stored()
    assert await worker.end() == 0
    await lab.send(9_000)
    with proxy.rule(Fate.DELAY, Api.OFFSET_FETCH, seconds=(0.15, 0.4)) as late:
        lab.worker(proxy.bootstrap)
        await lab.until_stored()
        assert late.hits > 0
        await lab.until_committed()
    lab.check_seen()
    given = [range(first, end) for _, topic, _, first, end in lab.seen() if topic != "touches"]
    assert sum(map(len, given)) == len(lab.sent), "each record once"
    await lab.check()


@pytest.mark.trap(5)
async def test_a_coordinator_that_is_silent_when_a_worker_asks_where_to_begin_is_waited_for(
    lab: Lab, proxy: KafkaProxy
) -> None:
    await lab.send(300)
    with proxy.rule(Fate.SWALLOW, Api.OFFSET_FETCH) as silence:
        lab.worker(proxy.bootstrap, session_timeout=1, rebalance_timeout=2)  # so that requests time out after 6 s
        await lab.until(lambda: silence.hits > 0, "a question")
        await asyncio.sleep(8)  # longer than a request waits for its answer
    await lab.until_stored()
    await lab.check()


@pytest.mark.trap(5)
async def test_inputs_are_read_though_no_broker_says_where_a_changelog_begins(lab: Lab, proxy: KafkaProxy) -> None:
    """The group's consumer has changelogs assigned, and never reads them: whoever leads one may just have moved."""
    worker = lab.worker()
    await lab.send(900)  # so that every partition has a committed offset
    await lab.until_stored()
    await lab.until_committed()
    assert await worker.end() == 0
    await lab.send(900)
    with proxy.rule(Fate.DROP, Api.LIST_OFFSETS, contains="changelog"):
        lab.worker(proxy.bootstrap)
        await lab.until_stored()
    await lab.until_committed()
    await lab.check()
    lab.check_seen()


@pytest.mark.trap(5)
@pytest.mark.trap(3)
async def test_every_other_request_may_be_late_or_lost_too(lab: Lab, proxy: KafkaProxy) -> None:
    worker = lab.worker(proxy.bootstrap)
    await lab.send(300)
    await lab.until_stored()
    weather = [
        (Fate.DELAY, (Api.OFFSET_COMMIT,), (0.5, 2.0)),
        (Fate.DROP, (Api.OFFSET_COMMIT,), (0.0, 0.0)),
        (Fate.DROP_ANSWER, (Api.OFFSET_COMMIT,), (0.0, 0.0)),
        (Fate.DELAY, (Api.FETCH,), (0.3, 1.0)),
        (Fate.DROP_ANSWER, (Api.FETCH,), (0.0, 0.0)),
        (Fate.DROP, (Api.METADATA, Api.PRODUCE), (0.0, 0.0)),
        (Fate.SWALLOW, (Api.METADATA,), (0.0, 0.0)),
        (Fate.DROP, COORDINATION, (0.0, 0.0)),
    ]
    for fate, apis, seconds in weather:
        with proxy.rule(fate, *apis, seconds=seconds):
            await lab.send(150, rate=200)
            await lab.check_commits()
        await lab.until_stored()
    await lab.until_committed()
    await lab.check_commits()
    await lab.check()
    lab.check_seen()
    assert worker.running


@pytest.mark.trap(16)
@pytest.mark.parametrize("instance", [{}, {"instance_id": "same"}], ids=["no instance id", "an instance id"])
async def test_a_coordinator_that_is_silent_for_longer_than_a_session_is_found_again(
    lab: Lab, proxy: KafkaProxy, instance: dict[str, str]
) -> None:
    """The broker then knows neither the member nor its instance id: there is nobody to give way to."""
    worker = lab.worker(proxy.bootstrap, session_timeout=3, rebalance_timeout=6, **instance)
    await lab.send(300)
    await lab.until_stored()
    with proxy.rule(Fate.SWALLOW, *COORDINATION):
        await lab.send(400, rate=100)  # four seconds; a session is three
        await lab.check_commits()
    await lab.until_stored()
    await lab.until_committed()
    await lab.check()
    lab.check_seen()
    assert worker.running


async def test_partitions_for_which_no_broker_answers_are_shown_and_keep_the_worker_unready(
    lab: Lab, proxy: KafkaProxy
) -> None:
    """Nothing was seen of it: their lag is not known, and the worker called itself ready."""
    port = free_port()
    calls = f"{lab.settings.topic_prefix}calls"  # changelogs are read apart
    with proxy.rule(Fate.HOLD, Api.FETCH, contains=calls) as rule:
        worker = lab.worker(proxy.bootstrap, metrics_port=port, unread_seconds=1)
        await lab.until_ready(worker)
        await lab.until(lambda: page(port, "readyz")[0] == 503 and rule.hits > 0, "that it is not ready")
        assert b"no broker has answered for partition" in page(port, "readyz")[1]
        await lab.until(lambda: min(ages(port), default=0.0) > 2.0, "every partition's age")
        assert len(ages(port)) == 9 * lab.settings.partitions, "every input and internal topic"
        assert page(port, "livez")[0] == 200
    await lab.until(lambda: page(port, "readyz")[0] == 200, "that it is ready")
    await lab.until(lambda: 0.0 <= max(ages(port)) < 2.0, "every partition's age")
    assert worker.log.read_text().count("no broker has answered") == 1
    assert worker.log.read_text().count("brokers answer for all partitions") == 1


def page(port: int, name: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=LIMIT) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def ages(port: int) -> list[float]:
    """`touchpoint_fetch_age_seconds` of each partition."""
    lines = page(port, "metrics")[1].decode().splitlines()
    return [float(line.split()[-1]) for line in lines if line.startswith("touchpoint_fetch_age_seconds{")]
