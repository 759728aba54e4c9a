"""`python3 dev fuzz`: a million damaged inputs, or as many as asked for, and a report of what was tried.

`--broker`: raw record batches into a real Kafka, an hour or `--seconds`, and what became of each offset.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

sys.path += [str(Path(__file__).parents[2] / name) for name in ("tests/support", "tests/faults", "docs/reference")]

from broker_account import Account
from broker_campaign import BrokerCampaign
from fuzz_campaign import Campaign, FindingError, counted_rows

from touchpoint.stitching.media.rules import RULES


def main() -> int:
    options = argparse.ArgumentParser(prog="python3 dev fuzz", description=__doc__)
    options.add_argument("--inputs", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=int(time.time()), help="unset: another each time")
    options.add_argument("--round", type=int, help="only this round of the seed, with its traceback")
    options.add_argument("--broker", action="store_true", help="record batches of every kind into a real Kafka")
    options.add_argument("--seconds", type=float, default=3600.0, help="of --broker")
    given = options.parse_args()
    if given.broker:
        return asyncio.run(fuzz_broker(given.seed, given.seconds))
    campaign = Campaign(given.seed)
    if given.round is not None:
        try:
            with counted_rows(campaign.rows):
                campaign.round(given.round)
        except FindingError as finding:
            print(*(record.value.decode("utf-8", "backslashreplace") for record in finding.inputs), sep="\n")
            raise
        print("nothing found")
        return 0
    began = shown = time.monotonic()

    def progress(now: Campaign) -> None:
        nonlocal shown
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            rate = now.inputs / (shown - began)
            print(f"{now.inputs:>10,} inputs, {rate:,.0f} a second, {len(now.findings)} findings", file=sys.stderr)

    print(f"seed {given.seed}", file=sys.stderr)
    campaign.run(given.inputs, progress)
    report(campaign, time.monotonic() - began)
    return 1 if campaign.findings else 0


async def fuzz_broker(seed: int, seconds: float) -> int:
    """Write raw batches for so long, with a worker behind the broker, and account for every offset."""

    def progress(now: BrokerCampaign) -> None:
        print(f"{now.batches:>9,} batches, {now.taken.total():,} taken", file=sys.stderr)

    logging.getLogger("touchpoint").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="touchpoint-fuzz-") as directory:
        campaign = BrokerCampaign(seed, Path(directory))
        try:
            await campaign.run(seconds, progress)
            account = Account(campaign)
            await account.settle()
        finally:
            campaign.end()
    print(*account.lines(), sep="\n")
    return 1 if account.findings else 0


def report(campaign: Campaign, seconds: float) -> None:
    for finding in campaign.findings[:20]:
        print(f"\n{finding}")
    print(f"\nseed {campaign.seed}: {campaign.inputs:,} inputs in {seconds:,.0f} s, {len(campaign.findings)} findings")
    for verdict, count in campaign.verdicts.most_common():
        print(f"  {verdict:<10} {count:>10,}")
    (number, verb, case), times = campaign.rarest()
    print(f"{campaign.interactions:,} interactions; {campaign.worked:,} rounds through a worker's stages too")
    print(f"{len(RULES)} rows of the rule table, each applied {times:,} times or more")
    print(f"  (least: row {number}, {verb} {case})")
    decode, fold = campaign.slowest_decode * 1e3, campaign.slowest_fold * 1e3
    print(f"slowest: {decode:.1f} ms to decode a record, {fold:.0f} ms to stitch a round")


if __name__ == "__main__":
    sys.exit(main())
