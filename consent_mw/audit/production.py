"""
Goes through the check-list of ``docs/production.md``, line by line.

Most lines concern more than one machine, so a program on one of them cannot confirm the whole line. A line is *wrong*
if a finding contradicts it, and *right* if everything in it could be confirmed. Otherwise the result tells what was
confirmed, and what the owner should *look* at. A test compares the lines here with those of the page.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import Enum

from consent_mw.audit.installation import WARNING
from consent_mw.audit.installation import Advice
from consent_mw.cookies.keys import key_file
from consent_mw.cookies.keys import load_keys
from consent_mw.core.days import DAY_SECONDS
from consent_mw.core.days import iso
from consent_mw.core.model import Site
from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.proof.retention import TOLERANCE
from consent_mw.proof.retention import clock_difference
from consent_mw.proof.signing import is_signed
from consent_mw.records import Records
from consent_mw.records import open_records

__all__ = ["LINES", "CheckedLine", "Installation", "LineState", "about_production", "check_list", "installation_of"]

_SQLITE = "sqlite:///"
#: File systems that are lost with the machine or the container, and those that several machines can mount.
_VOLATILE = frozenset({"tmpfs", "ramfs", "overlay", "aufs"})
_SHARED = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "lustre"}
)
#: An escaped character in the list of mounts (proc(5)).
_ESCAPED = re.compile(r"\\([0-7]{3})")


class LineState(Enum):
    """The state of a line of the check-list."""

    RIGHT = "right"
    WRONG = "wrong"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Installation:
    """
    What can be seen of an installation from this machine, beyond the advice.

    Args:
        site: The configuration.
        address: The address at which the site was examined; empty if it was not.
        keys: The number of signing keys; 0 if they cannot be read.
        signed: Whether one of the keys signed the newest seal; None if that is unknown.
        ahead: Seconds by which this machine's clock is ahead of the store's; None if that is unknown.
        disk: The type of the file system of the spool, or else of the records; empty if it is unknown.
        now: Seconds since 1970-01-01 UTC.
    """

    site: Site
    address: str = ""
    keys: int = 0
    signed: bool | None = None
    ahead: float | None = None
    disk: str = ""
    now: float = 0.0

    @property
    def is_embedded(self) -> bool:
        """Whether the records are in a file of this machine."""
        return self.site.records.startswith(_SQLITE)


@dataclass(frozen=True, slots=True)
class Line:
    """
    A line of the check-list.

    Args:
        subject: The requirement, in the words of the page.
        page: The page in ``docs`` that explains it.
        ids: Ids of advice that contradict the line; None for all of them.
        seen: Returns what could be confirmed, or an empty string.
        look: Returns what the owner should look at; empty if the whole line could be confirmed.
    """

    subject: str
    page: str
    ids: frozenset[str] | None
    seen: Callable[[Installation], str]
    look: Callable[[Installation], str]


@dataclass(frozen=True, slots=True)
class CheckedLine:
    """
    The result for a line.

    Args:
        subject: The requirement.
        state: Whether it is met.
        seen: What could be confirmed, or an empty string.
        remedy: What to do or to look at, and where it is described; empty if the line is right.
    """

    subject: str
    state: LineState
    seen: str
    remedy: str


def installation_of(site: Site, environ: Mapping[str, str], now: float, address: str = "") -> Installation:
    """
    Examine an installation; nothing is created.

    Args:
        now: Seconds since 1970-01-01 UTC.
        address: Where the running site was examined, if it was.
    """
    keys = _keys(site, environ)
    signed, ahead = None, None
    file = site.records.removeprefix(_SQLITE) if site.records.startswith(_SQLITE) else ""
    if not file or os.path.exists(file):
        try:
            with closing(open_records(site.records, site=site.id)) as records:
                ahead = clock_difference(records, now)
                signed = _is_ours(records, keys)
        except (ConfigError, RecordsError):
            pass  # about_records says so
    return Installation(site, address, len(keys), signed, ahead, disk_of(site.spool or file), now)


def about_production(found: Installation) -> Iterator[Advice]:
    """Yield advice that matters only for a site that visitors use."""
    site = found.site
    if found.signed is False:
        what = "The newest seal was signed with a key that this machine does not have."
        yield Advice("other-keys", WARNING, what, f"Set {site.keys_env} to the same keys on every machine.")
    setting = "records" if found.is_embedded else "spool"
    if found.disk in _VOLATILE:
        what = f"{setting} is on a file system ({found.disk}) that ends with the machine or the container."
        yield Advice(f"{setting}-volatile", WARNING, what, "Put it on a disk or a volume that outlives restarts.")
    if found.disk in _SHARED:
        what = (
            f"{setting} is on a file system ({found.disk}) that several machines can mount; SQLite needs a local one."
        )
        yield Advice(f"{setting}-shared", WARNING, what, "Put it on a disk of this machine alone.")


def check_list(found: Installation, advice: Iterable[Advice]) -> list[CheckedLine]:
    """Return the lines of the check-list, with all advice on the installation taken into account."""
    given = {one.id: one for one in advice}
    checked = []
    for line in LINES:
        against = sorted(given if line.ids is None else given.keys() & line.ids)
        seen, look = line.seen(found), line.look(found)
        where = f"See docs/{line.page}"
        if against:
            remedies = dict.fromkeys(given[one].remedy for one in against)
            remedy = "Correct what was found." if line.ids is None else " ".join(remedies)
            checked.append(CheckedLine(line.subject, LineState.WRONG, ", ".join(against), f"{remedy} {where}"))
        elif look:
            checked.append(CheckedLine(line.subject, LineState.LOOK, seen, f"{look} {where}"))
        else:
            checked.append(CheckedLine(line.subject, LineState.RIGHT, seen, ""))
    return checked


# -- what is seen


def disk_of(file: str, mounts: str = "/proc/self/mounts") -> str:
    """Return the type of the file system of a file, which may be missing; empty if there is no list of mounts."""
    if not file:
        return ""
    try:
        with open(mounts, encoding="utf-8", errors="replace") as stream:
            listed = [line.split() for line in stream]
    except OSError:
        return ""
    path = os.path.realpath(file)
    kind, longest = "", -1
    for _, at, found, *_ in (fields for fields in listed if len(fields) > 2):  # noqa: PLR2004
        point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), at)
        if (path == point or path.startswith(point.rstrip("/") + "/")) and len(point) >= longest:
            kind, longest = found, len(point)  # of two mounts at one point, the later one counts
    return kind


def _keys(site: Site, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the signing keys; none if they cannot be read. Never creates a key file."""
    if site.keys_env not in environ:
        file = key_file(site.records.removeprefix(_SQLITE)) if site.records.startswith(_SQLITE) else ""
        if not (file and os.path.exists(file)):
            return ()
    try:
        return load_keys(site, environ)
    except ConfigError:
        return ()


def _is_ours(records: Records, keys: tuple[str, ...]) -> bool | None:
    last = records.last_seal()
    return is_signed(last, keys) if last is not None and keys else None


# -- the lines


def _seen_keys(found: Installation) -> str:
    if not found.keys:
        return ""
    many = f"{found.keys} keys" if found.keys != 1 else "1 key"
    return f"This machine has {many}{', and one of them signed the newest seal' if found.signed else ''}."


def _seen_store(found: Installation) -> str:
    if found.is_embedded:
        return "The records are in a file on this machine, and are lost with it, except for its backups."
    return "The settings of the store lose no acknowledged write."


def _seen_spool(found: Installation) -> str:
    if found.is_embedded:
        return "None is needed: the records are on this machine."
    return f"The spool is on {found.disk}." if found.disk else ""


def _look_spool(found: Installation) -> str:
    return "" if found.is_embedded or found.disk else "Look at which disk the spool is on."


def _seen_way(found: Installation) -> str:
    return f"A refusal was taken at {found.address}." if found.address and found.site.mode == "on" else ""


def _look_way(found: Installation) -> str:
    return "" if found.address else "Run this with the address of the site, as visitors write it."


def _seen_clock(found: Installation) -> str:
    if found.ahead is None or abs(found.ahead) > TOLERANCE:
        return ""
    return f"The clocks of this machine and of the store differ by {abs(found.ahead):.0f} seconds."


def _look_health(found: Installation) -> str:
    return "It cannot be seen from here who asks: look at the load balancer and at Prometheus, and try an alert."


def _seen_question(found: Installation) -> str:
    site = found.site
    if site.before is None:
        return "No other question waits on this machine."
    state = "asks another question from" if site.takes_effect > found.now else "has asked another question since"
    return f"This machine {state} {iso(int(site.takes_effect // DAY_SECONDS))}."


def _seen_this(found: Installation) -> str:
    return f"It passes on this machine{f', and for {found.address}' if found.address else ''}."


def _say(text: str) -> Callable[[Installation], str]:
    return lambda found: text


_NOTHING = _say("")
_KEY_IDS = frozenset(
    {"keys", "weak-key", "same-key", "key-file", "keys-left-behind", "key-in-git", "other-keys"}
)  # fmt: skip

#: The lines of the check-list, in its order and its words.
LINES = (
    Line(
        "Every machine signs with the same keys, which are in no image and no repository.",
        "operations.md#rotating-signing-keys",
        _KEY_IDS,
        _seen_keys,
        _say("Compare `consent-mw keys list` on every machine; look for the keys in images and repositories."),
    ),
    Line(
        "The store survives the loss of a machine, and loses no acknowledged write.",
        "stores.md#failover",
        frozenset({"records", "no-records", "store-settings", "records-volatile", "records-shared"}),
        _seen_store,
        _say("It cannot be seen from here what is left if a machine is lost: try a failover, or a restore."),
    ),
    Line(
        "Each machine has a spool on a disk that outlives restarts, and no two share one.",
        "settings.md#sitespool",
        frozenset({"spool-volatile", "spool-shared", "spool-waits", "no-folder", "not-writable", "disk-full"}),
        _seen_spool,
        _look_spool,
    ),
    Line(
        "The site knows that visitors use https, and proxies set the headers that it believes.",
        "servers.md#behind-proxies",
        frozenset(
            {"insecure-http", "http", "proxies", "proxies-twice", "proxies-inside", "choice-refused", "choice-lost"}
            | {"unreachable", "not-wrapped"}
        ),
        _seen_way,
        _look_way,
    ),
    Line(
        "Processes get a signal that they hear, and 20 seconds to end.",
        "servers.md#process-shutdown",
        frozenset(),
        _NOTHING,
        _say("It cannot be seen from here: look at the unit or the manifest."),
    ),
    Line(
        "All clocks are set by NTP.",
        "operations.md#clocks",
        frozenset({"clock", "seal-date"}),
        _seen_clock,
        _say("It cannot be seen from here what sets them: look at `timedatectl` on every machine."),
    ),
    Line(
        "A load balancer asks `/_cmw/health`, Prometheus `/_cmw/metrics/health`, and somebody hears the alerts.",
        "operations.md#health-check",
        frozenset({"health", "not-wrapped", "unreachable"}),
        lambda found: f"{found.address} reports no problem." if found.address else "",
        _look_health,
    ),
    Line(
        "A backup of the records is made and tried; the keys are backed up elsewhere.",
        "operations.md#backups",
        frozenset(),
        _NOTHING,
        _say("It cannot be seen from here: restore the newest backup somewhere, and run `consent-mw ledger verify`."),
    ),
    Line(
        "Another question reaches all machines before it takes effect.",
        "operations.md#asking-another-question",
        frozenset(),
        _seen_question,
        _say("It cannot be seen from here what other machines ask: compare their consent.toml."),
    ),
    Line(
        "`consent-mw check --production` passes on every machine, and for the address of the site.",
        "operations.md#checking-an-installation",
        None,
        _seen_this,
        _say("Run it on every machine, and once with the address."),
    ),
)
