"""Asterisk's manager interface: how to log in, and where a packet ends. What it says is the dialect's."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Literal

from touchpoint.capture.reconnecting import plain
from touchpoint.capture.source import LostError, SourceError

END = b"\r\n\r\n"


class Ami:
    """`md5`: the secret itself is never sent (RFC 1321, action Challenge)."""

    missed = "what Asterisk sent meanwhile is not told again: take those calls from its queue_log (docs/capture)"

    def __init__(self, user: str, secret: str, auth: Literal["md5", "plain"] = "md5") -> None:
        """Raises SourceError for what would be two lines."""
        if any(character in user + secret for character in "\r\n"):
            raise SourceError("the user's name and secret must be of one line each")
        self._user, self._secret, self._auth = user, secret, auth

    async def log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = await reader.readuntil(b"\n")
        if not greeting.startswith(b"Asterisk Call Manager/"):
            raise LostError(f"this is no manager interface of Asterisk: it begins with {greeting[:40]!r}")
        how = {"AuthType": "MD5", "Key": await self._key(reader, writer)} if self._auth == "md5" else None
        said = {"Username": self._user, **(how or {"Secret": self._secret}), "Events": "on"}
        answer = await self._ask(reader, writer, "Login", said)
        if answer.get("Response") == "Error":
            why = plain(answer.get("Message", "no reason given"))
            raise SourceError(f"Asterisk refuses the login of {self._user!r} ({why}): see manager.conf")
        if answer.get("Response") != "Success":
            raise LostError("what it answers to a login is not understood")

    async def record(self, reader: asyncio.StreamReader) -> bytes | None:
        packet = await reader.readuntil(END)
        return packet if packet.startswith(b"Event:") or b"\r\nEvent:" in packet else None

    def ping(self) -> bytes:
        return b"Action: Ping" + END

    async def _key(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        answer = await self._ask(reader, writer, "Challenge", {"AuthType": "MD5"})
        if answer.get("Response") == "Error":
            why = plain(answer.get("Message", "no reason given"))
            raise SourceError(f"Asterisk knows no MD5 login ({why}): use --auth plain, over TLS")
        if "Challenge" not in answer:
            raise LostError("what it answers to a challenge is not understood")
        return hashlib.md5((answer["Challenge"] + self._secret).encode(), usedforsecurity=False).hexdigest()

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, action: str, headers: dict[str, str]
    ) -> dict[str, str]:
        """An action and its answer; before the login there is nothing else."""
        lines = [f"{name}: {value}" for name, value in {"Action": action, **headers}.items()]
        writer.write("\r\n".join(lines).encode() + END)
        answer = (await reader.readuntil(END)).decode("utf-8", "replace")
        return {name: value.strip() for name, _, value in (line.partition(":") for line in answer.splitlines())}
