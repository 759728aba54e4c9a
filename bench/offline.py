"""What must come out: the same events through `touchpoint stitch`'s fold, timed on one core without any IO."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass

import orjson

from bench.measure import Hashes, Result
from touchpoint.events import Accepted, Decoder
from touchpoint.settings import FIXED_PARTY_SECRET
from touchpoint.simulate.script import CloudEvent
from touchpoint.stitching.limits import Limits
from touchpoint.stitching.offline import stitch


@dataclass(frozen=True)
class Expected:
    """The hash of each interaction by its id, and how long that took."""

    hashes: Hashes
    result: Result


def fold(events: list[CloudEvent]) -> Expected:
    """Decode and stitch, as the command does: without the garbage collector."""
    lines = [orjson.dumps(event) for event in events]
    gc.collect()
    gc.disable()
    try:
        began, cpu = time.monotonic(), time.process_time()
        decode = Decoder().decode
        facts = (verdict.fact for line in lines if isinstance(verdict := decode(line), Accepted))
        records = list(stitch(facts, Limits(), FIXED_PARTY_SECRET.encode()))
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    finally:
        gc.enable()
    hashes = {record["interaction_id"]: record["content_hash"] for record in records}
    count = len(hashes)
    result = Result("the fold alone (stitch)", len(events), seconds, cpu, expected=count, stored=count, identical=count)
    return Expected(hashes, result)
