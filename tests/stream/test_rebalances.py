"""Partitions on the move under load: nothing is lost, little is repeated, nobody writes or shows what they gave up."""

from __future__ import annotations

import asyncio
import urllib.request

import pytest
from stream_lab import Lab, WorkerProcess

from touchpoint.embedded.broker import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.mark.trap(4)
async def test_two_three_and_one_slow_workers_lose_nothing_and_repeat_little(lab: Lab) -> None:
    lab.slow.touch()
    sending = asyncio.create_task(lab.send(200_000, rate=500))
    workers = [lab.worker(), lab.worker()]
    for each in workers:
        await lab.until_ready(each)
    await lab.until_more("the work of two")
    workers.append(lab.worker())
    await lab.until_ready(workers[2])
    await lab.until_more("the work of three")
    ends = await asyncio.gather(*(each.end() for each in workers[:2]))
    assert ends == [0, 0]
    lab.enough.set()
    await sending
    lab.slow.unlink()
    await lab.until_stored()
    await lab.check()
    await lab.check_writers()
    lab.check_seen()
    repeated = lab.history_lines() - len(lab.sent)
    assert repeated < len(lab.sent) // 4, "only what was not finished in the time of a rebalance"


@pytest.mark.trap(4)
@pytest.mark.trap(7)
async def test_a_stuck_worker_gives_its_partitions_up_all_the_same(lab: Lab) -> None:
    stuck = lab.worker()
    await lab.send(500)
    await lab.until_stored()
    lab.stuck.touch()
    await lab.send(500)
    await lab.until_read("interactions", 1_000)
    lab.stuck.unlink()
    other = lab.worker()  # half of the rebalance's time later its partitions are taken from under the stuck writer
    await lab.until_ready(other)
    await lab.until_stored()
    assert stuck.running
    assert "did not finish its batch" in stuck.log.read_text()
    await lab.check()
    await lab.check_writers()
    await lab.until_committed()
    assert lab.history_lines() == len(lab.sent), "what was stuck was stored by nobody else before"


@pytest.mark.trap(12)
async def test_a_partition_that_is_lost_is_neither_shown_nor_touched_and_comes_back_as_it_is(lab: Lab) -> None:
    port = free_port()
    first = lab.worker(metrics_port=port)
    await lab.send(1_000)
    await lab.until_stored()
    await lab.until(lambda: sum(shown(port).values()) == 200, "the keys of all partitions")
    second = lab.worker()
    await lab.until_ready(second)
    await lab.until(lambda: len(shown(port)) == 2, "the keys of half of the partitions")
    mine = shown(port)
    written = len(lab.seen())
    await lab.send(1_000, keys=300)  # 100 keys more, and every key changes
    await lab.until_stored()
    given = {(process, p) for process, topic, p, *_ in lab.seen()[written:] if topic != "touches"}
    assert {str(p) for process, p in given if process == first.process.pid} == mine.keys(), "only what is owned"
    await end_and_wait(lab, second, first)
    await lab.until(lambda: sum(shown(port).values()) == 300, "the keys of all partitions as they are now")
    await lab.send(1_000, keys=300)
    await lab.until_stored()
    await lab.check()
    await lab.check_writers()


@pytest.mark.trap(18)
async def test_a_recovery_that_a_rebalance_overtakes_leaves_one_writer_a_partition(lab: Lab) -> None:
    """Seen in a soak: actors made after the revocation went on beside those of the next assignment."""
    await lab.send(1_000)
    overtaken = lab.output.with_suffix(".overtaken")
    overtaken.touch()
    first = lab.worker()
    await lab.until(lambda: "changelog partitions" in first.log.read_text(), "the first recovery")
    lab.worker()
    await lab.until(lambda: not overtaken.exists(), "a rebalance that overtakes it")
    await lab.until_ready(first)
    await lab.send(1_000)
    await lab.until_stored()
    assert first.running
    await lab.check()
    await lab.check_writers()


@pytest.mark.trap(19)
async def test_an_interrupted_recovery_is_repeated_with_one_writer_a_partition(lab: Lab) -> None:
    interrupted = lab.output.with_suffix(".interrupted")
    interrupted.touch()
    worker = lab.worker()
    await lab.send(1_000)
    await lab.until_stored()
    assert "was interrupted, trying again" in worker.log.read_text()
    assert worker.running
    await lab.check()
    await lab.check_writers()


@pytest.mark.trap(20)
async def test_offsets_of_a_loading_coordinator_are_asked_for_again(lab: Lab) -> None:
    """Seen in a soak: as if nothing were committed, every partition was read from its beginning."""
    first = lab.worker()
    await lab.send(1_000)
    await lab.until_stored()
    await lab.until_committed()
    assert await first.end() == 0
    loading = lab.output.with_suffix(".loading")
    loading.touch()
    read = len(lab.seen())
    await lab.until_ready(lab.worker())
    assert not loading.exists()
    await lab.send(100)
    await lab.until_stored()
    assert all(offset > 0 for _, _, _, offset, *_ in lab.seen()[read:])
    assert lab.history_lines() == len(lab.sent)


def shown(port: int) -> dict[str, float]:
    """Partition -> keys of the table `media`, as the worker's page shows them, but for what each topic accepted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        lines = page.read().decode().splitlines()
    name = 'touchpoint_state_keys{partition="'
    found = [line.removeprefix(name) for line in lines if line.startswith(name) and 'table="media"' in line]
    return {line.partition('"')[0]: float(line.rpartition(" ")[2]) - 1 for line in found}


async def end_and_wait(lab: Lab, leaving: WorkerProcess, staying: WorkerProcess) -> None:
    """End one worker; return when the other has taken over."""
    taken_up = staying.log.read_text().count("Worker ready")
    assert await leaving.end() == 0
    await lab.until(lambda: staying.log.read_text().count("Worker ready") > taken_up, "the take-over")
