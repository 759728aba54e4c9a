"""A log file is followed through whatever rotates it: no line is missed, and none is read twice."""

# ruff: noqa: ASYNC240 - local files are what this is about

from __future__ import annotations

import asyncio
import gzip
import os
import random
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from patience import LIMIT

from touchpoint.capture.follow import Follow
from touchpoint.capture.source import SourceError


class Reader:
    """Follows a file by hand: each `rest` reads until nothing comes any more."""

    def __init__(self, path: Path, position: Any = None, from_end: bool = False) -> None:
        self.lines: list[bytes] = []
        self.position = position
        self.stopping = asyncio.Event()
        self.there: list[bool] = []
        self._chunks = Follow(path, self.there.append, from_end=from_end, poll=0).chunks(position, self.stopping)

    async def step(self) -> bool:
        """One chunk; whether there was something in it."""
        async with asyncio.timeout(LIMIT):
            chunk = await anext(self._chunks)
        self.lines += chunk.records
        moved = bool(chunk.records) or chunk.position != self.position
        self.position = chunk.position
        return moved

    async def rest(self) -> list[bytes]:
        """Everything that there is for now; what came since the last time."""
        before = len(self.lines)
        quiet = 0
        while quiet < 4:
            quiet = 0 if await self.step() else quiet + 1
        return self.lines[before:]

    async def close(self) -> None:
        await self._chunks.aclose()


@asynccontextmanager
async def following(path: Path, position: Any = None) -> AsyncIterator[Reader]:
    reader = Reader(path, position)
    try:
        yield reader
    finally:
        await reader.close()


def append(path: Path, *lines: str) -> None:
    with path.open("ab") as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "queue_log"


async def test_existing_and_appended_lines_are_read_once(log: Path) -> None:
    append(log, "a", "b")
    async with following(log) as reader:
        assert await reader.rest() == [b"a\n", b"b\n"]
        append(log, "c")
        assert await reader.rest() == [b"c\n"]


async def test_a_line_is_read_when_its_end_is_written(log: Path) -> None:
    async with following(log) as reader:
        log.write_bytes(b"a\nb")
        assert await reader.rest() == [b"a\n"]
        append(log, "c")
        assert await reader.rest() == [b"bc\n"]


async def test_a_file_that_is_missing_is_waited_for(log: Path) -> None:
    async with following(log) as reader:
        assert await reader.rest() == []
        assert reader.there == [False] * len(reader.there)
        append(log, "a")
        assert await reader.rest() == [b"a\n"]
        assert reader.there[-1]


async def test_a_restart_goes_on_behind_the_last_line(log: Path) -> None:
    append(log, "a")
    async with following(log) as reader:
        await reader.rest()
    append(log, "b")
    async with following(log, reader.position) as again:
        assert await again.rest() == [b"b\n"]


async def test_a_file_that_is_rotated_before_anything_of_it_was_read_is_read_all_the_same(log: Path) -> None:
    append(log, "a")
    async with following(log) as reader:
        await reader.step()
        assert reader.lines == []
    log.rename(log.with_name("queue_log.1"))
    append(log, "b")
    async with following(log, reader.position) as again:
        assert await again.rest() == [b"a\n", b"b\n"]


@pytest.mark.parametrize("before", [b"", b"a\n", b"a\nb", b"a", b"x" * 5_000 + b"\na\n"])
async def test_reading_from_the_end_gives_only_later_lines(log: Path, before: bytes) -> None:
    log.write_bytes(before)
    reader = Reader(log, from_end=True)
    assert await reader.rest() == []
    append(log, "c")
    assert await reader.rest() == [before.rpartition(b"\n")[2] + b"c\n"]
    await reader.close()


async def test_renamed_and_made_anew_both_are_read_to_their_ends(log: Path) -> None:
    """The renamed file is written to until the program reopens its log, and left only then."""
    append(log, "a")
    async with following(log) as reader:
        await reader.rest()
        log.rename(log.with_name("queue_log.1"))
        log.touch()
        append(log.with_name("queue_log.1"), "b")
        assert await reader.rest() == [b"b\n"]
        append(log.with_name("queue_log.1"), "c")
        append(log, "d")
        assert await reader.rest() == [b"c\n", b"d\n"]


async def test_renamed_while_nobody_looked_the_rest_of_it_comes_first(log: Path) -> None:
    append(log, "a")
    async with following(log) as reader:
        await reader.rest()
    append(log, "b")
    log.rename(log.with_name("queue_log-20260105"))
    append(log, "c")
    async with following(log, reader.position) as again:
        assert await again.rest() == [b"b\n", b"c\n"]


async def test_rotated_twice_and_compressed_while_nobody_looked(log: Path) -> None:
    append(log, "a")
    async with following(log) as reader:
        await reader.rest()
    append(log, "b")
    with gzip.open(log.with_name("queue_log.2.gz"), "wb") as file:
        file.write(log.read_bytes())
    log.unlink()
    append(log.with_name("queue_log.1"), "c")
    append(log, "d")
    async with following(log, reader.position) as again:
        assert await again.rest() == [b"b\n", b"c\n", b"d\n"]


async def test_a_restart_between_the_renaming_and_the_reopening_misses_nothing(log: Path) -> None:
    append(log, "a")
    async with following(log) as reader:
        await reader.rest()
    log.rename(log.with_name("queue_log.1"))
    log.touch()
    async with following(log, reader.position) as again:
        assert await again.rest() == []
        append(log.with_name("queue_log.1"), "b")
        assert await again.rest() == [b"b\n"]
        append(log, "c")
        assert await again.rest() == [b"c\n"]


async def test_copied_and_truncated_the_rest_is_read_from_the_copy(log: Path) -> None:
    append(log, "a")
    async with following(log) as reader:
        await reader.rest()
        append(log, "b")
        shutil.copy(log, log.with_name("queue_log.1"))
        os.truncate(log, 0)
        assert await reader.rest() == [b"b\n"]
        append(log, "c", "d", "e")
        assert await reader.rest() == [b"c\n", b"d\n", b"e\n"]


async def test_truncated_and_grown_longer_than_it_was_it_is_another_file(log: Path) -> None:
    append(log, "a")
    async with following(log) as reader:
        await reader.rest()
        os.truncate(log, 0)
        append(log, "b" * 50, "c")
        assert await reader.rest() == [b"b" * 50 + b"\n", b"c\n"]


async def test_lost_position_reads_the_whole_file_and_is_reported_once(
    log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append(log, "a")
    async with following(log) as reader:
        await reader.rest()
    log.unlink()
    async with following(log, reader.position) as again:
        assert await again.rest() == []
        append(log, "b")
        assert await again.rest() == [b"b\n"]
    assert caplog.text.count("no file has the place") == 1


async def test_a_line_without_an_end_is_read_when_its_file_is_left(log: Path) -> None:
    log.write_bytes(b"a\nb")
    async with following(log) as reader:
        await reader.rest()
        log.rename(log.with_name("queue_log.1"))
        append(log, "c")
        assert await reader.rest() == [b"b", b"c\n"]


async def test_an_endless_line_does_not_fill_the_memory(log: Path) -> None:
    log.write_bytes(b"x" * (3 << 20))
    async with following(log) as reader:
        assert [len(line) for line in await reader.rest()] == [1 << 20] * 3


async def test_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read: it is a directory, not a regular file"):
        async with following(tmp_path) as reader:
            await reader.rest()


@pytest.mark.parametrize("what", ["a named pipe", "a directory", "a device"])
async def test_special_file_in_place_of_the_log_is_reported_without_waiting(log: Path, what: str) -> None:
    append(log, "a")
    async with following(log) as reader:
        assert await reader.rest() == [b"a\n"]
        log.rename(log.with_name("queue_log.1"))
        if what == "a named pipe":
            os.mkfifo(log)
        elif what == "a directory":
            log.mkdir()
        else:
            log.symlink_to("/dev/zero")
        with pytest.raises(SourceError, match=f"it is {what}, not a regular file"):
            await reader.rest()


async def test_pipes_and_links_that_lead_nowhere_beside_it_are_passed_over(log: Path) -> None:
    append(log, "a")
    os.mkfifo(log.with_name("queue_log.1"))
    log.with_name("queue_log.2").symlink_to("nowhere")
    log.with_name("queue_log.3").symlink_to("queue_log.3")
    async with following(log) as reader:
        assert await reader.rest() == [b"a\n"]


class Writer:
    """A program that writes a log, and what rotates it, at random."""

    def __init__(self, path: Path, dice: random.Random) -> None:
        self.path, self.dice = path, dice
        self.written: list[bytes] = []
        self._file = path.open("ab", buffering=0)
        self._half = False

    def write(self) -> None:
        for _ in range(self.dice.randint(1, 5)):
            if not self._half:
                self.written.append(b"line %d %d\n" % (len(self.written), self.dice.getrandbits(32)))
            line = self.written[-1]
            self._file.write(line[5:] if self._half else line)
            self._half = False

    def write_half(self) -> None:
        if not self._half:
            self.written.append(b"line %d %d\n" % (len(self.written), self.dice.getrandbits(32)))
            self._file.write(self.written[-1][:5])
            self._half = True

    def rename(self) -> None:
        """As logrotate does: `.2` from `.1` and so on; the program goes on in the renamed file."""
        if self.path.exists() and self.path.stat().st_ino == os.fstat(self._file.fileno()).st_ino:
            self._shift()
            self.path.rename(self._rotated(1))
            if self.dice.random() < 0.5:
                self.path.touch()

    def reopen(self) -> None:
        if not self._half:
            self._file.close()
            self._file = self.path.open("ab", buffering=0)

    def copy_and_truncate(self) -> None:
        if not self._half and self.path.exists() and self.path.stat().st_size:
            self._shift()
            shutil.copy(self.path, self._rotated(1))
            os.truncate(self.path, 0)

    def compress(self) -> None:
        """`delaycompress`: not the newest, which may still be written to."""
        oldest = self._rotated(2)
        if oldest.exists():
            stat = oldest.stat()
            with gzip.open(f"{oldest}.gz", "wb") as file:
                file.write(oldest.read_bytes())
            os.utime(f"{oldest}.gz", ns=(stat.st_atime_ns, stat.st_mtime_ns))
            oldest.unlink()

    def finish(self) -> None:
        if self._half:
            self.write()
        self.reopen()
        self.write()
        self._file.close()

    def _shift(self) -> None:
        for number in range(20, 0, -1):
            for suffix in ("", ".gz"):
                old = Path(f"{self._rotated(number)}{suffix}")
                if old.exists():
                    old.rename(f"{self._rotated(number + 1)}{suffix}")

    def _rotated(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


@pytest.mark.parametrize("seed", range(20))
async def test_every_line_is_read_once_through_any_rotation_and_restart(log: Path, seed: int) -> None:
    dice = random.Random(seed)
    writer = Writer(log, dice)
    reader = Reader(log)
    found: list[bytes] = []
    writer.write()
    await reader.rest()
    acts: list[Callable[[], None]] = [writer.write, writer.write_half, writer.rename, writer.reopen]
    acts += [writer.compress, writer.copy_and_truncate]
    for _ in range(60):
        dice.choice(acts)()
        await asyncio.sleep(0.005)  # the stamps of files are of whole ticks; rotation is not that quick
        for _ in range(dice.randint(0, 3)):
            await reader.step()
        if dice.random() < 0.15:
            await reader.close()
            found += reader.lines
            reader = Reader(log, reader.position)
    writer.finish()
    await reader.rest()
    await reader.close()
    found += reader.lines
    assert found == writer.written
