"""The key of a page: nobody can know that of another response, and all marks of one response carry it."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from consent_mw import ConsentMiddleware

PAGE = (
    b"<!doctype html><html lang=en><head><title>x</title></head><body><p>x"
    b"<script async src=https://www.google-analytics.com/analytics.js></script>"
    b"<img src=https://www.google-analytics.com/a.gif></body></html>"
)
_KEYS = re.compile(rb'data-cmw-key="?([0-9a-f]{16})')
MOZILLA = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
NAVIGATION = {"Sec-Fetch-Mode": "navigate"}


class Site:
    """A site of one page, which comes whole or in the given pieces."""

    def __init__(self, folder: Path, **site: object) -> None:
        self.pieces: Sequence[bytes] = [PAGE]
        about = {"records": f"sqlite:///{folder}/c.db", "allow_insecure_http": True, **site}
        wrapped = ConsentMiddleware(self._app, {"site": about, "services": [{"use": "google-analytics"}]})
        self.client = Client(wrapped)

    def _app(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        if environ.get("HTTP_IF_NONE_MATCH") == '"a"':
            start_response("304 Not Modified", [("ETag", '"a"')])
            return []
        kept = ("Cache-Control", "public, max-age=600")
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("ETag", '"a"'), kept])
        return list(self.pieces)

    def get(self, **headers: str) -> tuple[int, str, bytes]:
        """Return the status, the entity tag and the body of the page."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.get("/", headers={"Sec-Fetch-Dest": "document", **told})
        return answer.status_code, answer.headers.get("ETag", ""), answer.data

    def keys(self, **headers: str) -> list[bytes]:
        """Return the keys in one response; that of the runtime, and one for each of the two marks."""
        found = _KEYS.findall(self.get(**headers)[2])
        assert len(found) == 3
        return found


@pytest.mark.parametrize("caching", ["private", "shared", "class"])
@pytest.mark.parametrize("browser", [MOZILLA, NAVIGATION], ids=["by its name", "by its navigation"])
def test_every_response_to_a_browser_has_its_own_key(tmp_path: Path, browser: dict[str, str], caching: str) -> None:
    """The same request gets another key each time, also where the page is written down and made again."""
    site = Site(tmp_path, caching=caching)
    responses = [site.keys(**browser) for _ in range(6)]
    assert len({key for keys in responses for key in keys}) == 6


@pytest.mark.parametrize("size", [len(PAGE), 7, 1])
def test_all_marks_of_a_response_carry_its_key(tmp_path: Path, size: int) -> None:
    """The runtime and what is held agree, however the page comes."""
    site = Site(tmp_path)
    site.pieces = [PAGE[at : at + size] for at in range(0, len(PAGE), size)]
    for _ in range(4):
        assert len(set(site.keys(**MOZILLA))) == 1


def test_a_page_that_was_not_changed_keeps_its_key(tmp_path: Path) -> None:
    """The entity tag does not depend on the key: the browser shows its own copy, marks and runtime alike."""
    site = Site(tmp_path)
    _, tag, _ = site.get(**MOZILLA)
    assert site.get(**MOZILLA)[1] == tag
    status, again, body = site.get(**MOZILLA, If_None_Match=tag)
    assert (status, again, body) == (304, tag, b"")


def test_a_program_gets_the_same_bytes_for_the_same_request(tmp_path: Path) -> None:
    """What names itself as no browser may compare what it gets; another request gets another key."""
    site = Site(tmp_path)
    assert len({site.get()[2] for _ in range(4)}) == 1
    assert site.keys() != site.keys(User_Agent="curl/8.5.0")
    assert site.keys() != site.keys(X_Forwarded_For="192.0.2.7")
