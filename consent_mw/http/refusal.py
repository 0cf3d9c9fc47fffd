"""The page that is sent in the place of one that could not be read."""

from __future__ import annotations

from consent_mw.http.headers import Headers


def error_page(problem: str, remedy: str) -> tuple[bytes, Headers]:
    """
    Return body and headers of the error page.

    Args:
        problem: What is wrong with the application's page, in a sentence.
        remedy: The setting to change, in a sentence; empty where there is none.
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
