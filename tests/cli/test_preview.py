"""``consent-mw preview``: every look is a page, offline, of the site's own notice."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.request import urlopen

import pytest
from bs4 import BeautifulSoup
from werkzeug.test import Client

from consent_mw.cli.preview import SCHEMES
from consent_mw.cli.preview import STATES
from consent_mw.cli.preview import Gallery
from consent_mw.cli.preview import PreviewLook
from consent_mw.cli.preview import application
from consent_mw.core.model import Site
from consent_mw.notice.assets import property_of
from consent_mw.notice.theme import DARK
from consent_mw.notice.theme import LIGHT
from demo_site.servers import serve_near
from tests.cli.conftest import Run
from tests.web.doubles import SITE
from tests.web.doubles import TODAY

BAR = PreviewLook("bar", "bottom", "en", "light", "undecided")


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    """The looks of the shop."""
    return Gallery(SITE, today=TODAY)


def test_the_pages_are_written(run: Run, tmp_path: Path) -> None:
    """One page for each look, and one that shows them, which leads to each by a relative address."""
    done = run("preview", "--output", str(tmp_path / "looks of mine"), "--language", "ar")
    files = {file.name for file in (tmp_path / "looks of mine" / "looks").iterdir()}
    count = 7 * 3 * len(SCHEMES) * len(STATES)
    assert (done.code, done.out.startswith(f"{count} looks written: open "), len(files)) == (0, True, count)
    assert "dialog.center.ar.dark.gpc.html" in files


def test_nothing_is_fetched(gallery: Gallery) -> None:
    """No page of the preview names another host, or holds a script of the notice."""
    for text in (gallery.index(), *(gallery.page(look) for look in gallery.looks() if look.lang == "en")):
        soup = BeautifulSoup(text, "html.parser")
        fetched = [one.get("src") or one.get("href") for one in soup.select("[src], link, img, base")]
        assert (fetched, "//" in re.sub(r"https?://www\.w3\.org/", "", text)) == ([], False)
        assert soup.select("[data-cmw-runtime]") == []


def test_each_look_is_the_sites_own_notice(gallery: Gallery) -> None:
    """Position, language and state are what the name of the page says."""
    soup = BeautifulSoup(gallery.page(PreviewLook("corner", "top-start", "de", "light", "gpc")), "html.parser")
    banner = soup.select_one("[data-cmw-banner]")
    assert banner is not None
    shown = [banner[name] for name in ("data-cmw-position", "lang")]
    assert (shown, banner.select_one(".cmw-gpc") is not None) == (["top-start", "de"], True)
    assert "Portrait Shop Ltd, London" in banner.get_text()


def test_colours_do_not_depend_on_who_looks(gallery: Gallery) -> None:
    """The question what the visitor prefers is answered in the page: the dark rule always holds, or never."""
    light, dark = (gallery.page(PreviewLook("bar", "bottom", "en", scheme, "undecided")) for scheme in SCHEMES)
    for text in (light, dark):
        assert "prefers-color-scheme" not in text
    assert (LIGHT["paper"][:4], DARK["paper"]) == ("#fff", "#191c24")
    paper = property_of("paper")
    assert f"@media not all{{.cmw-ui{{{paper}:#191c24" in light
    assert f"@media all{{.cmw-ui{{{paper}" in dark


@pytest.mark.parametrize(
    ("state", "selector", "expected"),
    [
        ("undecided", "details[open]", 0),
        ("open", "details[open]", 1),
        ("decided", "[data-cmw-banner]", 0),
        ("decided", "[data-cmw-reopen]", 1),
        ("decided-gpc", "[data-cmw-reopen] [role=status]", 1),
    ],
)
def test_states_are_shown(gallery: Gallery, state: str, selector: str, expected: int) -> None:
    """Boxes open, the small control, the word on a signal: each in its state."""
    soup = BeautifulSoup(gallery.page(PreviewLook("bar", "bottom", "en", "light", state)), "html.parser")
    assert len(soup.select(selector)) == expected


def test_a_change_is_told(gallery: Gallery) -> None:
    """Who is asked again is told in one line what changed; an example stands in where the site lists no change."""
    asked, again = (
        gallery.page(PreviewLook("bar", "bottom", "en", "light", state)) for state in ("undecided", "changed")
    )
    assert ("Matomo in place of" in asked, "Matomo in place of" in again) == (False, True)


def test_a_site_without_services_shows_three() -> None:
    """Where nothing would be asked, services of the catalogue stand in."""
    bare = Gallery(Site(), today=TODAY)
    asked = BeautifulSoup(bare.page(BAR), "html.parser").select(".cmw-list li")
    assert (bare.sampled, len(asked)) == (True, 3)


def test_only_looks_are_served(gallery: Gallery) -> None:
    """The server has the list and the looks; whatever else is asked for is not there."""
    client = Client(application(gallery))
    paths = ["/", f"/looks/{BAR.file}", "/looks/", "/looks/bar.bottom.xx.light.gpc.html", "/consent.toml"]
    paths += ["/looks/../consent.toml", "/looks/bar.center.en.light.gpc.html", f"/looks/{BAR.file}x"]
    assert [client.get(path).status_code for path in paths] == [200, 200, 404, 404, 404, 404, 404, 404]


def test_a_served_page_is_made_anew(gallery: Gallery) -> None:
    """Caches keep nothing, since an owner is about to change it."""
    with serve_near(application(gallery), 0) as server, urlopen(f"http://127.0.0.1:{server.port}/") as answer:
        assert (answer.headers["Cache-Control"], b"Portrait Shop" in answer.read()) == ("no-store", True)


def test_a_language_without_texts_is_told(run: Run) -> None:
    """An unknown tag is a mistake of the command, which names it."""
    done = run("preview", "--language", "tlh", "--output", "unused")
    assert (done.code, "there are no texts in 'tlh'" in done.err) == (2, True)


def test_a_taken_port_is_told(run: Run) -> None:
    """The message says what to do, and no traceback is shown."""
    with serve_near(application(Gallery(SITE, today=TODAY)), 0) as server:
        done = run("preview", "--port", str(server.port))
    assert (done.code, f"port {server.port} is taken" in done.err) == (2, True)


def test_a_folder_that_cannot_be_made_is_told(run: Run, tmp_path: Path) -> None:
    """Any file that a command cannot use is named, with what to do, and no traceback is shown."""
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    done = run("preview", "--output", str(tmp_path / "taken" / "looks"))
    assert (done.code, "cannot be used: Not a directory. Name another path" in done.err) == (2, True)
