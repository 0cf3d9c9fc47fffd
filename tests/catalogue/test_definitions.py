"""An owner's folder of entries, and holding what the catalogue calls necessary."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_mw import catalogue
from consent_mw import config
from consent_mw.catalogue.disputed import DISPUTED
from consent_mw.catalogue.disputed import running
from consent_mw.core.model import Service
from consent_mw.errors import ConfigError
from consent_mw.wsgi import ConsentMiddleware
from tests.cli.test_catalogue import ENTRY

DISPUTED_SERVICES = [
    (dispute.purpose, service)
    for dispute in DISPUTED
    for service in catalogue.load().values()
    if service.necessary and dispute.covers(service)
]


def served(path: Path, settings: str, page: str) -> str:
    """Return a page as a first visitor gets it from a site with these settings."""
    file = path / "consent.toml"
    file.write_text(settings, encoding="utf-8")

    def app(environ: dict[str, object], start_response: object) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])  # type: ignore[operator]
        return [f"<!DOCTYPE html><html><head><title>x</title></head><body>{page}</body></html>".encode()]

    from werkzeug.test import Client

    middleware = ConsentMiddleware(app, str(file))
    try:
        return Client(middleware).get("/", base_url="https://shop.example").text
    finally:
        middleware.close()


def folder_of(path: Path, text: str) -> str:
    """Write an owner's folder with one file, and return the setting that names it."""
    (path / "services").mkdir()
    (path / "services" / "own.toml").write_text(text, encoding="utf-8")
    return '[site]\ncatalogue = "services"\n'


def test_an_entry_is_added(tmp_path: Path) -> None:
    """The site knows it without having declared it, beside all built-in ones."""
    (tmp_path / "consent.toml").write_text(folder_of(tmp_path, ENTRY), encoding="utf-8")
    site = config.load(tmp_path / "consent.toml")
    assert ([one.id for one in site.definitions], site.services, site.learning) == (["house-stats"], (), True)


def test_what_an_entry_marks_is_held(tmp_path: Path) -> None:
    """Its script does not leave with a first visit."""
    tag = '<script src="https://stats.example.org/s.js"></script>'
    assert tag not in served(tmp_path, folder_of(tmp_path, ENTRY), tag)


def test_an_entry_replaces_the_built_in_one(tmp_path: Path) -> None:
    """Google Fonts that an entry calls a preference are held."""
    own = ENTRY.replace("house-stats", "google-fonts").replace("stats.example.org", "fonts.googleapis.com")
    tag = '<link rel="stylesheet" href="https://fonts.googleapis.com/css?family=Inter">'
    assert tag not in served(tmp_path, folder_of(tmp_path, own.replace('"analytics"', '"preferences"')), tag)


def test_an_entry_can_be_used(tmp_path: Path) -> None:
    """`use` names it like a built-in one."""
    settings = folder_of(tmp_path, ENTRY) + '[[services]]\nuse = "house-stats"\n'
    (tmp_path / "consent.toml").write_text(settings, encoding="utf-8")
    assert [one.vendor for one in config.load(tmp_path / "consent.toml").services] == ["House Ltd"]


def test_mistakes_are_told_with_all_others(tmp_path: Path) -> None:
    """One in the settings and two in the folder are three."""
    wrong = ENTRY.replace('"GB"', '"gb"').replace('"analytics"', '"nonsense"')
    (tmp_path / "consent.toml").write_text(folder_of(tmp_path, wrong) + 'nam = "x"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        config.load(tmp_path / "consent.toml")
    places = [problem.where.rpartition(": ")[2] for problem in raised.value.problems]
    assert sorted(places) == ["country", "purposes[0]", "site.nam"]


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    """The folder is named."""
    (tmp_path / "consent.toml").write_text('[site]\ncatalogue = "nowhere"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="nowhere: The folder cannot be read"):
        config.load(tmp_path / "consent.toml")


# -- what is disputed


def test_every_dispute_has_its_example() -> None:
    """The best-known service of each is in the catalogue, is necessary, and is meant."""
    found = running(catalogue.load(), ())
    assert [found[dispute.name][0] for dispute in DISPUTED] == [dispute.example for dispute in DISPUTED]


@pytest.mark.parametrize("declared", [True, False])
def test_one_line_holds_a_disputed_service(tmp_path: Path, declared: bool) -> None:
    """Google Fonts run by default, and are held by the line that docs/catalogue.md shows."""
    tag = '<link rel="stylesheet" href="https://fonts.googleapis.com/css?family=Inter">'
    line = 'services = [{ use = "google-fonts", purposes = ["preferences"] }]\n' if declared else ""
    assert (tag in served(tmp_path, line, tag)) is not declared


@pytest.mark.parametrize(("purpose", "service"), DISPUTED_SERVICES, ids=[one.id for _, one in DISPUTED_SERVICES])
def test_each_line_takes_a_service_off_the_list(purpose: str, service: Service) -> None:
    """Declared by its line, it is asked about, and no longer runs without consent."""
    site = config.load({"services": [{"use": service.id, "purposes": [purpose]}]}, environ={})
    assert running({service.id: service}, ()) != {}
    assert (site.services[0].necessary, running({service.id: service}, site.services)) == (False, {})
