"""The catalogue: its schema, each entry against the snippet it must hold, and what it must leave alone."""

from __future__ import annotations

import csv
import os
import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import consent_mw.catalogue
from consent_mw.core.model import OWN_MARKS
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.errors import CatalogueError
from consent_mw.errors import Problem
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.holder import Holder
from consent_mw.html.match import Matcher
from consent_mw.html.nested import held_in
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.urls import Url

REPOSITORY = Path(__file__).resolve().parents[2]
SERVICES = consent_mw.catalogue.load()
MATCHER = Matcher(SERVICES.values())
NECESSARY_IDS = frozenset(service.id for service in SERVICES.values() if service.necessary)

ENTRY = """
[[services]]
id = "house-stats"
name = "House stats"
vendor = "House Ltd"
purposes = ["analytics"]
hosts = ["stats.example.org"]
country = "GB"
policy = "https://example.org/privacy"
description.en = "Counts visits."
snippet = '''<script src="https://stats.example.org/s.js"></script>'''
"""


def entries() -> dict[str, list[dict[str, str]]]:
    """Return the entries of each catalogue file as they are written, but those that stand for others."""
    folder = resources.files(consent_mw.catalogue) / consent_mw.catalogue.SERVICES
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    tables = {name: tomllib.loads(folder.joinpath(name).read_text(encoding="utf-8"))["services"] for name in names}
    return {name: [entry for entry in table if "snippet" in entry] for name, table in tables.items()}


ENTRIES = entries()
FILES = {name: {entry["id"]: entry["snippet"] for entry in table} for name, table in ENTRIES.items()}


def hold(page: bytes, allowed: frozenset[str] = frozenset()) -> tuple[bytes, set[str]]:
    """Return ``page`` as a visitor gets it to whom only ``allowed`` is released, and the ids of what is held."""
    policy = HoldPolicy(MATCHER, allowed, unknown="allow")
    rewriter = Rewriter(Holder(policy, Url("https", "shop.example", "/"), document=held_in))
    return rewriter.feed(page) + rewriter.finish(), rewriter.held


def code(text: str) -> tuple[str, ...]:
    """Return the services that the script ``text`` on the shop's page belongs to."""
    return MATCHER.code(text.encode(), Url("https", "shop.example", "/"))


def problems(text: str, file: str = "x.toml") -> list[Problem]:
    """Return what is wrong with one catalogue file."""
    try:
        consent_mw.catalogue.parse({file: text})
    except CatalogueError as error:
        return list(error.problems)
    return []


# -- what is in it


def test_at_least_2000_services() -> None:
    """The catalogue describes 2,000 services and more, beside the one that stands for all others."""
    assert len(SERVICES.keys() - {UNKNOWN_SERVICE}) >= 2000


def test_unknown_third_parties_have_a_service_of_their_own() -> None:
    """What no entry names is held as a marketing tracker that no rule describes."""
    unknown = SERVICES[UNKNOWN_SERVICE]
    assert (unknown.purposes, unknown.tracker, unknown.hosts) == (("marketing",), True, ())


def test_load_reads_once() -> None:
    """A second load gives the very mapping of the first."""
    assert consent_mw.catalogue.load() is consent_mw.catalogue.load()


def test_the_mapping_is_read_only() -> None:
    """Nobody can take a service out for everybody else."""
    with pytest.raises(TypeError):
        SERVICES["google-analytics"] = SERVICES[UNKNOWN_SERVICE]  # type: ignore[index]


def test_tag_managers_have_both_purposes() -> None:
    """What starts any other tag is for statistics and for marketing."""
    managers = ("google-tag-manager", "adobe-launch", "tealium", "ensighten", "cloudflare-zaraz", "segment")
    assert {SERVICES[name].purposes for name in managers} == {("analytics", "marketing")}


def test_each_description_is_one_sentence() -> None:
    """A visitor reads one sentence about each service."""
    long = [s.id for s in SERVICES.values() if not s.description["en"].endswith(".") or ". " in s.description["en"]]
    assert long == []


def test_each_service_has_a_kind() -> None:
    """Visitors' sentences are made of the kind: only what stands for others, or an owner's marks, has none."""
    assert {id_ for id_, s in SERVICES.items() if not s.kind and not id_.startswith(OWN_MARKS)} == {UNKNOWN_SERVICE}


def test_each_entry_says_where_its_facts_come_from() -> None:
    """Who corrects an entry knows whether a vendor's page or general knowledge stands behind it."""
    assert [entry["id"] for table in ENTRIES.values() for entry in table if not entry.get("source")] == []


def test_no_cookie_outlives_what_its_service_says() -> None:
    """What visitors read of a service is the life of its longest cookie."""
    assert [s.id for s in SERVICES.values() if max(s.cookie_days.values(), default=0) > s.retention_days] == []


def test_a_queue_names_no_global_of_browsers() -> None:
    """What is left for a held service never replaces what every page has."""
    documents = {"window", "document", "location", "history", "navigator", "performance"}
    windows = {"console", "self", "top", "name"}
    roots = {path.split(".")[0].rstrip("[]()") for service in SERVICES.values() for path in service.queue}
    assert roots & (documents | windows) == set()


#: Snippets that rightly need a second service, which loads the first.
TOGETHER = {"firebase-analytics": {"firebase"}}


@pytest.mark.parametrize("file", FILES)
def test_each_snippet_is_held_for_its_own_service_only(file: str) -> None:
    """The code that an owner pastes is held for its service alone: once that is granted it runs."""
    found = {name: hold(snippet.encode())[1] for name, snippet in FILES[file].items()}
    wanted = {name: {name} | TOGETHER.get(name, set()) for name in found}
    assert {name: held for name, held in found.items() if held != wanted[name]} == {}


@pytest.mark.parametrize("file", FILES)
def test_each_held_snippet_names_its_service(file: str) -> None:
    """A mark in the page says for which service the code is held."""
    for name, snippet in FILES[file].items():
        marks = re.findall(rb"data-cmw-held=[\"']?([a-z0-9,-]+)", hold(snippet.encode())[0])
        assert name in {id_ for mark in marks for id_ in mark.decode().split(",")}, name


@pytest.mark.parametrize("file", FILES)
def test_a_released_snippet_is_untouched(file: str) -> None:
    """Once its service is granted not one byte is inserted."""
    for name, snippet in FILES[file].items():
        page = snippet.encode()
        assert hold(page, frozenset({name, *TOGETHER.get(name, set())}))[0] == page, name


def test_each_host_rule_leads_to_its_own_service_alone() -> None:
    """A rule for a sub-domain or a path takes precedence over another service's rule for the whole domain."""
    shared = {}
    for service in SERVICES.values():
        for rule in service.hosts:
            host, _, path = rule.replace(".*", ".com").partition("/")
            found = MATCHER.url(f"https://{host}/{path}", Url("https", "shop.example", "/"))
            if found != (service.id,):
                shared[rule] = found
    assert shared == {}


# -- what belongs to what


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://www.googletagmanager.com/gtag/js?id=G-AAAA", "google-analytics"),
        ("https://www.googletagmanager.com/gtag/js?id=UA-1-1", "google-analytics"),
        ("https://www.googletagmanager.com/gtag/js?id=AW-1", "google-ads"),
        ("https://www.googletagmanager.com/gtag/js?id=DC-1", "floodlight"),
        ("https://www.googletagmanager.com/gtag/js?id=GT-1", "google-tag-manager"),
        ("https://www.googletagmanager.com/gtm.js?id=GTM-1", "google-tag-manager"),
        ("//ssl.google-analytics.com/ga.js", "google-analytics"),
        ("https://region1.analytics.google.com/g/collect", "google-analytics"),
        ("https://stats.shop.example/gtag/js?id=G-AAAA", "google-analytics"),
        ("https://shop.example/gtm.js?id=GTM-1", "google-tag-manager"),
        ("https://www.google.co.uk/maps/embed?pb=1", "google-maps"),
        ("https://maps.google.de/maps?q=x&output=embed", "google-maps"),
        ("https://www.google.com/recaptcha/api.js", "recaptcha"),
        ("https://www.google.com/pagead/1p-user-list/1/", "google-ads"),
        ("https://googleads.g.doubleclick.net/pagead/viewthroughconversion/1/", "google-ads"),
        ("https://googleads.g.doubleclick.net/pagead/ads?client=ca-pub-1", "adsense"),
        ("https://1.fls.doubleclick.net/activityi;src=1", "floodlight"),
        ("https://ad.doubleclick.net/ddm/activity/src=1", "floodlight"),
        ("https://cm.g.doubleclick.net/pixel", "google-campaign-manager"),
        ("https://pagead2.googlesyndication.com/tag/js/gpt.js", "google-ad-manager"),
        ("https://cdn.ampproject.org/v0/amp-ad-0.1.js", "amp-ads"),
        ("https://cdn.ampproject.org/v0.js", "amp"),
        ("/matomo/matomo.php?idsite=1&rec=1", "matomo"),
        ("/matomo.js", "matomo"),
        ("/stats/piwik.php", "matomo"),
        ("/js/container_AAAA.js", "matomo"),
        ("https://metrics.shop.example/b/ss/rsid/1/H.26/s1", "adobe-analytics"),
        ("https://shop.sc.omtrdc.net/x", "adobe-analytics"),
        ("https://shop.tt.omtrdc.net/x", "adobe-target"),
        ("/cdn-cgi/zaraz/s.js", "cloudflare-zaraz"),
    ],
)
def test_a_url_belongs_to_one_service(url: str, expected: str) -> None:
    """Products of one vendor are told apart by host, path and query."""
    assert MATCHER.url(url, Url("https", "shop.example", "/")) == (expected,)


@pytest.mark.parametrize(
    "url",
    [
        "https://www.google.com/",
        "https://www.google.com/search?q=maps",
        "https://maps.example.com/maps/embed",
        "https://notgoogle-analytics.com/ga.js",
        "https://google-analytics.com.shop.example/ga.js",
        "/go?to=https://www.google-analytics.com/ga.js",
        "/js/analytics.js",
        "/js/matomo.json",
        "/matomo.phpx",
        "/docs/matomo",
        "/js/script.js",
        "/static/gtag/js?v=3",
        "/js/utag.json",
        "https://cdn.jsdelivr.net/npm/vue@3",
    ],
)
def test_a_url_that_only_looks_alike_belongs_to_none(url: str) -> None:
    """Other paths of a shared host, look-alike hosts and first-party files stay."""
    assert [name for name in MATCHER.url(url, Url("https", "shop.example", "/")) if name not in NECESSARY_IDS] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gtag('config', 'G-AAAA')", ("google-analytics",)),
        ('gtag( "config" , "UA-1-1" )', ("google-analytics",)),
        ("gtag(`config`,`AW-1`)", ("google-ads",)),
        ("gtag('event', 'conversion', {'send_to': 'AW-1/abc'})", ("google-ads",)),
        ("gtag('event', 'conversion', {allow_custom_scripts: true, send_to: 'DC-1/a/b'})", ("floodlight",)),
        ("gtag('config', 'G-A'); gtag('config', 'AW-1')", ("google-ads", "google-analytics")),
        ("gtag('config', 'GT-1')", ("google-tag-manager",)),
        ("w[l].push({'gtm.start': 1, event: 'gtm.js'})", ("google-tag-manager",)),
        ("ga('create', 'UA-1-1', 'auto')", ("google-analytics",)),
        ("_gaq.push(['_trackPageview'])", ("google-analytics",)),
        ("(adsbygoogle = window.adsbygoogle || []).push({})", ("adsense",)),
        ("googletag.cmd.push(function () {})", ("google-ad-manager",)),
        ("_paq.push(['trackPageView'])", ("matomo",)),
        ("window._hjSettings = {hjid: 1}", ("hotjar",)),
        ("load('https://mc.yandex.ru/metrika/tag.js')", ("yandex-metrica",)),
    ],
)
def test_code_belongs_to_its_service(text: str, expected: tuple[str, ...]) -> None:
    """An inline script is told by the calls in it, and a product's call from the next one's."""
    assert code(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "var dataLayer = dataLayer || []; function gtag() { dataLayer.push(arguments); } gtag('js', new Date());",
        "gtag('consent', 'default', {ad_storage: 'denied'});",
        "dataLayer.push({event: 'add_to_cart'});",
        "analytics.track('x'); analytics.page(); analytics.load();",
        "saga('create', 1); mega('send', 2); track('x'); ga(1); fathom(); segment(1); heap.push(1);",
        "var heap = []; heap.pop(); var clarity = 1; convert(clarity); pendo(1); sentry.on();",
        "var text = 'we use Google Analytics, Hotjar and Matomo';",
        "new Map(); new Image(); document.write('<p>hello</p>');",
        "import('/js/analytics.js'); fetch('/api/analytics/summary');",
        "youtube.play(); maps.open(); translate.start('en');",
    ],
)
def test_first_party_code_belongs_to_none(text: str) -> None:
    """The bare bootstrap of gtag, a data layer, and a site's own functions of like names stay."""
    assert code(text) == ()


def corpus() -> Path:
    """Return the folder of the test corpus; skip where there is none."""
    for place in (os.environ.get("CONSENT_MW_CORPUS"), REPOSITORY.parent / "shared" / "corpus"):
        if place and (Path(place) / "snippets" / "index.csv").is_file():
            return Path(place)
    pytest.skip("test corpus absent: set CONSENT_MW_CORPUS to the folder that holds snippets/index.csv")


def rows(*categories: str) -> list[tuple[str, bytes, list[str]]]:
    """Return name, page and hosts of the corpus's install snippets of some categories."""
    folder = corpus() / "snippets"
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        table = [row for row in csv.DictReader(file) if not categories or row["category"] in categories]
    assert table, "a category of the corpus has no rows"
    return [(row["name"], (folder / row["file"]).read_bytes(), row["hosts"].split()) for row in table]


def test_every_snippet_of_the_corpus_is_of_a_service() -> None:
    """Each published install snippet, whatever it is for, leads to a service of the catalogue."""
    missing = [name for name, page, hosts in rows() if hosts != ["-"] and not hold(page)[1]]
    assert missing == []


def test_trackers_of_the_corpus_are_held() -> None:
    """Of statistics, advertising and tag managers nothing is held as merely necessary."""
    wanted = rows("analytics", "advertising", "tag-manager")
    assert [name for name, page, _ in wanted if hold(page)[1] <= NECESSARY_IDS] == []


def test_tag_managers_of_the_corpus_need_both_purposes() -> None:
    """A tag manager is held for statistics and marketing."""
    found = {SERVICES[id_].purposes for _, page, _ in rows("tag-manager") for id_ in hold(page)[1]}
    assert found == {("analytics", "marketing")}


def test_what_the_corpus_needs_to_work_is_left_alone() -> None:
    """Payment, typefaces, libraries and guards of forms are not touched for a visitor who granted nothing."""
    pages = rows("functional", "security-functional", "none")
    assert [name for name, page, _ in pages if hold(page, NECESSARY_IDS)[0] != page] == []


# -- the schema


def test_a_right_entry_is_read() -> None:
    """The entry that the tests below spoil is right as it stands."""
    service = consent_mw.catalogue.parse({"x.toml": ENTRY})["house-stats"]
    assert (service.hosts, service.country, service.description["en"]) == (
        ("stats.example.org",),
        "GB",
        "Counts visits.",
    )


@pytest.mark.parametrize(
    ("old", "new", "where", "remedy"),
    [
        ('id = "house-stats"', 'id = "House Stats"', "House Stats: id", "lower-case letters"),
        ('id = "house-stats"', "id = 7", "services[0]: id", "quotes"),
        ('name = "House stats"', 'nmae = "House stats"', "house-stats: nmae", "Did you mean 'name'?"),
        ('name = "House stats"', 'name = "House stats"\nzzqx = 1', "house-stats: zzqx", "Known here: "),
        ('vendor = "House Ltd"', "", "house-stats: vendor", "needs it"),
        ('["analytics"]', '["analytic"]', "house-stats: purposes[0]", "Did you mean 'analytics'?"),
        ('["analytics"]', '["analytics", "necessary"]', "house-stats: purposes", "Leave out either"),
        ('["analytics"]', '["necessary"]\ntracker = true', "house-stats: tracker", "tracker = false"),
        ('["analytics"]', '"analytics"', "house-stats: purposes", "["),
        ("stats.example.org", "Stats.example.org", "house-stats: hosts[0]", "lower case"),
        ("stats.example.org", "https://stats.example.org", "house-stats: hosts[0]", "example.com"),
        ("stats.example.org", "localhost", "house-stats: hosts[0]", "example.com"),
        ("stats.example.org", "10.0.0.1", "house-stats: hosts[0]", "example.com"),
        ("stats.example.org", "*.example.org", "house-stats: hosts[0]", "example.com"),
        ('["stats.example.org"]', '["a.example.org", "a.example.org"]', "house-stats: hosts[1]", "Keep one"),
        ('hosts = ["stats.example.org"]', "", "house-stats", "at least one of"),
        ('hosts = ["stats.example.org"]', 'paths = ["s.js"]', "house-stats: paths[0]", "slash"),
        ('hosts = ["stats.example.org"]', 'inline = [" x("]', "house-stats: inline[0]", "one line"),
        ('hosts = ["stats.example.org"]', 'elements = ["a b"]', "house-stats: elements[0]", "name[attr]"),
        ('country = "GB"', 'country = "gb"', "house-stats: country", "capital letters"),
        ('country = "GB"', "", "house-stats: country", "needs it"),
        ('country = "GB"', 'country = "GB"\ncookies = ["*"]', "house-stats: cookies[0]", "more of the name"),
        ('country = "GB"', 'country = "GB"\ncookies = ["a b"]', "house-stats: cookies[0]", "only the name"),
        ('country = "GB"', 'country = "GB"\nsafeguard = "scz"', "house-stats: safeguard", "Did you mean 'scc'?"),
        ('country = "GB"', 'country = "GB"\nlawful_basis = "x"', "house-stats: lawful_basis", "contract"),
        ('country = "GB"', 'country = "GB"\nretention_days = -1', "house-stats: retention_days", "in days"),
        ('country = "GB"', 'country = "GB"\nretention_days = true', "house-stats: retention_days", "in days"),
        ('country = "GB"', 'country = "GB"\nembed = "yes"', "house-stats: embed", "true or false"),
        ("https://example.org/privacy", "http://example.org/privacy", "house-stats: policy", "https://"),
        ("https://example.org/privacy", "", "house-stats: policy", "needs it"),
        ('en = "Counts visits."', 'en = "Counts visits"', "house-stats: description.en", "full stop"),
        ('en = "Counts visits."', 'de = "Zählt Besuche."', "house-stats: description", "description.en"),
        ('en = "Counts visits."', 'E = "Counts."', "house-stats: description.E", "pt-BR"),
        ('description.en = "Counts visits."', 'description = "x"', "house-stats: description", "description.en"),
        ("snippet = '''<script", "x = '''<script", "house-stats: snippet", "needs it"),
        ('<script src="https://stats.example.org/s.js"></script>', "s.js", "house-stats: snippet", "pastes"),
        ("[[services]]", "[[service]]", "service", "Did you mean 'services'?"),
        ("[[services]]", "[services]", "services", "[[services]]"),
        ("[[services]]", "[[services]", "", "line"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(old: str, new: str, where: str, remedy: str) -> None:
    """Each mistake is told with the file, the service, the field, and what to write instead."""
    assert old in ENTRY
    found = problems(ENTRY.replace(old, new, 1))
    place = f"x.toml: {where}" if where else "x.toml"
    assert [True for problem in found if problem.where == place and remedy in problem.remedy] == [True]


def test_all_problems_are_told_at_once() -> None:
    """Mistakes in two files and three fields make one error with three lines."""
    first = ENTRY.replace('"GB"', '"gb"').replace('"House Ltd"', '""')
    second = ENTRY.replace("house-stats", "other").replace("stats.example.org", "STATS.example.org", 1)
    with pytest.raises(CatalogueError) as caught:
        consent_mw.catalogue.parse({"a.toml": first, "b.toml": second})
    assert [problem.where for problem in caught.value.problems] == [
        "a.toml: house-stats: vendor",
        "a.toml: house-stats: country",
        "b.toml: other: hosts[0]",
    ]


def test_an_id_is_given_once() -> None:
    """Two entries of one id are a mistake, in whatever files they stand."""
    with pytest.raises(CatalogueError) as caught:
        consent_mw.catalogue.parse({"a.toml": ENTRY, "b.toml": ENTRY})
    assert [problem.where for problem in caught.value.problems] == ["b.toml: house-stats: id"]


def test_a_host_rule_is_given_once() -> None:
    """Two services that claim the same host and path are a mistake that names both."""
    with pytest.raises(CatalogueError) as caught:
        consent_mw.catalogue.parse({"a.toml": ENTRY, "b.toml": ENTRY.replace("house-stats", "other")})
    (problem,) = caught.value.problems
    assert (problem.where, "'house-stats'" in problem.what) == ("b.toml: other: hosts[0]", True)


def test_a_wrong_entry_claims_nothing() -> None:
    """A mistake in one entry is told once, and not again as a quarrel with the right entry after it."""
    with pytest.raises(CatalogueError) as caught:
        consent_mw.catalogue.parse({"a.toml": ENTRY.replace('"GB"', '"gb"'), "b.toml": ENTRY})
    assert [problem.where for problem in caught.value.problems] == ["a.toml: house-stats: country"]


def test_an_entry_is_a_table() -> None:
    """What stands among the services and is no table is named by its number."""
    assert [problem.where for problem in problems("services = [1]")] == ["x.toml: services[0]"]


def test_a_longer_prefix_is_another_rule() -> None:
    """One host may be divided among services by path."""
    other = ENTRY.replace("house-stats", "other").replace('"stats.example.org"', '"stats.example.org/maps"')
    assert list(consent_mw.catalogue.parse({"a.toml": ENTRY, "b.toml": other})) == ["house-stats", "other"]


def test_a_service_of_paths_needs_no_country() -> None:
    """What runs on the site's own server sends data nowhere else."""
    assert problems(ENTRY.replace('hosts = ["stats.example.org"]', 'paths = ["/stats.js"]').replace('"GB"', '""')) == []


def test_the_pseudo_service_needs_no_rules() -> None:
    """The service that stands for all others has no host, policy or snippet."""
    text = (
        '[[services]]\nid = "unknown"\nname = "n"\nvendor = "v"\npurposes = ["marketing"]\ndescription.en = "Others."'
    )
    assert problems(text) == []


def test_a_set_in_braces_stands_for_each_of_its_names() -> None:
    """A queue may name several methods of one object at once; empty braces stand for an object of settings."""
    text = ENTRY + 'queue = ["stats.{track,people.set}()", "house[]", "settings{}"]\n'
    (service,) = consent_mw.catalogue.parse({"x.toml": text}).values()
    assert service.queue == ("stats.track()", "stats.people.set()", "house[]", "settings{}")


def test_a_life_is_given_to_a_cookie_of_the_service() -> None:
    """The life of a cookie that the service does not list is a mistake."""
    found = problems(ENTRY + "cookie_days = { other = 1 }\n")
    assert [problem.where for problem in found] == ["x.toml: house-stats: cookie_days.other"]


_SCALARS = ["1", "-1", "1.5", "true", '""', '"x"', '"X y"', "1979-05-27"]
VALUES = st.sampled_from([*_SCALARS, "[]", "[1]", '["x"]', '[""]', "[[]]", "{}", "{a = 1}"])


@given(
    field=st.sampled_from(
        ["id", "purposes", "hosts", "embed", "retention_days", "snippet", "queue", "cookie_days", "odd"]
    ),
    value=VALUES,
)
def test_a_value_of_any_kind_is_read_or_refused(field: str, value: str) -> None:
    """Whatever stands in a field, reading ends with services or with a list of problems, never otherwise."""
    lines = [line for line in ENTRY.splitlines() if not line.startswith(f"{field} ")]
    problems("\n".join([*lines, f"{field} = {value}"]))


def test_the_entry_that_contributors_are_shown_is_right() -> None:
    """The example in CONTRIBUTING.md passes every check of an entry."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    example = text.partition("```toml\n")[2].partition("\n```\n")[0]
    assert list(consent_mw.catalogue.parse({"example.toml": example})) == ["acme-analytics"]
