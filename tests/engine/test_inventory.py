"""The inventory: what pages load is counted by domain and kind, and nothing tells of who looked at them."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from click.testing import Result
from werkzeug.test import Client

from consent_mw.cli import cli
from consent_mw.core.counts import BLOCKED
from consent_mw.core.counts import CSP
from consent_mw.core.counts import STOPPED
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.core.observations import PAGE as INSPECTED
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.observations import of_service
from consent_mw.engine.sightings import EVERY
from consent_mw.engine.sightings import Sightings
from consent_mw.engine.sightings import plain_cookie
from consent_mw.records import Records
from consent_mw.records import open_records
from consent_mw.stats import publish_due
from consent_mw.stats.inventory import MOST
from consent_mw.stats.inventory import tidy
from consent_mw.wsgi import ConsentMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIEnvironment

PAGE = b"""<!doctype html><html><head><title>x</title>
<link rel=stylesheet href=https://cdn.theme.test/a.css>
<script src=https://static.hotjar.com/c/hotjar-1.js></script><script src=https://trk.unknown.test/1/></script>
</head><body><img src=https://user-4711.photos.test/face-of-a-visitor.jpg?who=someone width=90 height=90>
<iframe src=https://www.youtube.com/embed/x></iframe><script>fbq('init', '1')</script><p>x</body></html>"""

Get = Callable[..., None]


def site(_: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """Answer with the page, and cookies of the site's own and of others."""
    cookies = ["_hjSessionUser_12345=a", "basket=b; Path=/", "_ga_AB12C3=c"]
    start("200 OK", [("Content-Type", "text/html"), *(("Set-Cookie", cookie) for cookie in cookies)])
    return [PAGE]


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    """Return the configuration of a site that declares one of the services in its pages."""
    file = tmp_path / "consent.toml"
    store = f'records = "sqlite:///{tmp_path}/consent.db"\n'
    file.write_text(
        f'[site]\n{store}\n[[services]]\nuse = "youtube"\n\n[[services]]\nuse = "google-analytics"\n', encoding="utf-8"
    )
    return file


@pytest.fixture
def get(toml: Path) -> Iterator[Get]:
    """Visit pages of the site; what was counted is written at the end of each call."""

    app = ConsentMiddleware(site, str(toml))
    client = Client(app)

    def visit(*paths: str) -> None:
        for path in paths:
            client.get(path, base_url="https://shop.example", headers={"Sec-Fetch-Dest": "document"}).close()
        app.engine.observations.flush()

    yield visit
    app.close()


def run(toml: Path, *arguments: str) -> Result:
    """Run the command."""
    result = CliRunner(env={"NO_COLOR": ""}).invoke(
        cli, ["--config", str(toml), "inventory", *arguments], standalone_mode=False
    )
    if result.exception is None and isinstance(result.return_value, int):
        result.exit_code = result.return_value
    return result


def loaded(toml: Path) -> dict[str, dict[str, object]]:
    """Return what the command tells, by name."""
    return {row["name"]: row for row in json.loads(run(toml, "--json").output)["loaded"]}


def test_everything_that_a_page_loads_is_told_with_its_standing(get: Get, toml: Path) -> None:
    """Declared, known, suspected and the site's own are told apart, with kind, purpose and what became of it."""
    get("/")
    found = loaded(toml)
    things = {name: row for name, row in found.items() if not row["cookie"]}
    assert {name: (row["standing"], row["kinds"], row["held"]) for name, row in things.items()} == {
        "theme.test": ("own", ["style"], False),
        "hotjar.com": ("known", ["script"], True),
        "unknown.test": ("suspected", ["script"], True),
        "photos.test": ("own", ["picture"], False),
        "youtube.com": ("declared", ["frame"], True),
        "meta-pixel": ("known", ["code"], True),
    }
    assert found["unknown.test"]["purposes"] == ["marketing"]
    assert all(row["new"] and row["pages"] == 1 and row["first"] == row["last"] for row in found.values())


def test_nothing_tells_of_a_visitor_or_an_address(get: Get, toml: Path) -> None:
    """Neither queries nor sub-domains, nor what a path or a cookie's name has of one visitor, reach the store."""
    get("/orders/4711?token=abc", "/orders/4712")
    store = open_records(f"sqlite:///{toml.parent}/consent.db")
    rows = list(store.observed().items())
    store.close()
    assert rows
    assert not [row for row in rows for part in ("4711", "face", "who", "token", "AB12") if part in repr(row)]


def test_some_pages_are_looked_at(get: Get, toml: Path) -> None:
    """The first page of each section, then one in so many that are parsed; the number says how many had a domain."""
    get(*["/a/1", "/a/2", "/b/"], *[f"/a/{number}" for number in range(3, EVERY + 3)])
    told = json.loads(run(toml, "--json").output)
    assert told["pages"] == 3
    assert {row["pages"] for row in told["loaded"]} == {3}


def test_cookies_of_responses_are_in_it(get: Get, toml: Path) -> None:
    """By name, held or not, with whose they are; what may have been made for one visitor is left out."""
    get("/")
    found = {name: row for name, row in loaded(toml).items() if row["cookie"]}
    assert {name: (row["services"], row["held"]) for name, row in found.items()} == {
        "_hjSessionUser_*": (["hotjar"], True),
        "basket": ([], False),
        "_ga_*": (["google-analytics"], True),
    }


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("sessionid", "sessionid"),
        ("wordpress_logged_in_5d41402abc4b2a76", "wordpress_logged_in_*"),
        ("user-4711", "user-*"),
        ("AQEDARTGHDFKNVBCXYZqqq", "*"),
        ("a b", "a*b"),
        ("x" * 16 + ".y" * 200, "x" * 16 + ".y" * 16),
    ],
)
def test_a_cookies_name_tells_of_no_visitor(name: str, kept: str) -> None:
    """Numbers, hashes and long runs of letters may be somebody's."""
    assert plain_cookie(name) == kept


def test_where_it_was_seen_first_is_a_plain_folder(get: Get, toml: Path) -> None:
    """The first folder of the path is told, if it is a word; anything else is left out."""
    get("/checkout/4711", "/basket/")
    assert {row["where"] for row in loaded(toml).values() if row["domain"]} == {"/checkout"}


def test_a_folder_that_may_be_a_visitor_is_not_told(get: Get, toml: Path) -> None:
    """A page of one visitor has a folder of its own on some sites."""
    get("/u4711/")
    assert {row["where"] for row in loaded(toml).values() if row["domain"]} == {"/*"}


def test_invented_sections_and_domains_are_bounded() -> None:
    """A day has a bounded number of rows, however many paths and domains there are."""
    rows: set[Sighting] = set()
    sightings = Sightings(lambda sighting, place: rows.add(sighting), lambda: 1)
    views = [sightings.look(f"/{number}/") for number in range(1000)]
    seen = [view for view in views if view is not None]
    assert len(seen) < 100
    for number in range(1000):
        seen[0].saw(f"www.site{number}.test", "script", "", False)
    assert len(rows) <= 256 + 1


@pytest.fixture
def store(toml: Path) -> Iterator[Records]:
    """The records of the site."""
    opened = open_records(f"sqlite:///{toml.parent}/consent.db")
    yield opened
    opened.close()


SCRIPT = Sighting("x.test", "script")


def test_years_take_no_more_room_than_a_day(store: Records) -> None:
    """The first day and the last are kept, with the number of all; what was not seen for long goes."""
    for day in range(1, 802, 8):
        seen = {SCRIPT: Occurrence(day, day, 2, f"/day{day}"), INSPECTED: Occurrence(day, day, 3)}
        store.observe(seen | ({SCRIPT._replace(name="old.test"): Occurrence(day, day, 1)} if day < 300 else {}))
    tidy(store, 802)
    assert store.observed() == {SCRIPT: Occurrence(1, 801, 2 * 101, "/day1"), INSPECTED: Occurrence(1, 801, 3 * 101)}


def test_things_without_end_are_bounded(store: Records) -> None:
    """Of more than are kept those that were seen last the longest ago go, and never the number of pages."""
    rows = {
        Sighting(f"s{number}.test", "script"): Occurrence(number // 512, number // 512, 1)
        for number in range(MOST + 99)
    }
    store.observe({**rows, INSPECTED: Occurrence(0, 0, 1), of_service("hotjar"): Occurrence(0, 0)})
    tidy(store, 100)
    kept = store.observed()
    assert len(kept) == MOST + 2
    assert {INSPECTED, of_service("hotjar")} <= kept.keys()
    assert len([span for span in kept.values() if not span.last]) == 512 - 99 + 2


#: What earlier versions counted: by day, value and outcome.
COUNTED = {
    (10, "", "pages"): 3,
    (12, "", "pages"): 5,
    (10, "old.test", "script - left"): 2,
    (12, "old.test", "script - left"): 3,
    (12, "old.test", "at /b"): 1,
    (10, "old.test", "at /a"): 1,
    (40, "new.test", "script host-new-test held"): 1,
    (40, "", "code hotjar held"): 1,
    (41, "=_hj*", "cookie hotjar left"): 1,
}


def test_what_earlier_versions_counted_is_taken_over(store: Records, toml: Path) -> None:
    """It is in the inventory at once, moves into the observations once, and is never published as figures."""
    store.add_counts({Count(day, "loads", value, outcome): n for (day, value, outcome), n in COUNTED.items()})
    assert (publish_due(store, today=60), len(store.counts(100))) == (0, len(COUNTED))
    before = loaded(toml)
    for _ in range(2):
        tidy(store, 60)
    assert store.counts(100) == {}
    assert store.observed() == {
        INSPECTED: Occurrence(10, 12, 8),
        Sighting("old.test", "script"): Occurrence(10, 12, 5, "/a"),
        Sighting("new.test", "script", "host-new-test", held=True): Occurrence(40, 40, 1),
        of_service("hotjar"): Occurrence(40, 40, 1),
        Sighting("=_hj*", "cookie", "hotjar"): Occurrence(41, 41, 1),
    }
    assert loaded(toml) == before
    old, new = before["old.test"], before["new.test"]
    assert (old["pages"], old["gone"], old["standing"], old["where"]) == (5, True, "unknown", "/a")
    assert (new["pages"], new["gone"], new["standing"]) == (1, False, "suspected")
    assert (before["hotjar"]["kinds"], before["_hj*"]["cookie"]) == (["code"], "_hj*")


def test_what_browsers_reported_joins_in(store: Records, toml: Path) -> None:
    """What a policy stopped at run time is in it, once it was published."""
    run = Figures(CSP, 10, 10, {("late.test", BLOCKED): 12})
    assert store.publish([run], {})
    row = loaded(toml)["late.test"]
    assert (row["kinds"], row["held"], row["first"]) == (["report"], True, "1970-01-11")


def test_what_browsers_reported_has_the_same_opinion(store: Records, toml: Path) -> None:
    """A host is told under its domain, with the service that the catalogue has for it and the lines to paste."""
    run_ = Figures(CSP, 10, 10, {("static.hotjar.com", BLOCKED): 12, ("script.hotjar.com", STOPPED): 11})
    assert store.publish([run_], {})
    row = loaded(toml)["hotjar.com"]
    assert (row["standing"], row["services"], row["purposes"]) == ("known", ["hotjar"], ["analytics"])
    assert row["kinds"] == ["report", "runtime"]
    assert 'use = "hotjar"' in run(toml, "--toml").output


def test_four_processes_share_it(toml: Path) -> None:
    """A day of pages on four workers: each thing once, with the pages of all; nothing grows with the traffic."""
    workers = [ConsentMiddleware(site, str(toml)) for _ in range(4)]
    for number in range(8 * EVERY):
        client = Client(workers[number % 4])
        asked = {"Sec-Fetch-Dest": "document", "User-Agent": f"Agent {number}", "Cookie": f"own={number}"}
        client.get(f"/shop/{number}", base_url="https://shop.example", headers=asked).close()
    for worker in workers:
        worker.engine.observations.flush()
        worker.close()
    told = json.loads(run(toml, "--json").output)
    assert told["pages"] == 4 + 8  # the first of each worker's section, and one in fifty
    assert {row["pages"] for row in told["loaded"]} == {12}
    assert len(told["loaded"]) == 9


def test_a_tracker_that_a_deploy_adds_is_news(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, with the place; what was known, and what nobody knows, is not; nor is a first day."""
    sightings = Sightings(lambda sighting, place: None, lambda: 10)
    sightings.recall({Sighting("hotjar.com", "script", "hotjar", held=True): Occurrence(10, 10, 1)})
    for path in ("/a/", "/b/"):
        view = sightings.look(path)
        assert view is not None
        view.saw("static.hotjar.com", "script", "hotjar", True)
    assert caplog.messages == []
    sightings.recall({Sighting("x.test", "script"): Occurrence(9, 9, 1), of_service("hotjar"): Occurrence(10, 10)})
    for path in ("/checkout/", "/d/"):
        view = sightings.look(path)
        assert view is not None
        view.saw("static.hotjar.com", "script", "hotjar", True)
        view.saw("x.test", "script", "", False)
        view.code(frozenset({"hotjar"}))
    assert [text.partition(",")[0] for text in caplog.messages] == ["new on the site: hotjar.com on /checkout (hotjar)"]


def test_what_is_new_fails_for_cron_and_prints_what_to_paste(get: Get, toml: Path) -> None:
    """A cron job is told by the exit code; the lines make the site whole."""
    assert run(toml, "--fail-on", "new").exit_code == 0
    get("/")
    assert run(toml, "--fail-on", "new").exit_code == 1
    lines = run(toml, "--toml").output
    assert 'use = "hotjar"' in lines
    assert 'allow_hosts = ["unknown.test"]' in lines
    assert "youtube" not in lines
    assert "hotjar.com" in run(toml).output


def test_a_page_that_is_known_by_heart_is_read_again_on_a_later_day() -> None:
    """Or it would be gone from the inventory although it is shown every day; once for each section."""
    day = 10
    sightings = Sightings(lambda sighting, place: None, lambda: day)
    assert not sightings.due("/a/1")
    assert sightings.look("/a/1") is not None
    assert not sightings.due("/b/1")
    day = 11
    assert sightings.due("/a/1")
    assert sightings.look("/a/1") is not None
    assert (sightings.due("/a/2"), sightings.due("/b/1")) == (False, True)
