"""The ASGI application: API, page, and what every answer carries."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import Depends, FastAPI, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from touchpoint.web import problems
from touchpoint.web.api import export, interaction, lists, parties, reports
from touchpoint.web.authentication import bearer
from touchpoint.web.documents import API
from touchpoint.web.page import login, report_pages, routes
from touchpoint.web.page.rendering import STATIC, page
from touchpoint.web.problems import ProblemError
from touchpoint.web.service import Service

SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def application(service: Service) -> FastAPI:
    """The application over this service."""
    app = FastAPI(
        title="Touchpoint",
        version=version("touchpoint"),
        description="The interaction history, read only.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # they would fetch scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    problems.install(app, failed)
    for router in (lists.router, interaction.router, parties.router, reports.router, export.router):
        app.include_router(router, prefix=API, responses=problems.DOCUMENTED, dependencies=[Depends(bearer)])

    for pages in (login.router, report_pages.router, routes.router):
        app.include_router(pages)
    app.add_api_route("/static/{name}", static, include_in_schema=False)
    app.add_middleware(Secured)
    return app


def failed(request: Request, error: ProblemError) -> Response:
    """A problem document for the API; a page for a person, or the form where somebody has to log in."""
    if request.url.path.startswith((API, "/static/")):
        return problems.response(error)
    if error.status == 401 and request.method == "GET":
        return Response(status_code=303, headers={"Location": "/login", "Cache-Control": "no-store"})
    return page(request, "problem", None, {"problem": error}, error.status)


async def static(name: str) -> Response:
    """The style sheet or the script. Their names hold their content's hash, so they may be kept for good."""
    found = STATIC.get(name)
    if found is None:
        raise ProblemError(404, "there is no such file")
    body, media_type = found
    return Response(body, media_type=media_type, headers={"Cache-Control": "public, max-age=31536000, immutable"})


class Secured:
    """Adds SECURITY to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)
