"""Tokens for SASL OAUTHBEARER (RFC 7628), from a command of the operator's."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import threading
import time

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

from touchpoint.settings import PREFIX

SECONDS = 15.0  # for the command
KEPT_SECONDS = 60.0
"""A token is used again for so long: a client opens a connection to each broker, and a worker has several clients."""
LONGEST = 16 * 1024  # bytes
_SETTING = f"{PREFIX}SASL_TOKEN_COMMAND"
_TOKEN = re.compile(rb"[\x21-\x7e]+")


class TokenError(KafkaConnectionError):
    """The command gives no token. Says why, and nothing of what the command printed."""


class TokenCommand(AbstractTokenProvider):
    """Runs a command, without a shell, whenever a connection is made; a token is kept for a minute.

    Clients call it from the event loops of several threads.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._kept = b""
        self._kept_at = 0.0

    async def token(self) -> str:
        """A token. Raises ``TokenError``."""
        return await asyncio.to_thread(self._token)

    def _token(self) -> str:
        with self._lock:
            if not self._kept or time.monotonic() - self._kept_at > KEPT_SECONDS:
                self._kept, self._kept_at = self._printed(), time.monotonic()
            return self._kept.decode()

    def _printed(self) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 - it is the operator's own
                shlex.split(self._command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TokenError(f"{_SETTING} did not end within {SECONDS:.0f} s") from None
        except (OSError, ValueError) as error:
            raise TokenError(f"{_SETTING} cannot be run: {type(error).__name__}: {error}") from None
        if done.returncode:
            raise TokenError(f"{_SETTING} ended with status {done.returncode}")
        token = done.stdout.strip()
        if len(token) > LONGEST or not _TOKEN.fullmatch(token):
            raise TokenError(f"{_SETTING} prints something other than a token: {len(token):,} bytes")
        return token
