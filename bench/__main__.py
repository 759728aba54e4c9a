"""The benchmark: raw aiokafka, a plain Faust app and Touchpoint on the same stream, in one run; into bench/results.

python3 dev bench [--traffic contacts|calls|both] [--events N] [--plain-events N] [--broker auto|kafka|embedded]
                    [--seed N] [--only touchpoint|plain] [--quick]
python3 dev bench --open 1000000     what a worker needs that has so many media items open
python3 dev bench --latency 20       how long a row takes, at so many calls a second (--seconds N)
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from bench import latency, measure, report, state  # noqa: E402 - the path comes first
from bench.machine import describe  # noqa: E402
from bench.offline import Expected, fold  # noqa: E402
from bench.services import Place, Services  # noqa: E402
from bench.traffic import PROFILES, first  # noqa: E402
from touchpoint.cli.demo import ending_on_terminate  # noqa: E402
from touchpoint.simulate.produce import produce  # noqa: E402
from touchpoint.simulate.script import CloudEvent  # noqa: E402

RESULTS = Path(__file__).parent / "results"
QUICK = 6_000


class Progress:
    """One line on standard error."""

    def __init__(self, traffic: str) -> None:
        self._traffic = traffic
        self._began = time.monotonic()
        self._doing = ""

    def doing(self, what: str) -> None:
        self._doing = what
        self("")

    def __call__(self, how_far: str) -> None:
        line = f"{time.monotonic() - self._began:5.0f} s  {self._traffic}: {self._doing}  {how_far}"
        print(f"\r\x1b[K{line}" if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n",
              file=sys.stderr, flush=True)  # fmt: skip


def main() -> int:
    options = arguments()
    traffics = list(PROFILES) if options.traffic == "both" else [options.traffic]
    try:
        with ending_on_terminate(), Services(options.broker) as services:
            machine = describe(services)
            if options.open:
                found = state.Measurement(services, options.open, Progress("state").doing).run()
                print(f"\n{state.write(found, machine, RESULTS).read_text()}")
                return 0
            if options.latency:
                timed = latency.run(services, options.latency, options.seconds, Progress)
                print(f"\n{latency.write(timed, machine, options.latency, options.seconds, RESULTS).read_text()}")
                return 0
            measured = {traffic: run(services, traffic, options) for traffic in traffics}
    except KeyboardInterrupt:
        print("\nbench: interrupted; everything it started has ended", file=sys.stderr)
        return 130
    except measure.FailedError as error:
        print(f"\nbench: {error}", file=sys.stderr)
        return 1
    where = report.write(RESULTS, machine, measured, options)
    print(f"\n{where.read_text()}")
    return 0 if all(m.complete for m in measured.values()) else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--traffic", choices=[*PROFILES, "both"], default="both")
    parser.add_argument("--events", type=int, default=200_000, help="of the stream that Touchpoint and aiokafka read")
    parser.add_argument("--plain-events", type=int, default=30_000, help="of its beginning, that the plain app reads")
    parser.add_argument("--broker", choices=["auto", "kafka", "embedded"], default="auto")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} events: does it work? Not a measurement")
    parser.add_argument("--only", choices=["touchpoint", "plain"], help="leave the other out")
    parser.add_argument("--open", type=int, help="measure a worker with so many open media items instead")
    parser.add_argument("--latency", type=float, help="measure how long a row takes at so many calls a second instead")
    parser.add_argument("--seconds", type=float, default=180.0, help="of such traffic")
    options = parser.parse_args()
    if options.quick:
        options.events = options.plain_events = QUICK
    return options


def run(services: Services, traffic: str, options: argparse.Namespace) -> report.Measured:
    """Everything that is measured on one kind of traffic."""
    say = Progress(traffic)
    results = []
    say.doing("offline fold")
    events = first(traffic, options.events, options.seed)
    whole = fold(events)
    results.append(whole.result)
    if options.only != "plain":
        place = backlog(services, f"bench-{traffic}", events, say)
        say.doing("raw aiokafka")
        results.append(measure.raw(services, place))
        say.doing("Touchpoint")
        results.append(measure.touchpoint(services, place, len(events), whole.hashes, say))
    if options.only != "touchpoint":
        results.append(plain(services, traffic, events[: options.plain_events], say))
    return report.Measured(results)


def plain(services: Services, traffic: str, events: list[CloudEvent], say: Progress) -> measure.Result:
    say.doing("offline fold of the beginning")
    beginning: Expected = fold(events)
    place = backlog(services, f"plain-{traffic}", events, say)
    say.doing("plain Faust app")
    return measure.plain(services, place, len(events), beginning.hashes, say)


def backlog(services: Services, name: str, events: list[CloudEvent], say: Progress) -> Place:
    """The events in topics of their own, each source declared to be over at the end, so that everything closes."""
    say.doing("producing the backlog")
    place = services.place(name)
    client = {"bootstrap_servers": services.broker}
    asyncio.run(produce(events, client, place.settings.topic_prefix, finish=True))
    return place


if __name__ == "__main__":
    sys.exit(main())
