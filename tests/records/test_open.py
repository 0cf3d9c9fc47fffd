"""Choosing the store by its address, and the errors for invalid addresses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from consent_mw.errors import ConfigError
from consent_mw.records import migrate_records
from consent_mw.records import open_records
from consent_mw.records.sqlite import SqliteRecords


@pytest.mark.parametrize("use", [open_records, migrate_records])
@pytest.mark.parametrize("url", ["mysql://secret@h", "sqlite://x", "sqlite:///", "secret", ""])
def test_another_address_is_told_without_showing_it(url: str, use: type) -> None:
    """An address of an unknown store is an error that names the setting and shows no password."""
    with pytest.raises(ConfigError) as caught:
        use(url)
    assert [found.where for found in caught.value.problems] == ["site.records"]
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("use", [open_records, migrate_records])
def test_a_missing_library_is_told(use: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg, the error for PostgreSQL says what to run."""
    monkeypatch.delitem(sys.modules, "consent_mw.records.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match="pip install") as caught:
        use("postgresql://secret@127.0.0.1/x")
    assert "secret" not in str(caught.value)


def test_migrating_a_missing_file_makes_it(tmp_path: Path) -> None:
    """Every step taken is reported; a second run takes none."""
    url = f"sqlite:///{tmp_path}/c.db"
    assert [len(migrate_records(url)), migrate_records(url)] == [len(SqliteRecords.MIGRATIONS), []]
