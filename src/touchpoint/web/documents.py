"""What the API sends: JSON with an ETag, and an interaction as `{record, amendments, identity, links}`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from fastapi import Request, Response

from touchpoint.web.view import Place, View

API = "/api/v1"
PRIVATE = "private, no-cache"


def answer(request: Request, document: Any, media_type: str = "application/json") -> Response:
    """The document, or 304 where the client has it. The ETag is the SHA-256 of the body."""
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    etag = f'"{hashlib.sha256(body).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": PRIVATE, "Vary": "Authorization, Cookie"}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def path(*parts: object) -> str:
    """A path of the API."""
    return "/".join((API, *(quote(str(part), safe="") for part in parts)))


def with_query(url: str, members: Mapping[str, Any]) -> str:
    """The path with parameters, those without a value left out."""
    given = {name: value for name, value in members.items() if value is not None}
    return f"{url}?{urlencode(given)}" if given else url


async def interactions(view: View, places: Sequence[Place]) -> list[dict[str, Any]]:
    """The interactions at these places, in order."""
    raw = await view.records(places)
    later: dict[str, list[dict[str, Any]]] = {}
    for row in await view.amendments(places):
        later.setdefault(str(row["interaction_id"]), []).append(_amendment(row))
    return [document(orjson.loads(one), later) for one in raw]


def document(record: dict[str, Any], later: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """`record` is what `touchpoint stitch` prints; names of agents stand beside it."""
    identity = record.pop("identity")
    id_, parent = record["interaction_id"], record["parent_interaction_id"]
    links = {
        "self": path("interactions", id_),
        "explain": path("interactions", id_, "explain"),
        "vcon": path("interactions", id_, "vcon"),
        "party": path("parties", record["party_key"]),
        "parent": path("interactions", parent) if parent else None,
        "children": with_query(path("interactions"), {"parent": id_}),
    }
    return {"record": record, "amendments": later.get(id_, []), "identity": identity, "links": links}


def _amendment(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("seq", "kind", "payload", "event_id", "recorded_at")} | {
        "stored_with": str(row["stored_with"])
    }
