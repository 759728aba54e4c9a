"""Bytes to JSON records, in the forms in which vendors write them: lines, an array, one object, objects end to end."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from typing import Any

import orjson

from touchpoint.dialects.dialect import Unknown
from touchpoint.dialects.forms import plain_name

_UTF_8, _UTF_16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
"""In front of a text as Windows programs write it: no part of the first record."""

_BETWEEN = re.compile(r"[\s,\[\]]*")
"""Between objects, of an array or end to end; a comma too many does no harm."""
_BRACES = re.compile(r'[{}]|"(?:[^"\\\n]|\\.)*+"?')
"""And texts, in which a brace is none; one that does not end is one to the end of its line."""


def utf8(stream: Iterable[bytes]) -> Iterator[bytes]:
    """The lines without a byte order mark; of UTF-16 that begins with one, in UTF-8."""
    lines = iter(stream)
    first = next(lines, b"")
    if first.startswith(_UTF_16):
        text = b"".join([first, *lines]).decode("utf-16", "replace")
        yield from text.encode("utf-8", "replace").splitlines(keepends=True)
        return
    if first := first.removeprefix(_UTF_8):
        yield first
    yield from lines


def json_records(stream: Iterable[bytes]) -> Iterator[Any]:
    """The objects of a stream of lines.

    A line is an object, or several end to end (as Kinesis Firehose writes them), or an array of them. Where the first
    line is no JSON by itself, the whole stream is read as one text: an array or objects over many lines.
    What cannot be read is an `Unknown`, and what comes behind it is read; so is what is no object.
    """
    lines = utf8(stream)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return
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
    """Objects one after the other, in an array or not, with or without anything between. Takes time as its length."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        yield Unknown("not JSON: it is no UTF-8")
        return
    place = _after(text, 0)
    decoder, sound = json.JSONDecoder(), True
    while place < len(text):
        end = len(text)
        try:
            if sound:
                value, end = decoder.raw_decode(text, place)
            else:
                end = _end_of_object(text, place)
                value = json.loads(text[place:end])
            orjson.dumps(value)  # raises TypeError for half a surrogate pair and numbers beyond 64 bits
        except (ValueError, TypeError, RecursionError):
            if sound:
                sound = (
                    False  # from here on by pieces: for each mistake the decoder counts the lines from the beginning
                )
                continue
            yield Unknown("not JSON")
        else:
            yield from _objects(value)
        place = _after(text, end)


def _after(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return place if found is None else found.end()


def _end_of_object(text: str, place: int) -> int:
    """Behind the braces that match the first one, or before the next object of what is none; else the text's end."""
    if text[place] != "{":
        begin = text.find("{", place)
        return len(text) if begin < 0 else begin
    depth = 0
    for found in _BRACES.finditer(text, place):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0 and found[0] == "}":
            return found.end()
    return len(text)


def _objects(value: Any) -> Iterator[Any]:
    for each in value if isinstance(value, list) else [value]:
        yield each if isinstance(each, dict) else Unknown("not a JSON object")


def packets(stream: Iterable[bytes], decode: Callable[[str], str] = str) -> Iterator[dict[str, str]]:
    """Blocks of `Name: value` lines with an empty line between, as AMI and FreeSWITCH send them; values by `decode`."""
    found: dict[str, str] = {}
    for raw in utf8(stream):
        line = raw.decode("utf-8", "replace").strip("\r\n")
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
    lines = utf8(stream)
    first = next((line for line in lines if line.strip()), b"")
    again = chain([first], lines)
    yield from json_records(again) if first.lstrip()[:1] in (b"{", b"[") else packets(again, decode)


def named(records: Iterable[Any], name: str, answers: Collection[str]) -> Iterator[Any]:
    """The records that have this field, in any case. Those with one of `answers` are no events of the vendor's."""
    alike = plain_name(name)
    known = frozenset(map(plain_name, answers))
    for record in records:
        if isinstance(record, Unknown) or name in record:
            yield record
            continue
        spelled = set(map(plain_name, record))
        if alike in spelled:
            yield record
        elif not known & spelled:
            yield Unknown(f"it has no {name}", dead_letter=False)


def table_or_lines(stream: Iterable[bytes], columns: Iterable[str]) -> Iterator[Any]:
    """JSON objects, rows of CSV where the first line is a header that names these columns, else lines as they are."""
    lines = utf8(stream)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return
    again = chain([first], lines)
    if first.lstrip()[:1] in (b"{", b"["):
        yield from json_records(again)
    elif set(columns) <= set(_header(first)):
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
        elif any(cell.strip() for cell in row):
            yield Unknown(f"a row of {len(row)} columns where the header has {len(names)}")
