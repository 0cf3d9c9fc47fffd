"""Providers from databases: every layout in use, hostile files, and files that are replaced while they are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from consent_mw.core.counts import UNKNOWN
from consent_mw.counting import mmdb
from consent_mw.counting.isp import open_lookup
from consent_mw.counting.mmdb import MmdbLookup
from consent_mw.errors import ConfigError
from tests.counting.lookups import V4
from tests.counting.lookups import V6
from tests.counting.lookups import database
from tests.counting.lookups import found

LAYOUTS: list[tuple[dict[str, object], str]] = [
    ({"as_domain": "comcast.com", "as_name": "Comcast Cable", "asn": "AS7922", "country": "US"}, "comcast.com"),
    ({"asn": "AS7922", "domain": "Comcast.com", "name": "Comcast Cable", "type": "isp"}, "comcast.com"),
    ({"domain": "dyn.comcast.net"}, "comcast.net"),
    (
        {"autonomous_system_number": 3320, "autonomous_system_organization": "Deutsche Telekom AG"},
        "deutsche-telekom-ag",
    ),
    (
        {"autonomous_system_organization": "COMCAST-7922", "isp": "Comcast Cable", "organization": "A School"},
        "comcast-cable",
    ),
    ({"traits": {"isp": "Télé Luxe"}}, "tele-luxe"),
    ({"as": {"asn": "AS1", "domain": "bt.com", "name": "BT"}}, "bt.com"),
    ({"as_domain": "", "as_name": "<b>Häß & Söhne</b>"}, "b-ha-sohne-b"),
    ({"as_domain": "<script>", "as_name": "x" * 99}, "x" * 48),
]


@pytest.mark.parametrize(("record", "expected"), LAYOUTS)
def test_every_layout_is_read(tmp_path: Path, record: dict[str, object], expected: str) -> None:
    """The databases in use name a domain, or else an organisation, which becomes a slug."""
    lookup = MmdbLookup(str(database(tmp_path / "a.mmdb", {"73.0.0.0/8": record, "2601::/20": record})))
    assert (expected, expected, UNKNOWN) == (found(lookup, V4), found(lookup, V6), found(lookup, "8.8.8.8"))
    lookup.close()


@pytest.mark.parametrize(
    "record",
    [{"city": {"names": {"en": "London"}}}, {"name": "London"}, {"as_name": 7}, {"asn": "AS1", "name": "!"}],
)
def test_a_database_of_something_else_is_refused(tmp_path: Path, record: dict[str, object]) -> None:
    """A file that names no provider is told to the owner when the site starts."""
    path = database(tmp_path / "city.mmdb", {"73.0.0.0/8": record}, "Test-City")
    with pytest.raises(ConfigError, match="names no provider"):
        MmdbLookup(str(path))


def test_a_missing_database_is_refused(tmp_path: Path) -> None:
    """A path that leads nowhere is named, with the system's reason."""
    with pytest.raises(ConfigError, match=r"site\.isp: The file .*none\.mmdb cannot be read: No such file"):
        open_lookup(f"mmdb:{tmp_path}/none.mmdb", explicit=True)


@pytest.mark.parametrize("damage", ["foreign", "empty", "cut"])
def test_a_damaged_database_is_refused(tmp_path: Path, damage: str) -> None:
    """What is not a database, or the half of one, is told when the site starts."""
    record: dict[str, object] = {"as_domain": "comcast.com"}
    path = database(tmp_path / "a.mmdb", {f"73.{number}.0.0/16": record for number in range(50)})
    whole = path.read_bytes()
    path.write_bytes({"foreign": b"PK\3\4" * 1000, "empty": b"", "cut": whole[: len(whole) // 2]}[damage])
    with pytest.raises(ConfigError, match="damaged"):
        MmdbLookup(str(path))


def test_a_replaced_database_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file in the place of the old one is read without a restart; a broken one leaves the old in use."""
    monkeypatch.setattr(mmdb, "LOOK_AGAIN", 0.0)
    path = database(tmp_path / "a.mmdb", {"73.0.0.0/8": {"as_domain": "old.com"}})
    lookup = MmdbLookup(str(path))
    answers = [found(lookup, V4)]
    (tmp_path / "b.mmdb").write_bytes(b"no database")
    (tmp_path / "b.mmdb").replace(path)
    answers.append(found(lookup, V4))
    database(tmp_path / "c.mmdb", {"73.0.0.0/8": {"as_domain": "new.com"}}).replace(path)
    answers.append(found(lookup, V4))
    lookup.close()
    assert ["old.com", "old.com", "new.com"] == answers


def test_a_database_overwritten_in_place_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is cut short under the reader gives unknown providers, and not the end of the process."""
    # The way through the file begins in the page of memory that is left, and leads out of it.
    record: dict[str, object] = {"as_domain": "old.com"}
    path = database(tmp_path / "a.mmdb", {f"73.22.{n}.{m}/32": {**record, "n": n} for n in range(256) for m in (1, 5)})
    lookup = MmdbLookup(str(path))
    first = found(lookup, V4)
    os.truncate(path, 4096)
    assert ("old.com", UNKNOWN) == (first, found(lookup, V4))
    lookup.close()
