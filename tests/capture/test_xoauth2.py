"""What is said to a mail server by XOAUTH2, byte by byte, as Microsoft's page has it.

learn.microsoft.com/en-us/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth:
`base64("user=" + userName + "^Aauth=Bearer " + accessToken + "^A^A")`.
"""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator

import pytest

from touchpoint.capture.imap import Imap, Server
from touchpoint.capture.source import SourceError

USER, TOKEN = "test@contoso.onmicrosoft.example", "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA"


class Exchange:
    """Says what Exchange Online says to a client that logs in by XOAUTH2."""

    def __init__(self, verdict: bytes) -> None:
        self.said: list[bytes] = []
        self._verdict = verdict
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(b"* OK The Microsoft Exchange IMAP4 service is ready.\r\n")
            for line in stream:
                self.said.append(line)
                tag, _, command = line.partition(b" ")
                if command.startswith(b"CAPABILITY"):
                    stream.write(b"* CAPABILITY IMAP4 IMAP4rev1 AUTH=XOAUTH2 SASL-IR IDLE\r\n" + tag + b" OK done.\r\n")
                elif command.startswith(b"AUTHENTICATE"):
                    stream.write(b"+ \r\n")
                    self.said.append(stream.readline())
                    stream.write(tag + self._verdict)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture(params=[b" OK AUTHENTICATE completed.\r\n", b" NO AUTHENTICATE failed.\r\n"], ids=["taken", "refused"])
def exchange(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    server = Exchange(request.param)
    yield server
    server.close()


def test_the_login_has_the_form_of_microsofts_page(exchange: Exchange, request: pytest.FixtureRequest) -> None:
    client = Imap(Server("127.0.0.1", exchange.port, None))
    client.connect()
    if "taken" in request.node.name:
        client.log_in_with_token(USER, TOKEN)
    else:
        with pytest.raises(SourceError, match=rf"refuses the login of '{USER}' by XOAUTH2") as refused:
            client.log_in_with_token(USER, TOKEN)
        assert TOKEN not in str(refused.value)
    client.close()
    *_, asked, answered = exchange.said
    assert asked.split(b" ", 1)[1] == b"AUTHENTICATE XOAUTH2\r\n"
    assert base64.b64decode(answered) == f"user={USER}\x01auth=Bearer {TOKEN}\x01\x01".encode()
