"""Templates, and how instants and durations are written in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from touchpoint.web.documents import PRIVATE
from touchpoint.web.page.lanes import duration
from touchpoint.web.service import Service
from touchpoint.web.viewer import Viewer

ZONE_COOKIE = "zone"
"""Set by the script: the zone of the viewer's browser."""


class Clock:
    """Instants as the viewer reads them: in the browser's zone if it says one, else in the tenant's."""

    def __init__(self, tenants: ZoneInfo, viewers: ZoneInfo) -> None:
        self.tenants, self.viewers = tenants, viewers

    def local(self, instant: datetime | str) -> datetime:
        """The instant in the viewer's zone."""
        return (datetime.fromisoformat(instant) if isinstance(instant, str) else instant).astimezone(self.viewers)

    def when(self, instant: datetime | str) -> str:
        """Day and time."""
        return f"{self.local(instant):%a %d %b %Y %H:%M:%S}"

    def day(self, instant: datetime | str) -> str:
        """The day."""
        return f"{self.local(instant):%d %b %Y}"

    def time(self, instant: datetime | str) -> str:
        """The time of day."""
        return f"{self.local(instant):%H:%M:%S}"

    @property
    def said(self) -> str:
        """Which zone that is."""
        same = self.viewers.key == self.tenants.key
        return self.viewers.key if same else f"{self.viewers.key}; the tenant's zone is {self.tenants.key}"


def clock(request: Request, tenant: str) -> Clock:
    """The viewer's clock."""
    service: Service = request.app.state.service
    tenants = service.settings.zone(tenant)
    wanted = request.cookies.get(ZONE_COOKIE, "")
    try:
        viewers = ZoneInfo(wanted) if wanted and len(wanted) < 64 else tenants
    except (KeyError, ValueError, OSError):
        viewers = tenants
    return Clock(tenants, viewers)


def _static() -> tuple[dict[str, tuple[bytes, str]], dict[str, str]]:
    """The files by their served names, and those names by the files' own."""
    served, named = {}, {}
    for own, media_type in (("style.css", "text/css"), ("script.js", "text/javascript")):
        body = files("touchpoint.web.page").joinpath("static", own).read_bytes()
        stem, _, suffix = own.partition(".")
        named[own] = f"{stem}.{hashlib.sha256(body).hexdigest()[:16]}.{suffix}"
        served[named[own]] = (body, media_type)
    return served, named


STATIC, _named = _static()
_environment = Environment(
    loader=PackageLoader("touchpoint.web.page"), autoescape=select_autoescape(), undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip
_environment.globals["static"] = {own: f"/static/{served}" for own, served in _named.items()}
_environment.filters["duration"] = duration
_environment.filters["words"] = lambda text: str(text).replace("_", " ")
_environment.filters["part"] = lambda text: quote(str(text), safe="")


def page(request: Request, name: str, viewer: Viewer | None, members: Mapping[str, Any], status: int = 200) -> Response:
    """A page of the template."""
    shown = clock(request, viewer.tenant if viewer is not None else "default")
    html = _environment.get_template(f"{name}.html").render(
        viewer=viewer, clock=shown, path=request.url.path, **members
    )
    return Response(html, status, {"Cache-Control": PRIVATE}, "text/html; charset=utf-8")
