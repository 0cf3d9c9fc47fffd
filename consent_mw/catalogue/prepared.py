"""
A prepared form of the catalogue, from which a process reads only the services that it needs.

The TOML files are authoritative, but parsing and checking five thousand entries takes half a second. The result is
packed (:func:`consent_mw.html.service_index.pack_services`) and stored: in the wheel as ``prepared.bin``, written by
``setup.py``; otherwise, on first use, in ``__pycache__``. The file is mapped into memory, so the workers of a site
share it, and each worker creates only the services that it has looked up.

A prepared file starts with a line that has its format, the digest of its sources, and the digest of its body. It is
used only if all three match; otherwise it is ignored, and the TOML files are read. So an edit takes effect at once, and
a damaged file costs only time. A new file replaces the old one atomically: a process that has mapped the old file
continues to read that. A file written by somebody else can contain wrong data, but no code.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import tempfile
from collections.abc import Collection
from collections.abc import Iterable
from importlib.util import cache_from_source
from pathlib import Path

from consent_mw.core.model import Service
from consent_mw.html.service_index import ServiceIndex
from consent_mw.html.service_index import pack_services

__all__ = ["FILE", "digest", "dump", "keep", "kept_at", "open_file", "read"]

logger = logging.getLogger("consent_mw")

#: The name of the file in the wheel, in the folder of the catalogue.
FILE = "prepared.bin"

#: Incremented when the format changes, or the result for the same sources.
_FORMAT = 3
_FIELDS = Service.__slots__
#: The longest possible first line, in bytes.
_LONGEST_HEAD = 256


def digest(sources: Iterable[tuple[str, bytes]]) -> str:
    """
    Return 64 hex digits that change with the name or content of any source, and with the fields of a service.

    Args:
        sources: The name and content of each, ordered by name.
    """
    whole = hashlib.sha256(repr((_FORMAT, _FIELDS)).encode())
    for name, content in sources:
        whole.update(f"\0{name}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def dump(services: Collection[Service], made_from: str) -> bytes:
    """
    Return the content of a prepared file.

    Args:
        made_from: The :func:`digest` of the services' sources.
    """
    body = pack_services(services)
    return _head(made_from, hashlib.sha256(body).hexdigest()) + body


def read(content: bytes) -> ServiceIndex:
    """Return the services in the result of :func:`dump`."""
    return ServiceIndex(memoryview(content)[content.index(b"\n") + 1 :])


def open_file(path: Path, made_from: str) -> ServiceIndex | None:
    """Return the services of a prepared file; None if it is missing, damaged, or made from other sources."""
    try:
        with path.open("rb") as file:
            head = file.readline(_LONGEST_HEAD)
            # The digest is computed by reading, not through the mapping, so that only looked-up pages become resident.
            if head != _head(made_from, hashlib.file_digest(file, "sha256").hexdigest()):
                return None
            return ServiceIndex(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[len(head) :])
    except (OSError, ValueError) as error:
        logger.debug("the prepared catalogue cannot be read: %s", error)
        return None


def kept_at(module: str) -> Path | None:
    """Return the path of the prepared file in the module's ``__pycache__``; None if Python has no such cache."""
    try:
        return Path(cache_from_source(module)).with_name(FILE)
    except NotImplementedError:
        return None


def keep(path: Path, content: bytes) -> bool:
    """Write a prepared file atomically, and return whether that was possible."""
    try:
        path.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{FILE}.")
    except OSError as error:
        logger.debug("the prepared catalogue cannot be kept: %s", error)
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        logger.debug("the prepared catalogue cannot be kept: %s", error)
        Path(name).unlink(missing_ok=True)
        return False
    return True


def _head(made_from: str, body: str) -> bytes:
    return f"consent_mw catalogue {_FORMAT} {made_from} {body}\n".encode()
