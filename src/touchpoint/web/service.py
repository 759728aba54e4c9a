"""What requests share: the database, the issuer, the page's logins, the settings."""

from __future__ import annotations

from typing import NamedTuple

from touchpoint.events import NumberPlan
from touchpoint.settings.web_section import WebSettings
from touchpoint.web.openid import Issuer
from touchpoint.web.session_cookie import Sessions
from touchpoint.web.view import Views


class Service(NamedTuple):
    """Everything that is the same for all requests."""

    views: Views
    sessions: Sessions
    settings: WebSettings
    plan: NumberPlan
    issuer: Issuer | None = None
