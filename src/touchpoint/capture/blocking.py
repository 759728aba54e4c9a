"""Calls that block, made in threads which end neither the event loop's work nor the process's end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

from touchpoint.capture.source import LostError

T = TypeVar("T")


async def in_thread(work: Callable[[], T], cut: Callable[[], None] = lambda: None) -> T:
    """What `work` returns or raises, called in a daemon thread.

    Cancelled, it calls `cut`, which should make `work` fail, and does not wait for it. asyncio.to_thread would: a
    process with a thread of the default executor that hangs in a name server's answer does not end.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(way: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if result.done() else way())

    def call() -> None:
        try:
            value = work()
        except StopIteration:  # a future does not take it
            settle(lambda: result.set_exception(RuntimeError("StopIteration")))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            failure = error
            settle(lambda: result.set_exception(failure))
        else:
            settle(lambda: result.set_result(value))

    threading.Thread(target=call, daemon=True, name="capture").start()
    try:
        return await result
    except asyncio.CancelledError:
        cut()
        raise


class Line:
    """The sockets of one blocking conversation; `cut`, from any thread, makes every read and write on them fail."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cut = False
        self._twins: list[socket.socket] = []

    def connect(self, host: str, port: int, seconds: float) -> socket.socket:
        """A connected socket whose calls wait at most `seconds` each. Raises OSError; LostError after `cut`."""
        connected = socket.create_connection((host, port), seconds)
        with self._lock:
            if self._cut:
                connected.close()
                raise LostError("the connection was given up")
            # another descriptor of the same connection: `shutdown` on it works whatever TLS does with the first
            self._twins.append(connected.dup())
        return connected

    def cut(self) -> None:
        with self._lock:
            self._cut = True
            for twin in self._twins:
                with contextlib.suppress(OSError):
                    twin.shutdown(socket.SHUT_RDWR)
                twin.close()
            self._twins.clear()
