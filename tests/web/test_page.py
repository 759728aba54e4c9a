"""The page as HTML: what it shows to whom, how one logs in, and that nothing stored becomes markup."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest
from history_records import START, amended, call, closed, identifier, seed_case
from openid_issuer import AUDIENCE, CLIENT, OpenIdIssuer
from web_service import Web, asking, make_tokens, opened

from touchpoint.history.writer import HistoryWriter
from touchpoint.stitching.record import content_hash, from_json

pytestmark = pytest.mark.slow
SEED = identifier("interaction", "seed")
MARKUP = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


@pytest.fixture
async def stored(pool: asyncpg.Pool) -> asyncpg.Pool:
    seed = seed_case()
    seed["content_hash"] = content_hash(from_json(seed))
    batch = [closed(seed, agents={"john": "John Doe"}), amended(seed, "e1")]
    batch += [closed(call(f"n{n}", START + timedelta(minutes=n), address="tel:+441632960123")) for n in range(40)]
    assert not await HistoryWriter(pool).write_batch(batch)
    return pool


async def logged_in(web: Web, role: str) -> httpx.Response:
    web.client.cookies.clear()
    return await web.client.post("/login", data={"token": web.tokens[role]})


async def text(web: Web, path: str) -> str:
    response = await web.client.get(path)
    assert response.status_code == 200, (path, response.status_code, response.text)
    return response.text


async def test_nobody_sees_a_page_without_logging_in(web: Web) -> None:
    for path in ("/", "/interactions", f"/interactions/{SEED}", "/accounts/ACME", "/accesses"):
        response = await web.client.get(path)
        assert (response.status_code, response.headers["location"]) == (303, "/login"), path
    refused = await web.client.post("/login", data={"token": "tp_wrong"})
    assert refused.status_code == 401
    assert "set-cookie" not in refused.headers
    assert (await web.client.post("/login", content=b"x" * 100_000)).status_code == 422


async def test_a_token_in_the_form_is_a_session_until_log_out_or_revocation(web: Web, pool: asyncpg.Pool) -> None:
    response = await logged_in(web, "agent")
    cookie = response.headers["set-cookie"].lower()
    assert cookie.startswith("__host-touchpoint=")
    assert all(part in cookie for part in ("httponly", "secure", "samesite=lax", "path=/"))
    assert "Interaction history" in await text(web, "/")
    changed = web.client.cookies["__Host-touchpoint"][:-4] + "AAAA"
    outside = httpx.AsyncClient(transport=web.client._transport, base_url="https://history.test")
    assert (await outside.get("/", headers={"cookie": f"__Host-touchpoint={changed}"})).status_code == 303
    await web.client.post("/logout")
    assert (await web.client.get("/")).status_code == 303
    await logged_in(web, "agent")
    await pool.execute("DELETE FROM touchpoint.view_token")
    assert (await web.client.get("/")).status_code == 303


async def test_one_box_finds_customers_interactions_and_media_items(stored: asyncpg.Pool, web: Web) -> None:
    await logged_in(web, "agent")
    for asked in (SEED, "seed-fax"):
        assert (await web.client.get("/", params={"q": asked})).headers["location"] == f"/interactions/{SEED}"
    for asked in ("mary", "01632 960960", "P-17"):
        found = await web.client.get("/", params={"q": asked})
        assert "Mary Jones" in await text(web, found.headers["location"])
    assert "Nobody and nothing" in await text(web, "/?q=nobody")


async def test_an_interaction_is_drawn_and_told_and_its_hash_computed_again(stored: asyncpg.Pool, web: Web) -> None:
    await logged_in(web, "agent")
    html = await text(web, f"/interactions/{SEED}")
    for shown in ("Mary Jones", "John Doe", "quote sent", "opportunity o1", "Amendments", "with agent", "<svg", "e1"):
        assert shown in html
    anchors = set(re.findall(r'href="#((?:segment|item|activity)-[^"]+)"', html))
    assert anchors
    assert anchors <= set(re.findall(r'id="([^"]+)"', html)), "what is drawn leads to its row"
    assert "equal" in await text(web, f"/interactions/{SEED}?verify=1")
    assert "different" in await text(web, f"/interactions/{identifier('interaction', 'n0')}?verify=1")
    assert "seed-fax" in await text(web, f"/interactions/{SEED}?item=seed-fax")


async def test_a_history_goes_on_where_it_ends_also_of_accounts_and_objects(stored: asyncpg.Pool, web: Web) -> None:
    await logged_in(web, "agent")
    html = await text(web, (await web.client.get("/", params={"q": "01632 960123"})).headers["location"])
    [older] = re.findall(r'rel="next" href="([^"]+)"', html)
    rest = await text(web, older.replace("&amp;", "&"))
    ids = [set(re.findall(r'/interactions/([0-9a-f-]{36})"', page)) for page in (html, rest)]
    assert (len(ids[0]), len(ids[1]), len(ids[0] & ids[1])) == (30, 10, 0)
    for path in ("/accounts/ACME", "/objects/opportunity/o1", "/interactions?outcome=quote sent&channel="):
        assert SEED in await text(web, path)


async def test_a_reader_sees_no_name_in_any_page(stored: asyncpg.Pool, web: Web) -> None:
    await logged_in(web, "reader")
    for path in ("/", f"/interactions/{SEED}", "/accounts/ACME", "/interactions", "/?q=P-17", "/?q=mary"):
        response = await web.client.get(path, follow_redirects=True)
        assert [secret for secret in ("Mary", "John Doe", "960960") if secret in response.text] == [], path


async def test_an_auditor_reads_who_looked_and_nothing_else(stored: asyncpg.Pool, web: Web) -> None:
    await logged_in(web, "agent")
    await text(web, f"/interactions/{SEED}")
    assert (await logged_in(web, "auditor")).headers["location"] == "/accesses"
    html = await text(web, "/accesses")
    assert "token default agent" in html
    assert SEED in html
    assert (await web.client.get(f"/interactions/{SEED}")).status_code == 403
    await logged_in(web, "supervisor")
    assert (await web.client.get("/accesses")).status_code == 403


async def test_what_is_stored_is_text_and_never_markup(pool: asyncpg.Pool, web: Web) -> None:
    hostile: dict[str, Any] = seed_case() | {
        "outcome": MARKUP,
        "campaign": MARKUP,
        "account_id": MARKUP,
        "party_id": MARKUP,
    }
    hostile["party"] = {"address": MARKUP, "id": MARKUP, "name": MARKUP}
    for item in hostile["media_items"]:
        item |= {"media_item_id": MARKUP + item["media_item_id"], "dialed": MARKUP, "end_reason": MARKUP}
        for one in item["segments"]:
            one |= {"queue": MARKUP, "opened_by": MARKUP, "end_reason": MARKUP}
    hostile["objects"] = [{"activity_id": "a1", "object_type": MARKUP, "object_id": MARKUP, "object_action": MARKUP}]
    hostile["activities"][0] |= {"action": MARKUP, "outcome": MARKUP}
    hostile["flags"] = [MARKUP]
    assert not await HistoryWriter(pool).write_batch(
        [closed(hostile, agents={"john": MARKUP}), amended(hostile, MARKUP, x=MARKUP)]
    )
    await logged_in(web, "agent")
    for path in ("/", f"/interactions/{SEED}", "/interactions", f"/?q={MARKUP}", f"/interactions/{SEED}?item={MARKUP}"):
        response = await web.client.get(path, follow_redirects=True)
        assert response.status_code == 200, path
        assert "<script>alert" not in response.text, path
        assert "<img" not in response.text, path


async def test_every_answer_lets_only_this_host_be_asked(stored: asyncpg.Pool, web: Web) -> None:
    await logged_in(web, "agent")
    for path in ("/", "/login", f"/interactions/{SEED}", "/api/v1/interactions", "/nowhere", "/static/nothing.js"):
        headers = (await web.client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    html = await text(web, f"/interactions/{SEED}")
    assert re.findall(r'(?:src|href|action)="(https?:)?//', html) == []
    assert re.findall(r"\sstyle=|\son[a-z]+=", html) == []
    for name in re.findall(r'/static/[^"]+', html):
        assert (await web.client.get(name)).headers["cache-control"].endswith("immutable")


async def test_times_are_in_the_viewers_zone_and_the_tenants_is_named(database: str, stored: asyncpg.Pool) -> None:
    tokens = await make_tokens(database)
    zones = {"default": "Europe/London"}
    async with opened(database, zones=zones) as service, asking(service, tokens) as web:
        await logged_in(web, "agent")
        assert "09:00:00" in await text(web, f"/interactions/{SEED}")
        web.client.cookies.set("zone", "America/New_York")
        html = await text(web, f"/interactions/{SEED}")
        assert "04:00:00" in html
        assert "America/New_York; the tenant&#39;s zone is Europe/London" in html
        web.client.cookies.set("zone", "../../etc/passwd")
        assert "09:00:00" in await text(web, f"/interactions/{SEED}")


@pytest.fixture
async def issued(database: str) -> AsyncIterator[tuple[Web, OpenIdIssuer]]:
    issuer = OpenIdIssuer()
    settings: dict[str, Any] = {"issuer": issuer.url, "audience": AUDIENCE, "client_id": CLIENT}
    settings["url"] = "https://history.test"
    with issuer:
        async with opened(database, **settings) as service, asking(service) as web:
            yield web, issuer


async def test_the_issuer_logs_in_by_a_code_with_pkce(issued: tuple[Web, OpenIdIssuer]) -> None:
    web, issuer = issued
    assert "organisation" in await text(web, "/login")
    asked = await web.client.get("/login/issuer")
    members = parse_qs(urlsplit(asked.headers["location"]).query)
    assert members["code_challenge_method"] == ["S256"]
    async with httpx.AsyncClient() as browser:
        back = (await browser.get(asked.headers["location"])).headers["location"]
    stranger = httpx.AsyncClient(transport=web.client._transport, base_url="https://history.test")
    assert (await stranger.get(back)).status_code == 401, "it was not begun in that browser"
    assert (await web.client.get(back.replace("state=", "state=x"))).status_code == 401
    response = await web.client.get(back)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert "anna, agent of default" in await text(web, "/")
    assert (await web.client.get(back)).status_code == 401, "a code is used once"
    issuer.claims["role"] = "nothing of ours"
    again = (await web.client.get("/login/issuer")).headers["location"]
    async with httpx.AsyncClient() as browser:
        back = (await browser.get(again)).headers["location"]
    assert (await web.client.get(back)).status_code == 401
