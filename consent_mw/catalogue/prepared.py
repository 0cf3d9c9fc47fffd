"""
A prepared form of the catalogue that loads in a tenth of the time.

The TOML files are the truth, and to parse and check four thousand entries takes half a second. What comes out is kept
as JSON: in the wheel as ``prepared.json``, made by ``setup.py``; otherwise, on first use, in ``__pycache__``.

It is written by columns, a field of all services after the other, which is the quickest to read. A prepared file begins
with a line of its format, the digest of what it was made from, and the digest of what follows. It is used only if all
three match; otherwise it is ignored, and the TOML files are read. So an edit takes effect at once, and a damaged file
costs only time. The format is JSON rather than marshal because one wheel serves every version of Python, and because a
file that somebody else wrote can then contain wrong data but no code.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Collection
from collections.abc import Mapping
from importlib.util import cache_from_source
from pathlib import Path
from types import MappingProxyType

from consent_mw.core.model import Service

__all__ = ["FILE", "digest", "dump", "keep", "kept_at", "read"]

logger = logging.getLogger("consent_mw")

#: The name of the file in the wheel, beside the TOML files.
FILE = "prepared.json"

#: Incremented when the format below changes.
_FORMAT = 1
_FIELDS = Service.__slots__
_EMPTY: Mapping[str, object] = MappingProxyType({})
_SAMPLE = Service("", "", "", ())
_LISTS = tuple(at for at, field in enumerate(_FIELDS) if isinstance(getattr(_SAMPLE, field), tuple))
_TABLES = tuple(at for at, field in enumerate(_FIELDS) if isinstance(getattr(_SAMPLE, field), MappingProxyType))


def digest(sources: Mapping[str, bytes]) -> str:
    """Return 64 hex digits that change with the name or content of any source, and with the fields of a service."""
    whole = hashlib.sha256(repr((_FORMAT, _FIELDS)).encode())
    for name, content in sorted(sources.items()):
        whole.update(f"\0{name}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def dump(services: Collection[Service], made_from: str) -> bytes:
    """
    Return the content of a prepared file.

    Args:
        made_from: The :func:`digest` of what the services were parsed from.
    """
    columns = [[_plain(getattr(service, field)) for service in services] for field in _FIELDS]
    body = json.dumps(columns, separators=(",", ":"), ensure_ascii=False).encode()
    return _head(made_from, body) + body


def read(content: bytes, made_from: str) -> Mapping[str, Service] | None:
    """Return the services of a prepared file by id; None if it is damaged or was made from something else."""
    head, newline, body = content.partition(b"\n")
    if head + newline != _head(made_from, body):
        return None
    columns = json.loads(body)
    for at in _LISTS:
        columns[at] = [tuple(text.split("\n")) if text else () for text in columns[at]]
    for at in _TABLES:
        columns[at] = [MappingProxyType(table) if table else _EMPTY for table in columns[at]]
    return MappingProxyType(dict(zip(columns[0], map(Service, *columns), strict=True)))


def kept_at(module: str) -> Path | None:
    """Return where a prepared file is kept for the module in this file; None where Python keeps nothing."""
    try:
        return Path(cache_from_source(module)).with_name(FILE)
    except NotImplementedError:
        return None


def keep(path: Path, content: bytes) -> None:
    """Write a prepared file atomically for the next start; if that is not possible, do nothing."""
    try:
        path.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{FILE}.")
    except OSError as error:
        logger.debug("the prepared catalogue cannot be kept: %s", error)
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        logger.debug("the prepared catalogue cannot be kept: %s", error)
        Path(name).unlink(missing_ok=True)


def _plain(value: object) -> object:
    """Return a field as JSON says it; a list of texts, which have no line breaks, is one text: there are many."""
    if isinstance(value, tuple):
        return "\n".join(value)
    return dict(value) if isinstance(value, MappingProxyType) else value


def _head(made_from: str, body: bytes) -> bytes:
    return f"consent_mw catalogue {_FORMAT} {made_from} {hashlib.sha256(body).hexdigest()}\n".encode()
