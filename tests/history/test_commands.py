"""The commands that read Postgres, as a person runs them: what they print, where, and their exit status."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from database_commands import touchpoint
from history_records import START, amended, call, carried, closed, event, interaction, seed_case

from touchpoint.history.writer import HistoryWriter

pytestmark = pytest.mark.slow


@pytest.fixture
async def history(database: str, pool: asyncpg.Pool) -> str:
    """The DSN of a database with the seed's case, a later call of the same number, and a call of somebody else."""
    later = call("later", START + timedelta(days=2))
    other = call("other", START, address="tel:+15550100")
    batch = [closed(seed_case(), agents={"john": "John Doe"}), closed(later), closed(other), amended(seed_case(), "e9")]
    assert not await HistoryWriter(pool).write_batch(batch)
    return database


@pytest.mark.parametrize("party", ["01632 960960", "tel:+441632960960", "fax:+44 1632 960960", "P-17"])
async def test_history_finds_a_party_by_any_spelling_of_its_number_and_by_its_id(history: str, party: str) -> None:
    done = touchpoint("history", party, "--format", "json", database=history)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line)["interaction_id"] for line in done.stdout.splitlines()]
    assert found == [call("later")["interaction_id"], seed_case()["interaction_id"]], "newest first"


async def test_history_reads_as_an_agent_wants_it(history: str) -> None:
    done = touchpoint("history", "P-17", database=history)
    *_, seed = done.stdout.split("\n\n")
    assert [line.rstrip() for line in seed.strip().splitlines()] == [
        f"Mon 05 Jan 2026 09:00  inbound call, fax  Mary Jones +441632960960  4:45  {seed_case()['interaction_id']}",
        "  outcome: quote sent · result: interested · reason: new business · follow up: call back",
        "  09:00:00  inbound call  Sales 0:12 → John Doe 2:30 · held 0:20 · wrap-up 0:30",
        "  09:01:40  quote         John Doe 0:40 · opportunity o1 created",
        "  09:04:00  outbound fax  transmission 0:45 · 3 pages · complete",
        "  amended after the close (1): late event",
    ]
    assert "\x1b" not in done.stdout, "plain where it is piped"


@pytest.mark.parametrize("option", [("--account", "ACME"), ("--object", "opportunity", "o1")])
async def test_history_of_an_account_or_an_object_is_a_list_too(history: str, option: tuple[str, ...]) -> None:
    done = touchpoint("history", *option, "--format", "json", database=history)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["interaction_id"] for line in done.stdout.splitlines()][-1:] == [
        seed_case()["interaction_id"]
    ]
    for more, status in ((("--tenant", "other"), 1), (("--since", "2027-01-01"), 1), (("P-17",), 2)):
        assert touchpoint("history", *option, *more, database=history).returncode == status, more
    nothing = touchpoint("history", *option[:-1], "other", database=history)
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "'other'" in nothing.stderr


@pytest.mark.parametrize(("option", "value"), [("--limit", "1"), ("--since", "2026-01-06")])
async def test_history_can_be_narrowed(history: str, option: str, value: str) -> None:
    done = touchpoint("history", "P-17", option, value, "--format", "json", database=history)
    assert [json.loads(line)["interaction_id"] for line in done.stdout.splitlines()] == [
        call("later")["interaction_id"]
    ]


async def test_a_json_line_is_the_stored_record(history: str) -> None:
    done = touchpoint("history", "+15550100", "--format", "json", database=history)
    assert json.loads(done.stdout) == json.loads(json.dumps(carried(call("other", address="tel:+15550100")))) | {
        "identity": {"addresses": carried(call("other", address="tel:+15550100"))["identity"]["addresses"],
                     "agents": [["john", "John Doe"]]}
    }  # fmt: skip


@pytest.mark.parametrize(
    "words", [["history", "nobody"], ["history", "P-17", "--tenant", "other"], ["explain", "nothing"]]
)
async def test_unknown_id_is_exit_status_1(history: str, words: list[str]) -> None:
    done = touchpoint(*words, database=history)
    assert (done.returncode, done.stdout) == (1, "")
    assert words[1] in done.stderr


async def test_an_erased_party_has_no_history(history: str, pool: asyncpg.Pool) -> None:
    erased = {"tenant": "default", "party": {"address": "tel:+441632960960", "id": "P-17"}}
    await HistoryWriter(pool).write_batch([event(erased, "party.erased")])
    for party in ("P-17", "01632 960960"):
        assert touchpoint("history", party, database=history).returncode == 1
    explained = touchpoint("explain", seed_case()["interaction_id"], database=history).stdout
    assert "Mary" not in explained
    assert "960960" not in explained


@pytest.mark.parametrize("wanted", [seed_case()["interaction_id"], seed_case()["interaction_id"].upper(), "seed-fax"])
async def test_explain_finds_an_interaction_by_its_id_or_that_of_a_media_item(history: str, wanted: str) -> None:
    done = touchpoint("explain", wanted, database=history)
    assert done.returncode == 0, done.stderr
    assert f"interaction {seed_case()['interaction_id']}" in done.stdout


async def test_explain_shows_each_segment_with_its_events_and_rules(history: str) -> None:
    shown = touchpoint("explain", "seed", database=history).stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "+0:00 0:12 queue Sales answered observed e-0 [row 4] e-12 [row 8]" in lines
    assert "+1:00 0:20 hold John Doe observed e-60 [row 9] e-80 [row 9]" in lines
    assert any(line.startswith("row 4 queued") for line in lines), shown


@pytest.mark.parametrize(
    ("words", "database", "status", "said"),
    [
        (["history"], "postgresql:///x", 2, "PARTY"),
        (["history", "P-17"], None, 2, "TOUCHPOINT_DATABASE_URL"),
        (["history", "P-17", "--limit", "0"], "postgresql:///x", 2, "--limit"),
        (["history", "P-17", "--since", "yesterday"], "postgresql:///x", 2, "yesterday"),
        (["history", "P-17"], "mysql://u:secret@localhost/x", 2, "postgresql://"),
        (["history", "P-17"], "postgresql://u:secret@127.0.0.1:1/calls", 3, "database calls at 127.0.0.1:1"),
        (["explain", "x"], "postgresql://u:secret@127.0.0.1:1/calls", 3, "TOUCHPOINT_DATABASE_URL"),
        (["migrate"], "postgresql:///calls?host=/nowhere", 3, "database calls at the local socket"),
    ],
)
def test_impossible_request_is_refused_in_one_line(
    words: list[str], database: str | None, status: int, said: str
) -> None:
    done = touchpoint(*words, database=database)
    assert done.returncode == status, done.stderr
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_database_without_the_schema_says_to_migrate(empty_database: str) -> None:
    done = touchpoint("history", "P-17", database=empty_database)
    assert done.returncode == 3
    assert "touchpoint migrate" in done.stderr


def test_migrate_says_what_it_did(empty_database: str) -> None:
    first, second = (touchpoint("migrate", "--database", empty_database) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert "applied 0001_closed_tables" in first.stdout
    assert second.stdout == "the schema is up to date\n"


async def test_names_cannot_steer_the_terminal(database: str, pool: asyncpg.Pool) -> None:
    record: dict[str, Any] = seed_case()
    record["party"]["name"] = "\x1b[31mred[bold]"
    await HistoryWriter(pool).write_batch([closed(record)])
    for words in (["history", "P-17"], ["explain", "seed"]):
        shown = touchpoint(*words, database=database).stdout
        assert "\x1b" not in shown
        assert "[31mred[bold]" in shown


async def test_an_interaction_of_activities_alone_is_found_by_the_address(database: str, pool: asyncpg.Pool) -> None:
    note = seed_case()["activities"][0] | {"media_item_id": None, "action": "note"}
    party = {"address": "mailto:mary@example.com", "id": None, "name": "Mary Jones"}
    await HistoryWriter(pool).write_batch([closed(interaction("note", [], activities=[note], party=party))])
    shown = touchpoint("history", "Mary@Example.com", database=database).stdout
    assert "activity  Mary Jones mary@example.com" in shown
    assert "note  john 0:40" in shown
