"""Bytes to JSON records, in the forms in which vendors write them: lines, an array, one object, objects end to end."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import orjson

from touchpoint.dialects.dialect import Unknown

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""In front of UTF-8 as Windows programs write it: no part of the first record."""


def json_records(stream: Iterable[bytes]) -> Iterator[Any]:
    """The objects of a stream of lines.

    A line is an object, or several end to end (as Kinesis Firehose writes them), or an array of them. Where the first
    line is no JSON by itself, the whole stream is read as one text: an array or objects over many lines.
    A line that cannot be read is an `Unknown`; so is what is no object.
    """
    lines = iter(stream)
    first = next((line for line in lines if line.removeprefix(BYTE_ORDER_MARK).strip()), None)
    if first is None:
        return
    first = first.removeprefix(BYTE_ORDER_MARK)
    if first.strip() in (b"[", b"{") or (first.lstrip()[:1] in (b"[", b"{") and not _is_whole(first)):
        yield from _text(b"".join([first, *lines]))
        return
    yield from _line(first)
    for line in lines:
        if line.strip():
            yield from _line(line)


def _is_whole(line: bytes) -> bool:
    return not any(isinstance(record, Unknown) for record in _text(line))


def _line(line: bytes) -> Iterator[Any]:
    try:
        yield from _objects(orjson.loads(line))
    except orjson.JSONDecodeError:
        yield from _text(line)


def _text(raw: bytes) -> Iterator[Any]:
    """Values one after the other, with or without anything between."""
    decoder = json.JSONDecoder()
    try:
        text = raw.decode("utf-8-sig").strip()
        place = 0
        while place < len(text):
            value, end = decoder.raw_decode(text, place)
            orjson.dumps(value)  # raises TypeError for half a surrogate pair and numbers beyond 64 bits
            yield from _objects(value)
            place = end
            while place < len(text) and (text[place].isspace() or text[place] == ","):
                place += 1
    except (ValueError, TypeError, RecursionError):
        yield Unknown("not JSON")


def _objects(value: Any) -> Iterator[Any]:
    for each in value if isinstance(value, list) else [value]:
        yield each if isinstance(each, dict) else Unknown("not a JSON object")


def packets(stream: Iterable[bytes], decode: Callable[[str], str] = str) -> Iterator[dict[str, str]]:
    """Blocks of `Name: value` lines with an empty line between, as AMI and FreeSWITCH send them; values by `decode`."""
    found: dict[str, str] = {}
    for raw in stream:
        line = raw.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace").strip("\r\n")
        name, colon, value = line.partition(":")
        if colon and name.strip():
            found.setdefault(name.strip(), decode(value.strip()))
        elif not line.strip() and found:
            yield found
            found = {}
    if found:
        yield found


def packets_or_json(stream: Iterable[bytes], decode: Callable[[str], str] = str) -> Iterator[Any]:
    """Packets, or JSON objects of the same names where the first line begins like one."""
    lines = iter(stream)
    first = next((line for line in lines if line.removeprefix(BYTE_ORDER_MARK).strip()), b"")
    first = first.removeprefix(BYTE_ORDER_MARK)
    again = chain([first], lines)
    yield from json_records(again) if first.lstrip()[:1] in (b"{", b"[") else packets(again, decode)


def table_or_lines(stream: Iterable[bytes], columns: Iterable[str]) -> Iterator[Any]:
    """Rows of CSV as objects, where the first line is a header that names these columns; else the lines as they are."""
    lines = iter(stream)
    first = next((line for line in lines if line.removeprefix(BYTE_ORDER_MARK).strip()), None)
    if first is None:
        return
    first = first.removeprefix(BYTE_ORDER_MARK)
    again = chain([first], lines)
    names = _header(first)
    if set(columns) <= set(names):
        yield from table_rows(again)
    else:
        yield from again


def _header(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace").strip()
    return [name.strip().strip('"').lower() for name in text.split(_separator(text))]


def _separator(header: str) -> str:
    """Tables are exported with commas, semicolons or tabs."""
    return max(",;\t", key=header.count)


def table_rows(stream: Iterable[bytes]) -> Iterator[dict[str, str] | Unknown]:
    """Rows of CSV under a header, by the header's names in lower case; a row of another length is an `Unknown`."""
    lines = iter(stream)
    header = next(lines, b"")
    names = _header(header)
    separator = _separator(header.decode("utf-8", "replace"))
    found = csv.reader((line.decode("utf-8", "replace").replace("\x00", "") for line in lines), delimiter=separator)
    while True:
        try:
            row = next(found)
        except csv.Error:
            yield Unknown("not a row of CSV")
            continue
        except StopIteration:
            return
        if len(row) == len(names):
            yield dict(zip(names, row, strict=True))
        elif row:
            yield Unknown(f"a row of {len(row)} columns where the header has {len(names)}")


def as_named(record: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The record with the names that a vendor gives them, where a client changed their case; `names` by lower case."""
    return {names.get(name.lower(), name): value for name, value in record.items()}


def lowered(value: Any) -> Any:
    """The same JSON with every name in lower case, for vendors whose spelling differs from feed to feed."""
    if isinstance(value, dict):
        return {name.lower(): lowered(each) for name, each in value.items()}
    return [lowered(each) for each in value] if isinstance(value, list) else value
