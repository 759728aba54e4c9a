"""Damaged events and vendors' records by the thousand: nothing stops the decoder, the dialects, the fold or a stage.

`python3 dev fuzz` does the same with a million of them and another seed each time.
"""

from __future__ import annotations

import gc
import random
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from fuzz_campaign import Campaign
from fuzz_events import TYPES, event
from fuzz_inputs import Input
from patience import LIMIT

from touchpoint.stitching.media.rules import RULES

INPUTS = 20_000
EACH_ROW = 5  # times at least, of so many inputs


@pytest.mark.slow
def test_twenty_thousand_damaged_inputs_find_nothing_and_every_rule_was_applied() -> None:
    campaign = Campaign(seed=20_261_128)
    gc.collect()
    gc.freeze()  # a collection amid the decoding of 80,000 lists took 0.2 s for what four thousand tests had left
    try:
        campaign.run(INPUTS)
    finally:
        gc.unfreeze()
    assert campaign.findings == []
    assert campaign.inputs >= INPUTS
    row, times = campaign.rarest()
    assert times >= EACH_ROW, row
    assert len(campaign.rows) == len(RULES)
    assert campaign.verdicts.keys() >= {"accepted", "value", "not_json", "too_large", "mode", "missing", "time", "type"}
    assert campaign.verdicts["accepted"] > INPUTS / 2
    assert campaign.worked > 5


@pytest.mark.slow
def test_the_verb_reports_what_it_tried() -> None:
    """As a process of its own: it finds what it imports without the settings of pytest."""
    program = Path(__file__).with_name("fuzz.py")
    done = subprocess.run(
        [sys.executable, program, "--inputs", "300", "--seed", "1"],
        capture_output=True, text=True, check=False, timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "0 findings" in done.stdout


@pytest.mark.parametrize("name", TYPES)
def test_the_events_that_are_damaged_are_valid_before(name: str) -> None:
    campaign = Campaign(seed=1)
    for number in range(5):
        made = event(random.Random(number), name, number, "tel:+441632960001", 1.0)
        assert campaign.decode(Input(orjson.dumps(made))) is not None, made
