"""Promise 7: a refusal does not identify anybody."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults import load
from tests.faults.harness import Server
from tests.faults.harness import serving
from tests.faults.harness import site


def refusal(server: Server, agent: str, address: str, gpc: bool) -> bytes:
    """Refuse as a visitor with these properties, and return the cookie with all its attributes."""
    headers = {
        "Origin": f"http://localhost:{server.port}",
        "Sec-Fetch-Site": "same-origin",
        "User-Agent": agent,
        "X-Forwarded-For": address,
        "Accept-Language": agent[:2],
        **({"Sec-GPC": "1"} if gpc else {}),
    }
    answer = load.request(server.port, "POST", "/_cmw/choice", headers, "action=reject-all&back=/")
    (line,) = (line for line in answer.split(b"\r\n") if line.startswith(b"Set-Cookie:"))
    return line


@pytest.mark.slow
def test_all_refusals_of_a_day_get_the_same_cookie(tmp_path: Path) -> None:
    """They are equal byte by byte, for any visitor, process and server with the same keys."""
    cookies: Counter[bytes] = Counter()
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        with serving(folder, site(f"sqlite:///{folder}/consent.db"), workers=2) as server:
            for number in range(12):
                agent = f"{'en' if number % 2 else 'de'} browser {number}"
                cookies[refusal(server, agent, f"185.231.77.{number}", gpc=number % 3 == 0)] += 1
    # Around midnight there are two: the day is the only information in a refusal.
    assert (len(cookies) <= 2, cookies.total()) == (True, 24)
    assert all(b"~0~" in cookie for cookie in cookies)
