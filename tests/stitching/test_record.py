"""The record and its versions: what is hashed, and what a member of a later version changes."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from inspect import isclass
from typing import Any

import msgspec
import pytest

from touchpoint.events import Accepted, Decoder
from touchpoint.simulate import simulate
from touchpoint.stitching import record as module
from touchpoint.stitching.limits import DEFAULT
from touchpoint.stitching.media.media_item import MediaItem, Segment
from touchpoint.stitching.offline import fold_all
from touchpoint.stitching.record import (
    FIRST_VERSION,
    RECORD_VERSION,
    IdentityRecord,
    InteractionRecord,
    MediaItemRecord,
    Part,
    PartyRecord,
    SegmentRecord,
    as_json,
    at_version,
    content_hash,
    from_json,
    member_version,
)

PARTS = [each for each in vars(module).values() if isclass(each) and issubclass(each, Part)]
MEMBERS = [(part, field) for part in PARTS for field in msgspec.structs.fields(part)]
BESIDE_THE_CONTENT = {"party_key", "party", "identity", "content_hash", "record_version", "rules_version", "dialects"}
MOST_MEMBERS = 50
"""Of an object that the view makes: json_build_object takes 100 arguments."""


@pytest.fixture(scope="module")
def records() -> list[InteractionRecord]:
    verdicts = [
        Decoder().decode(json.dumps(event).encode())
        for event in simulate(3, datetime(2026, 1, 1, tzinfo=UTC), 0.5, 100)
    ]
    return fold_all([each.fact for each in verdicts if isinstance(each, Accepted)], DEFAULT, b"test").records


def without(record: Part, names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in as_json(record).items() if name not in names}


def test_the_content_hash_is_of_the_canonical_json_of_what_is_not_beside_the_content(
    records: list[InteractionRecord],
) -> None:
    for record in records:
        content = without(record, BESIDE_THE_CONTENT) | {"amendments": []}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert record.content_hash == content_hash(record) == hashlib.sha256(canonical.encode()).hexdigest()


def test_the_record_version_is_the_greatest_that_a_member_is_since() -> None:
    versions = {member_version(part, field.name) for part, field in MEMBERS}
    assert versions == set(range(FIRST_VERSION, RECORD_VERSION + 1))


@pytest.mark.parametrize(("part", "field"), MEMBERS, ids=[f"{part.__name__}.{field.name}" for part, field in MEMBERS])
def test_a_member_is_always_there_if_it_is_of_version_1_and_otherwise_where_it_is_set(
    part: type[Part], field: msgspec.structs.FieldInfo
) -> None:
    beside = part in (PartyRecord, IdentityRecord) or (part is InteractionRecord and field.name in BESIDE_THE_CONTENT)
    if member_version(part, field.name) > FIRST_VERSION:
        assert field.default in (None, []), "or a row of an earlier version, NULL there, cannot be read"
    elif not beside:
        assert field.required, "it would be left out of the hash where it has its default"


@pytest.mark.parametrize("part", PARTS)
def test_an_object_that_the_view_makes_is_not_too_large_for_the_database(part: type[Part]) -> None:
    assert len(part.__struct_fields__) <= MOST_MEMBERS


@pytest.mark.parametrize(("folded", "recorded"), [(MediaItem, MediaItemRecord), (Segment, SegmentRecord)])
def test_what_the_fold_and_the_record_have_in_common_is_written_once(folded: type[Part], recorded: type[Part]) -> None:
    """Else a new member would have to be copied from one to the other by name; instants are of another type in each."""
    common = set(folded.__struct_fields__) & set(recorded.__struct_fields__)
    inherited = set(folded.__mro__[1].__struct_fields__)  # type: ignore[attr-defined]
    assert folded.__mro__[1] is recorded.__mro__[1]
    assert common - inherited <= {"started_at", "ended_at", "segments", "dialed"}


def test_a_record_of_the_present_version_is_what_that_version_would_have_written(
    records: list[InteractionRecord],
) -> None:
    assert all(at_version(record, RECORD_VERSION) is record for record in records)


def test_a_member_that_the_record_does_not_name_is_refused(records: list[InteractionRecord]) -> None:
    known = next(record for record in records if record.media_items)
    for place in ((), ("media_items", 0), ("media_items", 0, "segments", 0), ("party",)):
        changed = as_json(known)
        at: Any = changed
        for step in place:
            at = at[step]
        at["future"] = 1
        with pytest.raises(msgspec.ValidationError, match="unknown field `future`"):
            from_json(changed)
    assert as_json(from_json(as_json(known))) == as_json(known)
