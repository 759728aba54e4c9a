"""Every secret may stand in a file: `TOUCHPOINT_<NAME>_FILE`."""

from __future__ import annotations

from pathlib import Path

import pytest

from touchpoint.settings import PREFIX, Settings, SettingsError, load_settings
from touchpoint.settings.secret_files import FILE, secret_places, variable

SECRETS = [variable(PREFIX, place) for place in secret_places(Settings)]


def problems(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    for name, value in variables.items():
        monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    return raised.value.problems


def held(settings: Settings, name: str) -> str:
    found: object = settings
    for part in name.removeprefix(PREFIX).lower().split("__"):
        found = getattr(found, part)
    return found.get_secret_value()  # type: ignore[attr-defined, no-any-return]


def test_every_secret_is_known_to_be_one() -> None:
    assert [
        PREFIX + name
        for name in (
            "SASL_PASSWORD", "TLS_KEY_PASSWORD", "DATABASE_URL", "DATABASE_PASSWORD", "PARTY_SECRET",
            "WEB__KEY", "WEB__CLIENT_SECRET", "CAPTURE_PASSWORD",
        )
    ] == SECRETS  # fmt: skip


@pytest.mark.parametrize("name", [name for name in SECRETS if name != f"{PREFIX}DATABASE_PASSWORD"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_is_what_the_file_holds_without_its_line_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, end: str
) -> None:
    secret = {"DATABASE_URL": "postgresql://w:p@db/name", "WEB__KEY": "0f" * 32}.get(
        name.removeprefix(PREFIX), " a/b@c#d%? "
    )
    file = tmp_path / "secret"
    file.write_text(secret + end, newline="")
    monkeypatch.setenv(name + FILE, str(file))
    assert held(load_settings(), name) == secret


def test_the_configuration_file_may_name_files_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("party", "web"):
        (tmp_path / name).write_text("ab" * 32)
    config = tmp_path / "touchpoint.toml"
    config.write_text(f'party_secret_file = "{tmp_path}/party"\n[web]\nkey_file = "{tmp_path}/web"\n')
    monkeypatch.setenv(f"{PREFIX}CONFIG", str(config))
    settings = load_settings()
    assert held(settings, "PARTY_SECRET") == held(settings, "WEB__KEY") == "ab" * 32
    monkeypatch.setenv(f"{PREFIX}PARTY_SECRET", "of the variable")
    assert held(load_settings(), "PARTY_SECRET") == "of the variable"


def test_the_password_of_the_database_needs_no_encoding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """S2: half of the passwords that `openssl rand -base64` makes have a character that a URL cannot have there."""
    file = tmp_path / "password"
    file.write_text("a/b@c#d%&=?+ é\n")
    monkeypatch.setenv(f"{PREFIX}DATABASE_PASSWORD_FILE", str(file))
    for url in ("postgresql://worker@db:5432/name", "postgresql://worker@db/name?sslmode=require"):
        monkeypatch.setenv(f"{PREFIX}DATABASE_URL", url)
        full = held(load_settings(), "DATABASE_URL")
        assert full == f"{url}{'&' if '?' in url else '?'}password=a%2Fb%40c%23d%25%26%3D%3F%2B%20%C3%A9"


@pytest.mark.parametrize("url", ["postgresql://worker:other@db/name", "postgresql://worker@db/name?password=other"])
def test_two_passwords_of_the_database_are_one_too_many(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    found = problems(monkeypatch, DATABASE_URL=url, DATABASE_PASSWORD="p")
    assert found == ["TOUCHPOINT_DATABASE_PASSWORD: the URL has a password too: one of them is enough"]


def test_what_is_wrong_with_a_file_is_told_and_not_what_it_holds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = {"several": b"hunter2\nhunter3\n", "empty": b"\n", "binary": b"hunter\xff", "long": b"hunter2" * 20_000}
    for name, content in wrong.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "one").write_text("hunter2")
    found = problems(
        monkeypatch,
        SASL_PASSWORD_FILE=f"{tmp_path}/several",
        TLS_KEY_PASSWORD_FILE=f"{tmp_path}/empty",
        DATABASE_URL_FILE=f"{tmp_path}/binary",
        PARTY_SECRET_FILE=f"{tmp_path}/missing",
        CAPTURE_PASSWORD_FILE=f"{tmp_path}/long",
        WEB__KEY_FILE=f"{tmp_path}/one",
        WEB__CLIENT_SECRET="hunter2",
        WEB__CLIENT_SECRET_FILE=f"{tmp_path}/one",
        PARTY_SECRETS_FILE=f"{tmp_path}/one",
    )
    assert found == [
        "TOUCHPOINT_PARTY_SECRETS_FILE: there is no such setting; did you mean TOUCHPOINT_PARTY_SECRET_FILE?",
        f"TOUCHPOINT_SASL_PASSWORD_FILE: '{tmp_path}/several' has several lines: it must hold the secret alone",
        f"TOUCHPOINT_TLS_KEY_PASSWORD_FILE: '{tmp_path}/empty' is empty",
        f"TOUCHPOINT_DATABASE_URL_FILE: '{tmp_path}/binary' is not UTF-8",
        f"TOUCHPOINT_PARTY_SECRET_FILE: cannot read '{tmp_path}/missing': No such file or directory",
        "TOUCHPOINT_WEB__CLIENT_SECRET and TOUCHPOINT_WEB__CLIENT_SECRET_FILE are both set: one of them is enough",
        f"TOUCHPOINT_CAPTURE_PASSWORD_FILE: '{tmp_path}/long' has more than 65,536 bytes: it is no secret",
        "TOUCHPOINT_WEB__KEY: must be 64 hexadecimal digits or more, as `touchpoint web key` prints them",
    ]


def test_a_section_in_a_variable_keeps_the_secret_of_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0f" * 32)
    (tmp_path / "touchpoint.toml").write_text('[web]\nurl = "https://of.the.file"\n')
    monkeypatch.setenv(f"{PREFIX}CONFIG", f"{tmp_path}/touchpoint.toml")
    monkeypatch.setenv(f"{PREFIX}WEB", '{"url": "https://of.the.variable"}')
    monkeypatch.setenv(f"{PREFIX}WEB__KEY_FILE", f"{tmp_path}/key")
    settings = load_settings()
    assert (held(settings, f"{PREFIX}WEB__KEY"), settings.web.url) == ("0f" * 32, "https://of.the.variable")


def test_a_value_in_place_of_a_section_is_said_beside_the_file_of_its_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("0f" * 32)
    (tmp_path / "touchpoint.toml").write_text("web = 3\n")
    said = problems(monkeypatch, CONFIG=f"{tmp_path}/touchpoint.toml", WEB__KEY_FILE=f"{tmp_path}/key")
    assert len(said) == 1
    assert said[0].startswith("TOUCHPOINT_WEB: ")
