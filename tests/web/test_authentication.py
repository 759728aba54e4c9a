"""Who gets in, and every attempt that does not."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import orjson
import pytest
from history_records import call, closed
from joserfc import jwt
from joserfc.jwk import RSAKey
from openid_issuer import AUDIENCE, OpenIdIssuer
from web_service import Web, asking, make_tokens, opened

from touchpoint.history.writer import HistoryWriter
from touchpoint.web import openid

pytestmark = pytest.mark.slow
LIST = "/api/v1/interactions"


@pytest.fixture
async def issuer() -> AsyncIterator[OpenIdIssuer]:
    with OpenIdIssuer() as running:
        yield running


@pytest.fixture
async def web(database: str, pool: asyncpg.Pool, issuer: OpenIdIssuer) -> AsyncIterator[Web]:
    """The web with an issuer; two tenants have a call each."""
    theirs = call("theirs", agent="zoe") | {"tenant": "other"}
    assert not await HistoryWriter(pool).write_batch([closed(call("ours")), closed(theirs)])
    settings: dict[str, Any] = {"issuer": issuer.url, "audience": AUDIENCE}
    async with opened(database, **settings) as service, asking(service, await make_tokens(database)) as client:
        yield client


async def status(web: Web, token: str, path: str = LIST) -> int:
    response = await web.client.get(path, headers={b"authorization": f"Bearer {token}".encode()})
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/problem+json"
        assert token not in response.text
    return response.status_code


async def seen(web: Web, token: str) -> set[str]:
    response = await web.client.get(LIST, headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 200, response.text
    return {item["record"]["tenant"] for item in response.json()["items"]}


async def test_nobody_gets_in_without_a_token(web: Web) -> None:
    for headers in (
        {},
        {"authorization": "Bearer"},
        {"authorization": "Basic YTpi"},
        {"cookie": "__Host-touchpoint=x"},
    ):
        response = await web.client.get(LIST, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_static_token_opens_its_tenant_until_it_is_revoked(web: Web, pool: asyncpg.Pool) -> None:
    token = web.tokens["agent"]
    assert await seen(web, token) == {"default"}
    assert [await status(web, wrong) for wrong in (token[:-1], token + "x", token.upper(), "tp_", "tp_" + "é")] == [
        401
    ] * 5
    await pool.execute("UPDATE touchpoint.view_token SET expires_at = now() WHERE name = 'default agent'")
    assert await status(web, token) == 401


async def test_a_token_of_the_issuer_opens_the_tenant_that_it_names(web: Web, issuer: OpenIdIssuer) -> None:
    assert await seen(web, issuer.token()) == {"default"}
    assert await seen(web, issuer.token(tenant="other")) == {"other"}
    assert await seen(web, issuer.token(tenant="third")) == set()
    assert await seen(web, issuer.token(aud=["another", AUDIENCE])) == {"default"}
    assert issuer.asked.count("/keys") == 1, "its keys are kept"


async def test_a_token_that_is_not_for_us_or_not_for_now_is_refused(web: Web, issuer: OpenIdIssuer) -> None:
    now = int(time.time())
    refused: list[dict[str, Any]] = [
        {"aud": "another"}, {"aud": None}, {"aud": []}, {"iss": "https://another.example"}, {"iss": None},
        {"exp": now - 61}, {"exp": None}, {"exp": "soon"}, {"exp": True}, {"exp": 1e400}, {"exp": 2**39},
        {"nbf": now + 300}, {"sub": None},
        {"sub": 7}, {"tenant": None}, {"tenant": 7}, {"tenant": "a\0b"}, {"role": None}, {"role": "owner"},
        {"role": ["owner", 7]},
    ]  # fmt: skip
    assert [one for one in refused if await status(web, issuer.token(**one)) != 401] == []
    assert await status(web, issuer.token(exp=now - 30)) == 200, "clocks may differ by the leeway"


async def test_a_token_that_the_issuer_did_not_sign_is_refused(web: Web, issuer: OpenIdIssuer) -> None:
    claims = orjson.loads(_part(issuer.token(), 1))
    none = f"{_text({'alg': 'none'})}.{_text(claims)}."
    signed = f"{_text({'alg': 'HS256', 'kid': issuer.keys[0].kid})}.{_text(claims)}"
    public = issuer.keys[0].as_pem(private=False)
    confused = f"{signed}.{_encoded(hmac.digest(public, signed.encode(), 'sha256'))}"
    stranger = RSAKey.generate_key(2048, {"kid": str(issuer.keys[0].kid)})
    forged = jwt.encode({"alg": "RS256", "kid": stranger.kid}, claims, stranger)
    head, body, signature = issuer.token().split(".")
    changed = f"{head}.{_text(claims | {'role': 'supervisor'})}.{signature}"
    texts = (
        none,
        none + "x",
        confused,
        forged,
        changed,
        f"{head}.{body}.",
        "a.b.c",
        "x",
        "." * 9,
        "e" * 20_000,
        "{}",
        "é",
    )
    assert [text for text in texts if await status(web, text) != 401] == []


async def test_keys_that_rotate_are_read_again(web: Web, issuer: OpenIdIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    old = issuer.token()
    assert await status(web, old) == 200
    issuer.rotate()
    assert await status(web, issuer.token()) == 401, "within a few seconds it is not asked again"
    monkeypatch.setattr(openid, "PATIENCE", 0.0)
    assert await status(web, issuer.token()) == 200
    assert await status(web, old) == 401


async def test_an_issuer_that_does_not_answer_is_a_problem_and_no_refusal(web: Web, issuer: OpenIdIssuer) -> None:
    token = issuer.token()
    issuer._server.shutdown()
    issuer._server.server_close()
    assert await status(web, token) == 503
    assert await status(web, web.tokens["agent"]) == 200


async def test_roles_and_what_somebody_is_bound_to_come_from_the_claims(database: str, issuer: OpenIdIssuer) -> None:
    settings: dict[str, Any] = {
        "issuer": issuer.url, "audience": AUDIENCE, "role_claim": "realm_access.roles",
        "roles": {"cc-lead": "supervisor"}, "queues_claim": "queues", "resources_claim": "agents",
    }  # fmt: skip
    issuer.claims |= {"realm_access": {"roles": ["offline", "cc-lead"]}, "role": None}
    async with opened(database, **settings) as service:
        assert service.issuer is not None
        viewer = await service.issuer.viewer(issuer.token(queues=["Sales"]))
        assert (viewer.role, viewer.queues, viewer.resources) == ("supervisor", ("Sales",), ())


async def test_each_role_gets_what_it_may(web: Web) -> None:
    paths = (LIST, "/api/v1/parties?q=x", "/api/v1/openapi.json")
    found = {role: [(await web.get(path, role)).status_code for path in paths] for role in web.tokens}
    assert found.pop("auditor") == [403, 403, 200]
    assert found == {role: [200, 200, 200] for role in ("reader", "agent", "supervisor")}


def _part(token: str, place: int) -> bytes:
    text = token.split(".")[place]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(part: dict[str, Any]) -> str:
    return _encoded(orjson.dumps(part))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
