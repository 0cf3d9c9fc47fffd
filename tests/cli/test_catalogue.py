"""``consent-mw catalogue``: what it lists, shows and finds, and what it says of an owner's entries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consent_mw import catalogue
from consent_mw.cli import main
from consent_mw.core.model import UNKNOWN_SERVICE
from tests.cli.conftest import Run

ENTRY = """
[[services]]
id = "house-stats"
name = "House stats"
vendor = "House Ltd"
kind = "web-analytics"
purposes = ["analytics"]
hosts = ["stats.example.org"]
cookies = ["hs_*"]
country = "GB"
policy = "https://example.org/privacy"
source = "https://example.org/docs"
description.en = "Counts visits."
snippet = '''<script src="https://stats.example.org/s.js"></script>'''
"""


@pytest.fixture
def own(config_file: Path) -> Path:
    """Return the site's folder of entries, with one in it."""
    text = config_file.read_text(encoding="utf-8").replace("[site]", '[site]\ncatalogue = "services"', 1)
    config_file.write_text(text, encoding="utf-8")
    folder = config_file.parent / "services"
    folder.mkdir()
    (folder / "own.toml").write_text(ENTRY, encoding="utf-8")
    return folder


# -- list


def test_list_has_every_service(run: Run) -> None:
    """Each id of the catalogue is there, but the one that stands for what nobody described."""
    done = run("catalogue", "list", "--json")
    assert {row["id"] for row in done.json} == catalogue.load().keys() - {UNKNOWN_SERVICE}


def test_list_takes_what_fits_all_filters(run: Run) -> None:
    """A kind, a purpose and a country together leave what has all three."""
    done = run("catalogue", "list", "--kind", "fonts", "--purpose", "necessary", "--country", "si", "--json")
    assert [(row["kind"], row["purposes"], row["country"]) for row in done.json] == [("fonts", ["necessary"], "SI")]


def test_list_is_a_table(run: Run) -> None:
    """A heading, a line for each service, and their number."""
    lines = run("catalogue", "list", "--kind", "fonts", "--country", "SI").out.splitlines()
    assert (lines[0].split()[0], lines[1].split()[0], lines[-1]) == ("ID", "bunny-fonts", "  1 service.")


@pytest.mark.parametrize("option", ["--kind", "--purpose", "--country"])
def test_a_filter_that_nothing_has_is_a_mistake(run: Run, option: str) -> None:
    """The values that there are are named."""
    done = run("catalogue", "list", option, "nonsense")
    assert (done.code, "Known: " in done.err) == (2, True)


def test_an_owners_entry_is_listed(run: Run, own: Path) -> None:
    """The site's folder counts like the built-in files."""
    assert "house-stats" in [row["id"] for row in run("catalogue", "list", "--json").json]


# -- show


def test_show_says_where_the_facts_come_from(run: Run, own: Path) -> None:
    """The source and the file stand with the facts."""
    done = run("catalogue", "show", "house-stats", "--json")
    facts = {key: done.json[key] for key in ("vendor", "cookies", "source", "file")}
    file = str(own / "own.toml")
    assert facts == {"vendor": "House Ltd", "cookies": ["hs_*"], "source": "https://example.org/docs", "file": file}


def test_show_prints_every_fact(run: Run) -> None:
    """Hosts, cookies with their days, and the sentence that visitors read."""
    out = run("catalogue", "show", "hotjar").out
    told = ("hotjar.com", "_hj*: 365 days", "en: Records how", "source", "file")
    assert [text for text in told if text not in out] == []


def test_show_of_an_unknown_id_names_the_nearest(run: Run) -> None:
    """A typing mistake is answered by the right id, and exits with 2."""
    done = run("catalogue", "show", "hotjr")
    assert (done.code, done.out, "Did you mean 'hotjar'?" in done.err) == (2, "", True)


# -- search


@pytest.mark.parametrize(
    ("words", "service", "reason"),
    [
        ("google-analytics", "google-analytics", "id"),
        ("Meta Pixel", "meta-pixel", "name"),
        ("hotjar limited", "hotjar", "vendor"),
        ("static.hotjar.com", "hotjar", "address"),
        ("https://www.googletagmanager.com/gtag/js?id=G-1", "google-analytics", "address"),
        ('<script src="https://static.hotjar.com/c/hotjar-1.js"></script>', "hotjar", "address"),
        ("_hjSessionUser_1", "hotjar", "cookie"),
        ("fbq('init', '1')", "meta-pixel", "code"),
        ("/matomo.php?idsite=1", "matomo", "code"),
    ],
)
def test_search_finds_by(run: Run, words: str, service: str, reason: str) -> None:
    """What an owner may have at hand leads to the service, and the reason is said."""
    done = run("catalogue", "search", words, "--json")
    found = {row["id"]: row["found_by"] for row in done.json}
    assert service in found
    assert found[service] == reason or words.startswith("/")


def test_search_without_a_find_exits_with_1(run: Run) -> None:
    """It is said in a line, with what to do next."""
    done = run("catalogue", "search", "nobody-has-this-name")
    assert (done.code, "catalogue new" in done.out) == (1, True)


def test_search_finds_an_owners_entry(run: Run, own: Path) -> None:
    """An address of the owner's tool is known."""
    assert [row["id"] for row in run("catalogue", "search", "stats.example.org/s.js", "--json").json] == ["house-stats"]


# -- check


def test_the_built_in_files_are_fine(run: Run) -> None:
    """They are read afresh, and counted."""
    assert run("catalogue", "check").out == f"OK: {len(catalogue.load()):,} services.\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ENTRY.replace("vendor", "vendr"), "own.toml: house-stats: vendr: This field is not known. Did you mean"),
        (ENTRY + ENTRY, "own.toml: house-stats: id: Another entry has this id."),
        (
            ENTRY.replace("stats.example.org", "hotjar.com"),
            "hosts[0]: 'hotjar.com' marks the service 'hotjar' already.",
        ),
        ("[[services", "own.toml: This is not TOML"),
        ("\udcff", "own.toml: The file is not UTF-8."),
    ],
)
def test_a_mistake_is_told_with_its_place(run: Run, tmp_path: Path, text: str, told: str) -> None:
    """The file, the entry and the field are named, with what to do, and the exit code is 1."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "own.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    done = run("catalogue", "check", str(folder))
    assert (done.code, told in done.out) == (1, True), done.out


def test_every_mistake_is_told(run: Run, tmp_path: Path) -> None:
    """Programs get all of them at once."""
    (tmp_path / "own.toml").write_text(ENTRY.replace('"GB"', '"gb"').replace('"analytics"', '"nonsense"'), "utf-8")
    (tmp_path / "consent.toml").unlink()
    found = [row["where"].rpartition(": ")[2] for row in json_of(tmp_path, run)["problems"]]
    assert sorted(found) == ["country", "purposes[0]"]


def json_of(folder: Path, run: Run) -> dict[str, list[dict[str, str]]]:
    """Return what ``catalogue check`` says of a folder, for programs."""
    found: dict[str, list[dict[str, str]]] = json.loads(run("catalogue", "check", str(folder), "--json").out)
    return found


def test_an_entry_may_replace_a_built_in_one(run: Run, tmp_path: Path) -> None:
    """With its id it may have its marks, too."""
    folder = tmp_path / "mine"
    folder.mkdir()
    text = ENTRY.replace("house-stats", "hotjar").replace("stats.example.org", "hotjar.com")
    (folder / "own.toml").write_text(text, encoding="utf-8")
    done = run("catalogue", "check", str(folder))
    assert (done.code, done.out) == (0, "OK: 1 service.\n")


@pytest.mark.parametrize("make", [True, False])
def test_a_folder_without_entries_is_a_mistake(run: Run, tmp_path: Path, make: bool) -> None:
    """An empty folder is found fault with, and one that is missing cannot be checked."""
    folder = tmp_path / "mine"
    if make:
        folder.mkdir()
    assert run("catalogue", "check", str(folder)).code == (1 if make else 2)


# -- new


@pytest.mark.parametrize("id_", ["our-tool", "24-metrics", "hotjar"])
def test_a_new_entry_is_right_as_it_is_printed(run: Run, id_: str) -> None:
    """Its owner has only to change values; what is commented out is right as well."""
    text = run("catalogue", "new", id_).out
    whole = text.replace("\n# embed", "\nembed").replace("\n# paths", "\npaths").replace("\n# cookie", "\ncookie")
    whole = whole.replace("\n# inline", "\ninline").replace("\n# storage", "\nstorage").replace("\n# queue", "\nqueue")
    whole = whole.replace("\n# elements", "\nelements").replace("\n# databases", "\ndatabases")
    whole = whole.replace("\n# opt_out", "\nopt_out").replace("\n# safeguard", "\nsafeguard")
    assert [list(catalogue.parse({"x.toml": each})) for each in (text, whole)] == [[id_], [id_]]


def test_a_new_entry_says_what_it_replaces(run: Run) -> None:
    """A known id is told in a comment."""
    assert "It replaces the entry of Hotjar" in run("catalogue", "new", "hotjar").out


def test_a_wrong_id_gets_no_entry(capsys: pytest.CaptureFixture[str]) -> None:
    """What is no id is a mistake in the command."""
    assert (main(["catalogue", "new", "Our Tool"]), capsys.readouterr().out) == (2, "")
