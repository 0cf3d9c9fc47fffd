"""``consent-mw audit``: every planted fault is found with its service, place and remedy, and nothing in the twin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup

from consent_mw import config
from consent_mw.audit.baseline import accept
from consent_mw.audit.baseline import accepted_lines
from consent_mw.audit.baseline import read_accepted
from consent_mw.audit.findings import KINDS
from consent_mw.audit.findings import AuditFinding
from consent_mw.audit.findings import AuditReport
from consent_mw.audit.findings import SeenPlace
from consent_mw.audit.findings import report_of
from consent_mw.audit.formats import written
from consent_mw.audit.pages import Reader
from consent_mw.audit.passes import PASSES
from consent_mw.audit.passes import UNTOUCHED
from consent_mw.audit.passes import Limits
from consent_mw.audit.passes import Walk
from consent_mw.audit.passes import walk
from consent_mw.audit.routes import every_route
from consent_mw.audit.targets import AppTarget
from consent_mw.audit.targets import Bounds
from consent_mw.audit.targets import Response
from consent_mw.errors import ConfigError
from tests.audit.sites import CONFIG
from tests.audit.sites import FAULTS
from tests.audit.sites import clean
from tests.audit.sites import faulty
from tests.audit.sites import wrapped

TODAY = date(2026, 11, 29)


@pytest.fixture(scope="module")
def reader() -> Reader:
    """Reads pages by the configuration of the planted site."""
    return Reader(config.load(CONFIG))


def audited(app: object, reader: Reader, *, accept: bool = False) -> AuditReport:
    """Return the report on an application."""
    target = AppTarget(app, Bounds())
    try:
        found = walk(target, reader, ["/", *every_route(app)], Limits(pages=100, accept=accept))
    finally:
        target.close()
    return report_of("planted", found, reader, TODAY)


@pytest.fixture(scope="module")
def bare(reader: Reader) -> AuditReport:
    """The report on the planted site as it is."""
    return audited(faulty(), reader)


@pytest.fixture(scope="module")
def held(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditReport]:
    """The report on the planted site with consent_mw around it, seen by every visitor."""
    site = wrapped(faulty(), tmp_path_factory.mktemp("held"))
    yield audited(site, reader, accept=True)
    site.engine.close()


def at(report: AuditReport, path: str) -> list[AuditFinding]:
    """Return the findings on a page."""
    return [one for one in report.findings if any(place.path == path for place in one.places)]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(bare: AuditReport, name: str) -> None:
    """It is named with its service, on its page, in its line, with the lines to paste."""
    found = [one for one in at(bare, f"/{name}") if one.kind == "fires-before-consent"]
    service = FAULTS[name][1]
    assert [one.service for one in found] == [service]
    assert {place.line for place in found[0].places if place.path == f"/{name}"} == {4}
    assert f'use = "{service}"' in found[0].remedy


@pytest.mark.parametrize(
    ("path", "kind", "service"),
    [
        ("/cookie", "fires-before-consent", "meta-pixel"),
        ("/cookie", "cookie-outlives", "meta-pixel"),
        ("/link", "fires-before-consent", "meta-pixel"),
        ("/stranger", "not-held", "cdn.nobody-knows.example"),
        ("/tool", "other-tool", "cookiebot"),
    ],
)
def test_what_is_no_tag_is_found_too(bare: AuditReport, path: str, kind: str, service: str) -> None:
    """Cookies, headers, strangers that would load, and a second consent tool."""
    assert (kind, service) in [(one.kind, one.service) for one in at(bare, path)]


def test_the_clean_twin_has_nothing(reader: Reader) -> None:
    """Of the same site without faults, nothing is reported but what is declared and never seen."""
    report = audited(clean(), reader)
    assert (report.open, {one.kind for one in report.findings}) == ([], {"never-seen"})
    assert report.pages == {UNTOUCHED: len(FAULTS) + 1}


def test_what_stands_for_unknown_third_parties_is_not_missed() -> None:
    """Nobody declared it, so a site without any is as it should be; a declared service that is gone is told."""
    reader = Reader(config.load({"site": {"unknown": "hold"}, "services": [{"use": "youtube"}]}))
    report = audited(clean(), reader)
    assert [(one.kind, one.service) for one in report.findings] == [("never-seen", "youtube")]


def test_nothing_fires_once_it_is_wrapped(held: AuditReport, bare: AuditReport) -> None:
    """With consent_mw around it nothing loads for any visitor; the same elements are held."""
    firing = {"fires-before-consent", "fires-after-reject", "fires-with-gpc", "survives-withdrawal"}
    assert [one for one in held.findings if one.kind in firing] == []
    assert (held.wrapped, bare.wrapped, set(held.pages)) == (True, False, set(PASSES))
    assert min(held.pages.values()) == len(FAULTS) + 5
    # What is held in a style sheet carries no mark of an element.
    assert sum(held.held.values()) >= len(FAULTS) - 1


def test_what_a_path_leaves_untouched_is_found(reader: Reader, tmp_path: Path) -> None:
    """A wrapped site with a hole in it is reported, and the remedy names where holes come from."""
    from consent_mw import ConsentMiddleware

    site = {"name": "Planted", "records": f"sqlite:///{tmp_path}/consent.db"}
    app = ConsentMiddleware(faulty().wsgi_app, {**CONFIG, "site": site, "paths": {"untouched": ["/frame"]}})
    report = audited(app, reader)
    app.engine.close()
    found = [one for one in report.findings if one.kind == "fires-before-consent"]
    assert [(one.service, [place.path for place in one.places]) for one in found] == [("youtube", ["/frame"])]
    assert "paths.untouched" in found[0].remedy


def test_what_loads_for_those_who_refused_is_told_apart(reader: Reader, tmp_path: Path) -> None:
    """A tag that the application puts in only for visitors with a choice is found after the refusal."""
    from flask import Flask
    from flask import request

    from consent_mw import ConsentMiddleware
    from tests.audit.sites import page

    inner = Flask("late", static_folder=None)
    inner.add_url_rule(
        "/", endpoint="home", view_func=lambda: page("<iframe src=https://www.youtube.com/embed/x></iframe>")
    )
    site = {"name": "Late", "records": f"sqlite:///{tmp_path}/consent.db"}
    held = ConsentMiddleware(inner.wsgi_app, {**CONFIG, "site": site})

    def app(environ, start_response):  # type: ignore[no-untyped-def]
        """Let who has a choice around the middleware, as a careless cache does."""
        through = "cmw=" in environ.get("HTTP_COOKIE", "") and environ["REQUEST_METHOD"] == "GET"
        return (inner.wsgi_app if through else held)(environ, start_response)

    assert request is not None
    report = audited(app, reader)
    held.engine.close()
    found = [(one.kind, one.service, one.passes) for one in report.open]
    assert found == [("fires-after-reject", "youtube", ["after a refusal"])]


# -- ids and accepted findings


def test_ids_depend_on_what_it_is_alone(bare: AuditReport, reader: Reader) -> None:
    """A second audit gives the same ids, and no two findings share one."""
    again = audited(faulty(), reader)
    ids = [one.id for one in bare.findings]
    assert (ids == [one.id for one in again.findings], len(set(ids)) == len(ids)) == (True, True)


def test_accepted_findings_count_no_more_until_they_expire(reader: Reader, tmp_path: Path) -> None:
    """The file that --write-baseline makes accepts all that is open, until its last day is over."""
    report = audited(faulty(), reader)
    assert report.open
    file = tmp_path / "accepted.toml"
    file.write_text(accepted_lines(report, TODAY), encoding="utf-8")
    accepted = read_accepted(file)
    accept(report, accepted, accepted[0].until)
    assert report.open == []
    late = audited(faulty(), reader)
    accept(late, accepted, date.fromordinal(accepted[0].until.toordinal() + 1))
    assert len(late.open) == len(accepted)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[accepted]]\nid = "xyz"\nuntil = 2027-01-01\n', "id is not the id"),
        ('[[accepted]]\nid = "0123456789"\nuntil = "2027-01-01"\n', "until is not a day"),
        ('accepted = ["0123456789"]\n', "id is not the id"),
        ("accepted = [\n", "accepted.toml:2: This is not TOML"),
        ("# a\nreason = '\udcff'\n", "accepted.toml:2: The file is not UTF-8"),
    ],
)
def test_a_wrong_baseline_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Mistakes in the file are named, and nothing is accepted by accident."""
    file = tmp_path / "accepted.toml"
    file.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ConfigError, match=said):
        read_accepted(file)


# -- formats


def test_json_has_everything(bare: AuditReport) -> None:
    """The report reads back, with severities and places."""
    found = json.loads(written(bare, "json"))
    assert (found["format"], found["open"]) == ("consent_mw.audit.v1", len(bare.open))
    assert {one["severity"] for one in found["findings"]} == {"error", "warning", "note"}


def test_sarif_names_rule_place_and_fingerprint(bare: AuditReport) -> None:
    """Each result has a rule of the run, a level, a region and a fingerprint (SARIF 2.1.0)."""
    log = json.loads(written(bare, "sarif"))
    run = log["runs"][0]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert (log["version"], rules) == ("2.1.0", set(KINDS))
    for result in run["results"]:
        assert result["ruleId"] in rules
        assert result["partialFingerprints"]["findingId"]
        for location in result["locations"]:
            place = location["physicalLocation"]
            assert place["region"]["startLine"] >= 1
            assert not place["artifactLocation"]["uri"].startswith("/")


def test_sarif_has_uris_for_paths_of_any_form() -> None:
    """A colon would begin a scheme, and spaces and umlauts are no part of a URI (RFC 3986 section 4.2)."""
    place = SeenPlace("/a:b/müller straße/%20?q=1", 1, 1, "")
    finding = AuditFinding("0123456789", "undeclared", "x", "X", "", "X.", "Y.", places=[place])
    log = json.loads(written(AuditReport("s", "2026-11-30", findings=[finding]), "sarif"))
    (location,) = log["runs"][0]["results"][0]["locations"]
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "a%3Ab/m%C3%BCller%20stra%C3%9Fe/%20"


def test_junit_fails_a_case_for_each_kind_that_was_found(bare: AuditReport) -> None:
    """A build shows what was looked for, and what of it failed."""
    suite = ElementTree.fromstring(written(bare, "junit"))
    failed = {case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None}
    assert failed == {one.kind for one in bare.open}
    assert int(suite.get("failures", "0")) == len(failed)
    assert {case.get("name") for case in suite.iter("testcase")} > failed


def test_the_html_report_needs_nothing_else_and_escapes_markup(bare: AuditReport) -> None:
    """One page, no script, no address that is fetched; what pages contain is text in it."""
    text = written(bare, "html")
    soup = BeautifulSoup(text, "html.parser")
    assert soup.select("script, img, link, iframe, [src], [onclick]") == []
    assert [len(soup.select("h1")), len(soup.select("article"))] == [1, len(bare.findings)]
    assert "<iframe src=https://www.youtube.com/embed/abc>" in soup.get_text()
    assert "compliant" not in text.lower()
    assert all(cell.get("scope") for cell in soup.select("th"))


def test_the_html_report_lists_first_what_loads_most() -> None:
    """Loading before held, and names in order."""
    report = AuditReport(
        "s", "2026-11-30", pages={UNTOUCHED: 1}, held={"c": 9, "b": 1}, loading={"b": 2, "a": 7, "d": 2}
    )
    rows = BeautifulSoup(written(report, "html"), "html.parser").select("tbody th")
    assert [row.get_text() for row in rows] == ["a", "b", "d", "c"]


def test_the_html_report_groups_many_findings_by_kind(bare: AuditReport) -> None:
    """Each kind is explained once, and a list leads to them; a host that was learned has its own name."""
    soup = BeautifulSoup(written(bare, "html"), "html.parser")
    kinds = list(dict.fromkeys(one.kind for one in bare.findings))
    assert [section["id"] for section in soup.select("section")] == kinds
    assert [link["href"] for link in soup.select(".kinds a")] == [f"#{kind}" for kind in kinds]
    learned = AuditReport("s", "2026-11-29", pages={UNTOUCHED: 1}, held={"host-px-nobody--knows-example": 1})
    assert [row.get_text() for row in BeautifulSoup(written(learned, "html"), "html.parser").select("tbody th")] == [
        "px.nobody-knows.example"
    ]


def test_a_report_on_nothing_does_not_say_that_nothing_was_found() -> None:
    """It says that no page could be read, and why."""
    text = written(AuditReport("s", "2026-11-29", unseen=[("/", "the host did not answer")]), "html")
    assert "No page could be read" in text and "the host did not answer" in text
    assert [word for word in ("has to be mended", "reaches others", "elements loading") if word in text] == []


@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ("Expires=Wed, 01 Jan 2031 00:00:00 GMT", ["cookie-outlives"]),
        ("expires=Wednesday, 01-Jan-31 00:00:00 GMT; Path=/", ["cookie-outlives"]),
        ("Max-Age=60; Expires=Wed, 01 Jan 2031 00:00:00 GMT", []),
        ("Expires=Sat, 30 Jan 2027 00:00:00 GMT", []),
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT", []),
        ("Max-Age=-1", []),
        ("Expires=whenever", []),
        ("Path=/", []),
    ],
)
def test_a_cookie_lasts_until_its_date_too(reader: Reader, attributes: str, found: list[str]) -> None:
    """Many servers give a date and no number of seconds, which comes first if there are both (RFC 6265 section 5.3)."""
    answer = Response(200, (("Content-Type", "text/html"), ("Set-Cookie", f"_fbp=1; {attributes}")), b"<h1>x</h1>")
    walked = Walk({UNTOUCHED: [reader.read("https://x.example", "/", answer)]}, origin="https://x.example")
    findings = report_of("x", walked, reader, TODAY).findings
    assert [one.kind for one in findings if one.kind == "cookie-outlives"] == found
    assert [one for one in findings if one.kind == "unknown-cookie"] == []


@pytest.mark.parametrize("attributes", ["Max-Age=0", "max-age=-1; Path=/", "Expires=Thu, 01-Jan-1970 00:00:00 GMT"])
def test_a_cookie_that_is_deleted_is_not_kept(reader: Reader, attributes: str) -> None:
    """A site that deletes a tracker's cookie does what it should."""
    headers = (("Content-Type", "text/html"), ("Set-Cookie", f"_fbp=; {attributes}"))
    assert reader.read("https://x.example", "/", Response(200, headers, b"<h1>x</h1>")).loads == ()


def test_the_text_names_page_line_and_remedy(bare: AuditReport) -> None:
    """A terminal gets one paragraph for each finding."""
    text = written(bare, "text")
    assert "/frame:4:1  <iframe src=https://www.youtube.com/embed/abc>" in text
    assert text.count("\nERROR ") == sum(one.severity == "error" for one in bare.findings)
