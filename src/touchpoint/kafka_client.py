"""How to reach Kafka: the same options for aiokafka's producers, consumers and admin client; and why one cannot."""

from __future__ import annotations

import ssl
from typing import Any, NamedTuple

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import IllegalSaslStateError, KafkaConnectionError, KafkaError, SaslAuthenticationFailed
from aiokafka.errors import UnsupportedSaslMechanismError as UnknownMechanismError
from aiokafka.protocol.metadata import MetadataRequest

from touchpoint.kafka_token import TokenCommand, TokenError
from touchpoint.settings import PREFIX, Settings

PROBE_SECONDS = 5
_TOKEN_REFUSED = f"refuses the token of {PREFIX}SASL_TOKEN_COMMAND: its log says why"
_EXPIRED, _NOT_FOR_THE_HOST = (10,), (62, 64)  # OpenSSL's X509_V_ERR_*; the host is a name or a number


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of any aiokafka client."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(settings.brokers),
        "client_id": settings.app_id,
        "security_protocol": settings.security,
        "ssl_context": settings.tls(),
    }
    if settings.security.startswith("SASL"):
        options["sasl_mechanism"] = settings.sasl_mechanism
        if settings.sasl_token_command and settings.sasl_mechanism == "OAUTHBEARER":
            options["sasl_oauth_token_provider"] = TokenCommand(settings.sasl_token_command)
            return options
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value() if settings.sasl_password else None
    return options


class Refusal(NamedTuple):
    """Why a broker that is there is of no use to us."""

    cause: str  # with the way out
    final: bool  # waiting cures nothing; else it may be a broker, or what stands before it, that is not up yet


async def refusal(settings: Settings) -> Refusal | None:
    """What the first broker that is there has against us; None if it has nothing, or none is there.

    aiokafka says of every failure that it is unable to bootstrap; the reason goes to its log.
    """
    options = client_options(settings)
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
        try:
            connection = await create_conn(host, port, request_timeout_ms=PROBE_SECONDS * 1000, **options)
            try:
                told = await connection.send(MetadataRequest([]))
                # aiokafka leaves out the end of RFC 7628's exchange, and takes it for an answer without brokers
                if not told.brokers and _by_token(settings):
                    return Refusal(f"{host}:{port} {_TOKEN_REFUSED}", True)
            finally:
                connection.close()
        except (OSError, KafkaError) as error:
            found = _refusal(error, settings)
            if found is not None:
                return found._replace(cause=f"{host}:{port} {found.cause}")
    return None


def _refusal(error: OSError | KafkaError, settings: Settings) -> Refusal | None:
    match error:
        case ssl.SSLCertVerificationError():
            return Refusal(_certificate(error, settings), True)
        case ssl.SSLError():
            return Refusal(f"cannot agree on TLS ({error.reason}): is it a TLS port? {_security(settings)}", True)
        case TokenError():
            return Refusal(f"is not logged in to: {error}", False)
        case SaslAuthenticationFailed():
            return Refusal(
                f"refuses user {settings.sasl_username!r} or the password with {settings.sasl_mechanism}:"
                f" check {PREFIX}SASL_USERNAME, {PREFIX}SASL_PASSWORD and {PREFIX}SASL_MECHANISM",
                True,
            )
        case UnknownMechanismError():
            return Refusal(f"knows no {settings.sasl_mechanism}: check {PREFIX}SASL_MECHANISM", True)
        case IllegalSaslStateError():
            return Refusal(f"wants no login on that port: {_security(settings)}", True)
        case KafkaConnectionError() | ConnectionResetError():
            return Refusal(f"closes the connection at once: {_security(settings)}{_our_certificate(settings)}", False)
    return None


def _by_token(settings: Settings) -> bool:
    return settings.security.startswith("SASL") and settings.sasl_mechanism == "OAUTHBEARER"


def _certificate(error: ssl.SSLCertVerificationError, settings: Settings) -> str:
    if error.verify_code in _EXPIRED:
        return "has a certificate that has expired: renew it there"
    if error.verify_code in _NOT_FOR_THE_HOST:
        return f"has a certificate for another name: name it in {PREFIX}BROKERS as its certificate does"
    trusted = f"not of {str(settings.tls_ca_file)!r}" if settings.tls_ca_file else "none that this system trusts"
    return f"has a certificate of an authority that is {trusted} ({error.verify_message}): check {PREFIX}TLS_CA_FILE"


def _security(settings: Settings) -> str:
    return f"{PREFIX}SECURITY is {settings.security}, and that port may want another"


def _our_certificate(settings: Settings) -> str:
    if not settings.security.endswith("SSL"):
        return ""
    if settings.tls_cert_file is None:
        return f"; or it asks for a certificate: {PREFIX}TLS_CERT_FILE and {PREFIX}TLS_KEY_FILE"
    return f"; or it does not trust our certificate, {str(settings.tls_cert_file)!r}"
