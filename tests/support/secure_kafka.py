"""Apache Kafka with TLS and SASL: one broker, and a listener for each way to be right or wrong."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from certificates import Authority
from kafka_broker import KafkaBroker

from touchpoint.embedded.broker import free_port
from touchpoint.embedded.kafka import java

USER, PASSWORD = "worker", "s3cret-of-the-worker"
PBX, PBX_PASSWORD = "pbx", "s3cret-of-the-pbx"  # a producer of calls, with PLAIN
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
OAUTH = "OAUTHBEARER"  # the broker takes tokens that nobody has signed (KIP-255), and checks their time
PROTOCOLS = {
    "TLS": "SSL", "MUTUAL": "SSL", "LOGIN": "SASL_PLAINTEXT", "BOTH": "SASL_SSL",
    "EXPIRED": "SSL", "FOREIGN": "SSL", "ELSEWHERE": "SSL",
}  # fmt: skip
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


class SecureBroker(KafkaBroker):
    """Beside the listener without security: TLS, TLS with our certificate (MUTUAL), SASL (LOGIN), BOTH; and three
    whose certificates are wrong: EXPIRED, of a FOREIGN authority, for another host (ELSEWHERE)."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.ports = {name: free_port() for name in PROTOCOLS}
        self.authority = Authority(directory / "tls", "authority")
        self.foreign = Authority(directory / "tls", "foreign")
        good = self.authority.issue_whole("broker")
        self._stores = {
            **dict.fromkeys(("TLS", "MUTUAL", "BOTH"), good),
            "EXPIRED": self.authority.issue_whole("expired", expired=True),
            "FOREIGN": self.foreign.issue_whole("unknown"),
            "ELSEWHERE": self.authority.issue_whole("elsewhere", host="kafka.example.com"),
        }

    def at(self, listener: str) -> str:
        """host:port of a listener."""
        return f"127.0.0.1:{self.ports[listener]}"

    def allow(self, operations: Sequence[str], *resources: str, user: str = USER, pattern: str = "prefixed") -> None:
        """Let a user do something with the topics of a prefix (`--topic`, `x.`) or a group (`--group`, `x`)."""
        asked = [part for operation in operations for part in ("--operation", operation)]
        named = ["--resource-pattern-type", pattern]
        tool = ["kafka.admin.AclCommand", "--bootstrap-server", self.bootstrap, "--add", "--allow-principal"]
        command = java(self.directory, "128m", *tool, f"User:{user}", *asked, *named, *resources)
        subprocess.run(command, check=True, capture_output=True)

    def _format_options(self) -> list[str]:
        user = f"[name={USER},password={PASSWORD}]"
        return [part for name in MECHANISMS[1:] for part in ("--add-scram", f"{name}={user}")]

    def _properties(self) -> dict[str, str]:
        usual = super()._properties()
        values = usual | {
            "listeners": _more(usual["listeners"], {name: f"{name}://{self.at(name)}" for name in PROTOCOLS}),
            "advertised.listeners": _more(
                usual["advertised.listeners"], {name: f"{name}://{self.at(name)}" for name in PROTOCOLS}
            ),
            "listener.security.protocol.map": _more(
                usual["listener.security.protocol.map"], {name: f"{name}:{kind}" for name, kind in PROTOCOLS.items()}
            ),
            "sasl.enabled.mechanisms": ",".join((*MECHANISMS, OAUTH)),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",  # who comes without security
        }
        for name, store in self._stores.items():
            values[f"listener.name.{name.lower()}.ssl.keystore.type"] = "PEM"
            values[f"listener.name.{name.lower()}.ssl.keystore.location"] = str(store)
        values["listener.name.mutual.ssl.client.auth"] = "required"
        values["listener.name.mutual.ssl.truststore.type"] = "PEM"
        values["listener.name.mutual.ssl.truststore.location"] = str(self.authority.file)
        for name in ("login", "both"):
            users = f'user_{USER}="{PASSWORD}" user_{PBX}="{PBX_PASSWORD}"'
            values[f"listener.name.{name}.plain.sasl.jaas.config"] = f"{_PLAIN} required {users};"
            values[f"listener.name.{name}.oauthbearer.sasl.jaas.config"] = f"{_OAUTH} required;"
            for mechanism in MECHANISMS[1:]:
                values[f"listener.name.{name}.{mechanism.lower()}.sasl.jaas.config"] = f"{_SCRAM} required;"
        return values


def token(user: str, lives: float = 3600.0) -> str:
    """A token for a user, in the form of a JWT without a signature, that ends in so many seconds."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": user, "iat": now - 7200, "exp": now + int(lives)})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def _more(usual: str, added: Mapping[str, str]) -> str:
    return ",".join([usual, *added.values()])
