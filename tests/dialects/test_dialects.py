"""What holds of every dialect: its declaration is read, its page is there, nothing stops it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vendor_feed import CAPTURES, FIXTURES, LIMITS, events, facts, fixture, translated

from touchpoint.dialects import DIALECTS, Event, Feed, Memory, Unknown
from touchpoint.stitching.facts import SECOND
from touchpoint.stitching.limits import FULL
from touchpoint.stitching.media import fold

PAGES = Path(__file__).parents[2] / "docs" / "capture"
NAMES = sorted(DIALECTS)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner))


@pytest.mark.parametrize("name", NAMES)
def test_the_fold_reads_the_declaration_through_the_settings(name: str) -> None:
    assert LIMITS.capability(name) == DIALECTS[name].capabilities
    assert LIMITS.capability(None) == FULL


@pytest.mark.parametrize("name", NAMES)
def test_every_dialect_has_its_page_with_configuration_and_mapping(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text()
    assert f"Dialect `{name}`" in page
    assert [part for part in ("## On the vendor's side", "## Mapping", "## Traps") if part not in page] == []
    assert f"touchpoint translate --dialect {name}" in page


@pytest.mark.parametrize("name", NAMES)
def test_every_page_says_with_a_document_which_figures_are_equal_to_the_vendors(name: str) -> None:
    figures = (PAGES / f"{name}.md").read_text().partition("\n## Figures held against ")[2].partition("\n## ")[0]
    assert "| figure | equal to | when |" in figures
    assert "](https://" in figures


def test_dialect_pages_name_existing_dialects() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md") if path.stem != "README") == NAMES


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(lines=st.lists(st.binary(max_size=80), max_size=4), record=JSON)
def test_dialects_raise_on_no_input(name: str, lines: list[bytes], record: Any) -> None:
    dialect, feed = DIALECTS[name], Feed()
    for each in [*dialect.read(lines), record]:
        dialect.translate(each, feed)


@pytest.mark.parametrize(("name", "file"), CAPTURES)
def test_every_event_of_a_capture_is_accepted_and_marked_and_has_an_id_of_its_own(name: str, file: str) -> None:
    said = events(name, fixture(file))
    assert len(facts(said)) == len(said) > 2
    assert {each["dialect"] for each in said} == {DIALECTS[name].label}
    named: dict[tuple[str, str], Event] = {}
    for each in said:
        first = named.setdefault((each["source"], each["id"]), each)
        assert first.get("data") == each.get("data"), "what has one id says one thing"
    assert events(name, fixture(file)) == said  # nothing in it but the records


@pytest.mark.parametrize(("name", "file"), CAPTURES)
def test_records_without_any_one_field_give_valid_events_or_none(name: str, file: str) -> None:
    for record in DIALECTS[name].read(fixture(file)):
        for poorer in without_one(record):
            said = DIALECTS[name].translate(poorer, Feed())
            if not isinstance(said, Unknown):
                facts(said)


def without_one(record: Any) -> Iterator[Any]:
    """The record without each of its fields in turn, at any depth."""
    if isinstance(record, str):
        fields = record.split("|")
        yield from ("|".join([*fields[:n], "", *fields[n + 1 :]]) for n in range(len(fields)))
    elif isinstance(record, list):
        for n, each in enumerate(record):
            yield from ([*record[:n], poorer, *record[n + 1 :]] for poorer in without_one(each))
    elif isinstance(record, dict):
        for field, value in record.items():
            rest = {name: each for name, each in record.items() if name != field}
            yield rest
            if isinstance(value, dict | list):
                yield from (rest | {field: poorer} for poorer in without_one(value))


def test_every_dialect_has_a_capture() -> None:
    assert {name for name, _ in CAPTURES} == set(DIALECTS)
    assert {file for _, file in CAPTURES} == {path.name for path in FIXTURES.iterdir()}


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    memory = Memory(2)
    for key in ("a", "b", "a", "c"):
        memory.put(key, key.upper())
    assert (len(memory), memory.get("b"), memory.pop("a"), memory.get("a", 0)) == (2, None, "A", 0)


def test_memory_keeps_no_changes_where_none_are_read() -> None:
    memory = Memory(2)
    for number in range(10):
        memory.put(number, number)
    assert [value for _, value in memory.changes()] == [b"[1,8]", b"[2,9]"]
    memory.pop(9)
    assert [value for _, value in memory.changes()] == [None]


def test_memory_entries_may_be_of_any_type() -> None:
    memory = Memory()
    memory.put("key", {"a", "b"})
    with pytest.raises(TypeError):
        memory.to_bytes()


@pytest.mark.parametrize(("name", "file"), CAPTURES)
def test_a_memory_whose_changes_were_kept_says_the_same(name: str, file: str) -> None:
    """As in the state of a worker that ends after any record."""
    dialect, feed, kept, said = DIALECTS[name], Feed(memory=Memory(20)), dict[bytes, bytes | None](), []
    for record in dialect.read(fixture(file)):
        found = dialect.translate(record, feed)
        assert not isinstance(found, Unknown)
        said += found
        kept |= dict(feed.memory.changes())
        before = feed.memory.to_bytes()
        entries = [(key, value) for key, value in sorted(kept.items()) if value is not None]
        feed.memory = Memory.restored(entries, 20)
        assert feed.memory.to_bytes() == before
    assert said == events(name, fixture(file), Feed(memory=Memory(20)))


def test_feeds_that_share_a_memory_see_nothing_of_each_other() -> None:
    memory = Memory(2)
    london, leeds = memory.of("london"), memory.of("leeds")
    london.put("place", 1)
    leeds.put("place", 2)
    assert (london.get("place"), leeds.get("place"), memory.get("place")) == (1, 2, None)
    memory.put("place", 3)
    assert (london.get("place"), len(memory)) == (None, 2), "they share its room"


@pytest.mark.parametrize(("name", "file"), CAPTURES)
def test_a_memory_that_was_stored_and_read_after_every_record_says_the_same(name: str, file: str) -> None:
    """As when capture is stopped anywhere and goes on."""
    dialect, feed, said = DIALECTS[name], Feed(), []
    for record in dialect.read(fixture(file)):
        stored = feed.memory.to_bytes()
        feed.memory = Memory.from_bytes(stored)
        assert feed.memory.to_bytes() == stored
        found = dialect.translate(record, feed)
        assert not isinstance(found, Unknown)
        said += found
    assert said == events(name, fixture(file))


@pytest.mark.parametrize(("name", "file"), CAPTURES)
def test_a_file_that_is_translated_twice_is_the_same_events(name: str, file: str) -> None:
    """As a backfill over a live capture: ids are of the records, not of the reading."""
    once = events(name, fixture(file))
    feed = Feed()
    events(name, fixture(file), feed)
    again = events(name, fixture(file), feed)
    assert {(each["source"], each["id"]) for each in again} == {(each["source"], each["id"]) for each in once}


def test_a_source_without_wrap_up_is_complete_at_its_end() -> None:
    item = fold(
        "c",
        facts(events("asterisk-queue-log", ["100|c|q|NONE|ENTERQUEUE||1|1|", "140|c|q|NONE|ABANDON|1|1|40"])),
        LIMITS,
    )
    assert item.complete_at == item.ended_at == 140 * SECOND


@pytest.mark.parametrize("value", ["9" * 30, '"\\ud800"', "-9223372036854775809"])
def test_non_json_constants_are_refused_in_texts_of_several_records(value: str) -> None:
    """The reader of such texts takes what the encoder of events and of a feed's memory would refuse."""
    unknown, other = DIALECTS["amazon-connect"].read([b'{"ContactId": %s} {"ContactId": "c"}' % value.encode()])
    assert (unknown, other) == (Unknown("not JSON"), {"ContactId": "c"})


def test_a_time_of_thirty_digits_is_no_time() -> None:
    line = "|".join(["9" * 30, "c", "q", "NONE", "ENTERQUEUE", "", "1", "1", ""])
    [unknown] = translated("asterisk-queue-log", [line])
    assert isinstance(unknown, Unknown)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("hylafax", f"01/05/26 09:00\tRECV\t1\tt\ta.tif\t\tfax\t1\t1\t0\t{'9' * 30}\t1:40\t1:12\t\t\t\t\td\t"),
        ("hylafax", f"01/05/26 09:00\tRECV\t1\tt\ta.tif\t\tfax\t1\t1\t0\t1\t{'9' * 30}\t1:12\t\t\t\t\td\t"),
        ("asterisk-cel", ('{"eventtype":"HANGUP","eventtime":"1767603600.0","uniqueid":"c","linkedid":"c",'
         f'"extra":{{"hangupcause":"{"9" * 30}"}}}}')),
        ("asterisk-ami", ('{"Event":"AgentComplete","Timestamp":"1767603600.0","Uniqueid":"c","Linkedid":"c",'
         f'"MemberName":"A","TalkTime":"{"9" * 30}"}}')),
        ("freeswitch", ('{"Event-Name":"CHANNEL_CREATE","Event-Sequence":"1","Unique-ID":"c",'
         f'"Event-Date-Timestamp":"{"9" * 30}"}}')),
    ],
)  # fmt: skip
def test_a_number_of_thirty_digits_is_in_no_memory(name: str, line: str) -> None:
    """A memory that cannot be kept ends a worker at this record, again and again."""
    start = {
        "asterisk-ami": b'{"Event":"Newchannel","Timestamp":"1767603599.0","Uniqueid":"c","Linkedid":"c"}',
        "asterisk-cel": b'{"eventtype":"CHAN_START","eventtime":"1767603599.0","uniqueid":"c","linkedid":"c"}',
    }.get(name, b"")
    feed = Feed()
    translated(name, [each for each in (start, line.encode()) if each], feed)
    assert isinstance(feed.memory.to_bytes(), bytes)
    list(feed.memory.changes())
