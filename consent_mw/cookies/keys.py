"""
The signing keys of a site: from the environment, or from a file beside the records.

A missing key file is created. It must be readable only by its owner, and stay out of version control: anyone who reads
a key can forge choices and seals.
"""

from __future__ import annotations

import fnmatch
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterable
from collections.abc import Mapping

from consent_mw.core.model import Site
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem

__all__ = ["MIN_KEY", "NEW_KEY", "is_tracked", "key_file", "keys_in", "load_keys", "write_keys"]

_log = logging.getLogger("consent_mw")

#: Minimum length: shorter keys can be guessed, or are placeholders that nobody replaced.
MIN_KEY = 32
NEW_KEY = "Make a key with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
#: A new key in the place of a lost one would ask every visitor again, and leave the seals without a key.
_FORMER = "Put the former key back, if there was one: choices and seals are checked with it. For a new site only:"


def load_keys(site: Site, environ: Mapping[str, str]) -> tuple[str, ...]:
    """
    Return the signing keys, oldest first: those in the environment, else those in the file beside the records.

    A missing file is created; processes that start at the same time get the same key. The log explains what to do
    before a second machine serves the site.

    Raises:
        ConfigError: with every problem in the keys. No message contains a key.
    """
    if site.allow_insecure_http:
        _log.warning(
            "allow_insecure_http is on: over plain http anybody on the way can read and replace a visitor's choice; "
            "serve the site over https and remove the setting"
        )
    given = environ.get(site.keys_env)
    if given is not None:
        return keys_in(f"environment variable {site.keys_env}", given)
    if not site.records.startswith("sqlite:///"):
        what = f"The environment variable {site.keys_env} is not set, and the records are shared between machines."
        remedy = f"Set it to the same keys on every machine; each would sign differently. {NEW_KEY}"
        raise ConfigError([Problem("site.keys_env", what, remedy)])
    file = key_file(site.records.removeprefix("sqlite:///"))
    keys = _read_or_make(file, site.keys_env)
    _log.warning(
        "signing with the key in %s: before a second machine serves this site, set the environment variable %s "
        "on every machine to the content of that file",
        file,
        site.keys_env,
    )
    return keys


def key_file(database: str) -> str:
    """Return the path of the key file that belongs to a database file."""
    stem, extension = os.path.splitext(database)
    return f"{database}.key" if extension == ".key" else f"{stem}.key"


def keys_in(where: str, text: str) -> tuple[str, ...]:
    """
    Return the keys in ``text``, which are separated by commas or white space.

    Raises:
        ConfigError: if there is none, or one is too short; ``where`` is the place that it names.
    """
    keys = tuple(filter(None, re.split(r"[,\s]+", text)))
    problems = [
        Problem(
            where,
            f"Key {number} of {len(keys)} has {len(key)} characters, and at least {MIN_KEY} are needed.",
            NEW_KEY,
        )
        for number, key in enumerate(keys, 1)
        if len(key) < MIN_KEY
    ]
    if not keys:
        problems = [Problem(where, "It holds no key.", f"{_FORMER} {NEW_KEY}")]
    if problems:
        raise ConfigError(problems)
    return keys


def _read_or_make(file: str, variable: str) -> tuple[str, ...]:
    """Return the keys in ``file``; create it if it is missing."""
    try:
        made = not os.path.exists(file)
        if made:
            _make(file, variable)
        with open(file, encoding="utf-8-sig") as stream:  # some editors put a byte order mark before the text
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            text = stream.read()
            text.encode("ascii")
    except UnicodeError:
        raise ConfigError([Problem(file, "The key file is not text.", f"{_FORMER} {NEW_KEY}")]) from None
    except OSError as error:
        what = f"The key file can neither be read nor made: {error.strerror or type(error).__name__}."
        remedy = (
            "Let the setting records name a file in a folder that this process may write, "
            f"or set the environment variable {variable} to a key. {NEW_KEY}"
        )
        raise ConfigError([Problem(file, what, remedy)]) from None
    if os.name == "posix" and mode & 0o077:
        what = f"Others on this machine may read the key file (mode {mode:04o})."
        remedy = (
            f"Run: chmod 600 {file}. If its mode stays {mode:04o}, the file system sets the mode of all its files: "
            f"set the environment variable {variable} to the content of the file, and remove the file."
        )
        raise ConfigError([Problem(file, what, remedy)])
    if made and is_tracked(file):
        _log.warning(
            "%s holds the signing key and lies in a git repository that does not ignore it: add the line %s to "
            ".gitignore, since whoever reads the key can forge choices",
            file,
            os.path.basename(file),
        )
    return keys_in(file, text)


def _make(file: str, variable: str) -> None:
    """
    Create the key file atomically; if another process was faster, keep its file.

    Raises:
        ConfigError: if the file system cannot keep the file private.
        OSError: if it cannot be created.
    """
    draft = f"{file}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            os.chmod(draft, 0o600)  # whatever the umask took away
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            if os.name == "posix" and mode & 0o077:
                what = f"A key file made here can be read by others: the file system gives it the mode {mode:04o}."
                remedy = f"Set the environment variable {variable} to a key instead. {NEW_KEY}"
                raise ConfigError([Problem(file, what, remedy)])
            stream.write(secrets.token_urlsafe(48) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        # A hard link appears atomically with its full content, and never replaces an existing file.
        try:
            os.link(draft, file)
        except FileExistsError:
            return
    finally:
        os.unlink(draft)


def write_keys(file: str, keys: Iterable[str]) -> None:
    """
    Replace the content of a key file atomically.

    Args:
        keys: Oldest first; the last one signs.

    Raises:
        ConfigError: if the file cannot be written.
    """
    draft = f"{file}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write("".join(f"{key}\n" for key in keys))
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, file)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        what = f"The key file cannot be written: {error.strerror or type(error).__name__}."
        raise ConfigError([Problem(file, what, "Run the command as the user that the site runs as.")]) from None


def is_tracked(file: str) -> bool:
    """Return whether the file is in a git work tree and no ``.gitignore`` above it matches its name."""
    name = os.path.basename(file)
    folder = os.path.dirname(os.path.abspath(file))
    while True:
        try:
            with open(os.path.join(folder, ".gitignore"), encoding="utf-8", errors="replace") as stream:
                patterns = [line.strip().rpartition("/")[2] for line in stream]
        except OSError:
            patterns = []
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns if pattern):
            return False
        if os.path.exists(os.path.join(folder, ".git")):
            return True
        above = os.path.dirname(folder)
        if above == folder:
            return False
        folder = above
