"""What an owner adds to the notice: logo, links, a second way to refuse, names of services, another control."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from consent_mw import config
from consent_mw.core.choice import Action
from consent_mw.errors import ConfigError
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.escaping import linked
from tests.web.doubles import ASSETS
from tests.web.doubles import FakeContext
from tests.web.doubles import Visitor
from tests.web.doubles import decision
from tests.web.doubles import record
from tests.web.doubles import rules_of

SERVICES = {"services": [{"use": "google-analytics"}, {"use": "matomo"}, {"use": "youtube"}]}
#: Sheets that only owners who ask for something send.
OPTIONAL_SHEETS = (
    *("logo.css", "links.css", "services.css", "dismiss-text.css", "dismiss-cross.css"),
    *("icon-cookie.css", "icon-shield.css", "icon-none.css", "icon-picture.css"),
)


def inserted(site: dict[str, Any] | None = None, *, chosen: bool = False, **tables: Any) -> str:
    """Return what is inserted into a page of a visitor who has not chosen, or who has."""
    loaded = config.load({"site": site or {}, **SERVICES, **tables})
    state = decision(prompt=not chosen, kept=record(Action.REJECT) if chosen else None)
    return Notice(loaded, ASSETS).insertion(NoticePage(state, "en", "", "/", "/_cmw", sheets=False)).decode("ascii")


def refusals(**tables: Any) -> dict[str, str]:
    """Return what is wrong with a configuration: the place, and the problem."""
    with pytest.raises(ConfigError) as caught:
        config.load(tables)
    return {problem.where: problem.what for problem in caught.value.problems}


def test_nobody_pays_for_what_others_add() -> None:
    """A site that adds nothing gets none of the markup and none of the rules, before a choice and after it."""
    page = inserted() + inserted(chosen=True)
    assert [name for name in OPTIONAL_SHEETS if rules_of(name) in page] == []
    names = ("cmw-logo", "cmw-dismiss", "cmw-each", "cmw-day", "cmw-night", "<img")
    assert [name for name in names if name in page] == []


def test_every_optional_sheet_is_sent_to_somebody() -> None:
    """Each of the sheets is in the page of a site that asks for it, whole."""
    pages = [
        inserted({"show_services": True, "dismiss": "text"}, theme={"logo": "/logo.svg"}),
        inserted({"dismiss": "cross"}, texts={"en": {"banner.text": "See [us](/us) for:"}}),
        *(inserted({"reopen_icon": icon, "reopen_label": "always"}, chosen=True) for icon in ("cookie", "shield")),
        *(inserted({"reopen_icon": icon, "reopen_label": "always"}, chosen=True) for icon in ("none", "/own.svg")),
    ]
    assert [name for name in OPTIONAL_SHEETS if rules_of(name) not in "".join(pages)] == []
    folder = Path(__file__).parents[2] / "static"
    assert {path.name for pattern in ("icon-*", "dismiss-*") for path in folder.glob(pattern)} <= set(OPTIONAL_SHEETS)


def test_a_logo_stands_above_the_title() -> None:
    """It is a picture with the site's name; with one for dark backgrounds, only the one that is seen is loaded."""
    page = inserted({"name": "A & B"}, theme={"logo": "/logo.svg", "dark": {"logo": "/night.svg"}})
    by_day = '<img class="cmw-logo cmw-day" src="/logo.svg" alt="A &amp; B" loading="lazy"/>'
    by_night = '<img class="cmw-logo cmw-night" src="/night.svg" alt="A &amp; B" loading="lazy"/>'
    assert f"{by_day}{by_night}<h2" in page
    assert ".cmw-night{display:block!important}" in page


@pytest.mark.parametrize(("scheme", "path"), [("dark", "/night.svg"), ("light", "/logo.svg")])
def test_a_scheme_for_everybody_has_one_logo(scheme: str, path: str) -> None:
    """A notice that is always dark has the logo for dark backgrounds, and no other."""
    theme: dict[str, Any] = {"scheme": scheme, "logo": "/logo.svg"}
    page = inserted(theme=theme | ({"dark": {"logo": "/night.svg"}} if scheme == "dark" else {}))
    assert (page.count("<img"), f'src="{path}"' in page) == (1, True)


def test_links_of_the_owner_follow_ours() -> None:
    """They come after the link to all services, in the owner's order, in the language of the notice."""
    links = [
        {"url": "/imprint", "label": {"en": "Imprint", "de": "Impressum"}},
        {"url": "https://a.example", "label": "A"},
    ]
    page = inserted(links=links)
    assert '<a href="/imprint">Imprint</a><a href="https://a.example">A</a></p></div>' in page


def test_links_of_the_owner_are_on_the_preferences() -> None:
    """The page of preferences has them, the logo, and the links in texts; its policy allows the picture."""
    site = config.load(
        {
            "site": {"name": "Shop"},
            "theme": {"logo": "/logo.svg"},
            "links": [{"url": "/imprint", "label": "Imprint"}],
            "texts": {"en": {"page.intro": "Read [this](/this) first."}},
            **SERVICES,
        }
    )
    answer = Visitor(FakeContext(site)).get("/")
    for part in ('<a href="/imprint">Imprint</a>', '<img src="/logo.svg" alt="">', 'Read <a href="/this">this</a>'):
        assert part in answer.text
    assert "img-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See [our <page>](/a?b=1&c) & more", 'See <a href="/a?b=1&amp;c">our &lt;page&gt;</a> &amp; more'),
        ("[a](https://x.example) [b](/b)", '<a href="https://x.example">a</a> <a href="/b">b</a>'),
        ("[a](javascript:alert(1))", "[a](javascript:alert(1))"),
        ("[a](//x.example) [b](data:text/html,x)", "[a](//x.example) [b](data:text/html,x)"),
        ('[a](/x"onclick=y)', '<a href="/x&#34;onclick=y">a</a>'),
        ("[a] (b) [c]", "[a] (b) [c]"),
    ],
)
def test_only_links_become_markup(text: str, expected: str) -> None:
    """A link leads to a path or to the web; everything else in a text is escaped."""
    assert str(linked(text)) == expected


def test_texts_have_links_where_they_can_be() -> None:
    """A link in a paragraph is one; in a button, or to no address, it is a mistake in the configuration."""
    page = inserted(purposes={"analytics": {"description": {"en": "See [the list](/list)."}}})
    assert 'id="cmw-1n"><span>See <a href="/list">the list</a>.</span></span>' in page
    found = refusals(
        texts={"en": {"action.save": "[Save](/save)", "banner.text": "[a](javascript:x) for:"}},
        purposes={"analytics": {"label": {"en": "[Figures](/f)"}}},
    )
    assert found["texts.en.'action.save'"] == "This text takes no links, and has [Save]."
    assert "'javascript:x', which is not an address" in found["texts.en.'banner.text'"]
    assert found["purposes.analytics.label.en"] == "This text takes no links, and has [Figures]."


@pytest.mark.parametrize(
    ("dismiss", "named"), [("text", ">Continue without"), ("cross", 'aria-label="Continue without')]
)
def test_a_second_way_to_refuse_is_a_form_of_its_own(dismiss: str, named: str) -> None:
    """It refuses and nothing else, and stands before the other form, whose own first button is the one for Enter."""
    page = inserted({"dismiss": dismiss})
    form = page[page.index('<form class="cmw-dismiss"') : page.index('<form class="cmw-form"')]
    assert (form.count("<button"), 'name="action" value="reject-all"' in form, named in form) == (1, True, True)
    own = page[page.index('<form class="cmw-form"') :]
    assert own.count('value="reject-all"') == 1


def test_a_notice_that_is_opened_again_has_no_second_way_to_refuse() -> None:
    """There it would take back a choice where a visitor expects to leave it."""
    notice = Notice(config.load({"site": {"dismiss": "cross"}, **SERVICES}), ASSETS)
    before, after = (
        notice.banner(NoticePage(decision(prompt=True, kept=kept), "en", "", "/", "/_cmw"))
        for kept in (None, record(Action.PARTIAL))
    )
    assert ("cmw-dismiss" in before, "cmw-dismiss" in after) == (True, False)


def test_services_are_named_under_their_purposes() -> None:
    """Each purpose has its services, with the provider where the name does not say it."""
    page = inserted({"show_services": True})
    assert '<ul class="cmw-each" role="list"><li>Google Analytics' in page
    assert page.count('class="cmw-each"') == 2


@pytest.mark.parametrize(
    ("site", "rule"),
    [
        ({"reopen_position": "bottom-end"}, "inset-inline:auto 14px!important"),
        ({"reopen_position": "top-start"}, "inset-block:14px auto!important"),
        ({"reopen_position": "middle-end"}, "inset-block:50% auto!important"),
        ({"reopen_offset": 80}, "inset-block:auto 80px!important"),
        ({"reopen_position": "top-end", "reopen_offset": 0}, "inset-block:0px auto!important"),
        ({"reopen_label": "always"}, "span{position:static!important"),
    ],
)
def test_the_control_stands_where_the_owner_wants_it(site: dict[str, Any], rule: str) -> None:
    """Its place is in the page of who has chosen, and in what scripts bring after a choice."""
    loaded = config.load({"site": site, **SERVICES})
    assert rule in inserted(site, chosen=True)
    assert rule in Notice(loaded, ASSETS).control_look
    answer = json.loads(Visitor(FakeContext(loaded)).get("/state?back=/").data)
    assert rule in answer["look"]


def test_a_control_as_built_brings_no_look() -> None:
    """The answer to a choice has no rules for the control of a site that changed nothing of it."""
    answer = Visitor(FakeContext(config.load(dict(SERVICES)))).get("/state?back=/")
    assert "look" not in json.loads(answer.data)


@pytest.mark.parametrize(
    ("tables", "where", "what"),
    [
        ({"site": {"dismiss": "yes"}}, "site.dismiss", "is not known here"),
        ({"site": {"show_services": "yes"}}, "site.show_services", "not true or false"),
        ({"site": {"reopen_position": "left"}}, "site.reopen_position", "is not known here"),
        ({"site": {"reopen_offset": -1}}, "site.reopen_offset", "out of range"),
        ({"site": {"reopen_icon": "biscuit"}}, "site.reopen_icon", "neither an icon nor a path"),
        ({"site": {"reopen_icon": "https://x.example/i.svg"}}, "site.reopen_icon", "neither an icon nor a path"),
        ({"site": {"reopen_icon": "none"}}, "site.reopen_icon", "nothing of the control would be seen"),
        ({"links": {"url": "/a"}}, "links", "not a list of tables"),
        ({"links": [{"url": "/a"}]}, "links[0]", "has no label"),
        ({"links": [{"label": "A"}]}, "links[0]", "has no url"),
        ({"links": [{"url": "imprint", "label": "A"}]}, "links[0].url", "is not an address"),
        ({"links": [{"url": "javascript:x", "label": "A"}]}, "links[0].url", "is not an address"),
        ({"links": [{"url": f"/{n}", "label": "A"} for n in range(5)]}, "links[4]", "has room for 4"),
    ],
)
def test_mistakes_are_told(tables: dict[str, Any], where: str, what: str) -> None:
    """What could not be shown is refused at start-up, at its place."""
    assert what in refusals(**tables)[where]
