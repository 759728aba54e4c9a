"""The state of a capture: read as version 0.1.0 wrote it, damaged, and where others may write beside it."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import orjson
import pytest
from capture_process import CaptureProcess

from touchpoint.capture.kinds import KINDS
from touchpoint.capture.source import SourceError
from touchpoint.capture.state import MOST_NAMES, State, StateFile

RECORDED = Path(__file__).parent / "recorded" / "states"


def state_file(path: Path, kind: str = "queue-log") -> StateFile:
    return StateFile(path, kind, KINDS[kind].is_position)


@pytest.mark.parametrize("recorded", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_state_file_of_0_1_0_is_read_and_written_again(recorded: Path, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(recorded.read_bytes())
    file = state_file(path, recorded.stem)
    state = file.load()
    assert state.names == {"/pbx/london"}
    assert state.memory.get("agents") == frozenset({"a", "b"})
    file.store(state)
    assert orjson.loads(path.read_bytes()) == orjson.loads(recorded.read_bytes()) | {"rules_version": 1}
    file.close()


WELL = orjson.loads((RECORDED / "queue-log.json").read_bytes())
MAIL = orjson.loads((RECORDED / "mailbox.json").read_bytes())
DAMAGED: dict[str, Any] = {
    "no JSON": b"{",
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
    "JSON a thousand deep": b"[" * 1_000 + b"]" * 1_000,
    "an array": [],
    "a number": 5,
    "only a format and a kind": {"format": 1, "kind": "queue-log"},
    "a format that is a text": WELL | {"format": "1"},
    "a format that is true": WELL | {"format": True},
    "a kind that is a list": WELL | {"kind": ["queue-log"]},
    "a position that is a text": WELL | {"position": "here"},
    "a position of two": WELL | {"position": [1, "a"]},
    "a position of texts": WELL | {"position": ["1", "a", "2"]},
    "a position before the beginning": WELL | {"position": [-1, "a", 2]},
    "a position beyond all files": WELL | {"position": [1 << 63, "a", 2]},
    "a position that is true": WELL | {"position": [True, "a", 2]},
    "a place of another kind": WELL | {"position": MAIL["position"]},
    "names that are a text": WELL | {"names": "/pbx"},
    "names that are numbers": WELL | {"names": [1]},
    "names that are none": WELL | {"names": None},
    "a version of rules that is a text": WELL | {"rules_version": "2"},
    "a version of rules before the first": WELL | {"rules_version": 0},
    "a memory that is none": {name: value for name, value in WELL.items() if name != "memory"},
    "a memory that is an object": WELL | {"memory": {"a": 1}},
    "a memory that is a number": WELL | {"memory": 1},
    "a memory of numbers": WELL | {"memory": [1, 2]},
    "a memory of triples": WELL | {"memory": [[1, 2, 3]]},
    "a memory with keys of another form": WELL | {"memory": [["a", "b"]]},
    "a memory whose keys are objects": WELL | {"memory": [[[None, {"a": 1}], 1]]},
    "a memory with sets of objects": WELL | {"memory": [[[None, "a"], {"$set": [{"b": 1}]}]]},
    "a memory with a set that is a number": WELL | {"memory": [[[None, "a"], {"$set": 1}]]},
    "mailbox: a day that is none": MAIL | {"position": {"INBOX": [1, 2, "yesterday"]}},
    "mailbox: a day that is a number": MAIL | {"position": {"INBOX": [1, 2, 3]}},
    "mailbox: a place that is a number": MAIL | {"position": {"INBOX": 1}},
    "mailbox: numbers that are texts": MAIL | {"position": {"INBOX": ["1", "2", "2026-01-01"]}},
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_one_is_told_with_the_way_out(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
    file = state_file(path, "mailbox" if b'"mailbox"' in path.read_bytes() else "queue-log")
    with pytest.raises(SourceError, match=rf"{path} .*damaged.*name another --state"):
        file.load()
    file.close()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (WELL | {"format": 2}, "of another version"),
        (WELL | {"kind": "hylafax"}, "is the state of a capture of 'hylafax'"),
    ],
)
def test_anothers_is_told_as_anothers(content: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(orjson.dumps(content))
    file = state_file(path)
    with pytest.raises(SourceError, match=said):
        file.load()
    file.close()


def test_state_file_is_readable_by_its_owner_alone_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    fsync = os.fsync

    def seen(descriptor: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    before = os.umask(0)
    try:
        file = state_file(tmp_path / "state.json")
        file.store(State())
    finally:
        os.umask(before)
    assert modes[0] == 0o600
    for name in ("state.json", "state.json.lock"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    file.close()


@pytest.mark.parametrize("name", ["state.json", "state.json.lock", "state.json.new"])
@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_a_link_in_its_place_changes_no_other_file(name: str, link: str, tmp_path: Path) -> None:
    """In a directory where others may write."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / name).symlink_to(precious) if link == "symbolic" else (tmp_path / name).hardlink_to(precious)
    try:
        file = state_file(tmp_path / "state.json")
        file.load()
        file.store(State())
        file.close()
    except SourceError as error:
        assert "symbolic link" in str(error) or "damaged" in str(error)  # noqa: PT017 - or it is well
    assert precious.read_text() == "precious"


def test_a_file_left_by_a_kill_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "state.json.new").write_text("half")
    file = state_file(tmp_path / "state.json")
    file.store(State(names={"/pbx"}))
    assert file.load().names == {"/pbx"}
    file.close()


def make_other(path: Path, what: str) -> None:
    if what == "a directory":
        path.mkdir()
    elif what == "a named pipe":
        os.mkfifo(path)
    elif what == "a device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))


OTHERS = ["a directory", "a named pipe", "a device", "a socket"]


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("name", ["state.json", "state.json.lock"])
def test_state_path_that_is_no_regular_file_is_reported(what: str, name: str, tmp_path: Path) -> None:
    make_other(tmp_path / name, what)
    with pytest.raises(SourceError, match=f"{what}|symbolic link|Is a directory|No such device"):
        state_file(tmp_path / "state.json").load()


def test_names_that_a_server_invents_are_bounded() -> None:
    state = State(names={"/pbx"})
    for number in range(3):
        state.name({f"/invented/{number}/{each}" for each in range(MOST_NAMES)})
    assert len(state.names) == MOST_NAMES
    assert "/pbx" in state.names


@pytest.mark.slow
@pytest.mark.parametrize("what", OTHERS[1:3])
async def test_the_command_says_so_of_its_input_and_ends(what: str, tmp_path: Path) -> None:
    make_other(tmp_path / "queue_log", what)
    process = CaptureProcess(tmp_path, "queue-log", str(tmp_path / "queue_log"), "--to", "-")
    process.start()
    assert await process.ended() == 1
    assert f"queue_log cannot be read: it is {what}, not a regular file" in process.log.read_text()


@pytest.mark.slow
async def test_the_command_says_so_of_a_damaged_state_and_ends(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_bytes(b'{"format":1,"kind":"queue-log"}')
    process = CaptureProcess(
        tmp_path, "queue-log", str(tmp_path / "log"), "--to", "-", "--state", str(tmp_path / "state.json")
    )
    process.start()
    assert await process.ended() == 1
    assert "name another --state" in process.log.read_text()
    assert "Traceback" not in process.log.read_text()


@pytest.mark.slow
async def test_sigterm_ends_capture_although_its_output_is_not_read(tmp_path: Path) -> None:
    log = tmp_path / "queue_log"
    log.write_text("".join(f"1767603600|c{call}|support|NONE|ENTERQUEUE||+441632961055|1\n" for call in range(5_000)))
    process = CaptureProcess(tmp_path, "queue-log", str(log), "--to", "-", GRACE_SECONDS="1")
    reading, writing = os.pipe()
    process.start(writing)
    os.close(writing)
    try:
        assert os.read(reading, 1)  # and no more: it fills the pipe and stands still
        process.send(signal.SIGTERM)
        assert await process.ended() in {0, 1}
    finally:
        os.close(reading)
