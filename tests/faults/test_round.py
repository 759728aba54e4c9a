"""A round of faults on real servers, a hostile producer beside the stream: for everybody else what `stitch` says."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_round import Plan, run_round
from hostile_attacks import THROWN, WOVEN
from kafka_broker import must_have_kafka

from touchpoint.embedded.kafka import KafkaMissingError

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
FAULTS = 30


async def test_dozens_of_faults_lose_nothing_store_nothing_twice_and_change_nothing(tmp_path: Path) -> None:
    try:
        outcome = await run_round(Plan.of(seed=1, number=1, faults=FAULTS, hostile=True), tmp_path, print)
    except KafkaMissingError as error:
        if must_have_kafka():
            raise
        pytest.skip(str(error))
    assert outcome.done.total() == FAULTS
    assert outcome.compared.same, outcome.details
    assert not outcome.problems
    assert outcome.interactions > 500
    assert outcome.written.keys() == {attack.name for attack in WOVEN} | {attack.name for attack in THROWN}
