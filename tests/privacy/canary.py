"""
A visitor with a unique value in everything that a browser sends, and a search for traces of these values.

Each value that must not be stored is unique: the address behind the proxy, the address of the connection, and words in
the user-agent, the referrer, the path, the query, a cookie, and more.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import urllib.parse
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

#: An address of a provider in the test's own database, so that nothing is looked up.
ADDRESS = "185.231.77.213"
NETWORK = "185.231.77.0/24"
PEER = "127.83.91.207"
WORDS = {
    name: f"kanari{name}7f3a91c2"
    for name in ("agent", "referrer", "path", "query", "cookie", "header", "language", "field", "forged", "password")
}

AGENT = f"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 {WORDS['agent']}"
PATH = f"/item/{WORDS['path']}"
QUERY = f"q={WORDS['query']}"
HEADERS = {
    "User-Agent": AGENT,
    "X-Forwarded-For": ADDRESS,
    "X-Real-IP": ADDRESS,
    "Referer": f"https://www.{WORDS['referrer']}.example/from?{QUERY}",
    "Accept-Language": f"en, x-{WORDS['language'][:8]};q=0.5",
    "X-Request-Id": WORDS["header"],
    "From": f"{WORDS['header']}@example.org",
}
#: Cookies that a tracker set earlier, and that the site removes.
COOKIES = f"_ga=GA1.2.{WORDS['cookie']}; visitor={WORDS['cookie']}"


def needles() -> dict[str, bytes]:
    """Return every form in which a value of the visitor may have been written, by its description."""
    found = {}
    for name, text in {"address": ADDRESS, "peer": PEER, **WORDS}.items():
        raw = text.encode()
        found[f"{name}, as it is"] = raw
        found[f"{name}, in hex"] = raw.hex().encode()
        found[f"{name}, URL-encoded"] = urllib.parse.quote(text, safe="").replace(".", "%2E").encode()
        found[f"{name}, as its SHA-256"] = hashlib.sha256(raw).hexdigest().encode()
        found[f"{name}, as its MD5"] = hashlib.md5(raw, usedforsecurity=False).hexdigest().encode()
        found[f"{name}, in UTF-16"] = text.encode("utf-16-le")
        # In a longer text its base64 has one of three forms, by its offset; the ends vary with the neighbours.
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + raw)
            found[f"{name}, in base64 at {shift}"] = encoded[(4 if shift else 0) : -4]
    return found


def traces(folders: list[Path]) -> list[str]:
    """Return the traces of the visitor in any file below the folders, also in compressed content."""
    wanted = needles()
    return [
        f"{what} in {place}"
        for folder in folders
        for place, content in contents(folder)
        for what, needle in wanted.items()
        if needle in content
    ]


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each file below a folder: its bytes, and the compressed values of a database."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            yield path.name, content
            if content.startswith(b"SQLite format 3\0"):
                yield from unpacked(path)


def unpacked(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the compressed values of an SQLite file."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            for row in connection.execute(f"SELECT * FROM {name}"):  # noqa: S608 - our own names
                for value in row:
                    if isinstance(value, bytes):
                        try:
                            yield f"{path.name}, table {name}", zlib.decompress(value)
                        except zlib.error:
                            continue
