"""An answer survives what pages teach: a stranger is held, asked about on the next page, and nothing else is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client

from consent_mw.wsgi import ConsentMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

STRANGERS = {
    "/": b"<script src=https://trk.one.test/1/></script>",
    "/two": b"<script src=https://trk.two.test/2/></script>",
}
KNOWN = b"<script src=https://static.hotjar.com/c/hotjar-1.js></script>"


def site(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """Answer each path with a service that is declared, and a stranger of its own."""
    start("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [b"<!doctype html><title>x</title>", KNOWN, STRANGERS.get(environ["PATH_INFO"], b""), b"<p>x"]


class Visitor:
    """Somebody with a browser without scripts."""

    def __init__(self, app: ConsentMiddleware) -> None:
        self._client = Client(app)

    def goes_to(self, app: ConsentMiddleware) -> None:
        """Send what follows to another process, with the same cookies."""
        self._client.application = app

    def get(self, path: str) -> str:
        """Return a page."""
        answer = self._client.get(path, base_url="https://shop.example", headers={"Sec-Fetch-Dest": "document"})
        return answer.get_data(as_text=True)

    def answer(self, page: str, action: str, **fields: str) -> None:
        """Press a button of the notice in ``page``, with what its form says."""
        shown = re.search(r'name="shown" value="(\w+)"', page)
        data = {"action": action, "back": "/", **({"shown": shown[1]} if shown else {}), **fields}
        origin = {"Sec-Fetch-Site": "same-origin"}
        found = self._client.post("/_cmw/choice", base_url="https://shop.example", data=data, headers=origin)
        assert found.status_code == 303


def held(page: str) -> set[str]:
    """Return the services for which something is held."""
    return {id_ for ids in re.findall(r'data-cmw-held="?([\w,.-]+)', page) for id_ in ids.split(",")}


def asks(page: str) -> bool:
    """Return whether the notice is in the page."""
    return 'class="cmw-ui cmw-banner"' in page


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Callable[[], ConsentMiddleware]]:
    """Start processes of a site that declares one service and says nothing of the unknown."""
    file = tmp_path / "consent.toml"
    text = f'[site]\nrecords = "sqlite:///{tmp_path}/consent.db"\n\n[[services]]\nuse = "hotjar"\n'
    file.write_text(text, encoding="utf-8")
    made: list[ConsentMiddleware] = []

    def start() -> ConsentMiddleware:
        made.append(ConsentMiddleware(site, str(file)))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_accepting_all_releases_what_the_same_page_taught(app: Callable[[], ConsentMiddleware]) -> None:
    """The notice came before the stranger; who accepts all of the page gets all of it, and is not asked again."""
    visitor = Visitor(app())
    page = visitor.get("/")
    assert (held(page), asks(page)) == ({"hotjar", "host-one-test"}, True)
    visitor.answer(page, "accept-all")
    page = visitor.get("/")
    assert (held(page), asks(page)) == (set(), False)


def test_a_stranger_learned_later_is_asked_about_and_takes_nothing_away(app: Callable[[], ConsentMiddleware]) -> None:
    """What was granted runs on; the stranger is held until somebody accepts, who may leave the question alone."""
    visitor = Visitor(app())
    visitor.answer(visitor.get("/"), "accept-all")
    assert held(visitor.get("/two")) == {"host-two-test"}
    for _ in range(2):
        page = visitor.get("/two")
        assert (held(page), asks(page)) == ({"host-two-test"}, True)
        assert "cmw-news" in page
    visitor.answer(page, "accept-all")
    page = visitor.get("/two")
    assert (held(page), asks(page)) == (set(), False)


def test_ticked_purposes_grant_what_the_notice_named(app: Callable[[], ConsentMiddleware]) -> None:
    """A purpose lets no stranger run that the site learned after the notice was sent; the next notice names it."""
    visitor = Visitor(app())
    first = visitor.get("/")
    visitor.answer(first, "save", purpose="analytics")
    page = visitor.get("/")
    assert (held(page), asks(page)) == ({"host-one-test"}, False)
    visitor.answer(page, "save", purpose="marketing")
    page = visitor.get("/")
    assert (held(page), asks(page)) == ({"hotjar", "host-one-test"}, True)
    visitor.answer(page, "save", purpose="marketing")
    page = visitor.get("/")
    assert (held(page), asks(page)) == ({"hotjar"}, False)


@pytest.mark.parametrize("action", ["reject-all", "withdraw"])
def test_who_refused_is_not_asked_about_strangers(app: Callable[[], ConsentMiddleware], action: str) -> None:
    """A refusal says no to them as well, and stays one."""
    visitor = Visitor(app())
    page = visitor.get("/")
    if action == "withdraw":
        visitor.answer(page, "accept-all")
    visitor.answer(page, action)
    for path, strangers in (("/", {"host-one-test"}), ("/two", {"host-two-test"}), ("/two", {"host-two-test"})):
        page = visitor.get(path)
        assert (held(page), asks(page)) == ({"hotjar", *strangers}, False)


def test_another_process_keeps_the_answer(app: Callable[[], ConsentMiddleware]) -> None:
    """A process that never saw the page lets run what was granted in another one."""
    visitor = Visitor(app())
    visitor.answer(visitor.get("/"), "accept-all")
    visitor.goes_to(app())
    page = visitor.get("/")
    assert (held(page), asks(page)) == (set(), False)
