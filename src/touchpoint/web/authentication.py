"""Who asks: by a bearer token, or by the page's session cookie. Nobody else sees anything."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from touchpoint.web.openid import IssuerError, RefusedTokenError
from touchpoint.web.problems import ProblemError
from touchpoint.web.service import Service
from touchpoint.web.static_tokens import PREFIX, digest, viewer_of
from touchpoint.web.viewer import Role, Viewer

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="touchpoint"'}
_WRONG = {"WWW-Authenticate": 'Bearer realm="touchpoint", error="invalid_token"'}
LONGEST = 16 * 1024  # characters of a token


async def viewer_of_token(service: Service, token: str) -> Viewer:
    """Raises ProblemError for a token that opens nothing."""
    if token.startswith(PREFIX):
        row = await service.views.token(digest(token))
        if row is None:
            raise ProblemError(401, "the token is not known, was revoked or has expired", headers=_WRONG)
        return viewer_of(row)
    if service.issuer is None or len(token) > LONGEST:
        raise ProblemError(401, "the token is not known, was revoked or has expired", headers=_WRONG)
    try:
        return await service.issuer.viewer(token)
    except RefusedTokenError as error:
        raise ProblemError(401, str(error), headers=_WRONG) from None
    except IssuerError as error:
        raise ProblemError(503, str(error), headers={"Retry-After": "5"}) from None


async def authenticated(request: Request) -> Viewer:
    """Who sent a request. Raises ProblemError."""
    service: Service = request.app.state.service
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return await viewer_of_token(service, token.strip())
    if scheme:
        raise ProblemError(401, "the header Authorization must be: Bearer TOKEN", headers=_CHALLENGE)
    viewer = await service.sessions.viewer(request)
    if viewer is None:
        raise ProblemError(401, "send a token in the header Authorization: Bearer TOKEN", headers=_CHALLENGE)
    return viewer


def reading(request_viewer: Annotated[Viewer, Depends(authenticated)]) -> Viewer:
    """Who may read history."""
    if request_viewer.role is Role.AUDITOR:
        raise ProblemError(403, "an auditor reads the log of accesses, and no history")
    return request_viewer


def supervising(request_viewer: Annotated[Viewer, Depends(authenticated)]) -> Viewer:
    """Who may read reports."""
    if request_viewer.role is not Role.SUPERVISOR:
        raise ProblemError(403, "reports take the role supervisor")
    return request_viewer


def auditing(request_viewer: Annotated[Viewer, Depends(authenticated)]) -> Viewer:
    """Who may read the log of accesses."""
    if request_viewer.role is not Role.AUDITOR:
        raise ProblemError(403, "the log of accesses takes the role auditor")
    return request_viewer


bearer = HTTPBearer(auto_error=False, description="of the issuer, or one of `touchpoint web token create`")
"""For OpenAPI alone: `authenticated` looks."""

Reading = Annotated[Viewer, Depends(reading)]
Supervising = Annotated[Viewer, Depends(supervising)]
Auditing = Annotated[Viewer, Depends(auditing)]
