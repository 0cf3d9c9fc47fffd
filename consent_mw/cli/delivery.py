"""
Sends a report: as a mail over SMTP, or as JSON to a webhook.

The addresses were checked when the configuration was read. The URL of a webhook is often a secret, so messages contain
only its host. Redirects are not followed.
"""

from __future__ import annotations

import json
import smtplib
import ssl
from collections.abc import Mapping
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import make_msgid
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.error import URLError
from urllib.parse import unquote
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler
from urllib.request import Request
from urllib.request import build_opener

from consent_mw.cli import Unable
from consent_mw.core.model import ReportDelivery

__all__ = ["call", "mail", "send"]

#: The time limit for each answer of a server, in seconds.
TIMEOUT = 20.0
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


def mail(settings: ReportDelivery, subject: str, lines: Sequence[str]) -> EmailMessage:
    """Return a mail with these lines to all recipients in the settings."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.to)
    message["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
    # Suppress automatic replies (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(lines) + "\n", cte="quoted-printable")
    return message


def send(settings: ReportDelivery, message: EmailMessage, environ: Mapping[str, str]) -> None:
    """
    Send the mail.

    Raises:
        Unable: if there is no password, or the server does not accept the mail.
    """
    parts = urlsplit(settings.smtp)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    secure = ssl.create_default_context()
    password = ""
    if parts.username:
        password = environ.get(settings.smtp_password_env, "")
        if not password:
            raise Unable(f"The environment variable {settings.smtp_password_env} holds no password for {host}.")
    try:
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=secure)
        else:
            server = smtplib.SMTP(host, port, timeout=TIMEOUT)
        with server:
            if parts.scheme == "smtp+starttls":
                server.starttls(context=secure)
            if parts.username:
                server.login(unquote(parts.username), password)
            refused = server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise Unable(f"{host} did not take the mail: {type(error).__name__}. Look at report.smtp.") from error
    if refused:
        raise Unable(f"{host} refused the mail to {', '.join(sorted(refused))}.")


class _Stay(HTTPRedirectHandler):
    """Follows no redirects: the report goes only to the configured URL."""

    def redirect_request(self, *_request: Any) -> None:
        """Return no request to follow."""


def call(address: str, document: Mapping[str, object]) -> None:
    """
    Post the document as JSON.

    Raises:
        Unable: if the webhook does not accept it.
    """
    body = json.dumps(document).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "consent-mw"}
    host = urlsplit(address).hostname
    try:
        # The scheme was checked when the configuration was read.
        with build_opener(_Stay).open(Request(address, body, headers), timeout=TIMEOUT):  # noqa: S310
            return
    except HTTPError as error:
        error.close()
        raise Unable(f"The webhook at {host} answered {error.code}. Look at report.webhook.") from None
    except (URLError, OSError, HTTPException) as error:
        raise Unable(f"The webhook at {host} cannot be reached: {type(error).__name__}.") from None
