"""Damage: from a value of the wrong type to a flipped bit. All of it drawn from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 0.5, -0.0, 1e300, -1e300, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64, "", " ",
    "\x00", "a\x00b", "\u0001\u001f", "\u202e", "\ufeff", "é" * 3, "\U0001f600", "x" * 201, "x" * 1_001, "é" * 2_049,
    "x" * 5_000, "null", "-", "+", "tel:", "tel:+", "tel:+441632960960;ext=9", "fax:" + "9" * 60, "0" * 40, "++4",
    "sip:@", "mailto:@", "a@b@c", "<a@b>", "<" + "(" * 980 + "@", "anonymous",
    "2026-03-02T08:00:00Z", "2026-03-02T08:00:60Z", "2026-03-02T08:00:00",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:60+00:00", "9998-12-31T23:59:59.999999-23:59",
    "1970-01-01T00:00:00+23:59", "2026-02-30T08:00:00Z", "2026-03-02T08:00:00." + "9" * 32 + "Z",
    "2026-03-02t08:00:00z", "call.answered", "c1", "A",
    [], [[]], {}, {"id": "A"}, {"id": ""}, {"resource": {"id": "B"}}, {"a": {"b": [1, {"c": None}]}}, ["x"] * 1_001,
)  # fmt: skip
RAW = (
    b"NaN", b"-Infinity", b"1e999", b"1e-999", b"-0", b"00", b"9" * 400, b"0." + b"1" * 400, b"1E400000000",
    b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xed\xa0\x80"', b'"\xff"', b'"\\u0000"', b'"\\x"', b"tru", b"[" * 2_000,
    b'{"a":' * 200, b"[" * 33 + b"]" * 33, b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b"/**/1", b"'a'",
    b"\xef\xbb\xbf1", b"",
)  # fmt: skip
NAMES = (
    "id",
    "resource",
    "party",
    "to",
    "reported",
    "related",
    "ext",
    "x\x00",
    "",
    "started_at",
    "hold_ms",
    "x_at",
    "é",
)


def damaged(dice: random.Random, event: dict[str, Any]) -> bytes:
    """A record of an event with something wrong in it; now and then with nothing wrong but its form."""
    tree = json.loads(json.dumps(event))
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        dice.choice(_ON_TREES)(dice, tree)
    raw = json.dumps(tree, ensure_ascii=dice.random() < 0.3, separators=dice.choice(_FORMS)).encode("utf-8", "replace")
    while dice.random() < 0.35:
        raw = dice.choice(_ON_BYTES)(dice, raw)
    return raw


def damaged_bytes(dice: random.Random, raw: bytes) -> bytes:
    """Bytes of whatever form with something wrong in them."""
    for _ in range(dice.choice((1, 1, 2, 4))):
        raw = dice.choice(_ON_BYTES)(dice, raw)
    return raw


def damaged_tree(dice: random.Random, tree: Any) -> Any:
    """JSON of whatever form with something wrong in it."""
    tree = json.loads(json.dumps(tree))
    if isinstance(tree, dict):
        for _ in range(dice.choice((1, 1, 2, 4))):
            dice.choice(_ON_TREES)(dice, tree)
    return tree


def odd_value(dice: random.Random) -> Any:
    if dice.random() < 0.1:
        return dice.choice((dice.getrandbits(70), dice.uniform(-1e6, 1e6), chr(dice.randrange(1, 0xD800)) * 3))
    return deepcopy(dice.choice(ODD))  # what is put in may be damaged further


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)


def _some_object(dice: random.Random, tree: dict[str, Any]) -> dict[str, Any]:
    return dice.choice(list(_objects(tree)))


def _set(dice: random.Random, tree: dict[str, Any]) -> None:
    node = _some_object(dice, tree)
    node[dice.choice(list(node) or NAMES)] = odd_value(dice)


def _add(dice: random.Random, tree: dict[str, Any]) -> None:
    _some_object(dice, tree)[dice.choice(NAMES)] = odd_value(dice)


def _drop(dice: random.Random, tree: dict[str, Any]) -> None:
    node = _some_object(dice, tree)
    if node:
        del node[dice.choice(list(node))]


def _swap(dice: random.Random, tree: dict[str, Any]) -> None:
    one, other = _some_object(dice, tree), _some_object(dice, tree)
    if one and other and one is not other:
        a, b = dice.choice(list(one)), dice.choice(list(other))
        left, right = json.dumps(one[a]), json.dumps(other[b])  # copies: a tree that holds itself is no JSON
        one[a], other[b] = json.loads(right), json.loads(left)


def _wrap(dice: random.Random, tree: dict[str, Any]) -> None:
    node = _some_object(dice, tree)
    if node:
        name = dice.choice(list(node))
        value = node[name]
        for _ in range(dice.choice((1, 1, 20, 40))):
            value = [value] if dice.random() < 0.5 else {"id": value}
        node[name] = value


def _spell(dice: random.Random, tree: dict[str, Any]) -> None:
    """A text of the event with another character in it."""
    node = _some_object(dice, tree)
    texts = [name for name, value in node.items() if isinstance(value, str) and value]
    if texts:
        name = dice.choice(texts)
        at = dice.randrange(len(node[name]))
        node[name] = (
            node[name][:at] + dice.choice("\x00\x7f \u2028:;@+-0Zé'\"\\%{") + node[name][at + dice.randint(0, 1) :]
        )


def _flip(dice: random.Random, raw: bytes) -> bytes:
    if not raw:
        return b"\x00"
    at = dice.randrange(len(raw))
    return raw[:at] + bytes([dice.randrange(256)]) + raw[at + 1 :]


def _cut(dice: random.Random, raw: bytes) -> bytes:
    begin = dice.randint(0, len(raw))
    return raw[:begin] + raw[min(len(raw), begin + dice.choice((1, 3, 50))) :]


def _end(dice: random.Random, raw: bytes) -> bytes:
    return raw[: dice.randint(0, len(raw))]


def _twice(dice: random.Random, raw: bytes) -> bytes:
    begin = dice.randint(0, len(raw))
    part = raw[begin : begin + dice.choice((1, 10, 100))]
    return raw[:begin] + part * dice.choice((2, 2, 50)) + raw[begin + len(part) :]


def _insert(dice: random.Random, raw: bytes) -> bytes:
    at = dice.choice([n + 1 for n, byte in enumerate(raw) if byte in b":,["] or [0])
    return raw[:at] + dice.choice(RAW) + (b"," if dice.random() < 0.3 else b"") + raw[at:]


def _replace(dice: random.Random, raw: bytes) -> bytes:
    """A value for one that is not JSON, or only just."""
    begin = dice.choice([n + 1 for n, byte in enumerate(raw) if byte == 0x3A] or [0])
    ends = [n for n in (raw.find(b",", begin), raw.find(b"}", begin)) if n >= 0]
    return raw[:begin] + dice.choice(RAW) + raw[min(ends, default=len(raw)) :]


_FORMS = ((",", ":"), (", ", ": "), (" ,\n", "\t: "))
_ON_TREES: tuple[Callable[[random.Random, dict[str, Any]], None], ...] = (_set, _set, _add, _drop, _swap, _wrap, _spell)
_ON_BYTES: tuple[Callable[[random.Random, bytes], bytes], ...] = (_flip, _cut, _end, _twice, _insert, _replace)
