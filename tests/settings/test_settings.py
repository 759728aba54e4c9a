"""The configuration: every mistake at once, in words that name the setting and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from touchpoint.settings import FIXED_PARTY_SECRET, SettingsError, load_settings
from touchpoint.stitching.facts import HOUR, MINUTE
from touchpoint.stitching.limits import CHANNELS, ChannelLimits


def variables(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv("TOUCHPOINT_" + name, value)


def test_mistakes_in_settings_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(
        monkeypatch, BROKERS="localhost", BROKRES="x:1", PARTITIONS="0", LIMITS__QUIET="soon", DEFAULT_REGION="XX"
    )
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert raised.value.problems == [
        "TOUCHPOINT_BROKRES: there is no such setting; did you mean TOUCHPOINT_BROKERS?",
        "TOUCHPOINT_BROKERS: 'localhost' is not host:port (it is 'localhost')",
        "TOUCHPOINT_PARTITIONS: Input should be greater than or equal to 1 (it is '0')",
        "TOUCHPOINT_DEFAULT_REGION: must be a two-letter country such as GB or US (it is 'XX')",
        "TOUCHPOINT_LIMITS__QUIET: must be a span of time such as 90s, 10m, 4h or 30d (it is 'soon')",
    ]


def test_related_settings_are_checked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, SECURITY="SASL_SSL", TLS_CERT_FILE="/nowhere.pem", REPLICATION="1")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    text = str(raised.value)
    for part in ("SASL_USERNAME", "TLS_KEY_FILE go together", "there is no file '/nowhere.pem'", "MIN_INSYNC (2)"):
        assert part in text


def test_a_secret_is_never_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, DATABASE_URL="mysql://root:hunter2@host/db")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert "hunter2" not in str(raised.value)
    assert "must begin with postgresql://" in str(raised.value)


def test_a_section_that_is_no_json_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, CHANNELS="sms")
    with pytest.raises(SettingsError, match="TOUCHPOINT_CHANNELS: must be JSON"):
        load_settings()


def test_a_variable_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "touchpoint.toml"
    file.write_text(
        'partitions = 4\nbrokers = ["a:1"]\n[channels.sms]\nage = "2h"\ntopic = "texts"\n[limits]\nquiet = "1m"\n'
    )
    variables(monkeypatch, CONFIG=str(file), BROKERS="b:2, c:3")
    settings = load_settings()
    assert settings.brokers == ("b:2", "c:3")
    assert settings.partitions == 4
    limits = settings.stitching_limits()
    assert limits.quiet == MINUTE
    assert limits.channels["sms"].age == 2 * HOUR
    assert set(limits.channels) == {"call", "chat", "fax", "email", "sms"}


def test_unset_limits_of_a_known_channel_keep_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, CHANNELS='{"email": {"age": "2d"}, "chat": {"stitch_gap": "1h"}, "sms": {"stitch_gap": 60}}')
    channels = load_settings().stitching_limits().channels
    assert channels["email"] == ChannelLimits(0, 48 * HOUR, HOUR, "email", 30 * 24 * HOUR)
    week = 7 * 24 * HOUR
    assert channels["chat"] == ChannelLimits(HOUR, 24 * HOUR, HOUR, "chat", week), (
        "it lingers as long as it may be stitched"
    )
    assert channels["sms"] == ChannelLimits(MINUTE, week, MINUTE, "chat", 30 * 24 * HOUR)
    assert channels["call"] == CHANNELS["call"]


def test_a_channel_cannot_take_what_is_not_a_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    for channels in ('{"party": {}}', '{"SMS": {}}', '{"touches": {}}', '{"sms": {"topic": "links"}}'):
        variables(monkeypatch, CHANNELS=channels)
        with pytest.raises(SettingsError, match=r"TOUCHPOINT_CHANNELS: .* cannot be"):
            load_settings()


def test_a_topic_with_a_dialect_is_declared_by_its_full_name(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, DIALECT_TOPICS='{"pbx": {"dialect": "asterisk-queue-log", "zone": "Europe/London"}}')
    declared = load_settings().dialect_topics["pbx"]
    assert (declared.dialect, declared.zone, declared.source) == ("asterisk-queue-log", "Europe/London", None)


@pytest.mark.parametrize(
    ("topics", "problem"),
    [
        ("queue_log", 'DIALECT_TOPICS: must be JSON such as {"pbx.queue_log": {"dialect": "asterisk-queue-log"}}'),
        ('{"pbx": {}}', "DIALECT_TOPICS__PBX__DIALECT: Field required"),
        ('{"pbx": {"dialect": "asterisk"}}', "must be one of asterisk-queue-log, asterisk-ami, "),
        ('{"pbx": {"dialect": "freeswitch", "zone": "Londn"}}', "must be a time zone such as Europe/London"),
        ('{"pbx": {"dialect": "freeswitch", "key": "x"}}', "there is no such setting"),
        ('{"pbx": {"dialect": "freeswitch", "tenant": ""}}', "at least 1 character"),
        ('{"p b x": {"dialect": "freeswitch"}}', "'p b x' cannot be a topic's name"),
        ('{"touchpoint.calls": {"dialect": "freeswitch"}}', "'touchpoint.calls' is a topic of our own"),
        ('{"touchpoint.links": {"dialect": "freeswitch"}}', "'touchpoint.links' is a topic of our own"),
    ],
)
def test_mistakes_in_dialect_topics_are_named(monkeypatch: pytest.MonkeyPatch, topics: str, problem: str) -> None:
    variables(monkeypatch, DIALECT_TOPICS=topics)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert problem in str(raised.value)


def test_own_addresses_are_known_by_any_spelling_and_must_be_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    variables(monkeypatch, OWN_ADDRESSES="tel:01632960960, Desk@Example.com", UNSTITCHED_ADDRESSES="fax:+441632960001")
    limits = load_settings().stitching_limits()
    assert limits.own_addresses == {"tel:+441632960960", "mailto:desk@example.com"}
    assert limits.unstitched_addresses == {"tel:+441632960001"}
    variables(monkeypatch, OWN_ADDRESSES="switchboard")
    with pytest.raises(SettingsError, match="TOUCHPOINT_OWN_ADDRESSES: 'switchboard' is no address"):
        load_settings()


def test_a_file_that_is_no_toml_or_names_no_setting_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "touchpoint.toml"
    variables(monkeypatch, CONFIG=str(file))
    for content, message in ((None, "cannot read"), ("a b", "is not TOML"), ("color = 1", "COLOR: there is no such")):
        if content is not None:
            file.write_text(content)
        with pytest.raises(SettingsError, match=message):
            load_settings()


def test_the_fixed_secret_is_known_to_be_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().insecure_party_secret
    variables(monkeypatch, PARTY_SECRET="something of our own")
    settings = load_settings()
    assert not settings.insecure_party_secret
    assert "something of our own" not in repr(settings)
    assert FIXED_PARTY_SECRET not in repr(load_settings())
