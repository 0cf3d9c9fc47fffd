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
from consent_mw.core.counts import AT
from consent_mw.core.counts import BLOCKED
from consent_mw.core.counts import CSP
from consent_mw.core.counts import HELD
from consent_mw.core.counts import LEFT
from consent_mw.core.counts import LOADS
from consent_mw.core.counts import PAGES
from consent_mw.core.counts import STOPPED
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.engine.sightings import EVERY
from consent_mw.engine.sightings import Sightings
from consent_mw.engine.sightings import plain_cookie
from consent_mw.records import Records
from consent_mw.records import open_records
from consent_mw.stats import publish_due
from consent_mw.stats.inventory import MOST
from consent_mw.stats.inventory import condense
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
        app.engine.tally.flush()

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
    rows = [count for count in store.counts(2**31 - 1) if count.table == LOADS]
    store.close()
    assert rows
    assert not [row for row in rows for part in ("4711", "face", "who", "token", "AB12") if part in repr(row)]


def test_some_pages_are_looked_at(get: Get, toml: Path) -> None:
    """The first page of each section, and then one in so many; the number says how many had a domain."""
    get(*["/a/1", "/a/2", "/b/"], *["/a/3"] * EVERY)
    told = json.loads(run(toml, "--json").output)
    assert told["pages"] == 3
    assert {row["pages"] for row in told["loaded"]} == {3}


def test_cookies_of_responses_are_in_it(get: Get, toml: Path) -> None:
    """By name, held or not, with whose they are; what may have been made for one visitor is left out."""
    get("/")
    found = {name: row for name, row in loaded(toml).items() if row["cookie"]}
    assert {name: (row["services"], row["held"]) for name, row in found.items()} == {
        "_hjSessionUser_*": (["hotjar"], False),
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
    rows: set[tuple[str, str]] = set()
    sightings = Sightings(rows.update, lambda: 1)
    views = [sightings.look(f"/{number}/") for number in range(1000)]
    seen = [view for view in views if view is not None]
    assert len(seen) < 100
    for number in range(1000):
        seen[0].saw(f"www.site{number}.test", "script", "", False)
    assert len(rows) <= 2 * 256 + 1


def rows_of(days: dict[tuple[int, str, str], int]) -> dict[Count, int]:
    """Return counts by day, value and outcome."""
    return {Count(day, LOADS, value, outcome): number for (day, value, outcome), number in days.items()}


@pytest.fixture
def store(toml: Path) -> Iterator[Records]:
    """The records of the site."""
    opened = open_records(f"sqlite:///{toml.parent}/consent.db")
    yield opened
    opened.close()


def test_years_take_no_more_room_than_two_days(store: Records) -> None:
    """The first day and the last are kept, with the number of all; what was not seen for long goes."""
    script = f"script - {LEFT}"
    for day in range(1, 801):
        seen = {(day, "x.test", script): 2, (day, "", PAGES): 3, (day, "x.test", f"{AT}/day{day % 3}"): 1}
        store.add_counts(rows_of(seen | ({(day, "old.test", script): 1} if day < 300 else {})))
        if not day % 100:
            condense(store, day + 2)
    store.add_counts(rows_of({(801, "x.test", script): 1, (802, "x.test", script): 1}))
    condense(store, 802)
    assert {count: number for count, number in store.counts(10_000).items() if count.table == LOADS} == rows_of(
        {
            (1, "x.test", script): 2,
            (800, "x.test", script): 2 * 799,
            (801, "x.test", script): 1,
            (802, "x.test", script): 1,
            (1, "", PAGES): 3,
            (800, "", PAGES): 3 * 799,
            (1, "x.test", f"{AT}/day1"): 1,
        }
    )


def test_things_without_end_are_bounded(store: Records) -> None:
    """Of more than are kept those that were seen last the longest ago go, and never the number of pages."""
    days = {(day, f"s{day}-{number}.test", f"script - {LEFT}"): 1 for day in range(10) for number in range(MOST // 8)}
    store.add_counts(rows_of({**days, (0, "", PAGES): 1}))
    condense(store, 100)
    kept = store.counts(1000)
    assert len(kept) == MOST
    assert (Count(0, LOADS, "", PAGES) in kept, min(count.day for count in kept if count.value)) == (True, 2)


def test_publishing_leaves_it_alone(store: Records, toml: Path) -> None:
    """It is no table of visits: what is published of these takes nothing of it, and its numbers may be small."""
    store.add_counts(rows_of({(10, "old.test", f"script - {LEFT}"): 2, (12, "old.test", f"script - {LEFT}"): 3}))
    store.add_counts(rows_of({(40, "new.test", f"script host-new-test {HELD}"): 1, (40, "", PAGES): 5}))
    assert (publish_due(store, today=41), len(store.counts(100))) == (0, 4)
    found = loaded(toml)
    old, new = found["old.test"], found["new.test"]
    assert (old["pages"], old["gone"], old["standing"]) == (5, True, "unknown")
    assert (new["pages"], new["gone"], new["standing"]) == (1, False, "suspected")


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
        worker.engine.tally.flush()
        worker.close()
    told = json.loads(run(toml, "--json").output)
    assert told["pages"] == 4 + 8  # the first of each worker's section, and one in fifty
    assert {row["pages"] for row in told["loaded"]} == {12}
    assert len(told["loaded"]) == 9


def test_a_tracker_that_a_deploy_adds_is_news(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, with the place; what was known, and what nobody knows, is not; nor is a first day."""
    sightings = Sightings(lambda rows: None, lambda: 10)
    sightings.recall(rows_of({(10, "hotjar.com", f"script hotjar {HELD}"): 1}))
    for path in ("/a/", "/b/"):
        view = sightings.look(path)
        assert view is not None
        view.saw("static.hotjar.com", "script", "hotjar", True)
    assert caplog.messages == []
    sightings.recall(rows_of({(9, "x.test", f"script - {LEFT}"): 1}))
    for path in ("/checkout/", "/d/"):
        view = sightings.look(path)
        assert view is not None
        view.saw("static.hotjar.com", "script", "hotjar", True)
        view.saw("x.test", "script", "", False)
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
    sightings = Sightings(lambda rows: None, lambda: day)
    assert not sightings.due("/a/1")
    assert sightings.look("/a/1") is not None
    assert not sightings.due("/b/1")
    day = 11
    assert sightings.due("/a/1")
    assert sightings.look("/a/1") is not None
    assert (sightings.due("/a/2"), sightings.due("/b/1")) == (False, True)
