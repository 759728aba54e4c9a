"""From a record's bytes to the attributes of one CloudEvent: content modes, JSON, the limits on both (contract.md 2).

This is the hot path: whatever can be known of the bytes as a whole is not looked for value by value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from touchpoint.events.fields import MAX_ELEMENTS, MAX_TEXT
from touchpoint.events.verdicts import Rejected

MAX_RECORD = 256 * 1024  # bytes, with its headers
MAX_DEPTH = 32
INT64 = 2**63

Headers = Sequence[tuple[str, bytes | None]]


def read(value: bytes, headers: Headers) -> dict[str, Any]:
    """The event's attributes, `data` among them, unvalidated but for JSON itself. Raises Rejected."""
    if (headers or len(value) > MAX_RECORD) and (fault := too_large(value, headers)) is not None:
        raise fault
    if not headers:
        return _structured(value)
    found = _headers(headers)
    content = found.get("content-type", "").partition(";")[0].strip().lower()
    if content.startswith("application/cloudevents-batch"):
        raise Rejected("mode", "batched content mode is not used; send one event a record")
    if content == "application/cloudevents+json":
        return _structured(value)
    if content.startswith("application/cloudevents"):
        raise Rejected("mode", f"content-type {content[:80]!r} is not read; use application/cloudevents+json")
    attributes = {name[3:]: text for name, text in found.items() if name.startswith("ce_")}
    if not attributes:  # a binary event has at least ce_specversion; a bare JSON content type is on a whole event
        return _structured(value)
    return _binary(value, attributes, content)


def too_large(value: bytes, headers: Headers) -> Rejected | None:
    """Why a record cannot be taken that is over the limit, whatever is in it."""
    size = len(value) + sum(len(name) + len(text or b"") for name, text in headers)
    return (
        Rejected("too_large", f"the record has {size:,} bytes; at most {MAX_RECORD:,} (256 KiB)")
        if size > MAX_RECORD
        else None
    )


def check(tree: Any, path: str = "") -> None:
    """Holds every text, number, list and level of a JSON value against its limit. Raises Rejected naming the place."""
    todo: list[tuple[Any, str, int]] = [(tree, path, 1)]
    while todo:
        node, where, depth = todo.pop()
        if isinstance(node, str):
            _check_text(node, where)
        elif isinstance(node, (int, float)):
            if not -INT64 <= node < INT64:
                raise Rejected("value", f"{where} is a number beyond 64 bits; write it as text")
        elif isinstance(node, (dict, list)):
            if depth > MAX_DEPTH:
                raise Rejected("too_large", f"{where} is nested more than {MAX_DEPTH} levels deep")
            todo.extend((child, at, depth + 1) for child, at in _children(node, where))


def _children(node: dict[str, Any] | list[Any], where: str) -> Iterable[tuple[Any, str]]:
    if isinstance(node, list):
        if len(node) > MAX_ELEMENTS:
            raise Rejected("too_large", f"{where} has {len(node)} elements; at most {MAX_ELEMENTS}")
        return ((child, where) for child in node)
    if len(node) > MAX_ELEMENTS:
        raise Rejected("too_large", f"{where or 'the event'} has {len(node)} fields; at most {MAX_ELEMENTS}")
    for key in node:
        _check_text(key, f"a name in {where or 'the event'}")
    return ((child, f"{where}.{key}"[:MAX_TEXT].lstrip(".")) for key, child in node.items())


def _check_text(text: str, where: str) -> None:
    if "\x00" in text:
        raise Rejected("value", f"{where} holds the character NUL, which no database text can")
    if len(text) * 4 > MAX_TEXT and len(text.encode()) > MAX_TEXT:
        raise Rejected("too_large", f"{where} has more than {MAX_TEXT} bytes")


def _structured(value: bytes) -> dict[str, Any]:
    event = parse(value)
    if isinstance(event, list):
        raise Rejected("mode", "the record is a JSON array; send one event a record (batched mode is not used)")
    if not isinstance(event, dict):
        raise Rejected("not_json", f"the record is not a JSON object but {kind_of(event)}")
    if "data_base64" in event:
        raise Rejected("mode", "data_base64 is not read; put the event's JSON into data")
    if (content := event.get("datacontenttype")) is not None:
        _check_json_type(content)
    return event


def _binary(value: bytes, attributes: dict[str, Any], content: str) -> dict[str, Any]:
    if content:
        _check_json_type(content)
    if "data" in attributes:
        raise Rejected("mode", "the header ce_data is not read; in binary mode the value is the data")
    attributes["data"] = parse(value) if value else None
    return attributes


def _headers(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for spelled, raw in headers:
        name = spelled.lower()
        if name != "content-type" and not name.startswith("ce_"):
            continue
        if name in found:
            raise Rejected("mode", f"the header {name[:80]!r} stands twice")
        try:
            found[name] = text = (raw or b"").decode()
        except UnicodeDecodeError:
            raise Rejected("not_json", f"the header {name[:80]!r} is not UTF-8") from None
        _check_text(text, f"the header {name[:80]!r}")
    return found


def parse(raw: bytes) -> Any:
    """JSON under the limits: UTF-8, no NaN, no name twice in one object, nothing too long or too deep."""
    try:
        tree = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _not_json(raw, error) from None
    # up to MAX_TEXT bytes no text can be too long and no list worth a look; few brackets cannot nest deep
    if len(raw) > MAX_TEXT or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH or b"\\u0000" in raw:
        check(tree)
    # written back, an object with a name twice comes out shorter. What is equal but for the spaces that
    # Python's json writes has no such object either; other JSON (escapes, indents) takes the longer way
    plain, raw = orjson.dumps(tree), raw.strip()
    if plain != raw and plain != raw.replace(b'": ', b'":').replace(b", ", b","):
        _pairs_decoder.decode(raw.decode())
    return tree


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise Rejected("not_json", f"the name {name[:80]!r} stands twice in one object")
        seen.add(name)


# numbers stay text here: only names matter, and a number of 5,000 digits is an error to `int`
_pairs_decoder = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str)


def _not_json(raw: bytes, error: orjson.JSONDecodeError) -> Rejected:
    if not raw.strip():
        return Rejected("not_json", "the record is empty")
    try:
        raw.decode()
    except UnicodeDecodeError as fault:
        return Rejected("not_json", f"the record is not UTF-8: byte {fault.start}")
    return Rejected("not_json", f"the record is not JSON: {error}")


def _check_json_type(content: object) -> None:
    plain = content.partition(";")[0].strip().lower() if isinstance(content, str) else ""
    if plain not in ("application/json", "text/json") and not plain.endswith("+json"):
        shown = repr(content[:80]) if isinstance(content, str) else kind_of(content)
        raise Rejected("mode", f"data is {shown}; only JSON (application/json) is read")


def kind_of(value: object) -> str:
    """What a JSON value is, in a person's words."""
    if value is None:
        return "null"
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a decimal number",
        str: "text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)
