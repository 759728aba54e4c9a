"""Dead letters for people: a table, one in full. Whatever bytes they have, a terminal is safe from them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from touchpoint.cli.render import HEAD, MUTED, WARN, cell, indented
from touchpoint.kafka.dead_letter_reader import Letter

BYTES_A_LINE = 16


def table(letters: Iterable[Letter]) -> Table:
    """A line for each."""
    grid = Table(box=None, header_style=HEAD, pad_edge=False)
    for name in ("buried (UTC)", "came from", "key"):
        grid.add_column(name, no_wrap=True)
    grid.add_column("code", no_wrap=True)
    grid.add_column("cause")
    grid.add_column("dead letter", no_wrap=True, style=MUTED)
    for letter in letters:
        origin = str(letter.origin) if letter.origin else "-"
        grid.add_row(
            _when(letter), cell(origin), _key(letter), cell(letter.code), cell(letter.cause), cell(str(letter.place))
        )
    return grid


def summary(counts: Mapping[tuple[str, str, str], int]) -> Table:
    """How many by (topic, code, cause), the most first."""
    grid = Table(box=None, header_style=HEAD, pad_edge=False)
    grid.add_column("records", justify="right")
    for name in ("to", "code", "cause"):
        grid.add_column(name)
    for group, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        grid.add_row(f"{count:,}", *map(cell, group))
    return grid


def in_full(letter: Letter, at_most: int) -> RenderableType:
    """All that is known of one, and at most so many bytes of its value."""
    facts = [
        ("cause", f"{letter.cause} ({letter.code})"),
        ("came from", str(letter.origin) if letter.origin else "nowhere: " + (letter.obstacle or "")),
        ("dead letter", str(letter.place)),
        ("buried", f"{_when(letter)} UTC by touchpoint {letter.version}"),
        ("key", "none" if letter.key is None else printable(letter.key)),
        *((f"header {name}", "null" if value is None else printable(value)) for name, value in letter.headers),
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=MUTED, no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(cell(name), Text(escaped(value), WARN if name == "cause" else ""))
    return Group(grid, Text(_size(letter, at_most), MUTED), indented(Text(_value(letter, at_most))))


def _size(letter: Letter, at_most: int) -> str:
    if letter.value is None:
        return "no value"
    size = letter.whole_bytes or len(letter.value)
    kept = f"; the dead letter has the first {len(letter.value):,}" if letter.whole_bytes else ""
    shown = f"; the first {at_most:,}" if len(letter.value) > at_most else ""
    return f"{size:,} bytes{kept}{shown}"


def _value(letter: Letter, at_most: int) -> str:
    value = letter.value or b""
    if len(value) <= at_most:
        try:
            return escaped(orjson.dumps(orjson.loads(value), option=orjson.OPT_INDENT_2).decode())
        except orjson.JSONDecodeError:
            pass
    return as_text(value[:at_most]) or "\n".join(hexdump(value[:at_most]))


def as_text(value: bytes) -> str | None:
    """The bytes as text, if that is what they are."""
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        if error.start < len(value) - 3:  # not only a letter cut off at the end
            return None
        text = value[: error.start].decode()
    controls = sum(not letter.isprintable() and letter not in "\r\n\t" for letter in text)
    return None if controls else escaped(text)


def hexdump(value: bytes) -> Iterator[str]:
    """Lines of offset, bytes and letters."""
    for start in range(0, len(value), BYTES_A_LINE):
        line = value[start : start + BYTES_A_LINE]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        yield f"{start:08x}  {line.hex(' '):<{BYTES_A_LINE * 3 - 1}}  {letters}"


def printable(value: bytes) -> str:
    """A key or a header's value in a line: text, or hexadecimal."""
    text = as_text(value)
    return f"0x{value.hex()}" if text is None else text.replace("\n", "\\n")


def escaped(text: str) -> str:
    """The text with whatever could steer a terminal spelt out."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def as_json(letter: Letter) -> dict[str, Any]:
    """One as an object; bytes that are no UTF-8 in base64."""
    return {
        "dead_letter": str(letter.place),
        "origin": str(letter.origin) if letter.origin else None,
        "cause": letter.cause,
        "code": letter.code,
        "version": letter.version,
        "buried": None if (buried := _buried(letter)) is None else buried.isoformat().replace("+00:00", "Z"),
        **_member("key", letter.key),
        "headers": [{"name": name, **_member("value", value)} for name, value in letter.headers],
        **_member("value", letter.value),
        "whole_bytes": letter.whole_bytes,
    }


def _member(name: str, value: bytes | None) -> dict[str, str | None]:
    try:
        return {name: None if value is None else value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value or b"").decode()}


def _when(letter: Letter) -> str:
    buried = _buried(letter)
    return "unknown" if buried is None else f"{buried:%Y-%m-%d %H:%M:%S}"


def _buried(letter: Letter) -> datetime | None:
    """None for a timestamp that is no date: whoever produces may write any 64 bits."""
    try:
        return datetime.fromtimestamp(letter.timestamp / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _key(letter: Letter) -> Text:
    return Text("" if letter.key is None else escaped(printable(letter.key))[:40])
