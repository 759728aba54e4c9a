"""The command line as a whole: quick help, exit statuses, one clear line for an error, quiet ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from patience import LIMIT

from touchpoint.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHPOINT_")} | {"NO_COLOR": "1"}


def touchpoint(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "touchpoint", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=PLAIN | environment, check=False, timeout=LIMIT)


@pytest.fixture(scope="module")
def general_help() -> str:
    done = touchpoint("--help", COLUMNS="200")
    assert done.returncode == 0
    return done.stdout


def test_help_lists_every_command_with_its_first_line(general_help: str) -> None:
    for command in COMMANDS:
        line = next(line for line in general_help.splitlines() if line.startswith(f"│ {command.name} "))
        assert command.summary in line


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_command_list_shows_the_first_line_of_each_commands_help(command: object) -> None:
    loaded = next(each for each in COMMANDS if each is command).load()
    text = loaded.info.help if isinstance(loaded, typer.Typer) else loaded.__doc__
    assert text is not None
    first = text.strip().partition("\n\n")[0].replace("\n    ", " ")
    assert first.startswith(next(each for each in COMMANDS if each is command).summary.rstrip("."))


@pytest.mark.parametrize(
    ("asked", "unloaded"),
    [
        ("--help", ["faust", "aiokafka", "asyncpg", "phonenumbers", "touchpoint.settings"]),
        ("simulate --help", ["faust", "aiokafka", "asyncpg", "phonenumbers", "touchpoint.settings"]),
        ("stitch --help", ["faust", "aiokafka", "asyncpg"]),
        ("history --help", ["faust", "aiokafka"]),
        ("worker --help", ["faust", "aiokafka"]),
        ("dead-letters replay --help", ["faust", "aiokafka"]),
    ],
)
def test_a_command_loads_only_what_it_needs(asked: str, unloaded: list[str]) -> None:
    script = (
        "import sys; from touchpoint.cli import main\n"
        f"sys.argv = ['touchpoint', *{asked.split()!r}]\n"
        "try: main()\n"
        f"except SystemExit: print('LOADED', [name for name in {unloaded!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=PLAIN, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize(
    "arguments", [(), ("nothing",), ("stitch",), ("stitch", "--nothing", "-"), ("simulate", "--seed", "x")]
)
def test_wrong_usage_exits_with_2_and_says_what_is_wrong(arguments: tuple[str, ...]) -> None:
    done = touchpoint(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Usage" in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("simulate", "--start", "yesterday"), "--start 'yesterday' is not an instant"),
        (("simulate", "--rate", "fast", "--brokers", "localhost:1"), "--rate 'fast' is neither"),
        (("simulate", "--start", "2199-01-01T00:00:00Z", "--brokers", "localhost:1"), "lies ahead"),
        (("simulate", "--finish"), "name it with --brokers"),
        (("schema", "call.sung"), "'call.sung' is not an event type"),
        (("schema", "call.held", "--asyncapi"), "leave the type away"),
        (("simulate", "--start", "9999-12-31T00:00:00Z"), "the year must be from 1970 to 2199"),
        (("stitch", "/nowhere/events.jsonl"), "/nowhere/events.jsonl: cannot be read: No such file or directory"),
        (("stitch", "/"), "/: cannot be read: Is a directory"),
        (("stitch", "-", "-"), "-: standard input can be read once"),
        (("explain", "x", "--database", "postgresql://[::1/x"), "the database URL: contains [, ] or another"),
        (("migrate", "--database", "nonsense"), "must begin with postgresql://"),
        (("dead-letters", "show", "calls"), "'calls' is no place of a record, such as calls/3/1204"),
        (("worker",), "TOUCHPOINT_DATABASE_URL is not set"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(arguments: tuple[str, ...], message: str) -> None:
    done = touchpoint(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("touchpoint: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_configuration_is_told_all_at_once() -> None:
    done = touchpoint("schema", TOUCHPOINT_BROKRS="x", TOUCHPOINT_PARTITIONS="none", TOUCHPOINT_DEFAULT_REGION="Mars")
    assert done.returncode == 2
    assert [name in done.stderr for name in ("BROKRS", "did you mean", "PARTITIONS", "REGION")] == [True] * 4
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate", "--events", "1", "--brokers", "127.0.0.1:1"),
        ("topics",),
        ("topics", "--check"),
        ("dead-letters", "list"),
        ("dead-letters", "show", "calls/0/1"),
        ("dead-letters", "replay", "--send"),
        ("migrate", "--database", "postgresql://u:hunter2@127.0.0.1:1/d"),
        ("history", "1", "--database", "postgresql://u:hunter2@127.0.0.1:1/d"),
    ],
    ids=" ".join,
)
def test_missing_file_is_one_line_that_says_where_it_should_be(arguments: tuple[str, ...]) -> None:
    done = touchpoint(*arguments, TOUCHPOINT_BROKERS="127.0.0.1:1")
    assert done.returncode == 3
    assert done.stderr.startswith("touchpoint: ")
    assert "127.0.0.1:1" in done.stderr
    assert "hunter2" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("redirection", "status", "said"),
    [
        ("<&-", 2, "touchpoint: -: standard input is closed\n"),
        ("</dev/null >&-", 0, ""),
        ("</dev/null 2>&-", 0, ""),
        ("<docs/examples/quote.jsonl >/dev/full", 1, "touchpoint: No space left on device\n"),
        ("<docs/examples/quote.jsonl >&-", 0, ""),
        ("<dev 2>&-", 1, ""),
    ],
)
def test_closed_and_full_streams_are_borne(redirection: str, status: int, said: str) -> None:
    script = f"'{sys.executable}' -m touchpoint stitch - {redirection}"
    done = subprocess.run(["sh", "-c", script], cwd=ROOT, env=PLAIN, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, said)


def test_the_traceback_is_there_for_who_wants_it() -> None:
    done = touchpoint("schema", "call.sung", PYTHONDEVMODE="1")
    assert "Traceback" in done.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    command = [sys.executable, "-m", "touchpoint", "simulate", "--hours", "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=PLAIN) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(LIMIT) == 141
        assert process.stderr.read() == b""


def test_ctrl_c_ends_quietly_with_130(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "touchpoint", "simulate", "--hours", "100000"]
    with (
        (tmp_path / "out").open("wb") as out,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, env=PLAIN) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(LIMIT) == 130
    assert (tmp_path / "out").read_bytes() == b""


def test_the_version_is_the_packages() -> None:
    assert touchpoint("--version").stdout == "touchpoint 0.1.0\n"


def test_simulation_prints_the_same_bytes_for_the_same_seed() -> None:
    first, second = (touchpoint("simulate", "--seed", "5", "--events", "500").stdout for _ in range(2))
    assert first == second
    assert first.count("\n") == 500
