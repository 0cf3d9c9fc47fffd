"""One set of observations: what a page teaches is asked about, and is in the inventory."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

import pytest
from werkzeug.test import Client

from consent_mw.catalogue.definitions import joined
from consent_mw.core.model import Service
from consent_mw.core.observations import PAGE
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.observations import of_service
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from consent_mw.records import open_records
from consent_mw.records.observations import SiteObservations
from consent_mw.stats.inventory import read
from consent_mw.stats.inventory import tidy
from consent_mw.wsgi import ConsentMiddleware

SERVICES: Mapping[str, Service] = {id_: Service(id_, id_, id_, ("marketing",)) for id_ in ("ga", "hotjar")}
SCRIPT = Sighting("x.test", "script")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Records]:
    """The records of a site."""
    opened = open_records(f"sqlite:///{tmp_path}/consent.db")
    yield opened
    opened.close()


def test_a_new_service_does_not_wait_and_the_rest_does(store: Records) -> None:
    """What visitors are asked about is shared at once; what a page contains besides, with the next flush."""
    one, other = (SiteObservations(store, SERVICES, lambda: 7) for _ in range(2))
    one.add(SCRIPT, "/a")
    assert (one.held({"ga", "unheard-of"}), one.held({"ga"})) == (True, False)
    one.share()
    other.share()
    assert [service.id for service in other.services] == ["ga"]
    assert store.observed() == {of_service("ga"): Occurrence(7, 7)}
    one.flush()
    assert store.observed() == {of_service("ga"): Occurrence(7, 7), SCRIPT: Occurrence(7, 7, 1, "/a")}


def test_nothing_but_a_new_service_changes_the_question(store: Records) -> None:
    """Domains, pages, services seen again, flushes and clean-ups leave what visitors are asked about as it is."""
    day = 7
    adopted: list[list[str]] = []
    seen = SiteObservations(store, SERVICES, lambda: day, lambda ids: adopted.append(list(ids)))
    seen.held({"ga"})
    seen.share()
    before = seen.services
    for day in (8, 9, 2000):
        seen.held({"ga"})
        seen.add(Sighting("hotjar.com", "script", "hotjar", held=True))
        seen.add(of_service("ga"))
        seen.flush()
        tidy(store, day + 1000)
        seen.share()
    assert (seen.services, len(adopted)) == (before, 1)


def test_a_store_that_is_away_costs_no_observation(store: Records) -> None:
    """Pages and services wait, and are written once when the store is back."""

    class Broken:
        """A store that refuses to be written."""

        def observe(self, seen: Mapping[Sighting, Occurrence]) -> None:
            raise RecordsError("away")

        learned, observed, forget_observations = store.learned, store.observed, store.forget_observations

    seen = SiteObservations(Broken(), SERVICES, lambda: 7)
    seen.held({"ga"})
    for _ in range(2):
        seen.add(SCRIPT)
        for write in (seen.flush, seen.share):
            with pytest.raises(RecordsError):
                write()
    assert [service.id for service in seen.services] == ["ga"]
    seen._records = store
    for _ in range(2):
        seen.flush()
        seen.share()
    assert store.observed() == {of_service("ga"): Occurrence(7, 7), SCRIPT: Occurrence(7, 7, 2)}


def test_what_waits_is_bounded(store: Records) -> None:
    """A store that stays away does not fill the memory; what is known already goes on being counted."""
    seen = SiteObservations(store, SERVICES, lambda: 7)
    for number in range(5000):
        seen.add(Sighting(f"s{number}.test", "script"))
    seen.add(Sighting("s0.test", "script"))
    seen.flush()
    rows = store.observed()
    assert (len(rows), rows[Sighting("s0.test", "script")].pages) == (4096, 2)


def test_a_forked_process_does_not_count_its_parent_s_pages(store: Records) -> None:
    """Each process writes what it saw itself; a service that is not stored yet is stored by either."""
    seen = SiteObservations(store, SERVICES, lambda: 7)
    seen.add(SCRIPT)
    seen.held({"ga"})
    child = os.fork()
    if not child:
        try:
            seen.flush()
            seen.share()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert store.observed() == {of_service("ga"): Occurrence(7, 7)}
    seen.flush()
    seen.share()
    assert store.observed() == {of_service("ga"): Occurrence(7, 7), SCRIPT: Occurrence(7, 7, 1)}


@pytest.mark.parametrize("counters", ["all", "off"])
def test_what_an_uninspected_page_teaches_is_in_the_inventory(tmp_path: Path, counters: str) -> None:
    """A service on a page outside the sample is asked about, and is in the inventory; without counting, that is all."""
    body = [b"<p>nothing"]

    def site(_: object, start: Callable[..., object]) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/html")])
        return [b"<!doctype html><title>x</title>" + body[0]]

    config = {"site": {"records": f"sqlite:///{tmp_path}/consent.db", "counters": counters}}
    app = ConsentMiddleware(site, config)
    client = Client(app)
    with_hotjar = b"<script src=https://static.hotjar.com/c/hotjar-1.js></script>"
    try:
        for body[0] in (b"<p>nothing", with_hotjar):
            headers = {"Sec-Fetch-Dest": "document"}
            client.get("/shop/1", base_url="https://shop.example", headers=headers).close()
        app.engine.observations.share()
        app.engine.observations.flush()
        known = joined(app.engine.site.definitions)
        found = read(app.engine.records, app.engine.site, known)
        assert [service.id for service in app.engine.now().site.services] == ["hotjar"]
        assert [(entry.name, entry.kinds, entry.pages, entry.held) for entry in found.loaded] == [
            ("hotjar", {"code"}, 1, True)
        ]
        assert found.pages == (PAGE in app.engine.records.observed()) == (counters == "all")
    finally:
        app.close()
