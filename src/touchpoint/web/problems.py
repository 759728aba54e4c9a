"""Errors as problem documents (RFC 9457): what is wrong, with which parameter, and the way out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_TITLES = {
    400: "Bad request", 401: "Not authenticated", 403: "Not allowed", 404: "Not found", 405: "Method not allowed",
    422: "A parameter is wrong", 500: "Internal error", 503: "Not available now",
}  # fmt: skip


class WrongParameter(BaseModel):
    """One of the wrong parameters, and why."""

    name: str
    reason: str


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    parameters: list[WrongParameter] | None = None


class ProblemError(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self, status: int, detail: str, *parameters: tuple[str, str], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.parameters, self.headers = status, detail, parameters, dict(headers or {})


DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemDocument, "description": _TITLES[status], "content": {MEDIA_TYPE: {}}}
    for status in (401, 403, 404, 422, 503)
}
"""What an operation may answer beside what it is for, for OpenAPI."""


def wrong(name: str, reason: str) -> ProblemError:
    """A parameter that cannot be used."""
    return ProblemError(422, f"{name}: {reason}", (name, reason))


def response(error: ProblemError) -> Response:
    """The document."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(error.status, "Error"),
        "status": error.status,
        "detail": error.detail,
    }
    if error.parameters:
        body["parameters"] = [{"name": name, "reason": reason} for name, reason in error.parameters]
    headers = {"Cache-Control": "no-store"} | error.headers
    return Response(orjson.dumps(body), error.status, headers, MEDIA_TYPE)


def of_validation(error: RequestValidationError) -> ProblemError:
    """What FastAPI found wrong; the value is not repeated, since it may be a person's number."""
    found = [
        (".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0]), one["msg"]) for one in error.errors()
    ]
    parameters = [(name, message.removeprefix("Value error, ")) for name, message in found]
    return ProblemError(422, "; ".join(f"{name}: {message}" for name, message in parameters), *parameters)


def of_database(error: Exception) -> ProblemError:
    """What the database did not do in time, or not at all."""
    if isinstance(error, asyncpg.QueryCanceledError):
        return ProblemError(
            503, "the search took too long: narrow it with from and to, or by a party, account or object"
        )
    return ProblemError(503, "the database does not answer: try again", headers={"Retry-After": "5"})


def install(app: FastAPI, answer: Callable[[Request, ProblemError], Response]) -> None:
    """Answer every failure with what `answer` makes of it."""

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return answer(request, error)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer(request, of_validation(error))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(request, ProblemError(error.status_code, str(error.detail), headers=error.headers))

    async def database(request: Request, error: Exception) -> Response:
        log.warning("the database refused or did not answer: %s", type(error).__name__)
        return answer(request, of_database(error))

    app.add_exception_handler(ProblemError, problem)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
    for kind in (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError):
        app.add_exception_handler(kind, database)
