"""A site with a ledger, and what runs a command on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consent_mw import config
from consent_mw.cli import main
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from tests.records.books import KEYS
from tests.records.books import Book

CONFIG = """\
[site]
id = "shop"
name = "Portrait Shop"
controller = "Portrait Shop Ltd, London"
records = "sqlite:///consent.db"
choice_days = 30
record_days = 30
languages = ["en", "de"]

[[services]]
use = "google-analytics"
"""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the configuration of a site, whose keys are in the environment."""
    monkeypatch.setenv("CONSENT_KEYS", " ".join(key.replace(" ", "-") for key in KEYS))
    monkeypatch.delenv("CONSENT_CONFIG", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = tmp_path / "consent.toml"
    file.write_text(CONFIG, encoding="utf-8")
    return file


@pytest.fixture
def run(config_file: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs ``consent-mw`` on that site."""

    def command(*args: str) -> Done:
        capsys.readouterr()
        code = main(["--config", str(config_file), *args])
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return command


@pytest.fixture
def notice(config_file: Path) -> Notice:
    """Return the notice of the site."""
    return Notice(config.load(config_file), Assets())


@pytest.fixture
def book(config_file: Path, notice: Notice, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Book]:
    """Return the site's ledger, with three grants under its notice, sealed by the command."""
    import time

    made = Book(config_file.parent, today=int(time.time() // 86_400))
    monkeypatch.setattr("tests.records.books.NOTICE", notice.digest)
    made.store.keep_notice(notice.digest, notice.document)
    made.grant(3)
    assert run("ledger", "seal").code == 0
    yield made
    made.store.close()
