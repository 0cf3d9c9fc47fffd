"""The commands about consent rates."""

from __future__ import annotations

import hashlib
import json
import re
import time
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result
from werkzeug.security import check_password_hash

from consent_mw.cli import cli
from consent_mw.core.counts import Count
from consent_mw.core.counts import Figures
from consent_mw.records import open_records


def today() -> int:
    """Return the day as the command sees it; a run of the whole suite may pass midnight."""
    return int(time.time() // 86_400)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the configuration of a site with an empty store."""
    path = tmp_path / "consent.toml"
    path.write_text(f'[site]\nname = "Shop"\nrecords = "sqlite:///{tmp_path}/consent.db"\n', encoding="utf-8")
    open_records(f"sqlite:///{tmp_path}/consent.db").close()
    return path


def run(config: Path, *arguments: str, input: str | None = None, columns: int = 80) -> Result:
    """Run a command on a site."""
    runner = CliRunner(env={"COLUMNS": str(columns), "TERM": "xterm", "NO_COLOR": ""})
    result = runner.invoke(cli, ["--config", str(config), *arguments], input=input, standalone_mode=False)
    # The group gives back the exit code of its command.
    if result.exception is None and isinstance(result.return_value, int):
        result.exit_code = result.return_value
    return result


def fill(config: Path, figures: list[Figures]) -> None:
    """Publish figures in the store of a site."""
    store = open_records(f"sqlite:///{config.parent}/consent.db")
    assert store.publish(figures, {})
    store.close()


def week(begin: int, *, granted: int) -> list[Figures]:
    """Return seven days with a share of grants, in percent."""
    cells = {"accept": 5 * granted, "partial": 5 * granted, "reject": 1000 - 10 * granted, "unanswered": 500}
    return [
        Figures("answers", day, day, {("", name): number for name, number in cells.items()})
        for day in range(begin, begin + 7)
    ]


# -- stats


def test_stats_show_the_demonstration(config: Path) -> None:
    """After demo-data the terminal shows rates, a chart and tables, and the JSON the same visits."""
    done = run(config, "demo-data", "--visits", "600")
    assert done.exit_code == 0, done.output
    shown = run(config, "stats").output
    assert "Shop" in shown and "By browser" in shown and "█" in shown
    document = json.loads(run(config, "stats", "--json").output)
    visits = document["period"]["totals"]["asked"]["count"]
    assert f"{visits:,} visits were asked" in shown
    assert f"{visits:,} synthetic visits" in done.output


def test_stats_write_a_table_as_csv(config: Path) -> None:
    """One table goes to standard output, with the line ends of RFC 4180."""
    fill(config, week(today() - 7, granted=60))
    text = run(config, "stats", "--csv", "line").stdout_bytes
    assert text.startswith(b"first,last,asked,")
    assert text.count(b"\r\n") == 8


def test_stats_of_days_of_ones_own(config: Path) -> None:
    """A first and a last day choose the period."""
    document = json.loads(run(config, "stats", "--json", "--from", "2026-05-03", "--to", "2026-05-04").output)
    assert (document["period"]["first"], document["period"]["last"]) == ("2026-05-03", "2026-05-04")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("stats", "--since", "soon"), "is not a period"),
        (("stats", "--from", "soon"), "is not a date"),
        (("stats", "--csv", "people"), "Write one of totals"),
        (("report", "--since", "0d"), "is not a period"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(config: Path, arguments: tuple[str, ...], text: str) -> None:
    """What cannot be read is an error of usage."""
    result = run(config, *arguments)
    assert result.exception is not None
    assert text in str(getattr(result.exception, "message", ""))


# -- report


@pytest.mark.parametrize(
    ("before", "after", "allowed", "code"), [(60, 45, "10", 1), (60, 45, "20", 0), (60, 58, "0.5", 1), (45, 60, "1", 0)]
)
def test_report_fails_where_a_rate_dropped(config: Path, before: int, after: int, allowed: str, code: int) -> None:
    """It exits with 1 where a rate fell by more points than allowed, and with 0 where it fell less or rose."""
    fill(config, [*week(today() - 14, granted=before), *week(today() - 7, granted=after)])
    result = run(config, "report", "--since", "7d", "--fail-if-drop", allowed)
    assert result.exit_code == code
    assert ("Dropped: consent rate fell by" in result.output) == bool(code)


def test_report_does_not_fail_for_noise(config: Path) -> None:
    """A drop of some points among few answers is not more than noise."""
    few = {"accept": 12, "partial": 10, "reject": 12, "unanswered": 40}
    fewer = {"accept": 11, "partial": 10, "reject": 20, "unanswered": 40}
    runs = [(today() - 10, few), (today() - 3, fewer)]
    fill(config, [Figures("answers", day, day, {("", name): n for name, n in cells.items()}) for day, cells in runs])
    result = run(config, "report", "--fail-if-drop", "5")
    assert (result.exit_code, "No rate fell" in result.output) == (0, True)


def test_report_with_too_little_data_says_so(config: Path) -> None:
    """Without figures to compare with it exits with 0, and says why."""
    fill(config, week(today() - 7, granted=60))
    result = run(config, "report", "--fail-if-drop", "10")
    assert (result.exit_code, "too little data" in result.output) == (0, True)


def test_report_writes_json(config: Path) -> None:
    """A program reads which rate dropped, and by how much."""
    fill(config, [*week(today() - 14, granted=60), *week(today() - 7, granted=45)])
    result = run(config, "report", "--fail-if-drop", "10", "--json")
    document = json.loads(result.output)
    assert result.exit_code == 1
    assert [(rate["points"], rate["dropped"]) for rate in document["rates"]] == [(-15.0, True), (-10.0, False)]


# -- passwd and token


def test_passwd_prints_lines_that_let_its_password_in(config: Path) -> None:
    """The lines are TOML, their hash is scrypt, and it is that of the password."""
    result = run(config, "stats", "passwd", input="correct horse\ncorrect horse\n")
    assert result.exit_code == 0, result.output
    lines = tomllib.loads(result.stdout)
    assert lines["stats"]["password"].startswith("scrypt:")
    assert check_password_hash(lines["stats"]["password"], "correct horse")
    assert "correct horse" not in result.stdout


@pytest.mark.parametrize("typed", ["short\nshort\n", "long enough, really\nlong enough, almost\n"])
def test_passwd_refuses_what_is_short_or_differs(config: Path, typed: str) -> None:
    """A short password, or one that was typed differently, changes nothing."""
    before = config.read_text(encoding="utf-8")
    result = run(config, "stats", "passwd", "--write", input=typed)
    assert result.exception is not None
    assert config.read_text(encoding="utf-8") == before


def test_passwd_writes_into_a_configuration_once(config: Path) -> None:
    """With --write the lines are added; where there is a [stats] they are not."""
    before = config.read_text(encoding="utf-8")
    assert run(config, "stats", "passwd", "--write", input="correct horse\ncorrect horse\n").exit_code == 0
    after = config.read_text(encoding="utf-8")
    assert after.startswith(before)
    assert check_password_hash(tomllib.loads(after)["stats"]["password"], "correct horse")
    again = run(config, "stats", "passwd", "--write", input="other horse 12\nother horse 12\n")
    assert "already" in str(again.exception)
    assert config.read_text(encoding="utf-8") == after


def test_token_prints_a_token_and_its_hash(config: Path) -> None:
    """The line for the configuration is the SHA-256 of the token, and each call makes another."""
    one, two = (run(config, "stats", "token").output for _ in range(2))
    assert one != two
    token, line = re.findall(r"^  (\S+|token = \S+)$", one, re.MULTILINE)
    assert line == f'token = "{hashlib.sha256(token.encode()).hexdigest()}"'
    assert len(token) >= 43


# -- demo-data


def test_demo_data_refuses_a_store_with_counts(config: Path) -> None:
    """Made-up visits are not mixed with counts of people, published or not."""
    store = open_records(f"sqlite:///{config.parent}/consent.db")
    store.add_counts({Count(today(), "", "", "asked"): 1})
    store.close()
    assert "already has counts" in str(run(config, "demo-data").exception)


def test_demo_data_with_force_goes_on_after_what_was_published(config: Path) -> None:
    """With --force only days are added that were not published yet."""
    fill(config, week(today() - 14, granted=60))
    result = run(config, "demo-data", "--force", "--days", "30", "--visits", "300")
    assert result.exit_code == 0, result.output
    store = open_records(f"sqlite:///{config.parent}/consent.db")
    runs = [run for run in store.figures(0, today()) if run.table == "answers"]
    assert [run.first for run in runs][:8] == [*range(today() - 14, today() - 7), today() - 7]
    store.close()
