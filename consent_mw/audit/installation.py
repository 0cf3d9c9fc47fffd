"""
Checks an installation beyond the syntax of its configuration: settings, keys, store, middleware.

Each piece of advice has a stable id, a severity, and a remedy. Errors and warnings fail ``consent-mw check``; notes are
choices that the owner may have made on purpose. Nothing is created: a missing key file or store stays missing.
:mod:`consent_mw.audit.installed_site` examines the running site.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from consent_mw.audit.routes import layers_of
from consent_mw.cookies.keys import NEW_KEY
from consent_mw.cookies.keys import is_tracked
from consent_mw.cookies.keys import key_file
from consent_mw.cookies.keys import keys_in
from consent_mw.cookies.keys import load_keys
from consent_mw.core.days import DAY_SECONDS
from consent_mw.core.days import iso
from consent_mw.core.model import Site
from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.html import scan
from consent_mw.proof.retention import TOLERANCE
from consent_mw.proof.retention import clock_difference
from consent_mw.records import Records
from consent_mw.records import open_records
from consent_mw.records.replica import ReplicaReads
from consent_mw.records.spool import SpooledRecords

__all__ = ["Advice", "about_keys", "about_layers", "about_records", "about_settings", "in_order"]

ERROR, WARNING, NOTE = "error", "warning", "note"
_SEVERITIES = (ERROR, WARNING, NOTE)
_SQLITE = "sqlite:///"
#: A key with fewer different characters counts as a placeholder.
_LEAST_DIFFERENT = 8
#: Free bytes that a store should have.
_LEAST_ROOM = 100_000_000

_DJANGO = "consent_mw.django.ConsentMiddleware"
_OURS = frozenset(
    {"consent_mw.wsgi.ConsentMiddleware", "consent_mw.asgi.ConsentASGIMiddleware", _DJANGO}
    | {"consent_mw.django.middleware.ConsentMiddleware"}
)
_PROXIES = frozenset({"ProxyFix", "ProxyHeadersMiddleware"})
_COMPRESSES = ("gzip", "brotli", "compress", "zstd")
#: Middleware that may be outside of ours, because it adds nothing to pages.
_HARMLESS = frozenset(
    {
        "CORSMiddleware", "CorsMiddleware", "HTTPSRedirectMiddleware", "LintMiddleware", "OpenTelemetryMiddleware",
        "PrometheusMiddleware", "ProfilerMiddleware", "ProxyFix", "ProxyHeadersMiddleware", "SecurityMiddleware",
        "SentryAsgiMiddleware", "SentryWsgiMiddleware", "SessionMiddleware", "TrustedHostMiddleware",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Advice:
    """Something that the owner should know about the installation: ``severity`` is error, warning or note."""

    id: str
    severity: str
    what: str
    remedy: str


def in_order(found: Iterable[Advice]) -> list[Advice]:
    """Return each piece of advice once, the most severe first."""
    return sorted(dict.fromkeys(found), key=lambda one: _SEVERITIES.index(one.severity))


# -- the settings


def about_settings(site: Site) -> Iterator[Advice]:
    """Yield advice about missing or risky settings."""
    if site.mode == "report":
        remedy = 'Write mode = "on" once `consent-mw shadow` shows what you expect.'
        yield Advice("only-watched", NOTE, 'Nothing is held: mode is "report".', remedy)
    if site.allow_insecure_http:
        what = "allow_insecure_http is on: whoever is on the way can read and change a visitor's choice."
        yield Advice("insecure-http", WARNING, what, "Serve the site over https, and remove the setting.")
    if not site.controller:
        what = "Visitors are not told who is responsible (GDPR article 13)."
        yield Advice("no-controller", NOTE, what, 'Write controller = "..." under [site].')
    if not site.privacy_policy:
        what = "The notice links to no privacy policy."
        yield Advice("no-policy", NOTE, what, 'Write privacy_policy = "/privacy" under [site].')
    if site.unknown == "allow":
        what = 'Third parties that nobody described are not held: unknown is "allow".'
        yield Advice("unknown-allowed", NOTE, what, 'Write unknown = "suspects" under [site].')
    if site.untouched:
        what = f"Pages under these paths are not held: {', '.join(site.untouched)}."
        yield Advice("untouched", NOTE, what, "Take out of paths.untouched what has trackers.")
    if scan.Scanner is None:
        what = "The scanner in C is not in use: pages take three times as long."
        yield Advice("pure", NOTE, what, "Install a wheel, or a compiler and reinstall; unset CONSENT_MW_PURE.")


# -- the keys


def about_keys(site: Site, environ: Mapping[str, str]) -> Iterator[Advice]:
    """Yield advice about the signing keys; no key is shown, and no file is created."""
    file = key_file(site.records.removeprefix(_SQLITE)) if site.records.startswith(_SQLITE) else ""
    has_file, given = bool(file) and os.path.exists(file), environ.get(site.keys_env)
    if given is None and file and not has_file:
        what = f"There is no signing key yet; the site makes one in {file} when it starts."
        remedy = f"Before a second machine serves the site, set {site.keys_env} on both. {NEW_KEY}"
        yield Advice("key-file", NOTE, what, remedy)
        return
    try:
        keys = load_keys(site, environ)
    except ConfigError as error:
        for problem in error.problems:
            yield Advice("keys", ERROR, f"{problem.where}: {problem.what}", problem.remedy)
        return
    for number, key in enumerate(keys, 1):
        if len(set(key)) < _LEAST_DIFFERENT:
            what = f"Signing key {number} of {len(keys)} has {len(set(key))} different characters: it can be guessed."
            yield Advice("weak-key", WARNING, what, NEW_KEY)
    if len(set(keys)) < len(keys):
        yield Advice("same-key", WARNING, "A signing key is there twice.", "Keep the one that comes last.")
    if not has_file:
        return
    if is_tracked(file):
        what = f"{file} holds the signing key, in a git repository that does not ignore it."
        yield Advice("key-in-git", WARNING, what, f"Add {os.path.basename(file)} to .gitignore.")
    if given is None:
        what = f"The signing key is in {file}, on this machine alone."
        remedy = f"Before a second machine serves the site, set {site.keys_env} on both to the content of that file."
        yield Advice("key-file", NOTE, what, remedy)
    elif missing := _unused_keys(file, keys):
        what = f"{missing} keys of {file} are not in {site.keys_env}: what they signed does not count."
        remedy = f"Put them first in {site.keys_env}, or remove the file if choices were never signed with it."
        yield Advice("keys-left-behind", WARNING, what, remedy)


def _unused_keys(file: str, keys: tuple[str, ...]) -> int:
    """Return how many keys of a file are not in use."""
    try:
        with open(file, encoding="ascii") as stream:
            return len(set(keys_in(file, stream.read())) - set(keys))
    except (OSError, ConfigError, UnicodeDecodeError):
        return 0  # none of its keys is in use


# -- the store


def about_records(site: Site, now: float) -> Iterator[Advice]:
    """
    Yield advice about the store.

    Args:
        now: Seconds since 1970-01-01 UTC.
    """
    file = site.records.removeprefix(_SQLITE) if site.records.startswith(_SQLITE) else ""
    if file:
        yield from _about_folder("records", file)
        if not os.path.exists(file):
            what = f"There are no records yet; the site makes {file} when it starts."
            yield Advice("no-records", NOTE, what, "Run this again as the site's user once the site has started.")
            return
    if site.spool:
        yield from _about_folder("spool", site.spool)
    spool = site.spool if site.spool and os.path.exists(site.spool) else ""
    try:
        with closing(open_records(site.records, site=site.id, spool=spool)) as records:
            ahead = clock_difference(records, now)
            waits = isinstance(records, SpooledRecords) and records.waits()
            state = [*_about_state(records, int(now // DAY_SECONDS)), *_about_replica(records, site)]
    except ConfigError as error:
        for problem in error.problems:
            yield Advice("records", ERROR, problem.what, problem.remedy)
    except RecordsError as error:
        remedy = "Start the store, or correct records under [site]; docs/stores.md has what each store needs."
        yield Advice("records", ERROR, f"The store does not work: {error}", remedy)
    else:
        yield from state
        if ahead is not None and abs(ahead) > TOLERANCE:
            what = f"The clock of this machine differs from the store's by {abs(ahead):,.0f} seconds."
            yield Advice("clock", ERROR, what, "Set the wrong one right: until then nothing is purged or published.")
        if waits:
            what = "Records wait in the spool of this machine."
            yield Advice("spool-waits", WARNING, what, "See `consent-mw spool status`; `spool replay` sends them.")


def _about_replica(records: Records, site: Site) -> Iterator[Advice]:
    """Yield advice about a replica that cannot be read now."""
    with closing(ReplicaReads(lambda: records, site.replica, site=site.id)) as reads:
        reads.source()
    if reads.trouble:
        what = f"The replica cannot be used, so figures and exports are read from the store: {reads.trouble}"
        yield Advice("replica", WARNING, what, "Correct replica under [site], or leave it out.")


def _about_state(records: Records, today: int) -> Iterator[Advice]:
    """Yield advice about the settings of a working store, and about its chain of seals."""
    for fault in records.faults():
        yield Advice("store-settings", WARNING, fault, "docs/stores.md has what each store needs.")
    last = records.last_seal()
    if last is not None and last.day > today:
        what = f"The newest seal is dated {iso(last.day)}, in the future."
        yield Advice("seal-date", WARNING, what, "Find the machine whose clock is wrong, or was when it sealed.")
    if any(entry.day < today - 1 for entry in records.unsealed(1, today - 1)):
        what = "Entries of the day before yesterday are not sealed."
        yield Advice("not-sealed", WARNING, what, "Start the site: its processes seal. Its log says why they do not.")


def _about_folder(setting: str, file: str) -> Iterator[Advice]:
    """Yield advice if the current user cannot write a file in its folder."""
    folder = os.path.dirname(os.path.abspath(file))
    if not os.path.isdir(folder):
        what = f"The folder of {setting} does not exist: {folder}."
        yield Advice("no-folder", ERROR, what, f"Make it, and give it to the site's user, or change {setting}.")
    elif not os.access(folder, os.W_OK) or (os.path.exists(file) and not os.access(file, os.W_OK)):
        what = f"{file} cannot be written by this user."
        yield Advice("not-writable", ERROR, what, "Run this as the site's user; give that user folder and file.")
    elif shutil.disk_usage(folder).free < _LEAST_ROOM:
        what = f"The disk of {file} has less than {_LEAST_ROOM // 1_000_000} MB left."
        yield Advice("disk-full", WARNING, what, "Make room: without it no grant is recorded, and none counts.")


# -- the layers around the application


def about_layers(app: Any, site: Site) -> Iterator[Advice]:
    """Yield advice about consent_mw's position among the application's middleware."""
    names = _middleware_of(app)
    ours = [place for place, name in enumerate(names) if name in _OURS]
    shorts = [name.rpartition(".")[2] for name in names]
    if not ours:
        remedy = "Wrap it: app = ConsentMiddleware(app); the README has the line for each framework."
        yield Advice("not-wrapped", ERROR, "consent_mw is not around this application.", remedy)
        return
    if len(ours) > 1:
        what = f"consent_mw is around this application {len(ours)} times; the inner ones do nothing."
        yield Advice("wrapped-twice", WARNING, what, "Keep the outermost: take out the others.")
    outside, inside = shorts[: ours[0]], shorts[ours[0] + 1 :]
    strange = [name for name in outside if name not in _HARMLESS and not _compresses(name)]
    if strange:
        what = f"These stand outside of consent_mw: {', '.join(strange)}. What they add to pages is not held."
        yield Advice("middleware-order", WARNING, what, "Let consent_mw be the outermost that sends or changes pages.")
    if packing := [name for name in inside if _compresses(name)]:
        what = f"{', '.join(packing)} compresses pages before consent_mw reads them: each is opened and packed again."
        yield Advice("compressed-inside", NOTE, what, "Put it outside of consent_mw.")
    if site.trusted_proxies and _PROXIES.intersection(outside):
        what = f"{', '.join(_PROXIES.intersection(outside))} and trusted_proxies both count the same proxies."
        yield Advice("proxies-twice", WARNING, what, "Remove trusted_proxies: what stands outside does it for both.")
    if not site.trusted_proxies and _PROXIES.intersection(inside):
        what = f"{', '.join(_PROXIES.intersection(inside))} trusts proxies that consent_mw, outside of it, does not."
        yield Advice("proxies-inside", WARNING, what, "Write trusted_proxies = 1 (or how many there are) under [site].")


def _compresses(name: str) -> bool:
    return any(part in name.lower() for part in _COMPRESSES)


def _middleware_of(app: Any) -> list[str]:
    """Return the dotted names of the application's middleware, from the outside in."""
    names: list[str] = []
    for layer in layers_of(app):
        kind = type(layer)
        if isinstance(stack := getattr(layer, "user_middleware", None), list):  # Starlette, FastAPI
            names += [_dotted(getattr(one, "cls", one)) for one in stack]
        elif any(base.__module__ == "django.core.handlers.base" for base in kind.__mro__):
            from django.conf import settings

            names += list(settings.MIDDLEWARE)
        elif not hasattr(layer, "url_map"):  # Flask and Quart applications are not middleware
            names.append(_dotted(kind))
    return names


def _dotted(thing: Any) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', type(thing).__qualname__)}"
