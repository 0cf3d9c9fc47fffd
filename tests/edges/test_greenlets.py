"""Sites that are served from greenlets, patched in before the site is loaded or in a worker that was forked later."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("servers") / "greenlets.py"
NAVIGATION = {"Host": "localhost", "Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}

pytestmark = pytest.mark.slow


@pytest.fixture(
    scope="module",
    params=[(kind, when) for kind in ("gevent", "eventlet") for when in ("before", "after")],
    ids="-".join,
)
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve a site that learns, and return its port."""
    kind, when = request.param
    tmp_path = tmp_path_factory.mktemp("-".join(request.param))
    command = [sys.executable, "-W", "ignore", str(PROGRAM), kind, when, str(tmp_path)]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CONSENT_KEYS": "k" * 40},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def ask(port: int, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str, str]:
    """Return status, cookie and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    told = {**NAVIGATION, **{name.replace("_", "-"): value for name, value in headers.items()}}
    connection.request(method, path, body, told)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, response.headers.get("Set-Cookie", "").partition(";")[0], text


def test_pages_are_answered_and_choices_kept(port: int) -> None:
    """The first page is answered, a choice is recorded, and the next page follows it; nothing waits for a thread."""
    first = ask(port, "GET", "/")[2]
    assert ("data-cmw-held=google-analytics" in first, "data-cmw-hosts=" in first) == (True, True)
    form = urlencode({"action": "accept-all", "back": "/"})
    kind = "application/x-www-form-urlencoded"
    status, cookie, _ = ask(port, "POST", "/_cmw/choice", form, Content_Type=kind, Sec_Fetch_Site="same-origin")
    assert (status, cookie.startswith("cmw")) == (303, True)
    text = ask(port, "GET", "/", Cookie=cookie)[2]
    assert "data-cmw-held=google-analytics" not in text


def test_a_page_put_together_by_greenlets_shows_one_banner(port: int) -> None:
    """A view may ask for parts of its page in a pool, whether or not that hands on the context; one notice works."""
    text = ask(port, "GET", "/parts")[2]
    sections = re.findall(r"<section[^>]*data-cmw-banner[^>]*>", text)
    assert (len([tag for tag in sections if 'hidden=""' not in tag]), text.count("<h1>Hello")) == (1, 2)
    assert "<script src=https://www.google-analytics.com" not in text
