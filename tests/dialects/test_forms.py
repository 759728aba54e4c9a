"""A feed's records in another form than the vendor's: the same events, or a complaint that names what is wrong.

Each fixture is rewritten in the ways in which clients, exports and editors change it, and each field in each type that
JSON has. What must not come is silence, or another story.
"""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import orjson
import pytest
from vendor_feed import CAPTURES, fixture, translated

from touchpoint.dialects import DIALECTS, Event, Feed, Unknown
from touchpoint.dialects.forms import plain_name
from touchpoint.events import Accepted, Decoder

Path_ = tuple[str | int, ...]
COLUMNS = ["time", "callid", "queuename", "agent", "event", "data1", "data2", "data3", "data4", "data5"]
JSON_CAPTURES = [each for each in CAPTURES if each[0] != "hylafax"]
OBJECTS = frozenset({"TaskAttributes", "task_attributes", "extra", "payload"})
"""Fields that are an object or its JSON."""
_decoder = Decoder()


def records(name: str, file: str) -> list[dict[str, Any]]:
    """A fixture as JSON objects, as clients and tables give it."""
    found: list[Any] = list(DIALECTS[name].read(fixture(file)))
    if name == "asterisk-queue-log":
        return [dict(zip(COLUMNS, [*line.split("|"), "", "", "", "", ""], strict=False)) for line in found]
    if file == "twilio_callbacks":
        return [dict(parse_qsl(line.decode().strip())) for line in fixture(file)]
    return found


def told(name: str, lines: list[bytes]) -> list[Event | Unknown]:
    return translated(name, lines)


def in_lines(found: list[dict[str, Any]]) -> list[bytes]:
    return [orjson.dumps(each) + b"\n" for each in found]


def in_an_array(found: list[dict[str, Any]]) -> list[bytes]:
    return orjson.dumps(found, option=orjson.OPT_INDENT_2).splitlines(keepends=True)


def end_to_end(found: list[dict[str, Any]]) -> list[bytes]:
    return [b"".join(map(orjson.dumps, found))]


def respelled(found: list[dict[str, Any]], spell: Callable[[str], str]) -> list[dict[str, Any]]:
    def again(value: Any) -> Any:
        if isinstance(value, dict):
            return {spell(name): again(each) for name, each in value.items()}
        return [again(each) for each in value] if isinstance(value, list) else value

    return [again(each) for each in found]


FORMS: dict[str, Callable[[list[dict[str, Any]]], list[bytes]]] = {
    "lines": in_lines,
    "an array": in_an_array,
    "an array in one line": lambda found: [orjson.dumps(found)],
    "objects end to end": end_to_end,
    "one object over many lines each": lambda found: [
        line for each in found for line in orjson.dumps(each, option=orjson.OPT_INDENT_2).splitlines(keepends=True)
    ],
    "lines with CRLF": lambda found: [line.replace(b"\n", b"\r\n") for line in in_lines(found)],
    "lines with blanks around and between": lambda found: [b"\n", *(b"  " + line + b" \n" for line in in_lines(found))],
    "lines with a comma behind": lambda found: [line.replace(b"\n", b",\n") for line in in_lines(found)],
    "an array with a comma too many": lambda found: [
        line.replace(b"\n]", b",\n]") for line in [b"".join(in_an_array(found))]
    ],
    "an array that was cut off": lambda found: [b"[\n", *(line[:-1] + b",\n" for line in in_lines(found))],
    "lines with a byte order mark": lambda found: [b"\xef\xbb\xbf", *in_lines(found)],
    "UTF-16 of Windows": lambda found: _lines_of(b"".join(in_lines(found)).decode().encode("utf-16")),
    "UTF-16, most significant first": lambda found: _lines_of(
        b"\xfe\xff" + b"".join(in_an_array(found)).decode().encode("utf-16-be")
    ),
    "names in lower case": lambda found: in_lines(respelled(found, str.lower)),
    "names in upper case": lambda found: in_lines(respelled(found, str.upper)),
    "numbers as text": lambda found: in_lines([_numbers_as_text(each) for each in found]),
}  # fmt: skip


def _lines_of(raw: bytes) -> list[bytes]:
    return raw.splitlines(keepends=True)


def _numbers_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _numbers_as_text(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_numbers_as_text(each) for each in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("name", "file"), JSON_CAPTURES)
def test_json_in_another_form_is_the_same_events(name: str, file: str, form: str) -> None:
    found = records(name, file)
    expected = told(name, in_lines(found))
    said = told(name, FORMS[form](found))
    assert [_without_ids(each) for each in said] == [_without_ids(each) for each in expected]
    assert not any(isinstance(each, Unknown) for each in said)


def _without_ids(said: Event | Unknown) -> Any:
    return said if isinstance(said, Unknown) else {name: each for name, each in said.items() if name != "id"}


@pytest.mark.parametrize(("name", "file"), CAPTURES)
@pytest.mark.parametrize("form", ["CRLF", "byte order mark", "UTF-16", "blanks in front and behind"])
def test_a_vendors_own_text_from_a_windows_editor_is_the_same_events(name: str, file: str, form: str) -> None:
    raw = b"".join(fixture(file))
    changed = {
        "CRLF": raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
        "byte order mark": b"\xef\xbb\xbf" + raw,
        "UTF-16": raw.decode().encode("utf-16"),
        "blanks in front and behind": b"\n" + raw + b"\n \n",
    }[form]
    assert told(name, _lines_of(changed)) == told(name, fixture(file))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("null", ["", "NULL", "\\N"])
@pytest.mark.parametrize("name", ["asterisk-queue-log", "asterisk-cel"])
def test_a_table_is_the_same_events_however_it_is_exported(name: str, null: str, separator: str) -> None:
    found = records(name, "queue_log" if name == "asterisk-queue-log" else "asterisk_cel.csv")
    text = io.StringIO()
    rows = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL)
    rows.writerow([each.upper() for each in found[0]])
    rows.writerows([value or null for value in each.values()] for each in found)
    assert told(name, _lines_of(b"\xef\xbb\xbf" + text.getvalue().encode())) == told(name, in_lines(found))


def paths(value: Any, before: Path_ = ()) -> Iterator[Path_]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield (*before, name)
        yield from paths(each, (*before, name))


def value_at(record: Any, path: Path_) -> Any:
    for step in path:
        record = record[step]
    return record


def with_value(record: Any, path: Path_, value: Any) -> Any:
    changed = copy.deepcopy(record)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


def fields(name: str, file: str) -> Iterator[tuple[Feed, dict[str, Any], Path_]]:
    """Each field of each kind of record once, with the feed as it is before the record."""
    feed, seen = Feed(), set()
    for record in records(name, file):
        for path in paths(record):
            kind = (tuple(sorted(record)), kind_of(record), tuple(each for each in path if isinstance(each, str)))
            if kind not in seen:
                seen.add(kind)
                yield feed, record, path
        DIALECTS[name].translate(record, feed)


def kind_of(record: dict[str, Any]) -> str:
    named = {plain_name(key): value for key, value in {**record, **record.get("detail", {})}.items()}
    known = ("event", "eventtype", "eventname", "type", "topicname", "ccaction")
    return "/".join(str(named[each]).rpartition("}")[2] for each in known if each in named)


def as_other_type(value: Any) -> Any:
    """The same value in another type of JSON; None where there is none."""
    if isinstance(value, str) and value.isdigit() and not (len(value) > 1 and value[0] == "0"):
        return int(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


@pytest.mark.parametrize(("name", "file"), JSON_CAPTURES)
def test_a_value_of_another_type_is_read_where_it_means_the_same(name: str, file: str) -> None:
    for feed, record, path in fields(name, file):
        other = as_other_type(value_at(record, path))
        if other is not None:
            assert same(name, feed, record, with_value(record, path, other)), path


@pytest.mark.parametrize("value", [True, ["x"], {"a": 1}, []], ids=repr)
@pytest.mark.parametrize(("name", "file"), JSON_CAPTURES)
def test_a_value_that_cannot_be_read_is_named_or_was_not_looked_at(name: str, file: str, value: Any) -> None:
    for feed, record, path in fields(name, file):
        if type(value) is type(value_at(record, path)) or (path[-1] in OBJECTS and isinstance(value, dict)):
            continue
        other = with_value(record, path, value)
        said = DIALECTS[name].translate(other, copy.deepcopy(feed))
        if isinstance(said, Unknown):
            assert str(path[-1] if isinstance(path[-1], str) else path[-2]) in said.reason, (path, said)
            assert (" must be " in said.reason, "Error" in said.reason) == (True, False)
        else:
            assert same(name, feed, record, other), path


def same(name: str, feed: Feed, *records: Any) -> bool:
    """Whether the records say the same; ids may differ, where they are digests of the whole record."""
    one, other = (DIALECTS[name].translate(record, copy.deepcopy(feed)) for record in records)
    if isinstance(one, Unknown) or isinstance(other, Unknown):
        return one == other
    return [*map(_without_ids, one)] == [*map(_without_ids, other)]


@pytest.mark.parametrize("value", [None, True, ["x"], {"a": 1}, 1.5, 7, "?"], ids=repr)
@pytest.mark.parametrize(("name", "file"), JSON_CAPTURES)
def test_whatever_a_value_is_what_comes_of_it_is_accepted_or_said_to_be_wrong(name: str, file: str, value: Any) -> None:
    for feed, record, path in fields(name, file):
        said = DIALECTS[name].translate(with_value(record, path, value), copy.deepcopy(feed))
        if isinstance(said, Unknown):
            assert "TypeError" not in said.reason, (path, said)
            assert "AttributeError" not in said.reason, (path, said)
            continue
        for event in said:
            verdict = _decoder.decode(json.dumps(event).encode())
            assert isinstance(verdict, Accepted), (path, verdict)


@pytest.mark.parametrize("broken", ['{"a": tru}', '{"a": "x" "b": 1}', "{'a': 1}", '{"a": 1e}', "7", '"text"', "{]}"])
def test_one_broken_object_among_others_loses_itself(broken: str) -> None:
    found = in_lines(records("genesys-cloud", "genesys_notifications.jsonl"))
    text = b"[" + b",\n".join([*found[:2], broken.encode(), *found[2:]]) + b"]"
    said = told("genesys-cloud", [text])
    assert [each for each in said if not isinstance(each, Unknown)] == told("genesys-cloud", found)
    assert [each.reason for each in said if isinstance(each, Unknown)] in (["not JSON"], ["not a JSON object"])


def test_bad_field_of_a_page_is_named_and_loses_its_conversation_alone() -> None:
    page = json.loads(b"".join(fixture("genesys_details.json")))
    good = page["conversations"][0]
    bad = copy.deepcopy(good) | {"conversationId": "bad"}
    bad["participants"][2]["sessions"][0]["segments"][0]["segmentStart"] = "2026-01-5T09:10:10Z"
    said = told("genesys-cloud", [orjson.dumps({"conversations": [bad, good]})])
    assert said[0] == Unknown(
        "a field is of another form: participants[2].sessions[0].segments[0].segmentStart must be a time in ISO 8601, "
        "not other text"
    )
    assert said[1:] == told("genesys-cloud", [orjson.dumps({"conversations": [good]})])
