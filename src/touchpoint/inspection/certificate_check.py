"""When certificates end: those that brokers show, and the one that we show."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from touchpoint.inspection.finding import Finding
from touchpoint.settings import PREFIX, Settings

SECONDS = 10.0
DAYS_BEFORE = 30.0  # a certificate that ends sooner is named
_NAME = "certificates"
_CONTEXT_0, _UTC_TIME = 0xA0, 0x17


async def check_certificates(settings: Settings) -> Finding | None:
    """None where there is no TLS. A certificate that has ended already is told where the broker is looked at."""
    if not settings.security.endswith("SSL"):
        return None
    shown = await asyncio.gather(*(_shown_by(broker, settings) for broker in settings.brokers))
    ends = {broker: not_after(der) for broker, der in zip(settings.brokers, shown, strict=True) if der is not None}
    if settings.tls_cert_file is not None:
        ends[f"{PREFIX}TLS_CERT_FILE"] = not_after(_first_of(settings.tls_cert_file.read_text()))
    return judge_certificates(ends, time.time())


def judge_certificates(ends: dict[str, float], now: float) -> Finding:
    """``ends``: of whom -> when, seconds since 1970."""
    soon = [f"{name} on {datetime.fromtimestamp(end, UTC):%Y-%m-%d}" for name, end in sorted(ends.items())
            if end - now < DAYS_BEFORE * 86400]  # fmt: skip
    if soon:
        return Finding(_NAME, "note", f"those end within {DAYS_BEFORE:.0f} days: {', '.join(soon)}", "renew them")
    if not ends:
        return Finding(_NAME, "skipped", "no broker showed one")
    first = datetime.fromtimestamp(min(ends.values()), UTC)
    return Finding(_NAME, "ok", f"the first of {len(ends)} ends on {first:%Y-%m-%d}")


async def _shown_by(broker: str, settings: Settings) -> bytes | None:
    host, _, port = broker.rpartition(":")
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=settings.tls())
    except (OSError, ValueError):
        return None
    try:
        shown: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown
    finally:
        writer.close()


def _first_of(pem: str) -> bytes:
    found = re.search(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", pem, re.DOTALL)
    assert found is not None  # OpenSSL has read it
    return ssl.PEM_cert_to_DER_cert(found.group())


def not_after(der: bytes) -> float:
    """The end of a certificate's validity, seconds since 1970 (RFC 5280, 4.1: tbsCertificate, validity, notAfter)."""
    [(_, certificate)] = _parts(der)
    _, body = next(_parts(certificate))
    fields = [content for tag, content in _parts(body) if tag != _CONTEXT_0]  # serial, algorithm, issuer, validity
    tag, text = list(_parts(fields[3]))[1]
    shape = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text.decode(), shape).replace(tzinfo=UTC).timestamp()


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element, one after the other (X.690, 8.1)."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size]), at + size
        yield tag, der[at : at + length]
        at += length
