"""``consent-mw check --production``: each line of the check-list, and what can be seen of it from one machine."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.audit import production
from consent_mw.audit.installation import Advice
from consent_mw.audit.production import LINES
from consent_mw.audit.production import Installation
from consent_mw.audit.production import LineState
from consent_mw.audit.production import about_production
from consent_mw.audit.production import check_list
from consent_mw.audit.production import disk_of
from consent_mw.audit.production import installation_of
from consent_mw.core.model import Site
from consent_mw.proof.sealing import seal_new
from tests.cli.conftest import Run
from tests.records.books import KEYS
from tests.records.books import SITE
from tests.records.books import Book

DOCS = Path(__file__).resolve().parents[2] / "docs"
#: What the CLI tests have in the environment.
GIVEN = tuple(key.replace(" ", "-") for key in KEYS)
REMOTE = Installation(Site(name="Shop", records="postgresql://db/consent", spool="spool.db"), keys=2, ahead=1.0)


def rows() -> list[tuple[str, str]]:
    """Return the rows of the check-list in the docs: the requirement, and how to meet it."""
    listed = (DOCS / "production.md").read_text("utf-8").partition("## Check-list")[2]
    return re.findall(r"^\| (?!requirement|---)(.+?) \| (.+) \|$", listed, re.MULTILINE)


def test_the_check_list_and_the_checks_have_the_same_lines() -> None:
    """In the same order and words; each check leads to a page that its row links to."""
    assert [line.subject for line in LINES] == [subject for subject, _ in rows()]
    assert [line.subject for line, (_, how) in zip(LINES, rows(), strict=True) if f"({line.page})" not in how] == []


def test_every_line_goes_by_advice_that_is_documented() -> None:
    """No line waits for an id that no check gives."""
    operations = (DOCS / "operations.md").read_text("utf-8")
    named = {one for line in LINES for one in line.ids or ()}
    assert sorted(one for one in named if f"`{one}`" not in operations) == []


def test_no_line_is_right_that_cannot_be_seen_from_here() -> None:
    """A machine alone answers for its own spool and for nothing else: the other lines say what to look at."""
    found = check_list(replace(REMOTE, disk="ext4"), [])
    assert [line.state is LineState.RIGHT for line in found] == [number == 3 for number in range(1, 11)]
    assert all(
        line.remedy.endswith(f"See docs/{at.page}") for line, at in zip(found, LINES, strict=True) if line.remedy
    )
    assert [bool(line.seen) for line in found] == [True, True, True, False, False, True, False, False, True, True]


def test_an_address_that_was_examined_settles_more() -> None:
    """A refusal was taken there, so that the site knows how visitors come."""
    found = check_list(replace(REMOTE, address="https://shop.example/"), [])
    assert (found[3].state, "https://shop.example/" in found[3].seen) == (LineState.RIGHT, True)
    assert "https://shop.example/" in found[9].seen


@pytest.mark.parametrize("number", range(1, 11))
def test_what_was_found_makes_its_line_wrong(number: int) -> None:
    """Each id that a line goes by, with its remedy; the last line goes by all, and no line by what is another's."""
    line = LINES[number - 1]
    for one in sorted(line.ids if line.ids is not None else {"no-policy"}):
        found = check_list(REMOTE, [Advice(one, "warning", "It is so.", "Mend it.")])
        wrong = found[number - 1]
        assert (wrong.state, wrong.seen) == (LineState.WRONG, one)
        assert wrong.remedy.startswith("Correct what was found." if line.ids is None else "Mend it.")
        others = [at for at, other in enumerate(LINES) if other.ids is not None and one not in other.ids]
        assert LineState.WRONG not in {found[at].state for at in others}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (REMOTE, []),
        (replace(REMOTE, signed=True, disk="ext4"), []),
        (replace(REMOTE, signed=False), ["other-keys"]),
        (replace(REMOTE, disk="tmpfs"), ["spool-volatile"]),
        (replace(REMOTE, disk="nfs4"), ["spool-shared"]),
        (replace(REMOTE, site=Site(name="Shop"), disk="overlay"), ["records-volatile"]),
        (replace(REMOTE, site=Site(name="Shop"), disk="ceph"), ["records-shared"]),
    ],
)
def test_what_matters_in_production_is_told(found: Installation, expected: list[str]) -> None:
    """Keys that differ between machines, and spools and records that would be lost or shared."""
    assert [one.id for one in about_production(found)] == expected
    assert all(one.remedy for one in about_production(found))


def test_the_disk_of_a_file_is_that_of_the_deepest_mount(tmp_path: Path) -> None:
    """The last one there, with escaped spaces; a path that only begins alike is on another disk."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "a / overlay rw 0 0\nb /data xfs rw 0 0\nc /data/my\\040shop tmpfs rw 0 0\nd /data ext4 rw 0 0\n", "utf-8"
    )
    paths = ("/data/spool.db", "/data/my shop/spool.db", "/database/spool.db", "")
    assert [disk_of(path, str(mounts)) for path in paths] == ["ext4", "tmpfs", "overlay", ""]
    assert disk_of("/data", str(tmp_path / "none")) == ""


def test_a_seal_of_another_key_is_seen(book: Book, config_file: Path) -> None:
    """Another machine signs with a key that is not here; before, the newest seal is ours. Nothing is created."""
    site = config.load(config_file)
    environ = {"CONSENT_KEYS": " ".join(GIVEN)}
    now = book.today * 86_400.0
    before = sorted(config_file.parent.iterdir())
    seen = installation_of(site, environ, now)
    assert (seen.keys, seen.signed) == (2, True)
    assert (installation_of(site, {}, now).keys, sorted(config_file.parent.iterdir())) == (0, before)
    book.grant()
    assert seal_new(book.store, site=SITE, keys=("z" * 40,), today=book.today) == 1
    assert installation_of(site, environ, now).signed is False


def test_the_command_goes_through_the_list(run: Run, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words and as JSON; without the option there is none."""
    monkeypatch.setattr(production, "disk_of", lambda file: "ext4")
    shown = run("check", "--production").out
    assert all(f"  {line.subject}\n" in shown for line in LINES)
    assert re.search(r"^ 3  right  Each machine has a spool", shown, re.MULTILINE)
    told = run("check", "--production", "--json").json
    assert [one["subject"] for one in told["production"]] == [line.subject for line in LINES]
    assert {one["state"] for one in told["production"]} <= {"right", "wrong", "look"}
    assert "production" not in run("check", "--json").json
    assert "check-list" not in run("check").out
    assert json.dumps(told)
