"""Lists of interactions: filters, pages, what a role sees, and the errors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from history_records import START, amended, call, closed, identifier, interaction, media_item, seed_case, segment
from web_service import Web

from touchpoint.history.writer import HistoryWriter

pytestmark = pytest.mark.slow
LIST = "/api/v1/interactions"


def numbered(number: int) -> dict[str, Any]:
    """Calls of one address, ten minutes apart; every second pair ends at the same instant."""
    return call(f"n{number}", START + timedelta(minutes=10 * (number // 2)), address="tel:+441632960123")


def other() -> dict[str, Any]:
    """An outbound chat with everything that a filter may ask for."""
    at = START + timedelta(days=40)
    parts = [segment(at, "chat", "with_agent", 0, 60, resource_id="zoe")]
    item = media_item(at, "chat", parts, channel="chat", direction="outbound", flags=["unknown_party"])
    return interaction(
        "chat", [item], at, duration_ms=60_000, campaign="spring", outcome="sold",
        resources=[{"resource_id": "zoe", "talk_ms": 60_000, "hold_ms": 0, "acw_ms": None, "handle_ms": 60_000}],
        parent_interaction_id=identifier("interaction", "seed"), flags=["party_limit"],
    )  # fmt: skip


@pytest.fixture
async def stored(pool: asyncpg.Pool) -> asyncpg.Pool:
    batch = [closed(seed_case(), agents={"john": "John Doe"}), closed(other()), amended(seed_case(), "e1")]
    batch += [closed(numbered(number)) for number in range(7)]
    batch.append(closed(call("theirs") | {"tenant": "other"}))
    assert not await HistoryWriter(pool).write_batch(batch)
    return pool


async def ids(web: Web, path: str, role: str = "agent") -> list[str]:
    return [item["record"]["interaction_id"] for item in (await web.json(path, role))["items"]]


SEED, CHAT = identifier("interaction", "seed"), identifier("interaction", "chat")


FILTERS: list[tuple[str, list[str]]] = [
        ("party=01632 960960", [SEED]), ("party=tel:%2B441632960960", [SEED]), ("party=P-17", [SEED]),
        ("account=ACME", [SEED]), ("object_type=opportunity&object_id=o1", [SEED]), ("object_type=opportunity", [SEED]),
        ("object_type=order&object_id=o1", []), ("channel=chat", [CHAT]), ("direction=outbound", [CHAT]),
        ("resource=zoe", [CHAT]), ("outcome=sold", [CHAT]), ("campaign=spring", [CHAT]), (f"parent={SEED}", [CHAT]),
        ("flag=party_limit", [CHAT]), ("flag=unknown_party", [CHAT]), ("flag=none", []), ("queue=nowhere", []),
        ("min_duration=200000", [SEED]), ("from=2026-02-01T00:00:00Z", [CHAT]), ("to=2025-01-01T00:00:00Z", []),
        ("from=2026-02-01T00:00:00Z&to=2026-04-01T00:00:00%2B01:00&channel=chat&resource=zoe&outcome=sold", [CHAT]),
        ("party=P-17&queue=Sales&account=ACME&object_type=opportunity&min_duration=1&channel=fax", [SEED]),
        ("party=P-17&channel=chat", []),
]  # fmt: skip


async def test_filters_narrow_and_combine(stored: asyncpg.Pool, web: Web) -> None:
    for query, found in FILTERS:
        assert await ids(web, f"{LIST}?{query}") == found, query


async def test_the_paths_of_a_party_an_account_and_an_object_are_lists_too(stored: asyncpg.Pool, web: Web) -> None:
    [key] = await stored.fetch("SELECT party_key FROM touchpoint.interaction WHERE interaction_id = $1", SEED)
    for path in (
        f"/parties/{key[0]}/interactions",
        "/accounts/ACME/interactions",
        "/objects/opportunity/o1/interactions",
    ):
        assert await ids(web, f"/api/v1{path}") == [SEED], path
    assert await ids(web, "/api/v1/accounts/ACME/interactions?channel=chat") == []


async def test_pages_hold_each_interaction_once_also_while_others_are_stored(stored: asyncpg.Pool, web: Web) -> None:
    path: str | None = f"{LIST}?party={quote('01632 960123')}&limit=2"
    seen: list[str] = []
    while path is not None:
        page = await web.json(path)
        seen += [item["record"]["interaction_id"] for item in page["items"]]
        path = page["links"]["next"]
        newer = call(f"later{len(seen)}", START + timedelta(days=len(seen)), address="tel:+441632960123")
        assert not await HistoryWriter(stored).write_batch([closed(newer)])
    rows = await stored.fetch(
        "SELECT interaction_id::text FROM touchpoint.interaction WHERE interaction_id = ANY($1::uuid[])"
        " ORDER BY ended_at DESC, interaction_id DESC", [numbered(number)["interaction_id"] for number in range(7)],
    )  # fmt: skip
    assert seen == [row[0] for row in rows]


async def test_an_interaction_is_its_record_what_came_later_and_links(stored: asyncpg.Pool, web: Web) -> None:
    one = await web.json(f"{LIST}/{SEED}")
    record = seed_case() | {"amendments": one["record"]["amendments"]}
    assert one["record"] == record
    assert [(row["event_id"], row["stored_with"]) for row in one["amendments"]] == [("e1", SEED)]
    assert one["identity"]["agents"] == [["john", "John Doe"]]
    assert await ids(web, one["links"]["children"]) == [CHAT]
    child = await web.json(f"{LIST}/{CHAT}")
    assert child["links"]["parent"] == f"{LIST}/{SEED}"
    assert (await web.json(one["links"]["party"]))["name"] == "Mary Jones"
    item = await web.json("/api/v1/media-items/seed-fax")
    assert (item["media_item"]["pages"], item["links"]["interaction"]) == (3, f"{LIST}/{SEED}")


async def test_an_explanation_has_the_rules_in_words(stored: asyncpg.Pool, web: Web) -> None:
    explained = await web.json(f"{LIST}/{SEED}/explain")
    assert {segment["opened_rule"] for segment in explained["segments"]} == {4, 8, 9, 21, None}
    assert "answered" in explained["rules"]["8"]


async def test_a_reader_sees_no_names_anywhere(stored: asyncpg.Pool, web: Web) -> None:
    for path in (LIST, f"{LIST}/{SEED}", f"{LIST}/{SEED}/vcon", f"{LIST}/{SEED}/explain", "/api/v1/parties?q=P-17"):
        text = (await web.get(path, "reader")).text
        assert "P-17" in text or "explain" in path or "vcon" in path
        for secret in ("Mary", "John Doe", "960960", "960123"):
            assert secret not in text, path
    for query in ("Mary", "01632 960960", "tel:+441632960960"):
        assert (await web.json(f"/api/v1/parties?q={quote(query)}", "reader"))["items"] == []
        assert await ids(web, f"{LIST}?party={quote(query)}", "reader") == []


async def test_parties_are_found_by_name_number_id_and_key(stored: asyncpg.Pool, web: Web) -> None:
    found: dict[str, Any] = {}
    for query in ("mary", "jon ma", "Jones, Mary", "01632 960960", "+44 1632 960960", "P-17"):
        [found] = (await web.json(f"/api/v1/parties?q={quote(query)}"))["items"]
        assert (found["id"], found["name"], found["account_id"]) == ("P-17", "Mary Jones", "ACME"), query
    [again] = (await web.json(f"/api/v1/parties?q={found['key']}"))["items"]
    assert again == found
    assert (await web.json("/api/v1/parties?q=ary"))["items"] == []


async def test_an_etag_is_of_the_body_and_names_are_gone_at_once_after_an_erasure(
    stored: asyncpg.Pool, web: Web
) -> None:
    first = await web.get(f"{LIST}/{SEED}")
    assert first.headers["cache-control"] == "private, no-cache"
    unchanged = await web.get(f"{LIST}/{SEED}", if_none_match=first.headers["etag"])
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    await stored.execute("DELETE FROM touchpoint.party; DELETE FROM touchpoint.party_address")
    after = await web.get(f"{LIST}/{SEED}", if_none_match=first.headers["etag"])
    assert after.status_code == 200
    assert "Mary" not in after.text
    assert "960960" not in after.text
    known = await web.json(after.json()["links"]["party"])
    assert (known["name"], known["addresses"]) == (None, [])


WRONG = [
        ("limit=0", "limit"), ("limit=501", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor"),
        ("cursor=é", "cursor"),
        ("cursor=____________________________AAAA", "cursor"), ("from=yesterday", "from"),
        ("from=2026-01-01T00:00:00", "from"), ("from=0.5", "from"), ("to=1767600000", "to"),
    ("from=0001-01-01T00:00:00Z", "from"), ("to=9999-12-31T23:59:59Z", "to"),
        ("parent=x", "parent"), ("min_duration=-1", "min"),
        ("min_duration=99999999999999999999", "min_duration"), ("party=", "party"), ("party=a%00b", "party"),
        ("outcom=sold", "outcom"),
        ("object_id=o1", "object_type"), ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "before"),
]  # fmt: skip


async def test_a_wrong_parameter_is_named_in_a_problem_document(web: Web) -> None:
    for query, named in WRONG:
        response = await web.get(f"{LIST}?{query}")
        assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json"), query
        assert named in response.json()["detail"]


SQL = ["' OR 1=1 --", "'; DROP TABLE touchpoint.party; --", "%' UNION SELECT 1--", "\\", "$1", "{}", "a:*|b", "𝒳"]


async def test_sql_in_every_field_is_text(stored: asyncpg.Pool, web: Web) -> None:
    fields = "party account object_type channel direction queue resource outcome campaign flag".split()
    for text in SQL:
        for field in fields:
            assert await ids(web, f"{LIST}?{field}={quote(text)}") == [], field
        for kind in ("parties", "interactions", "media-items"):
            assert (await web.get(f"/api/v1/{kind}/{quote(text, safe='')}")).status_code == 404, kind
        assert (await web.json(f"/api/v1/parties?q={quote(text)}"))["items"] == []
    assert await stored.fetchval("SELECT count(*) FROM touchpoint.party") == 1


async def test_who_looked_at_whose_history_is_logged_without_what_they_typed(stored: asyncpg.Pool, web: Web) -> None:
    await ids(web, f"{LIST}?party={quote('01632 960960')}&channel=fax")
    await web.json(f"{LIST}/{SEED}", "supervisor")
    await web.json("/api/v1/parties?q=Mary")
    rows = await stored.fetch("SELECT * FROM touchpoint.access ORDER BY access_id")
    key = await stored.fetchval("SELECT party_key FROM touchpoint.interaction WHERE interaction_id = $1", SEED)
    assert [(row["who"], row["action"], row["target"], row["party_keys"]) for row in rows] == [
        ("token default agent", "interactions", "channel=fax", [key]),
        ("token default supervisor", "interaction", SEED, [key]),
        ("token default agent", "parties", None, [key]),
    ]
