"""``consent-mw notice diff``: what differs between two notices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.core.model import Site
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.proof.notice_diff import differences
from tests.cli.conftest import CONFIG
from tests.cli.conftest import Run
from tests.records.books import Book

LATER = CONFIG.replace("Portrait Shop Ltd, London", "Portrait Shop GmbH, Köln") + (
    '\n[[services]]\nuse = "youtube"\n\n[texts.de]\n"banner.title" = "Ihre Wahl hier"\n'
)


@pytest.fixture
def later(book: Book, config_file: Path) -> Notice:
    """The notice of the site after a change of its configuration, that nobody agreed to yet."""
    config_file.write_text(LATER, encoding="utf-8")
    return Notice(config.load(config_file), Assets())


@pytest.mark.parametrize("known_by", ["hash", "beginning"])
def test_a_notice_is_compared_with_the_one_of_today(run: Run, notice: Notice, later: Notice, known_by: str) -> None:
    """By its hash or the beginning of it: who is responsible, a service and a text have changed."""
    name = {"hash": notice.digest, "beginning": notice.digest[:12]}[known_by]
    done = run("notice", "diff", name)
    assert done.code == 1
    lines = done.out.splitlines()
    at = lines.index("changed site / controller")
    assert lines[at + 1 : at + 3] == ["  - Portrait Shop Ltd, London", "  + Portrait Shop GmbH, Köln"]
    assert "added services / youtube" in lines
    assert [line for line in lines if line.startswith("added services / youtube /")] == []
    assert "  + Ihre Wahl hier" in lines
    assert "changed languages / de / banner" in lines
    assert "<section" not in done.out


def test_a_notice_is_the_same_as_itself(run: Run, book: Book, notice: Notice) -> None:
    """Nothing differs, and the exit code says so."""
    done = run("notice", "diff", notice.digest, notice.digest)
    assert (done.code, done.out) == (0, "The two notices say the same.\n")


def test_one_language_can_be_compared_alone(run: Run, notice: Notice, later: Notice) -> None:
    """Only the words of that language are told; one that neither has is an error."""
    found = run("notice", "diff", notice.digest, "--language", "de", "--json").json
    texts = [one for one in found if one["place"].startswith("languages / de / texts / ")]
    assert [(one["verb"], one["after"]) for one in texts] == [("changed", "Ihre Wahl hier")]
    assert {one["place"].split(" / ")[1] for one in found} == {"de"}
    done = run("notice", "diff", notice.digest, "--language", "fr")
    assert (done.code, "Languages: de, en." in done.err) == (2, True)


@pytest.mark.parametrize("name", ["0" * 64, "12345678", "no-such-revision"])
def test_a_notice_that_is_not_there_is_an_error(run: Run, book: Book, name: str) -> None:
    """It says where the notices are listed."""
    done = run("notice", "diff", name)
    assert (done.code, "consent-mw notice list" in done.err) == (2, True)


def test_an_altered_notice_is_not_compared(run: Run, book: Book, notice: Notice) -> None:
    """A document that is not the one that was agreed to says nothing."""
    book.tamper("UPDATE notices SET document = x'789c030000000001'")
    done = run("notice", "diff", notice.digest)
    assert (done.code, done.out) == (2, "")


def test_a_service_in_the_middle_is_one_addition() -> None:
    """The services after a new one are not told as changed."""

    def document(*services: str) -> dict[str, object]:
        site: Site = config.load({"services": [{"use": service} for service in services]})
        found: dict[str, object] = json.loads(Notice(site, Assets()).document)
        return found

    found = differences(document("matomo", "youtube"), document("matomo", "hotjar", "youtube"))
    services = [(one.place, one.verb) for one in found if one.place.startswith("services")]
    assert services == [("services / hotjar", "added")]
