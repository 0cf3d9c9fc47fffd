"""The commands for the ledger, each on a real file."""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.cookies.choice import CookieJar
from consent_mw.core.choice import Action
from consent_mw.core.choice import Record
from consent_mw.core.days import iso
from consent_mw.http.request import RequestHead
from consent_mw.notice.banner import Notice
from tests.cli.conftest import CONFIG
from tests.cli.conftest import Run
from tests.records.books import KEYS
from tests.records.books import Book


def sealed_at(book: Book, receipt: str) -> tuple[int | None, int | None]:
    """Return the seal and the place of a grant."""
    kept = book.store.history(receipt)[0]
    return kept.seal, kept.place


# -- ledger verify


def test_verify_passes_and_names_the_head(run: Run, book: Book) -> None:
    """A ledger that nobody touched exits with 0, and its head is printed to be noted."""
    done = run("ledger", "verify")
    assert (done.code, book.seals()[-1].hash.hex() in done.out, "intact" in done.out) == (0, True, True)


@pytest.mark.parametrize(
    ("grants", "heading"), [(0, "Ledger of shop: empty"), (2, "Ledger of shop: nothing is sealed yet")]
)
def test_verify_says_nothing_of_seals_where_there_are_none(
    run: Run, config_file: Path, notice: Notice, grants: int, heading: str
) -> None:
    """Before the first seal nothing was checked, and the heading does not say that it was."""
    made = Book(config_file.parent)
    made.store.keep_notice(notice.digest, notice.document)
    for number in range(grants):
        made.store.append(replace(made.entry(f"receipt-{number}"), notice=notice.digest))
    made.store.close()
    done = run("ledger", "verify")
    assert (done.code, done.out.splitlines()[0]) == (0, heading)
    assert "intact" not in done.out
    assert ("Waiting for the first seal: 2 entries." in done.out) == bool(grants)


def test_verify_names_what_was_edited_and_exits_with_1(run: Run, book: Book) -> None:
    """An edited entry is named with seal, place and receipt."""
    book.tamper("UPDATE ledger SET language = 'xx' WHERE receipt = 'receipt-2'")
    seal, place = sealed_at(book, "receipt-2")
    done = run("ledger", "verify")
    assert done.code == 1
    assert f"The entry at {seal}/{place} was changed after it was sealed." in done.out
    assert f"Where: seal {seal}, place {place}, receipt receipt-2." in done.out


def test_verify_speaks_json(run: Run, book: Book) -> None:
    """A program reads the figures and the head."""
    told = run("ledger", "verify", "--json").json
    assert (told["ok"], told["finding"], told["entries"], told["head"]) == (True, None, 3, book.seals()[-1].hash.hex())


def test_verify_goes_on_from_the_seal_that_was_verified_last(run: Run, book: Book, tmp_path: Path) -> None:
    """The first run verifies everything; the next one only what came since, and finds that the chain was cut short."""
    state = str(tmp_path / "verified.json")
    assert run("ledger", "verify", "--state", state, "--jobs", "2", "--json").json["entries"] == 3
    done = run("ledger", "verify", "--state", state)
    assert (done.code, f"intact since seal {len(book.seals())}" in done.out) == (0, True)
    assert run("ledger", "verify", "--state", state, "--json").json["entries"] == 0
    book.tamper("DELETE FROM seals")
    assert run("ledger", "verify", "--state", state, "--json").json["finding"]["kind"] == "chain cut short"
    Path(state).write_text("{}", encoding="ascii")
    done = run("ledger", "verify", "--state", state)
    assert (done.code, "names no seal" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("state", "told"), [(".", " is a folder: "), ("gone/verified.json", "gone does not exist: ")], ids=["is", "lacks"]
)
def test_verify_says_at_once_that_it_cannot_keep_the_seal(run: Run, tmp_path: Path, state: str, told: str) -> None:
    """A folder in the place of the file is named as such, before anything is verified."""
    done = run("ledger", "verify", "--state", str(tmp_path / state))
    assert (done.code, done.out, told in done.err) == (2, "", True)


def test_one_seal_is_told_in_the_singular(run: Run, book: Book) -> None:
    """The second of two seals was changed, so one seal is intact."""
    book.grant(2)
    assert run("ledger", "seal").code == 0
    book.tamper("UPDATE seals SET day = day + 1 WHERE number = 2")
    assert "Intact before that: 1 seal, " in run("ledger", "verify").out


def test_verify_tells_a_finding_in_json(run: Run, book: Book) -> None:
    """A program reads what was found, and where."""
    seal, place = sealed_at(book, "receipt-1")
    book.tamper("DELETE FROM ledger WHERE receipt = 'receipt-1'")
    done = run("ledger", "verify", "--json")
    assert (done.code, done.json["ok"]) == (1, False)
    assert done.json["finding"] == {
        "kind": "removed",
        "what": f"The entry that was sealed at {seal}/{place} is gone, and there is no tombstone for it.",
        "seal": seal,
        "place": place,
        "receipt": "",
    }


def test_verify_misses_a_head_that_was_noted(run: Run, book: Book) -> None:
    """A chain without the head that was noted was cut short."""
    done = run("ledger", "verify", "--head", "0" * 64)
    assert (done.code, "chain cut short" in done.out) == (1, True)


@pytest.mark.parametrize("head", ["zz", "0" * 63, "0" * 65, "g" * 64])
def test_a_head_that_is_no_hash_is_a_mistake_of_the_command(run: Run, head: str) -> None:
    """A slip of the pen is not reported as a chain that was cut short."""
    done = run("ledger", "verify", "--head", head)
    assert (done.code, "is not a head" in done.err) == (2, True)


def test_verify_tells_a_key_that_is_gone(run: Run, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other keys the signatures do not hold, and without any the chain still can be followed."""
    monkeypatch.setenv("CONSENT_KEYS", "another-key-that-is-long-enough-for-all")
    done = run("ledger", "verify")
    assert (done.code, "key unknown" in done.out) == (1, True)
    assert run("ledger", "verify", "--without-keys").code == 0


def test_a_key_that_no_longer_signs_can_be_named(run: Run, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seals of a key that was taken from the site's list hold where that key is given for the check."""
    monkeypatch.setenv("RETIRED", os.environ["CONSENT_KEYS"])
    monkeypatch.setenv("CONSENT_KEYS", "another-key-that-is-long-enough-for-all")
    assert run("ledger", "verify", "--retired-keys", "RETIRED").code == 0
    done = run("ledger", "verify", "--retired-keys", "NOWHERE")
    assert (done.code, done.err) == (2, "The environment variable NOWHERE is not set.\n")


def test_verify_finds_a_notice_that_is_lost(run: Run, book: Book) -> None:
    """The notices that entries name are checked as well."""
    book.tamper("DELETE FROM notices")
    done = run("ledger", "verify")
    assert (done.code, "notice lost" in done.out) == (1, True)


def test_output_that_is_piped_has_no_colours(run: Run, book: Book) -> None:
    """What is not a terminal gets plain text."""
    assert "\x1b" not in run("ledger", "verify").out


def test_what_the_store_holds_cannot_steer_the_terminal(run: Run, book: Book) -> None:
    """An escape sequence in an entry is shown, not obeyed."""
    book.tamper("UPDATE ledger SET receipt = 'x' || char(27) || '[2J' WHERE receipt = 'receipt-1'")
    assert "receipt x\\x1b[2J" in run("ledger", "verify").out


# -- ledger seal, purge, erase


def test_seal_says_how_many(run: Run, book: Book) -> None:
    """What waits is sealed, and a second call finds nothing."""
    book.grant(2)
    assert [run("ledger", "seal").out for _ in range(2)] == ["2 entries sealed.\n", "There is nothing to seal.\n"]


def test_purge_drops_what_is_over(run: Run, book: Book) -> None:
    """What is older than record_days goes, a dry run says so first, and the chain still holds."""
    book.tamper("UPDATE seals SET day = day - 31")
    dry = run("ledger", "purge", "--dry-run")
    assert (dry.out.startswith("3 entries sealed before "), book.store.history("receipt-1") != []) == (True, True)
    assert run("ledger", "purge").out.startswith("3 entries sealed before ")
    assert book.store.history("receipt-1") == []


def test_erase_leaves_a_tombstone(run: Run, book: Book) -> None:
    """An erased receipt is gone, and the ledger still verifies, before and after the tombstone is sealed."""
    done = run("ledger", "erase", "receipt-1", "--yes")
    assert (done.code, done.out, book.store.history("receipt-1")) == (0, "1 entry erased.\n", [])
    assert run("ledger", "verify").code == 0
    run("ledger", "seal")
    assert run("ledger", "verify", "--json").json["erased"] == 1


def test_erase_asks_first(run: Run, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a yes nothing is erased."""
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    done = run("ledger", "erase", "receipt-1")
    assert (done.code, "Nothing was erased." in done.err, len(book.store.history("receipt-1"))) == (2, True, 1)


def test_erase_of_what_is_not_there_exits_with_1(run: Run, book: Book) -> None:
    """A receipt that the ledger does not know is told."""
    assert run("ledger", "erase", "unheard-of", "--yes").code == 1


def test_a_receipt_may_begin_with_a_hyphen(run: Run, book: Book) -> None:
    """Random ids begin with a hyphen now and then, and are not taken for options."""
    book.store.append(book.entry("-hy-phen"))
    book.store.append(book.entry("--yes-or-no"))
    assert run("ledger", "erase", "-hy-phen", "--yes").out == "1 entry erased.\n"
    assert run("receipt", "show", "--yes-or-no").code == 0


# -- receipt


def test_show_tells_what_is_held(run: Run, book: Book) -> None:
    """The entry of a receipt is shown with its services and its place."""
    out = run("receipt", "show", "receipt-1").out
    assert ["google-analytics" in out, "partial" in out, f"1, place {sealed_at(book, 'receipt-1')[1]}" in out] == [
        True,
        True,
        True,
    ]


def test_a_cookie_leads_to_the_exact_notice(run: Run, book: Book, notice: Notice, config_file: Path) -> None:
    """From nothing but the value of a visitor's cookie the commands lead to what was shown, word by word."""
    site = config.load(config_file)
    head = RequestHead("GET", "https", "shop.example", "/", "", ())
    record = Record(Action.PARTIAL, book.today, site.revision, frozenset({"analytics"}), receipt="receipt-1")
    cookie = CookieJar(site, KEYS).set_cookie(record, head).partition("=")[2].partition(";")[0]
    shown = run("receipt", "show", cookie).out
    assert ("Receipt receipt-1" in shown, notice.digest in shown) == (True, True)
    said = json.loads(run("notice", "show", notice.digest, "--json").out)
    assert said["languages"]["de"]["banner"] == json.loads(notice.document)["languages"]["de"]["banner"]


def test_an_unknown_receipt_exits_with_1(run: Run, book: Book) -> None:
    """What is not in the ledger is told."""
    assert run("receipt", "show", "unheard-of").code == 1


@pytest.fixture
def file(run: Run, book: Book, tmp_path: Path) -> Path:
    """Return the file of a receipt."""
    path = tmp_path / "receipt.json"
    path.write_text(run("receipt", "show", "receipt-1", "--json").out, encoding="utf-8")
    return path


def test_a_receipt_is_checked_without_the_site(
    run: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of a receipt proves itself where neither configuration, keys nor ledger are."""
    monkeypatch.delenv("CONSENT_KEYS")
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    from consent_mw.cli import main

    assert (main(["receipt", "verify", str(file)]), os.listdir(empty)) == (0, [])


def test_a_receipt_is_checked_against_the_ledger(run: Run, file: Path) -> None:
    """With --ledger the signature and the seal are those of the site."""
    done = run("receipt", "verify", str(file), "--ledger", "--json")
    assert (done.code, done.json["ok"], done.json["signed"], done.json["ledger"]) == (0, True, True, True)


def test_a_receipt_of_another_ledger_is_told(run: Run, file: Path, book: Book) -> None:
    """A receipt whose seal is no longer the one in the chain shows that the ledger was replaced."""
    book.tamper("UPDATE seals SET day = day - 1")
    done = run("receipt", "verify", str(file), "--ledger")
    assert (done.code, "Seal 1 is not the one in the ledger of shop." in done.out) == (1, True)


def test_a_wrong_receipt_exits_with_1(run: Run, file: Path) -> None:
    """A receipt with another service in it does not lead to its seal."""
    file.write_text(file.read_text(encoding="utf-8").replace('"google-analytics"', '"meta-pixel"'), encoding="utf-8")
    done = run("receipt", "verify", str(file))
    assert (done.code, "the leaf does not match the entry" in done.out) == (1, True)


def test_what_is_no_receipt_exits_with_2(run: Run, tmp_path: Path) -> None:
    """A file that is none is told in one line."""
    other = tmp_path / "other.json"
    other.write_text("{}")
    done = run("receipt", "verify", str(other))
    assert (done.code, done.err.count("\n"), done.out) == (2, 1, "")


def test_a_receipt_that_waits_is_no_finding(run: Run, book: Book, tmp_path: Path) -> None:
    """An entry that is not sealed yet is told, and nothing is wrong with it."""
    book.grant()
    path = tmp_path / "waits.json"
    path.write_text(run("receipt", "show", "receipt-4", "--json").out, encoding="utf-8")
    done = run("receipt", "verify", str(path))
    assert (done.code, "not all of it is sealed yet" in done.out) == (0, True)


# -- notice


def test_notice_gives_back_the_exact_document(run: Run, book: Book, notice: Notice) -> None:
    """What the hash in a record addresses comes back byte by byte."""
    digest = book.store.history("receipt-1")[0].entry.notice
    out = run("notice", "show", digest, "--json").out.encode()
    assert (out, hashlib.sha256(out).hexdigest()) == (notice.document, digest)


def test_notice_shows_the_banner_as_a_page(run: Run, book: Book, notice: Notice) -> None:
    """The page holds the banner and its style as they were sent, in the language that was asked for."""
    said = json.loads(notice.document)
    out = run("notice", "show", notice.digest, "--html", "--language", "de").out
    assert [part in out for part in (said["languages"]["de"]["banner"], said["styles"]["banner.css"], 'lang="de"')] == [
        True,
        True,
        True,
    ]


def test_notice_shows_what_an_opt_out_signal_changed(run: Run, book: Book, notice: Notice) -> None:
    """The banner for browsers with the signal is another one."""
    said = json.loads(notice.document)["languages"]["en"]
    out = run("notice", "show", notice.digest, "--html", "--gpc").out
    assert (said["banner_gpc"] in out, said["banner_gpc"] == said["banner"]) == (True, False)


def test_notice_is_told_in_short(run: Run, book: Book, notice: Notice) -> None:
    """Without an option the texts, the purposes and the services are listed."""
    out = run("notice", "show", notice.digest, "--language", "de").out
    assert ["Google Analytics" in out, "Statistik" in out, "Portrait Shop Ltd" in out] == [True, True, True]


def test_a_language_that_was_not_shown_is_an_error(run: Run, book: Book, notice: Notice) -> None:
    """Nothing is shown as something else."""
    done = run("notice", "show", notice.digest, "--language", "fr")
    assert (done.code, "Its languages: " in done.err) == (2, True)


@pytest.mark.parametrize("statement", ["DELETE FROM notices", "UPDATE notices SET document = x'789c030000000001'"])
def test_a_lost_or_edited_notice_is_never_shown(run: Run, book: Book, notice: Notice, statement: str) -> None:
    """A notice that is not the one that was shown exits with 1, and prints nothing as if it were."""
    book.tamper(statement)
    done = run("notice", "show", notice.digest)
    assert (done.code, done.out) == (1, "")


# -- records, and whatever can go wrong


def test_migrate_says_what_it_did(run: Run, config_file: Path) -> None:
    """The first run makes the tables, the second finds them up to date."""
    first, second = run("records", "migrate"), run("records", "migrate")
    assert (first.code, second.code, second.out) == (0, 0, "The store is up to date.\n")


def test_a_missing_ledger_is_not_an_empty_one(run: Run, config_file: Path) -> None:
    """A wrong path does not verify: nothing is made, and the path is told."""
    done = run("ledger", "verify")
    assert (done.code, "There are no records at" in done.err, os.listdir(config_file.parent)) == (
        2,
        True,
        ["consent.toml"],
    )


def test_a_store_of_another_program_is_told(run: Run, config_file: Path) -> None:
    """A file that is no store of ours is left alone, and told without a traceback."""
    (config_file.parent / "consent.db").write_bytes(b"not a database at all" * 200)
    done = run("ledger", "verify")
    assert (done.code, "Traceback" in done.err, done.err.strip() != "") == (2, False, True)


def test_mistakes_in_the_configuration_are_all_told(run: Run, config_file: Path) -> None:
    """Every mistake is a line with its place, and the exit code is 2."""
    config_file.write_text(CONFIG.replace("record_days", "recordDays").replace("controller", "controler"))
    done = run("ledger", "verify")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 2)
    assert "consent.toml:7" in done.err


def test_short_keys_are_told_without_showing_them(run: Run, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is too short is a mistake, and stays secret."""
    monkeypatch.setenv("CONSENT_KEYS", "tooshort")
    done = run("ledger", "verify")
    assert (done.code, "tooshort" in done.err) == (2, False)


# -- notice list


def test_notices_are_listed_by_day_and_language(run: Run, book: Book) -> None:
    """What visitors agreed to on a day, in a language; a day that is none is told."""
    entry = book.store.history("receipt-1")[0].entry
    shown = run("notice", "list", "--date", iso(entry.day), "--language", entry.language, "--json").json
    assert [(one["notice"], one["first"]) for one in shown] == [(entry.notice, iso(entry.day))]
    assert run("notice", "list", "--language", "pl").out == "No notice was agreed to then.\n"
    assert entry.notice in run("notice", "list").out
    done = run("notice", "list", "--date", "3 May")
    assert (done.code, "like 2026-05-03" in done.err) == (2, True)


def test_a_record_from_a_cookie_says_so_wherever_it_is_shown(run: Run, book: Book, tmp_path: Path) -> None:
    """In the receipt, which verifies, on the terminal and in every export; other records do not."""
    again = replace(book.entry("again"), notice="", language="", about="cookie")
    book.store.take([again], {})
    run("ledger", "seal")
    assert "written again from the visitor's cookie" in run("receipt", "show", "again").out
    assert "written again" not in run("receipt", "show", "receipt-1").out
    document = run("receipt", "show", "again", "--json")
    assert "The store had lost this entry" in document.json["entries"][0]["written_again"]
    (tmp_path / "receipt.json").write_text(document.out, "utf-8")
    assert run("receipt", "verify", "--ledger", str(tmp_path / "receipt.json")).code == 0
    assert run("ledger", "verify").code == 0
    assert run("ledger", "export", "--format", "jsonld").out.count("written again from the signed cookie") == 1
    for form in ("csv", "jsonl"):
        assert run("ledger", "export", "--format", form).out.count("cookie") == 1
