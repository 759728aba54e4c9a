"""The workers of a round, supervised as in production: one that ends without being removed is started again."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections import Counter
from enum import StrEnum
from pathlib import Path

from installation import Installation, Worker
from patience import LIMIT, OwnTime

RESTART_SECONDS = 0.5


class Why(StrEnum):
    """What ended a worker."""

    ITSELF = "by itself"
    KILLED = "killed"
    STOPPED = "stopped"
    STOPPED_EARLY = "stopped before it listened to signals"
    STOPPED_ALONE = "stopped while the broker was away"
    FROZEN = "frozen beyond its session"
    PAUSED = "frozen within its session"


EXPECTED: dict[Why, frozenset[int]] = {
    # 70: it does not trust itself any more; 3: no broker for a minute, as a broker's restart may take on a busy machine
    Why.ITSELF: frozenset({70, 3}),
    Why.KILLED: frozenset({-9}),
    Why.STOPPED: frozenset({0}),
    Why.STOPPED_EARLY: frozenset({0, -15}),
    Why.STOPPED_ALONE: frozenset({0, 1, 70}),  # 1: it could not leave in order within its grace period
    Why.FROZEN: frozenset({70}),
    Why.PAUSED: frozenset({70}),  # it need not end; on a busy machine a short freeze may become a long one
}


class Post:
    """One worker's place: when its worker ends, another takes it."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.why = Why.ITSELF
        self.busy = False  # a fault is happening to it
        self.leaving = False

    @property
    def free(self) -> bool:
        return not self.busy and not self.leaving and self.worker is not None and self.worker.running


class Crew:
    """All posts, and how each of their workers ended."""

    def __init__(self, installation: Installation, static: bool) -> None:
        """`static`: workers have an instance id and keep their partitions over a quick restart."""
        self.exits: Counter[tuple[Why, int]] = Counter()
        self.last_words: Counter[str] = Counter()  # of those that ended by themselves
        self.alone: list[Path] = []  # their logs
        self.problems: list[str] = []
        self.posts: list[Post] = []
        self._installation = installation
        self._static = static
        self._keepers: dict[Post, asyncio.Task[None]] = {}

    def add(self) -> None:
        """One more worker."""
        post = Post()
        self.posts.append(post)
        own = {"instance_id": f"post-{len(self._keepers)}"} if self._static else {}
        self._keepers[post] = asyncio.create_task(self._keep(post, own))

    async def _keep(self, post: Post, own: dict[str, str]) -> None:
        while not post.leaving:
            post.why = Why.ITSELF
            post.worker = worker = self._installation.worker(**own)
            await self.ended(worker)
            self._note(post.why, worker)
            if not post.leaving:
                await asyncio.sleep(RESTART_SECONDS)

    def _note(self, why: Why, worker: Worker) -> None:
        status = worker.process.returncode
        self.exits[why, status] += 1
        if why is Why.ITSELF:
            self.last_words[last_words(worker)] += 1
            self.alone.append(worker.log)
        if status not in EXPECTED[why]:
            self.problems.append(f"{worker.log.name} ended with status {status}, {why}: {last_words(worker)}")

    async def pick(self, number: int) -> Post:
        """A post whose worker runs and to which nothing happens yet: it is the caller's until `busy` is false again."""
        deadline = time.monotonic() + LIMIT
        while not (free := [post for post in self.posts if post.free]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no worker is there to be broken after {LIMIT:.0f} s")
            await asyncio.sleep(0.05)
        post = free[number % len(free)]
        post.busy = True
        return post

    async def stop(self, post: Post, seconds: float) -> None:
        """SIGTERM; who has not ended after so many seconds is a problem, and is killed."""
        worker = post.worker
        assert worker is not None
        post.why = Why.STOPPED if listens(worker) else Why.STOPPED_EARLY
        worker.process.terminate()
        if not await self.ended(worker, seconds):
            self.problems.append(f"{worker.log.name} did not end within {seconds:.0f} s of SIGTERM")
            worker.kill()

    async def ended(self, worker: Worker, seconds: float = math.inf) -> bool:
        """Whether it ends within so many seconds, not counting those in which it waits for a processor."""
        clock = OwnTime(worker.process.pid)
        while worker.running and clock.seconds() < seconds:  # noqa: ASYNC110 - a process gives no sign
            await asyncio.sleep(0.05)
        return not worker.running

    async def dismiss(self, post: Post, seconds: float) -> None:
        """SIGTERM, and nobody takes its place."""
        post.leaving = True
        await self.stop(post, seconds)
        await self._keepers[post]
        self.posts.remove(post)

    def workers(self) -> list[Worker]:
        """Those that run."""
        return [post.worker for post in self.posts if post.worker is not None and post.worker.running]

    async def end(self, seconds: float) -> None:
        """All, in order and at once."""
        for post in self.posts:
            post.leaving = True
        await asyncio.gather(*(self.stop(post, seconds) for post in self.posts if post.worker and post.worker.running))
        await asyncio.gather(*self._keepers.values())

    def abandon(self) -> None:
        """End the supervision; what still runs is the installation's to kill."""
        for keeper in self._keepers.values():
            keeper.cancel()


def listens(worker: Worker) -> bool:
    """True once it serves its page, which is after it began to listen to signals."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", worker.port)) == 0


def last_words(worker: Worker) -> str:
    """The last error in its log, without the stamp; a traceback's last line with it."""
    lines = worker.log.read_text(errors="replace").splitlines()
    errors = [n for n, line in enumerate(lines) if "[error" in line or "[critical" in line]
    at = max((n for n in errors if "[touchpoint" in lines[n]), default=max(errors, default=None))
    if at is None:
        return lines[-1][:300] if lines else "nothing"
    said = lines[at].partition("]")[2].strip()
    more = [line for line in lines[at + 1 :] if line[:1].isalpha() and " " not in line.strip()]
    return " ".join([said, *more[-1:]])[:300]
