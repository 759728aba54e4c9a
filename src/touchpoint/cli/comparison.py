"""What is stored against what the fold says: by content hash, and member by member where that differs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

Json = dict[str, Any]
BESIDE = frozenset({"identity", "party", "record_version", "rules_version", "dialects"})
"""No part of a closed record's content: what the database knows of people by now, and by what it was made."""
NAMED_BY = {"media_items": "media_item_id", "activities": "activity_id", "resources": "resource_id"}
ABSENT = "nothing"


class Comparison(NamedTuple):
    """Interactions by id: folded and not stored, stored and not folded, with another content."""

    missing: list[str]
    extra: list[str]
    different: list[str]

    @property
    def same(self) -> bool:
        return not (self.missing or self.extra or self.different)

    def lines(self, shown: int) -> list[str]:
        """A line for each way in which there are differences, with some ids."""
        ways = zip(("not stored", "stored but not expected", "different"), self, strict=True)
        return [f"{len(ids)} {what}: {', '.join(ids[:shown])}" for what, ids in ways if ids]


def compare(
    stored: Mapping[str, str], folded: Mapping[str, str], open_still: Collection[str] = frozenset()
) -> Comparison:
    """Content hashes by id. What may be open still is not missing; if it is stored, it has to be the same."""
    return Comparison(
        missing=sorted(folded.keys() - stored.keys() - set(open_still)),
        extra=sorted(stored.keys() - folded.keys()),
        different=sorted(id_ for id_ in stored.keys() & folded.keys() if stored[id_] != folded[id_]),
    )


def differences(stored: Json, folded: Json) -> Iterator[tuple[str, Any, Any]]:
    """(path, stored, folded) of each member of a record that differs."""
    yield from _members("", _content(stored), _content(folded))


def _content(record: Json) -> Json:
    return {name: value for name, value in record.items() if name not in BESIDE}


def _members(path: str, stored: Any, folded: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(stored, dict) and isinstance(folded, dict):
        for name in dict.fromkeys([*folded, *stored]):
            dotted = f"{path}.{name}" if path else name
            yield from _members(dotted, stored.get(name, ABSENT), folded.get(name, ABSENT))
    elif isinstance(stored, list) and isinstance(folded, list):
        ours, theirs = _entries(path, stored), _entries(path, folded)
        for key in dict.fromkeys([*theirs, *ours]):
            yield from _members(f"{path}[{key}]", ours.get(key, ABSENT), theirs.get(key, ABSENT))
    elif stored != folded:
        yield path, stored, folded


def _entries(path: str, values: list[Any]) -> dict[str, Any]:
    """A list's entries by id where they have one that is unique, else by position."""
    name = NAMED_BY.get(path.rpartition(".")[2])
    keyed = {str(value.get(name)): value for value in values} if name else {}
    return keyed if name and len(keyed) == len(values) else {str(n): value for n, value in enumerate(values)}
