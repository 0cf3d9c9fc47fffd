"""``consent-mw init``: a first configuration that loads, and with which an audit of the same site is clean."""

from __future__ import annotations

import io
import tomllib
from pathlib import Path

import pytest

from consent_mw import ConsentMiddleware
from consent_mw import config
from consent_mw.audit.first_config import Facts
from consent_mw.audit.first_config import first_config
from consent_mw.audit.other_tools import OTHER_TOOLS
from consent_mw.audit.other_tools import released
from consent_mw.audit.other_tools import tools_in
from consent_mw.audit.pages import Reader
from consent_mw.audit.targets import Response
from consent_mw.cli import FOUND
from consent_mw.cli import UNABLE
from consent_mw.cli import main
from demo_site.shop import create_app
from tests import npm_packages
from tests.audit.sites import FAULTS
from tests.audit.sites import page

HTML = (("Content-Type", "text/html; charset=utf-8"),)
GTAG = "https://www.googletagmanager.com/gtag/js?id=G-AAAAA11111"

#: A script of statistics as each tool marks it, and what shows that the tool is there.
MARKED = {
    "cookieconsent-3": (
        "<script>CookieConsent.run({})</script>",
        f'<script type="text/plain" data-category="analytics" src="{GTAG}"></script>',
    ),
    "cookieconsent-2": (
        "<script>var cc = initCookieConsent()</script>",
        f'<script type="text/plain" data-cookiecategory="analytics" src="{GTAG}"></script>',
    ),
    "klaro": (
        '<script src="/static/klaro.js"></script>',
        f'<script type="text/plain" data-type="application/javascript" data-name="ga" data-src="{GTAG}"></script>',
    ),
    "cookiebot": (
        '<script id="Cookiebot" src="https://consent.cookiebot.com/uc.js" data-cbid="1"></script>',
        f'<script type="text/plain" data-cookieconsent="statistics" src="{GTAG}"></script>',
    ),
    "onetrust": (
        '<script src="https://cdn.cookielaw.org/scripttemplates/otSDKStub.js"></script>',
        f'<script type="text/plain" class="optanon-category-C0002" src="{GTAG}"></script>',
    ),
    "cookieyes": (
        '<script id="cookieyes" src="https://cdn-cookieyes.com/client_data/1/script.js"></script>',
        f'<script type="text/plain" data-cookieyes="cookieyes-analytics" src="{GTAG}"></script>',
    ),
    "complianz": (
        '<div id="cmplz-cookiebanner-container"></div>',
        f'<script type="text/plain" data-service="ga" data-category="statistics" data-cmplz-src="{GTAG}"></script>',
    ),
    "usercentrics": (
        '<script id="usercentrics-cmp" src="https://web.cmp.usercentrics.eu/ui/loader.js"></script>',
        f'<script type="text/plain" data-usercentrics="Google Analytics" src="{GTAG}"></script>',
    ),
    "django-cookie-consent": (
        '<script src="/static/cookie_consent/cookiebar.module.js"></script>',
        f'<script type="x/cookie_consent" data-varname="analytics" src="{GTAG}"></script>',
    ),
}


@pytest.fixture(scope="module")
def reader() -> Reader:
    """Reads pages of a site without configuration."""
    return Reader(config.load({}))


def configured(reader: Reader, *texts: str) -> str:
    """Return the configuration for pages of these texts."""
    pages = [
        reader.read("https://localhost", f"/{number}", Response(200, HTML, text.encode()))
        for number, text in enumerate(texts)
    ]
    return first_config(pages, reader, Facts("test"))


def test_everything_that_loads_is_asked_about(reader: Reader) -> None:
    """The services of all faults are declared, once each, and the file loads."""
    text = configured(reader, *(page(markup) for markup, _ in FAULTS.values()))
    site = config.load(tomllib.loads(text))
    assert {service.id for service in site.services} == {service for _, service in FAULTS.values()}


@pytest.mark.parametrize("tool", MARKED)
def test_what_another_tool_holds_is_asked_about(reader: Reader, tool: str) -> None:
    """The tool is named with its categories, and the script that waits for it becomes a service of ours."""
    head, script = MARKED[tool]
    text = configured(reader, page(script, head))
    known = next(one for one in OTHER_TOOLS if one.id == tool)
    assert [one.id for one in tools_in(page(script, head))] == [tool]
    assert (f"# {known.name} is on the site." in text, known.delete in text) == (True, True)
    assert "google-analytics" in [one.id for one in config.load(tomllib.loads(text)).services]


@pytest.mark.parametrize(
    ("file", "tool"),
    [
        ("klaro/README.md", "klaro"),
        ("tarteaucitronjs/README.md", "tarteaucitron"),
        ("cookieconsent/README.md", "osano-cookieconsent"),
    ],
)
def test_the_tools_own_documents_are_recognised(file: str, tool: str) -> None:
    """What the published package tells its users to write is a sign of it."""
    assert tool in [one.id for one in tools_in(npm_packages.text(file))]


@pytest.mark.parametrize(
    ("markup", "tool"),
    [
        ("<script src=/static/cookieconsent.umd.0f9a8b7c6d5e.js></script>", "cookieconsent-3"),
        ("<script src=/static/klaro.55e79a2f4b1c.js></script>", "klaro"),
        ("<script src=/assets/klaro-no-css-D3adB33f.js></script>", "klaro"),
        ("<script src=/static/tarteaucitron.min.55e79a2f4b1c.js></script>", "tarteaucitron"),
        ("<script src=/static/cookie_consent/cookiebar.module.55e79a2f4b1c.js></script>", "django-cookie-consent"),
        ('<form class=cookie-consent-accept><input type=hidden name="cookie_groups"></form>', "django-cookie-consent"),
        ("<script src=/static/wagtail_tag_manager/wtm.bundle.55e79a2f4b1c.js></script>", "wagtail-tag-manager"),
        ('<script>window.wtm = {"config_url": "/consent/config/"}</script>', "wagtail-tag-manager"),
        ('<div id="wtm_cookie_bar" class="cleanslate hidden"></div>', "wagtail-tag-manager"),
        ('<div data-testid="consent-banner-root"></div>', "c15t"),
        ("<script src=/static/klaro-tavern-menu/app.js></script>", ""),
        ("<script src=/static/cookieconsent.js></script>", ""),
    ],
)
def test_tools_are_recognised_under_hashed_names_and_by_their_markup(markup: str, tool: str) -> None:
    """As their packages render it, and as static files are named that browsers may keep for ever."""
    assert [one.id for one in tools_in(page(markup))] == ([tool] if tool else [])


def test_categories_lead_to_purposes_of_ours() -> None:
    """Each category of each tool is one of the five purposes."""
    purposes = {purpose.id for purpose in config.load({}).purposes}
    assert {ours for tool in OTHER_TOOLS for ours in tool.categories.values()} <= purposes


def test_what_another_tool_holds_does_not_fire(reader: Reader) -> None:
    """A script that another tool keeps is not said to load; one that only has an unknown type or a mark is."""

    def loading(script: str) -> list[str]:
        answer = Response(200, HTML, page(script).encode())
        return [load.service.id for load in reader.read("https://localhost", "/", answer).loads]

    assert {tool: loading(script) for tool, (_, script) in MARKED.items()} == dict.fromkeys(MARKED, [])
    assert loading(f'<script type="text/later" src="{GTAG}"></script>') == ["google-analytics"]
    assert loading(f'<script data-varname="analytics" src="{GTAG}"></script>') == ["google-analytics"]


def test_marks_of_other_tools_are_taken_out_in_place() -> None:
    """A page without the marks has the same length and lines; a page without marks is the same."""
    for head, script in MARKED.values():
        text = page(script, head).encode()
        assert (len(released(text)), released(text) != text) == (len(text), True)
    plain = page('<script type="text/plain">template</script>').encode()
    assert released(plain) == plain


def test_a_stranger_is_left_to_the_owner(reader: Reader) -> None:
    """A host that nobody knows is a comment, which the file loads without."""
    text = configured(reader, page("<script src=https://cdn.nobody-knows.example/lib.js></script>"))
    assert "# TODO: cdn.nobody-knows.example is on /0" in text
    assert config.load(tomllib.loads(text)).learning


def test_hostile_pages_cannot_write_settings(reader: Reader) -> None:
    """Quotes and lines in what a page says of itself stay text."""
    head = '<meta property="og:site_name" content="A&quot;&#10;records = &quot;x\\">'
    text = configured(reader, page('<a href="/privacy&quot;&#10;x">Privacy</a>', head))
    assert config.load(tomllib.loads(text)).records.endswith("/consent.db")


# -- the commands


def shop() -> object:
    """Return the demo shop without consent_mw."""
    return create_app(8001)


def test_init_gives_a_file_with_which_the_audit_is_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo: audited bare with findings; set up by init, and then held, without any."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONSENT_KEYS", "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789")
    assert main(["audit", "tests.audit.test_init:shop()", "--quiet"]) == FOUND
    assert "consent_mw with this configuration would hold" in capsys.readouterr().out
    assert main(["init", "tests.audit.test_init:shop()", "--quiet", "--controller", "Shop Ltd"]) == 0
    assert main(["check"]) == 0
    held = ConsentMiddleware(create_app(8001).wsgi_app, "consent.toml")
    monkeypatch.setattr("tests.audit.test_init.shop", lambda: held)
    capsys.readouterr()
    code = main(["audit", "tests.audit.test_init:shop()", "--quiet", "--accept"])
    out = capsys.readouterr().out
    assert (code, "ERROR" in out, "WARNING" in out, "after withdrawal" in out) == (0, False, False, True), out
    held.engine.close()
    assert main(["init", "tests.audit.test_init:shop()"]) == UNABLE  # it never overwrites


def test_init_reads_a_folder_of_templates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Templates are read as they are."""
    (tmp_path / "base.html").write_text("{% block x %}" + FAULTS["frame"][0] + "{% endblock %}", encoding="utf-8")
    assert main(["init", str(tmp_path), "--output", "-"]) == 0
    assert 'use = "youtube"' in capsys.readouterr().out


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self) -> bool:
        """Return that somebody is there."""
        return True


@pytest.mark.parametrize(("typed", "expected"), [("Shop Ltd, London\n", "Shop Ltd, London"), ("\n", "")])
def test_init_asks_who_is_responsible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, expected: str
) -> None:
    """Somebody at a terminal is asked; what is left empty is marked in the file, and the services are counted."""
    (tmp_path / "base.html").write_text(FAULTS["frame"][0], encoding="utf-8")
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    file = tmp_path / "consent.toml"
    assert main(["init", str(tmp_path), "--output", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    assert config.load(tomllib.loads(text)).controller == expected
    assert ("# TODO: controller" in text) == (not expected)
    assert f"{file} asks about 1 service. " in capsys.readouterr().out


@pytest.mark.parametrize("command", ["audit", "init"])
def test_a_site_that_cannot_be_reached_is_not_clean(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, whatever the command."""
    monkeypatch.chdir(tmp_path)
    # Nobody listens on port 1 of this machine.
    assert main([command, "http://127.0.0.1:1/", "--quiet"]) == UNABLE


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ('<a class=x href="/datenschutz/">Mehr</a>', "/datenschutz/"),
        ("<a href='/p?id=3&amp;x=1'>Privacy</a>", "/p?id=3&x=1"),
        ("<a href=/privacy>Privacy policy</a>", "/privacy"),
        ("<a href = /p class=y><span>Tietosuojaseloste</span></a>", "/p"),
        ("<a href=/p>Ochrana soukromí</a>", "/p"),
        ("<a href=/p>プライバシーポリシー</a>", "/p"),
        ("<a href=https://legal.x.example/p>Política de privacidad</a>", "https://legal.x.example/p"),
        ("<a href=/p>About us</a>", ""),
        ("<a href={{ url }}>Privacy</a>", ""),
        ('<a href="javascript:privacy()">Privacy</a>', ""),
        ("<a href=//privacy.example/p>Privacy</a>", ""),
    ],
)
def test_the_link_to_the_privacy_policy_is_found(reader: Reader, link: str, found: str) -> None:
    """Quoted or not, by its address or its words in many languages; what is no address stays to be filled in."""
    given = tomllib.loads(configured(reader, page(link)))
    assert given["site"].get("privacy_policy", "") == found
