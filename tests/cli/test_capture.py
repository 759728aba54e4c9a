"""`touchpoint capture`: what it says of mistakes, what it remembers, what it shows while it runs."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import orjson
import pytest
from capture_process import CaptureProcess, ids
from patience import LIMIT
from vendor_feed import events, fixture

from touchpoint.embedded.broker import free_port

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHPOINT_")} | {"NO_COLOR": "1"}


def capture(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "touchpoint", "capture", *arguments]
    variables = PLAIN | {f"TOUCHPOINT_{name}": value for name, value in environment.items()}
    return subprocess.run(command, capture_output=True, text=True, env=variables, check=False, timeout=LIMIT)


MAILBOX = ("mailbox", "h", "--user", "u@example.com")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "environment", "status", "said"),
    [
        (("queue-log", "x", "--to", "printer"), {}, 2, "--to 'printer' is neither kafka nor -"),
        (("asterisk-ami",), {}, 2, "TOUCHPOINT_CAPTURE_PASSWORD is not set"),
        (("asterisk-ami", "a:b"), {"CAPTURE_PASSWORD": "x"}, 2, "'a:b' is not host:port"),
        (("hylafax", "--zone", "Nowhere"), {}, 2, "--zone 'Nowhere' is no time zone"),
        (("mailbox", "h", "--user", "u"), {"CAPTURE_PASSWORD": "x"}, 2, "name the organisation's own addresses"),
        (("mailbox", "h", "--user", "u", "--own", "x y"), {"CAPTURE_PASSWORD": "x"}, 2, "--own 'x y' is neither"),
        ((*MAILBOX, "--token-file", "a", "--token-command", "b"), {}, 2, "one of --token-url, --token-file and"),
        ((*MAILBOX, "--client", "a"), {"CAPTURE_PASSWORD": "x"}, 2, "belong to --token-url"),
        ((*MAILBOX, "--token-url", "https://a/"), {"CAPTURE_PASSWORD": "x"}, 2, "--token-url needs --client"),
        ((*MAILBOX, "--token-url", "http://a/", "--client", "c"), {"CAPTURE_PASSWORD": "x"}, 2, "with https://"),
        ((*MAILBOX, "--token-url", "https://a/", "--client", "c"), {}, 2, "the client's secret, is not set"),
        (("queue-log", "/", "--to", "-"), {}, 1, "/ cannot be read: it is a directory"),
        (("queue-log", "x", "--to", "-", "--state", "/nowhere/s"), {}, 1, "--state /nowhere/s cannot be written"),
        (("freeswitch", "--ca", "/nowhere"), {"CAPTURE_PASSWORD": "x"}, 1, "--ca /nowhere cannot be used"),
        (("queue-log", "x"), {"BROKERS": "127.0.0.1:1"}, 3, "no broker answers at 127.0.0.1:1"),
    ],
)
def test_a_mistake_is_said_in_one_line_with_its_status(
    arguments: tuple[str, ...], environment: dict[str, str], status: int, said: str
) -> None:
    done = capture(*arguments, **environment)
    assert done.returncode == status, done.stderr
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_every_source_has_its_help_with_an_example() -> None:
    sources = re.findall(r"^\S* ([a-z-]+) ", capture("--help").stdout, re.MULTILINE)
    assert {"queue-log", "asterisk-ami", "freeswitch", "mailbox", "hylafax"} <= set(sources)
    for source in ("queue-log", "asterisk-ami", "freeswitch", "mailbox", "hylafax"):
        assert f"touchpoint capture {source}" in re.sub(r"\s+", " ", capture(source, "--help").stdout)


@pytest.mark.slow
async def test_a_fax_servers_log_is_captured_as_it_is_translated_and_counted(tmp_path: Path) -> None:
    log, port = tmp_path / "xferfaxlog", free_port()
    lines = fixture("xferfaxlog")
    log.write_bytes(b"".join([*lines, b"01/05/26 16:00\tWHAT\t000000200\t" + b"\t" * 20 + b"\n"]))
    arguments = ["hylafax", str(log), "--zone", "Europe/London", "--source", "/fax/1", "--to", "-"]
    process = CaptureProcess(tmp_path, *arguments, "--metrics-port", str(port))
    process.start()
    expected = len(events("hylafax", lines))
    await process.until(lambda said: len(said) == expected)
    page = await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode())
    assert process.stop() == 0
    for line in (
        'records_total{source="hylafax"} 9.0',
        'dead_letters_total{source="hylafax"} 1.0',
        'connected{source="hylafax"} 1.0',
    ):
        assert f"touchpoint_capture_{line}" in page
    command = [sys.executable, "-m", "touchpoint", "translate", "--dialect", "hylafax", "--source", "/fax/1"]
    command += ["--zone", "Europe/London", str(log)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert ids(process.events()) == ids([orjson.loads(line) for line in done.stdout.splitlines()])


@pytest.mark.slow
async def test_a_state_is_of_one_source_and_one_capture(tmp_path: Path) -> None:
    state = str(tmp_path / "state.json")
    arguments = [str(tmp_path / "log"), "--to", "-", "--state", state]
    (tmp_path / "log").write_bytes(b"".join(fixture("queue_log")))
    process = CaptureProcess(tmp_path, "queue-log", *arguments)
    process.start()
    await process.until(lambda said: len(said) > 0)
    assert "another capture uses" in capture("queue-log", *arguments).stderr
    assert process.stop() == 0
    assert "is the state of a capture of 'queue-log': name another --state" in capture("hylafax", *arguments).stderr
    (tmp_path / "state.json").write_bytes(b"{")
    assert "not the state of a capture, or damaged" in capture("queue-log", *arguments).stderr
