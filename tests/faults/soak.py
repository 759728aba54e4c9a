"""The soak: rounds of faults until there were enough of them, each held against the offline fold.

python3 dev soak [--faults 1000] [--seed 7] [--brokers 3] [--hostile] [--round N] [--into DIR]

Exit status 1 if anything is lost, double or different, or a worker does not end or begin as it should; what is needed
to find out why is kept in DIR. `--round N` plays that one round of the soak again: same stream, same schedule.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from fault_round import Outcome, Plan, run_round  # noqa: E402 - the path comes first
from soak_report import Report, evidence  # noqa: E402

from touchpoint.cli.demo import ending_on_terminate  # noqa: E402

FAULTS_A_ROUND = 40


def main() -> int:
    options = arguments()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that the broker is away is known here
    report = Report(again(options), time.monotonic(), options.brokers)
    try:
        with ending_on_terminate():
            soak(options, report)
    except KeyboardInterrupt:
        print("\nsoak: interrupted", file=sys.stderr)
    page = report.write(options.into)
    print(page.read_text("utf-8"))
    return 0 if report.green and report.outcomes else 1


def soak(options: argparse.Namespace, report: Report) -> None:
    """Rounds, one after the other."""
    number = options.round or 1
    while report.faults < options.faults:
        directory = options.into / f"round-{number}"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        plan = Plan.of(options.seed, number, FAULTS_A_ROUND, options.brokers, options.hostile)
        outcome = play(plan, directory, options, report.faults)
        report.outcomes.append(outcome)
        verdict(outcome, options, directory)
        report.write(options.into)
        if options.round:
            return
        number += 1


def play(plan: Plan, directory: Path, options: argparse.Namespace, before: int) -> Outcome:
    """One round, with its progress."""
    began = time.monotonic()

    def say(what: str) -> None:
        passed = time.monotonic() - began
        line = f"round {plan.number} after {before} of {options.faults} faults, {passed:4.0f} s: {what}"
        print(line, file=sys.stderr, flush=True)

    return asyncio.run(run_round(plan, directory, say))


def verdict(outcome: Outcome, options: argparse.Namespace, directory: Path) -> None:
    """In a line; the directory is kept where there is something to find out."""
    number = outcome.plan.number
    if outcome.green:
        print(
            f"round {number}: {outcome.interactions} interactions the same after {outcome.done.total()} faults, "
            f"{outcome.seconds:.0f} s",
            file=sys.stderr,
        )
        for log in outcome.alone:  # nothing is wrong with the rows, but with something else perhaps
            log.rename(options.into / f"round-{number}-{log.name}")
        shutil.rmtree(directory)
        return
    evidence(outcome, directory)
    missing, extra, different = map(len, outcome.compared)
    print(
        f"round {number}: {missing} lost, {extra} double, {different} different, {len(outcome.problems)} other "
        f"problems; see {directory}; again: {again(options)} --round {number}",
        *outcome.problems[:5],
        sep="\n    ",
        file=sys.stderr,
    )


def again(options: argparse.Namespace) -> str:
    """The command that does the same."""
    words = [f"python3 dev soak --seed {options.seed}", *(["--brokers 3"] if options.brokers == 3 else [])]
    return " ".join([*words, *(["--hostile"] if options.hostile else [])])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faults", type=int, default=1000, help="at least so many, in rounds of 40")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1, help="3: replication 3, each may be broken")
    parser.add_argument("--hostile", action="store_true", help="a hostile producer writes beside the stream")
    parser.add_argument("--round", type=int, help="only this one of the soak with that seed")
    parser.add_argument("--into", type=Path, default=ROOT / ".cache" / "soak", help="report, and logs of what failed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
