"""``consent-mw stats blocked``: the hosts that policies stopped, as they are published and shown."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result

from consent_mw.cli import Owner
from consent_mw.cli import cli
from consent_mw.core.counts import BLOCKED
from consent_mw.core.counts import CSP
from consent_mw.core.counts import Count
from consent_mw.records import open_records
from consent_mw.stats import iso
from consent_mw.stats import publish_due


def today() -> int:
    """Return the day as the command sees it; a run of the whole suite may pass midnight."""
    return int(time.time() // 86_400)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the configuration of a site whose hosts were reported."""
    file = tmp_path / "consent.toml"
    file.write_text(f'[site]\nrecords = "sqlite:///{tmp_path}/consent.db"\n')
    store = open_records(f"sqlite:///{tmp_path}/consent.db", site="site")
    store.add_counts(
        {
            Count(today() - 3, CSP, "cdn.example", BLOCKED): 1412,
            Count(today() - 2, CSP, "cdn.example", BLOCKED): 20,
            Count(today() - 2, CSP, "rare.example", BLOCKED): 9,
            Count(today() - 40, CSP, "old.example", BLOCKED): 3,
            Count(today(), CSP, "new.example", BLOCKED): 99,
        }
    )
    publish_due(store, today=today())
    store.close()
    return file


def run(config: Path, *arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["stats", "blocked", *arguments], obj=Owner(str(config)))


def test_hosts_are_shown_with_their_reports(config: Path) -> None:
    """The most reported first; what is rare, and what came today, is not shown."""
    shown = run(config).output.splitlines()
    assert shown[1:] == [f"cdn.example      1,432  {iso(today() - 2)}"]


def test_the_hosts_can_be_read_by_programs(config: Path) -> None:
    """As JSON, each host with its number and its last day."""
    assert json.loads(run(config, "--json").output) == [
        {"host": "cdn.example", "reports": 1432, "last": iso(today() - 2)}
    ]


def test_where_nothing_was_reported_it_says_why(config: Path) -> None:
    """A period without hosts, on a site that wants no reports."""
    assert "csp_reports is not set" in run(config, "--since", "1d").output


def test_a_wrong_period_is_told(config: Path) -> None:
    """With its remedy, and no trace."""
    result = run(config, "--since", "soon")
    assert (result.exit_code, "7d" in result.output) == (2, True)


def test_what_stayed_rare_is_forgotten(config: Path) -> None:
    """After four weeks nothing is left of a host; what may still add up is kept."""
    with Owner(str(config)).records() as store:
        left = {count.value for count in store.counts(today())}
    assert left == {"rare.example"}
