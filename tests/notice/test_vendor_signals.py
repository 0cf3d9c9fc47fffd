"""What is written to tell vendors of a choice: for whom, beside which tags, and with which meaning."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import brotli
import pytest

from consent_mw.catalogue import SIGNALS
from consent_mw.catalogue import load
from consent_mw.core.choice import Decision
from consent_mw.core.choice import Reason
from consent_mw.core.model import Site
from consent_mw.core.model import VendorSignals
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.vendor_signals import CODE
from consent_mw.notice.vendor_signals import SignalCode

ROOT = Path(__file__).resolve().parents[2]
ASSETS = Assets()
CATALOGUE = load()
LISTENING = ("google-analytics", "google-ads", "google-tag-manager", "bing-uet", "clarity", "meta-pixel")


def site(*names: str, signals: VendorSignals | None = None) -> Site:
    """Return a site that declares these services of the catalogue."""
    return Site(services=tuple(CATALOGUE[name] for name in names), learning=False, signals=signals or VendorSignals())


def decision(*granted: str, purposes: tuple[str, ...] = ()) -> Decision:
    """Return a decision that grants these services and purposes."""
    return Decision(frozenset(granted), frozenset({"necessary", *purposes}), prompt=False, reason=Reason.CHOSEN)


def page(decided: Decision, root: str = "/_cmw", **settings: bool | str) -> NoticePage:
    """Return a page of the visitor."""
    return replace(NoticePage(decided, "en", "", "/", root), **settings)  # type: ignore[arg-type]


def attributes(markup: bytes) -> dict[str, str | None]:
    """Return the attributes of the script."""
    found: list[dict[str, str | None]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append(dict(attrs))

    Reader().feed(markup.decode())
    assert len(found) == 1
    return found[0]


def plan(of: Site) -> dict[str, list[list[str]]]:
    """Return what the code is told of the site."""
    found: dict[str, list[list[str]]] = json.loads(SignalCode(of, ASSETS).settings or "{}")
    return found


def test_the_catalogue_says_whose_tags_listen() -> None:
    """Each vendor has its own tags, and a tag manager may load those of all."""
    found = {family: {one.id for one in CATALOGUE.values() if family in one.signals} for family in SIGNALS}
    managers = {one.id for one in CATALOGUE.values() if one.manager}
    google = {"google-analytics", "google-analytics-advertising", "google-ads", "floodlight", "firebase-analytics"}
    assert found == {
        "google": managers | google,
        "microsoft": managers | {"bing-uet"},
        "clarity": managers | {"clarity"},
        "meta": managers | {"meta-pixel"},
    }


def test_nothing_is_written_for_who_granted_nothing() -> None:
    """A held tag needs no signal: neither before a choice nor after a refusal is there one."""
    assert SignalCode(site(*LISTENING), ASSETS).markup(page(decision())) == b""


def test_nothing_is_written_where_only_others_run() -> None:
    """A granted service that listens to nothing brings no signal, nor does a purpose alone."""
    code = SignalCode(site(*LISTENING, "plausible"), ASSETS)
    assert code.markup(page(decision("plausible", purposes=("analytics",)))) == b""


@pytest.mark.parametrize("name", LISTENING)
def test_a_granted_tag_brings_the_signal(name: str) -> None:
    """One granted service that listens is enough, and the code is told what else is granted."""
    markup = SignalCode(site(*LISTENING), ASSETS).markup(page(decision(name, purposes=("preferences",))))
    assert attributes(markup)["data-cmw-on"] == ",".join(sorted([name, "preferences"]))
    assert markup.count(b"<script") == 1


@pytest.mark.parametrize("family", SIGNALS)
def test_an_owner_can_leave_a_vendor_out(family: str) -> None:
    """With its flag off a vendor is told nothing, and the others are told as before."""
    signals = replace(VendorSignals(), **{family: False})
    assert plan(site(*LISTENING, signals=signals)).keys() == set(SIGNALS) - {family}


def test_a_service_stands_for_its_purposes_and_a_manager_for_none() -> None:
    """A service that is granted by itself lets its vendor do what it is for; a tag manager says nothing of its tags."""
    assert plan(site("google-analytics", "google-ads", "google-tag-manager"))["google"] == [
        ["google-analytics", "google-ads", "google-tag-manager"],
        ["analytics", "google-analytics"],
        ["marketing", "google-ads"],
        ["preferences"],
        [],
    ]


def test_one_vendors_service_says_nothing_to_another() -> None:
    """A visitor who allows the pixel of one vendor has not allowed advertising to all."""
    assert "meta-pixel" not in str(plan(site(*LISTENING))["google"])


def test_options_are_off_unless_asked_for() -> None:
    """Google's two options are named where the owner switched them on, and only there."""
    assert plan(site("google-ads"))["google"][4] == []
    both = VendorSignals(url_passthrough=True, ads_data_redaction=True)
    assert plan(site("google-ads", signals=both))["google"][4] == ["url_passthrough", "ads_data_redaction"]


def test_a_site_without_such_tags_has_no_settings() -> None:
    """Nothing is added to the runtime of a site that has nobody to tell."""
    code = SignalCode(site("plausible", "youtube"), ASSETS)
    assert (code.settings, code.attributes) == ("", "")


def test_the_calls_that_a_granted_service_could_wait_for_are_told() -> None:
    """The code gets each call and its answer as the values that the vendor's function would get."""
    code = SignalCode(site("matomo", "pinterest-tag"), ASSETS)
    assert json.loads(code.settings) == {
        "waits": {
            "matomo": [
                ["_paq", ["requireConsent"], ["setConsentGiven"]],
                ["_paq", ["requireCookieConsent"], ["setCookieConsentGiven"]],
            ],
            "pinterest-tag": [["pintrk", ["setconsent", False], ["setconsent", True]]],
        }
    }
    assert attributes(code.markup(page(decision("matomo"))))["data-cmw-on"] == "matomo"


def test_the_code_is_one_text_everywhere() -> None:
    """What varies stands in attributes, so that one hash of the code fits every page and site."""
    pages = [
        SignalCode(site(name), ASSETS).markup(page(decision(name), root, nonce=nonce)).decode()
        for name, root, nonce in (("google-ads", "/_cmw", ""), ("clarity", "/shop/_cmw", "n0nce"))
    ]
    assert {page[page.index(">") + 1 : page.index("</script>")] for page in pages} == {ASSETS.read(CODE).decode()}
    assert attributes(pages[1].encode())["nonce"] == "n0nce"


@pytest.mark.parametrize(("inline", "xml"), [(False, False), (True, True), (False, True)])
def test_a_page_that_takes_no_code_gets_a_link(inline: bool, xml: bool) -> None:
    """Where inline code is forbidden, or the page is XML, the code is a file, and still the first to run."""
    markup = SignalCode(site("clarity"), ASSETS).markup(page(decision("clarity"), "/x/_cmw", inline=inline, xml=xml))
    element = ElementTree.fromstring(markup)
    assert (element.get("src"), element.text) == ("/x/_cmw/" + ASSETS.path(CODE), None)
    assert element.keys() == ["data-cmw-signals", "data-cmw-on", "src"]  # neither async nor deferred


def test_the_code_is_ascii_and_ends_no_script() -> None:
    """It reads the same in every charset, and nothing in it closes the element."""
    code = ASSETS.read(CODE)
    assert code.isascii()
    assert not re.search(rb"</script|<!--", code, re.IGNORECASE)


def test_the_code_is_small() -> None:
    """Together with all that a decided visitor's page carries it has to stay under two kilobytes: so 1,100 bytes."""
    assert len(brotli.compress(ASSETS.read(CODE), quality=11)) <= 1100


def test_no_registered_interface_is_pretended() -> None:
    """Those of TCF, GPP and the US signal need a registration, and a false one would have others believe it."""
    names = re.compile(r"__(?:tcfapi|gpp|uspapi)")
    sources = [*(ROOT / "consent_mw").rglob("*.py"), *(ROOT / "consent_mw").rglob("*.html")]
    sources += [path for path in (ROOT / "static").iterdir() if path.suffix in (".js", ".css")]
    assert len(sources) > 50
    assert [str(path) for path in sources if names.search(path.read_text(encoding="utf-8"))] == []
