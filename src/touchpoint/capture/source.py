"""What a source is to the loop that all of them share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple, Protocol

Position = Any
"""How far a source was read, as JSON has it. None: nothing is known."""


class Chunk(NamedTuple):
    """Some records, each as its bytes, and the position behind them.

    `caught_up`: the source answered, and has no more for now; without records that is a sign of life.
    `again`: the source lost the position, so that records which were captured before come again.
    """

    records: list[bytes]
    position: Position
    caught_up: bool = False
    again: bool = False


class SourceError(Exception):
    """The source cannot be captured as things are. The message names the thing, its value and the way out."""


class LostError(Exception):
    """A connection is of no more use. The message says why, without anything that could be about a person."""


class Source(Protocol):
    """A live feed. `chunks` begins behind `position`, and ends soon after `stopping` is set, with what it has read.

    It waits for the source where it is away, and raises SourceError for what waiting does not cure.
    """

    def chunks(self, position: Position, stopping: asyncio.Event) -> AsyncGenerator[Chunk, None]: ...


async def pause(seconds: float, stopping: asyncio.Event) -> None:
    """Sleep, but not longer than until `stopping` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        pass
