"""How Faust reaches Kafka."""

from __future__ import annotations

from typing import Any

import faust
from faust.types.auth import SASLMechanism

from touchpoint.kafka_token import TokenCommand
from touchpoint.settings import Settings


def faust_credentials(settings: Settings) -> dict[str, Any]:
    """The setting ``broker_credentials`` of a Faust app, or nothing."""
    context = settings.tls()
    if settings.security.startswith("SASL") and settings.sasl_mechanism == "OAUTHBEARER":
        assert settings.sasl_token_command is not None
        provider = TokenCommand(settings.sasl_token_command)
        return {"broker_credentials": faust.OAuthCredentials(oauth_cb=provider, ssl_context=context)}
    if settings.security.startswith("SASL"):
        password = settings.sasl_password.get_secret_value() if settings.sasl_password else None
        credentials: Any = faust.SASLCredentials(
            username=settings.sasl_username,
            password=password,
            mechanism=SASLMechanism(settings.sasl_mechanism),
            ssl_context=context,
        )
        return {"broker_credentials": credentials}
    if context is not None:
        return {"broker_credentials": faust.SSLCredentials(context=context)}
    return {}
