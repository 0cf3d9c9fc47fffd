"""The error page that replaces a page which could not be read."""

from __future__ import annotations

from consent_mw.http.headers import Headers


def error_page(problem: str, remedy: str) -> tuple[bytes, Headers]:
    """
    Return the body and headers of the error page.

    Args:
        problem: A sentence that says what is wrong with the application's page.
        remedy: A sentence that names the setting to change; empty if there is none.
    """
    text = (
        "This page was not sent.\n\n"
        "consent_mw holds trackers back until visitors agree, and it could not do that here.\n"
        f"{problem}\n{remedy}\n"
    )
    body = text.encode("utf-8", "replace")
    return body, [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
