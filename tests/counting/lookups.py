"""What the tests of look-ups share."""

from __future__ import annotations

from pathlib import Path
from queue import Queue

import netaddr  # type: ignore[import-untyped]  # comes with mmdb_writer
from mmdb_writer import MMDBWriter

from consent_mw.counting.isp import IspLookup

V4 = "73.22.11.5"
V6 = "2601:1c0::7"


def found(lookup: IspLookup, address: str) -> str:
    """Return what a look-up finds."""
    answers: Queue[str] = Queue()
    lookup.find(address, answers.put)
    return answers.get(timeout=30)


def database(path: Path, records: dict[str, dict[str, object]], kind: str = "Test-ASN") -> Path:
    """Write a database with a record for each network."""
    writer = MMDBWriter(ip_version=6, database_type=kind, ipv4_compatible=True)
    for network, record in records.items():
        writer.insert_network(netaddr.IPSet([network]), record)
    writer.to_db_file(str(path))
    return path
