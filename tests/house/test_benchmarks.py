"""The benchmarks are fair: every engine does the same work on the same page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import edges
from benchmarks import in_process
from benchmarks import instructions
from benchmarks import kept
from benchmarks import report
from benchmarks import scaling
from benchmarks import speed
from benchmarks import visitor_app
from benchmarks.engines import LIMITS
from benchmarks.ours import ours
from benchmarks.pages import TRACKERS
from benchmarks.pages import endless_page
from benchmarks.pages import make_page
from benchmarks.pages import read_pages
from benchmarks.work import BANNER
from consent_mw import catalogue
from consent_mw.html.match import Matcher

WORKING = sorted(speed.ENGINES.keys() - LIMITS.keys())


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    """Compile the catalogue once."""
    return Matcher(catalogue.load().values())


@pytest.mark.parametrize("name", WORKING)
def test_each_engine_holds_every_tracker(name: str, matcher: Matcher) -> None:
    """Each engine finds the ten trackers of a generated page: otherwise its row would be about another task."""
    assert speed.ENGINES[name](matcher)(make_page(20_000))[1] == TRACKERS


@pytest.mark.parametrize("name", WORKING)
def test_each_engine_puts_the_banner_first_in_body(name: str, matcher: Matcher) -> None:
    """Each engine inserts the banner right after the start tag of body."""
    page, _ = speed.ENGINES[name](matcher)(make_page(20_000))
    assert page.partition(b'<body class="page">')[2].lstrip().startswith(BANNER[:20])


def test_a_made_page_is_the_same_each_time() -> None:
    """A size and a seed give the same bytes in every run, and about the requested number."""
    assert make_page(20_000) == make_page(20_000)
    assert abs(len(make_page(200_000)) - 200_000) < 2_000


def test_the_endless_page_comes_in_even_chunks() -> None:
    """The long page is split into chunks of the requested size, followed by its end."""
    chunks = list(endless_page(1_000_000, 10_000))
    assert {len(chunk) for chunk in chunks[:-1]} == {10_000}
    assert (len(chunks), chunks[-1]) == (101, b"</body></html>\n")


def test_a_folder_without_pages_is_an_error(tmp_path: Path) -> None:
    """A folder without pages is reported, instead of a table without rows."""
    with pytest.raises(FileNotFoundError, match="no .html or .htm file"):
        read_pages(tmp_path)


def test_a_row_says_when_the_work_was_not_the_same(tmp_path: Path) -> None:
    """The row of an engine that held another number, or gave up on a page, says so."""
    (tmp_path / "one.html").write_bytes(make_page(6_000))
    page_set = read_pages(tmp_path)
    fewer = speed.Result(page_set, WORKING[0], held=TRACKERS - 1)
    broken = speed.Result(page_set, WORKING[0], held=TRACKERS, failures=["ValueError"])
    assert speed.note(fewer, TRACKERS) == f"NOT the same work: holds {TRACKERS - 1}, not {TRACKERS}"
    assert speed.note(broken, TRACKERS) == "fails on 1 of 1 pages (ValueError)"


def test_the_tables_take_their_place_in_the_document(tmp_path: Path) -> None:
    """The new tables are between the marks, and the text around them is unchanged."""
    document = tmp_path / "page.md"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    report.write(document, report.table(("a", "b"), [("x", "1.5"), ("yy", "20.25")]))
    new = "| a   |     b |\n| --- | ----: |\n| x   |   1.5 |\n| yy  | 20.25 |"
    assert document.read_text(encoding="utf-8") == f"before\n{report.BEGIN}\n\n{new}\n\n{report.END}\nafter\n"


def test_a_document_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    """Tables are not written into a document without the marks."""
    document = tmp_path / "page.md"
    document.write_text("text\n", encoding="utf-8")
    with pytest.raises(ValueError, match="are missing"):
        report.write(document, "table")
    assert document.read_text(encoding="utf-8") == "text\n"


@pytest.mark.parametrize("setup", visitor_app.SETUPS.values(), ids=lambda setup: setup.name)
def test_each_notice_stands_in_the_same_page(setup: visitor_app.Setup) -> None:
    """The body is the same in every compared page: only the head and its tag differ."""
    assert (
        visitor_app.page(setup).partition(b"</head>")[2] == visitor_app.page(visitor_app.BARE).partition(b"</head>")[2]
    )


@pytest.mark.slow
def test_both_sites_of_an_edge_give_the_same_answers() -> None:
    """Pages of the wrapped site differ from the bare one by the held tags and the banner; other responses do not."""
    (edge,) = edges.measure(2, ["wsgi"])
    sizes = {answer.page: answer.size for answer in edge.answers}
    assert sizes["/json"][0] == sizes["/json"][1]
    assert 0 < sizes["/page"][1] - sizes["/page"][0] == pytest.approx(sizes["/stream"][1] - sizes["/stream"][0], abs=99)


def test_a_row_that_got_worse_fails_the_quick_run() -> None:
    """A row 15 % below the stored one is reported, and so is one without a stored value; a better one is not."""
    stored = {"wsgi /text undecided": 0.60, "wsgi /json undecided": 0.98}
    assert kept.worse({"wsgi /text undecided": 0.52, "wsgi /json undecided": 0.99}, stored) == []
    assert kept.worse({"wsgi /text undecided": 0.50, "wsgi /json undecided": 0.98}, stored) == [
        "wsgi /text undecided: the site's own part is 50 %, and was 60 %"
    ]
    assert len(kept.worse({"asgi /text undecided": 0.6}, stored)) == 1


def test_the_stored_ratios_are_those_of_the_quick_run() -> None:
    """Every measured row has a stored value."""
    assert json.loads(kept.STORED.read_text(encoding="utf-8")).keys() == {" ".join(row) for row in kept.QUICK}


def test_what_a_site_keeps_is_the_median_of_ratios() -> None:
    """A slow moment in one half of a round does not change the result."""
    rates = ((100.0, 60.0), (100.0, 70.0), (100.0, 10.0))
    one = kept.Kept(("wsgi", "/text", "undecided"), rates, ((1.0, 2.0), (1.0, 2.5), (1.0, 9.0)))
    assert (one.requests, one.work) == (0.6, 0.4)
    assert kept.rows([one])[0][4] == "60 %"
    assert ("NOT reached" in kept.goals([one])[0]) == (kept.GOALS["/text"] > 0.6)


def test_a_row_that_looks_worse_once_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy moment does not fail the run, but a row that stays worse does; only such rows are measured again."""
    stored = json.loads(kept.STORED.read_text(encoding="utf-8"))
    asked: list[int] = []

    def measured(rows: Sequence[kept.Row], progress: object) -> dict[str, float]:
        asked.append(len(rows))
        worse = kept.QUICK[:2] if len(asked) == 1 else always
        return {" ".join(row): stored[" ".join(row)] * (0.5 if row in worse else 1.0) for row in rows}

    monkeypatch.setattr(kept, "_quick_work", measured)
    always: tuple[kept.Row, ...] = ()
    assert kept.quick(lambda text: None) == 0
    assert asked == [len(kept.QUICK), 2]
    asked.clear()
    always = kept.QUICK[:1]
    assert kept.quick(lambda text: None) == 1
    assert asked == [len(kept.QUICK), 2, 1]


def test_more_instructions_fail_the_quick_run() -> None:
    """A scan fails at 15 % more than the stored count, or at 60 % more with another compiler."""
    stored = {"skip": 10.0, "walk": 10.0}
    assert instructions.worse({"skip": 11.4, "walk": 9.0}, stored, same_compiler=True) == []
    assert len(instructions.worse({"skip": 11.6, "walk": 9.0}, stored, same_compiler=True)) == 1
    assert instructions.worse({"skip": 15.9}, stored, same_compiler=False) == []
    assert len(instructions.worse({"skip": 16.1}, stored, same_compiler=False)) == 1
    assert len(instructions.worse({"new": 1.0}, stored, same_compiler=True)) == 1


def test_the_stored_instructions_are_those_that_are_counted() -> None:
    """Each counted kind has a stored number to compare with."""
    stored = json.loads(instructions.STORED.read_text(encoding="utf-8"))
    assert set(stored["counts"]) == set(instructions.KINDS)


def test_catalogues_of_any_size_hold_the_same() -> None:
    """Few services and many hold the same on a page: otherwise their times could not be compared."""
    page = make_page(20_000)
    found = [ours(Matcher(scaling.some_services(count)))(page)[1] for count in (800, 6_000)]
    assert found == [TRACKERS, TRACKERS]


def test_a_page_in_process_has_a_notice_and_what_was_chosen() -> None:
    """The timed site shows a notice to a visitor who has not chosen, and accepts a choice."""
    with in_process.running_site() as site:
        page = make_page(20_000)
        for _ in range(2):
            site.page(page, "")
        assert b"data-cmw-banner" in site.call("")[0]
        assert b"data-cmw-held" not in site.call(site.choose("accept-all"))[0]
