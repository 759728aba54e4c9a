"""Certificate authorities and certificates of a test's own, as PEM files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


class Authority:
    """Issues certificates into a directory."""

    def __init__(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._authority = trustme.CA(organization_name=name)
        self.file = directory / f"{name}.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def issue(
        self, name: str, host: str = "127.0.0.1", expired: bool = False, password: bytes | None = None
    ) -> tuple[Path, Path]:
        """The files of a certificate, with its chain, and of its key."""
        until = datetime.now(UTC) - timedelta(days=1) if expired else None
        issued = self._authority.issue_cert(host, not_after=until)
        certificate, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        key.write_bytes(_pkcs8(issued.private_key_pem.bytes(), password))
        key.chmod(0o600)
        return certificate, key

    def issue_whole(self, name: str, host: str = "127.0.0.1", expired: bool = False) -> Path:
        """One file with the key and its certificate, as Kafka's key stores of type PEM are."""
        certificate, key = self.issue(name, host, expired)
        whole = self._directory / f"{name}-store.pem"
        whole.write_bytes(key.read_bytes() + certificate.read_bytes())
        return whole


def _pkcs8(key: bytes, password: bytes | None) -> bytes:
    """In the one form that Java reads."""
    how = NoEncryption() if password is None else BestAvailableEncryption(password)
    return load_pem_private_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
