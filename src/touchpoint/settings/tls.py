"""TLS from files, with every mistake in them in plain words."""

from __future__ import annotations

import ssl
from pathlib import Path


def client_context(ca: Path | None, certificate: Path | None, key: Path | None, password: str | None) -> ssl.SSLContext:
    """A client's context, which checks host names; ``ca``: None for the authorities that the system trusts.

    Raises ValueError for a file that cannot be used, never with the password.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise ValueError(f"{str(ca)!r} holds no certificate of an authority as PEM: {_why(error)}") from None
    if certificate is not None:
        try:
            # a function, since without a password OpenSSL would ask at the terminal
            context.load_cert_chain(certificate, key, lambda: password or "")
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{str(certificate)!r} and {str(key)!r} are no certificate and its key as PEM,"
                f" or the key's password is wrong: {_why(error)}"
            ) from None
    return context


def _why(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or error)
