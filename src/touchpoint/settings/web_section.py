"""The settings of `touchpoint web`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator

from touchpoint.settings.sections import Section

ROLES = ("reader", "agent", "supervisor", "auditor")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class WebSettings(Section):
    """API and page of the history."""

    key: SecretStr | None = None
    """of 32 bytes or more, in hexadecimal: proves to the database for whom is read; `touchpoint web key` makes one"""
    host: str = "127.0.0.1"
    """where the API and the page are served; 0.0.0.0 for all interfaces"""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """0: any that is free"""
    url: str | None = None
    """where people reach the page, such as https://history.example.com; needed to log in at an issuer"""
    connections: Annotated[int, Field(ge=1, le=100)] = 8
    """to the database for pages and lists, at most; exports have two more"""
    session: Annotated[int, Field(ge=60, le=86_400)] = 8 * 3600
    """seconds after which a login of the page ends"""
    issuer: str | None = None
    """of OpenID Connect tokens, as its discovery document names itself; unset: static tokens alone"""
    audience: str | None = None
    """what `aud` of a bearer token must name; needed with an issuer"""
    client_id: str | None = None
    """of the page at the issuer; unset: the page takes static tokens alone"""
    client_secret: SecretStr | None = None
    """of that client; a public one has none"""
    tenant_claim: str = "tenant"
    """of a token: whose history; a dot goes into an object"""
    role_claim: str = "role"
    """of a token: what may be seen, or a list of such; a dot goes into an object, such as realm_access.roles"""
    roles: Mapping[str, str] = {}
    """what that claim's values mean, as JSON: {"cc-agents": "agent"}; unset: the roles by their own names"""
    queues_claim: str | None = None
    """of a token: the only queues whose interactions may be seen"""
    resources_claim: str | None = None
    """of a token: the only agents whose interactions may be seen"""
    leeway: Annotated[int, Field(ge=0, le=600)] = 60
    """seconds by which our clock and the issuer's may differ"""
    zones: Mapping[str, str] = {}
    """the tenants' time zones, as JSON: {"default": "Europe/London"}; unset: UTC"""
    object_links: Mapping[str, str] = {}
    """where a business object is shown, by type, as JSON: {"order": "https://crm.example.com/orders/{id}"}"""
    item_links: Mapping[str, str] = {}
    """where a media item's recording or text is shown, by channel, as JSON: {"call": "https://calls.example.com/{id}"}"""

    @field_validator("key")
    @classmethod
    def _key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch(r"([0-9a-fA-F]{2}){32,}", key.get_secret_value()):
            raise ValueError("must be 64 hexadecimal digits or more, as `touchpoint web key` prints them")
        return key

    @field_validator("issuer", "url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if not parts.hostname or not (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        ):
            raise ValueError("must be an https address, or http on this machine")
        return url

    @field_validator("zones")
    @classmethod
    def _zones(cls, zones: Mapping[str, str]) -> Mapping[str, str]:
        for tenant, zone in zones.items():
            try:
                ZoneInfo(zone)
            except (KeyError, ValueError, OSError):
                raise ValueError(f"{zone!r}, of tenant {tenant!r}, is not a time zone such as Europe/London") from None
        return zones

    @field_validator("roles")
    @classmethod
    def _roles(cls, roles: Mapping[str, str]) -> Mapping[str, str]:
        for value, role in roles.items():
            if role not in ROLES:
                raise ValueError(f"{role!r}, of {value!r}, is not one of {', '.join(ROLES)}")
        return roles

    @field_validator("object_links", "item_links")
    @classmethod
    def _links(cls, links: Mapping[str, str]) -> Mapping[str, str]:
        for name, link in links.items():
            if not re.match(r"https?://[^{}\s]+", link) or "{id}" not in link:
                raise ValueError(f"{link!r}, of {name!r}, must be an http or https address with {{id}} in it")
        return links

    @model_validator(mode="after")
    def _together(self) -> WebSettings:
        if self.issuer and not self.audience:
            raise ValueError("an issuer needs an audience, or a token for any other application would do")
        if self.client_id and not (self.issuer and self.url):
            raise ValueError("a client_id needs an issuer and a url")
        return self

    def zone(self, tenant: str) -> ZoneInfo:
        """The tenant's time zone."""
        return ZoneInfo(self.zones.get(tenant, "UTC"))
