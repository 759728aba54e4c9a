"""Logging in to the page: by a static token, or at the issuer by an authorization code with PKCE (RFC 7636)."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import parse_qs, urlencode

import msgspec
from fastapi import APIRouter, Query, Request, Response

from touchpoint.web.authentication import viewer_of_token
from touchpoint.web.openid import IssuerError, RefusedTokenError, viewer_of
from touchpoint.web.page.rendering import page
from touchpoint.web.problems import ProblemError
from touchpoint.web.service import Service
from touchpoint.web.static_tokens import PREFIX, digest

router = APIRouter(include_in_schema=False)
LONGEST = 32 * 1024  # bytes of the form
UNDER_WAY = 600  # seconds to log in at the issuer
STATE_COOKIE = "touchpoint-login"


@router.get("/login")
async def login(request: Request) -> Response:
    """The form, and the way to the issuer."""
    return _form(request, None)


@router.post("/login")
async def with_token(request: Request) -> Response:
    """Take a static token out of the form, or a bearer token of the issuer's."""
    service: Service = request.app.state.service
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST:
            return _form(request, "That is no token.", 422)
    token = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0].strip()
    try:
        viewer = await viewer_of_token(service, token)
    except ProblemError as error:
        return _form(request, error.detail, error.status)
    response = _to("/accesses" if viewer.role == "auditor" else "/")
    service.sessions.begin(response, viewer, digest(token) if token.startswith(PREFIX) else None)
    return response


@router.post("/logout")
async def logout(request: Request) -> Response:
    """Remove the cookie. `SameSite=Lax` keeps another site from doing it."""
    service: Service = request.app.state.service
    response = _to("/login")
    service.sessions.end(response)
    return response


@router.get("/login/issuer")
async def to_issuer(request: Request) -> Response:
    """Send the browser to the issuer; what comes back is checked against a cookie of ours."""
    service: Service = request.app.state.service
    if service.issuer is None or service.settings.client_id is None:
        raise ProblemError(404, "there is no issuer to log in at: TOUCHPOINT_WEB__CLIENT_ID is not set")
    try:
        endpoint = str((await service.issuer.metadata())["authorization_endpoint"])
    except (IssuerError, KeyError):
        return _form(request, "The issuer does not answer: try again.", 503)
    verifier, state, nonce = (secrets.token_urlsafe(32) for _ in range(3))
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code", "client_id": service.settings.client_id, "redirect_uri": _back(service),
        "state": state, "scope": "openid", "nonce": nonce, "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    response = _to(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}")
    until = int((datetime.now(UTC) + timedelta(seconds=UNDER_WAY)).timestamp())
    claims = {"exp": until, "state": state, "nonce": nonce, "verifier": verifier}
    service.sessions.put(response, STATE_COOKIE, claims, UNDER_WAY)
    return response


@router.get("/login/callback")
async def from_issuer(
    request: Request,
    code: Annotated[str, Query(max_length=4096)] = "",
    state: Annotated[str, Query(max_length=4096)] = "",
) -> Response:
    """Exchange the code for tokens; the identity token says who it is."""
    service: Service = request.app.state.service
    started = service.sessions.take(request, STATE_COOKIE)
    if (
        service.issuer is None
        or started is None
        or not secrets.compare_digest(started["state"].encode(), state.encode())
    ):
        return _form(request, "That login was not begun here, or took too long: begin again.", 401)
    settings = service.settings
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": _back(service),
        "client_id": settings.client_id or "", "code_verifier": started["verifier"],
    }  # fmt: skip
    if settings.client_secret is not None:
        form["client_secret"] = settings.client_secret.get_secret_value()
    try:
        token = await service.issuer.exchange(form)
        claims = await service.issuer.claims(token, settings.client_id or "")
        if claims.get("nonce") != started["nonce"]:
            raise RefusedTokenError("the token is of another login")
        viewer = viewer_of(claims, settings)
    except RefusedTokenError as error:
        return _form(request, f"The issuer's answer opens nothing here: {error}.", 401)
    except IssuerError:
        return _form(request, "The issuer does not answer: try again.", 503)
    # a session outlives the identity token, which ends after minutes
    viewer = msgspec.structs.replace(viewer, expires=_far())
    response = _to("/accesses" if viewer.role == "auditor" else "/")
    service.sessions.begin(response, viewer)
    service.sessions.end(response, STATE_COOKIE)
    return response


def _far() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def _back(service: Service) -> str:
    return f"{(service.settings.url or '').rstrip('/')}/login/callback"


def _form(request: Request, problem: str | None, status: int = 200) -> Response:
    service: Service = request.app.state.service
    issuer = service.issuer is not None and service.settings.client_id is not None
    return page(request, "login", None, {"problem": problem, "issuer": issuer}, status)


def _to(where: str) -> Response:
    return Response(status_code=303, headers={"Location": where, "Cache-Control": "no-store"})
