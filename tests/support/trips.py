"""Trip wires: a worker that fails, or is killed, at an exact point of what it does.

As a script: ``python trips.py POINT:WHEN:HOW:NTH worker`` is ``touchpoint worker`` with a trip wire.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator

from touchpoint.history.sink import History
from touchpoint.stream.outbox import Outbox
from touchpoint.stream.transport import Consumer

POINTS = ("forward", "changelog", "history", "ack", "commit", "join")


class TrippedError(Exception):
    """What nobody expects."""


class Trip:
    """``forward:before:kill:3``: the process is killed before it produces forwards for the third time."""

    def __init__(self, spec: str) -> None:
        self.point, self.when, self.how, nth = spec.split(":")
        assert self.point in POINTS
        self._left = int(nth)

    def set(self, writer: type) -> None:
        """Put the wire; ``writer``: the class whose ``write`` is the history."""
        owner, name = {
            "forward": (Outbox, "deliver"), "changelog": (Outbox, "deliver"), "history": (writer, "write"),
            "ack": (Consumer, "ack"), "commit": (Consumer, "_commit"),
            "join": (GroupCoordinator, "ensure_active_group"),
        }[self.point]  # fmt: skip
        setattr(owner, name, (self._around_call if name == "ack" else self._around)(getattr(owner, name)))

    def _around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        async def tripping(self_: Any, first: Any, *rest: Any) -> Any:
            if not self._concerns(first):
                return await method(self_, first, *rest)
            self._pass("before")
            result = await method(self_, first, *rest)
            self._pass("after")
            return result

        return tripping

    def _around_call(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def tripping(self_: Any, *arguments: Any) -> Any:
            self._pass("before")
            result = method(self_, *arguments)
            self._pass("after")
            return result

        return tripping

    def _concerns(self, first: Any) -> bool:
        if self.point not in ("forward", "changelog"):
            return True
        return bool(first[0].topic.endswith("-changelog")) == (self.point == "changelog")

    def _pass(self, when: str) -> None:
        if when != self.when:
            return
        self._left -= 1
        if self._left == 0:
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise TrippedError(f"{self.point}, {self.when}")


if __name__ == "__main__":
    from touchpoint.cli import main

    Trip(sys.argv.pop(1)).set(History)
    main()
