"""How to reach Kafka: the same options for aiokafka's producers, consumers and admin client."""

from __future__ import annotations

import ssl
from typing import Any

from aiokafka.helpers import create_ssl_context

from touchpoint.settings import Settings


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """The TLS context of the settings; ``None`` for the protocols without TLS."""
    if not settings.security.endswith("SSL"):
        return None
    context: ssl.SSLContext = create_ssl_context(
        cafile=str(settings.tls_ca_file) if settings.tls_ca_file else None,
        certfile=str(settings.tls_cert_file) if settings.tls_cert_file else None,
        keyfile=str(settings.tls_key_file) if settings.tls_key_file else None,
        password=settings.tls_key_password.get_secret_value() if settings.tls_key_password else None,
    )
    return context


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of any aiokafka client."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.brokers),
        "client_id": settings.app_id,
        "security_protocol": settings.security,
        "ssl_context": ssl_context(settings),
    }
    if settings.security.startswith("SASL"):
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value() if settings.sasl_password else None
    return options
