"""
A configuration file that is edited in place: checked before it is written, replaced atomically, and kept with a
history.

The file is the only source of the configuration. The history is a folder next to it, ``consent.toml.history``, with one
file for each change: when, by whom, and the whole text before and after. The site itself never reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any

from consent_mw import config
from consent_mw.config.source import parse_text
from consent_mw.config.source import read_text
from consent_mw.config.toml_edit import Edit
from consent_mw.config.toml_edit import edited
from consent_mw.core.model import Site
from consent_mw.errors import ConfigError
from consent_mw.errors import ConsentError

__all__ = ["ConfigFile", "ConfigText", "FileChanged", "NotWritable", "PastChange"]

#: The most changes that are kept; when there are more, the oldest is deleted.
MOST_CHANGES = 200
_NAME = re.compile(r"[0-9]{8}T[0-9]{12}Z")
_FORMAT = "consent_mw.history.v1"


class FileChanged(ConsentError):
    """The file has been changed since the edit began."""


class NotWritable(ConsentError):
    """The file, or the folder that it is in, cannot be written."""


@dataclass(frozen=True)
class ConfigText:
    """One text of a configuration file."""

    file: str
    text: str

    @cached_property
    def digest(self) -> str:
        """Its SHA-256, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def tables(self) -> Mapping[str, Any]:
        """
        Its values.

        Raises:
            ConfigError: if it is not TOML.
        """
        return parse_text(self.text, self.file)[1]

    @cached_property
    def site(self) -> Site:
        """
        The site that it describes.

        Raises:
            ConfigError: with every mistake, as at the start of the site.
        """
        return config.load_text(self.text, self.file)

    @cached_property
    def problems(self) -> ConfigError | None:
        """Its mistakes, or None."""
        try:
            _ = self.site
        except ConfigError as error:
            return error
        return None

    def with_edits(self, edits: Iterable[Edit]) -> ConfigText:
        """
        Return the text with the edits made; its comments stay.

        Raises:
            UneditableText: if an edit cannot be made safely.
        """
        return ConfigText(self.file, edited(self.text, edits))


@dataclass(frozen=True)
class PastChange:
    """One change of the file; ``name`` is that of its file in the history, ``at`` its time in UTC."""

    name: str
    at: datetime
    by: str
    before: ConfigText
    after: ConfigText


class ConfigFile:
    """
    A configuration file and its history.

    Args:
        path: The file; a symbolic link is followed, and its target is written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.realpath(os.fsdecode(path))
        self.folder = FilePath(f"{self.path}.history")

    def read(self) -> ConfigText:
        """
        Return the text as it is now.

        Raises:
            ConfigError: if there is no such file, or it cannot be read.
        """
        return ConfigText(self.path, read_text(self.path))

    def write(self, new: ConfigText, base: str, by: str) -> None:
        """
        Replace the file in one step, after its history has the change.

        Args:
            new: The text to write.
            base: The digest of the text that the change was made for.
            by: The name of whoever makes the change.

        Raises:
            ConfigError: if the site would not start with it; nothing is written then.
            FileChanged: if the file has another text by now.
            NotWritable: if it cannot be written.
        """
        _ = new.site
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            with _locked(self.folder / "lock"):
                old = self.read()
                if old.digest != base:
                    raise FileChanged("The file was changed meanwhile.")
                self._note(old, new, by)
                _replace(self.path, new.text.encode(), os.stat(self.path))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise NotWritable(
                f"{self.path} cannot be written: {reason}. The process of the site needs write permission for the"
                " file and its folder."
            ) from None

    def changes(self) -> list[PastChange]:
        """Return the changes in the history, the latest first; files that are damaged are left out."""
        return [found for name in self._names() if (found := self.change(name)) is not None]

    def change(self, name: str) -> PastChange | None:
        """Return the change with that name, or None."""
        if not _NAME.fullmatch(name):
            return None
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            at = datetime.strptime(name, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
            texts = [ConfigText(self.path, str(kept[key])) for key in ("before", "after")]
            for one in texts:
                tomllib.loads(one.text.removeprefix("\ufeff"))
            return PastChange(name, at, str(kept["by"]), *texts)
        return None

    def _names(self) -> list[str]:
        with suppress(OSError):
            return sorted((one.stem for one in self.folder.glob("*.json") if _NAME.fullmatch(one.stem)), reverse=True)
        return []

    def _note(self, old: ConfigText, new: ConfigText, by: str) -> None:
        latest = next(iter(self._names()), "")
        name = max(datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ"), _after(latest))
        kept = {"format": _FORMAT, "by": by, "before": old.text, "after": new.text}
        _replace(str(self.folder / f"{name}.json"), json.dumps(kept, ensure_ascii=False, indent=1).encode(), None)
        for past in self._names()[MOST_CHANGES:]:
            (self.folder / f"{past}.json").unlink(missing_ok=True)


def _after(name: str) -> str:
    """Return the next name after another one, so that names are in order even if the clock is put back."""
    return f"{name[:9]}{int(name[9:21]) + 1:012}Z" if name else ""


@contextmanager
def _locked(file: FilePath) -> Iterator[None]:
    """Hold the lock of the history, so that if two editors save at once, the second one gets an error."""
    with open(file, "ab") as stream:
        try:
            import fcntl
        except ImportError:  # Windows: the digest still shows most such cases
            yield
            return
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _replace(path: str, content: bytes, like: os.stat_result | None) -> None:
    """Write a file beside ``path`` and put it in its place; with the mode and owner of ``like`` if possible."""
    number, name = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(path))
    try:
        with open(number, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        if like is not None:
            os.chmod(name, like.st_mode & 0o7777)
            with suppress(OSError, AttributeError):
                os.chown(name, like.st_uid, like.st_gid)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    with suppress(OSError, AttributeError):  # the name, too, has to survive a power cut
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
