"""
The schema of a configuration: every setting with the check of its value.

:mod:`consent_mw.config` reads configurations with these tables, and docs/settings.md describes each setting.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping
from datetime import date
from datetime import datetime
from importlib import import_module
from inspect import iscoroutinefunction
from urllib.parse import urlsplit

from consent_mw.catalogue import LAWFUL_BASES
from consent_mw.catalogue import SAFEGUARDS
from consent_mw.catalogue import SIGNALS as VENDORS
from consent_mw.config import checks
from consent_mw.core.days import EPOCH
from consent_mw.html import service_rules

__all__ = [
    "ADDRESS",
    "ANNOTATION",
    "CHANGE",
    "COLOURS",
    "DARK_THEME",
    "HOST_NAME",
    "ID",
    "LINK",
    "PATHS",
    "POSITIONS",
    "PURPOSE",
    "REMOTE_STORES",
    "REOPEN_ICONS",
    "REOPEN_POSITIONS",
    "REPORT",
    "SERVICE",
    "SETTINGS",
    "SIGNALS",
    "SITE",
    "STATS",
    "THEME",
    "store_address",
]

ID = service_rules.ID
#: URL schemes of stores that several machines can share.
REMOTE_STORES = ("redis", "rediss", "redis+sentinel", "redis+cluster", "postgresql", "postgres")

_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: A valid address of a link: an http(s) URL, or a path on the site.
ADDRESS = re.compile(r"https?://[^\s/?#\"'<>\\]+(?:[/?#][^\s\"'<>\\]*)?|/(?![/\\])[^\s\"'<>\\]*", re.IGNORECASE)
_MOUNT = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+")
_OWN_PATH = re.compile(r"/(?![/\\])[^\s\"'<>\\]*")
_HASH = re.compile(r"(?:scrypt:\d+:\d+:\d+|pbkdf2:\w+(?::\d+)?)\$[^$\s]+\$[0-9a-f]+")
_TOKEN = re.compile(r"[0-9a-f]{64}")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")
#: The host of a mail server: a name, or an IPv4 or IPv6 address.
_DOMAIN_OR_LOCAL = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|[0-9a-f]*:[0-9a-f:.]+")
_PLACE = re.compile(r"(?:[A-Za-z0-9.*-]+)?/[^\s?#]*")
#: A host, or ``*.`` and a domain, as in ``[hosts]``.
HOST_NAME = re.compile(r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
#: Selects html or body by a class, an id or an attribute.
_SELECTOR = re.compile(
    r'(?:html|body)?(?:[.#][A-Za-z_][\w-]*|\[[A-Za-z][\w-]*(?:~?=(?:"[\w -]+"|[A-Za-z_][\w-]*))?\])+', re.ASCII
)
_FONT = re.compile(r"(?:[\w -]+|\"[\w -]+\")(?:, *(?:[\w -]+|\"[\w -]+\"))*", re.ASCII)
_CALLABLE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def _host(value: object) -> object:
    rule, what, remedy = service_rules.host_rule(checks.text(value))
    if what:
        raise checks.ValueProblem(f"{value!r} {what}", remedy)
    return rule


def _plain_host(value: object) -> object:
    rule = _host(value)
    if "*" in str(rule):
        raise checks.ValueProblem(f"{value!r} has a star.", 'Write "cdn.example.org": it includes all subdomains.')
    return rule


def _former_tool(value: object) -> object:
    """Return the id of a tool whose choices can be taken over."""
    from consent_mw.cookies.migrating import TOOLS  # here, since few sites come from another tool

    return checks.one_of(TOOLS)(value)


def _place(value: object) -> object:
    """Return a path, or a host and a path, with ``*`` for any run of characters."""
    text = checks.text(value)
    if "://" in text:
        raise checks.ValueProblem(f"{text!r} has a scheme.", "Write only host and path: example.org/tools/")
    if not _PLACE.fullmatch(text):
        host, slash, path = text.partition("/")
        name, colon, port = host.rpartition(":")
        if colon and port.isdigit() and _PLACE.fullmatch(name + slash + path):
            raise checks.ValueProblem(f"{text!r} names a port.", f'Write "{name}{slash}{path}": every port is meant.')
        remedy = 'Write "/admin/" for all below it, "/feed*.html", or "intranet.example/" for a whole host.'
        raise checks.ValueProblem(f"{text!r} is neither a path nor a host with a path.", remedy)
    return text


def _store_remedy(scheme: str) -> str:
    """Return what to write instead of an unknown scheme of a store; empty if it was meant to be a file."""
    words = set(re.split(r"[^a-z0-9]+", scheme.lower()))
    if words & {"postgresql", "postgres", "pgsql", "psql"}:
        return 'Write "postgresql://user:password@host/database".'
    if words & {"redis", "rediss", "valkey", "unix"}:
        return (
            'Write "redis://host:6379/0", "rediss://…" for TLS, "redis+sentinel://…" or "redis+cluster://…"; '
            "Unix sockets are not supported for Redis."
        )
    if words & {"sqlite", "sqlite3", "file", ""} or "/" in scheme or "." in scheme:
        return ""
    return 'Name a store in SQLite ("sqlite:///consent.db"), PostgreSQL ("postgresql://…") or Redis ("redis://…").'


def _records(value: object) -> object:
    """Return the address of a store, or ``env:`` or ``file:`` and where it stands (:mod:`consent_mw.config.stores`)."""
    text = checks.text(value)
    kind, _, name = text.partition(":")
    if kind not in ("env", "file") or name.startswith("//"):
        return store_address(text)
    if not name or (kind == "env" and not _ENVIRONMENT.fullmatch(name)):
        what = f"{text!r} does not say where the address is."
        raise checks.ValueProblem(what, 'Write "env:CONSENT_RECORDS" or "file:/run/secrets/records".')
    return text


def _replica(value: object) -> object:
    text = str(_records(value))
    scheme, mark, _ = text.partition("://")
    if mark and scheme not in ("postgresql", "postgres"):
        raise checks.ValueProblem(
            "It is not the address of a PostgreSQL server.", 'Write "postgresql://host/database".'
        )
    return text


def store_address(text: str) -> str:
    """Return the address of a store; raises ValueProblem if it is none."""
    scheme, mark, rest = text.partition("://")
    example = 'Write "sqlite:///consent.db" beside this file, or "sqlite:////var/lib/site/consent.db".'
    if scheme in REMOTE_STORES and mark:
        # The address may contain a password: it is never shown.
        try:
            reachable = bool(urlsplit(text).netloc.rpartition("@")[2]) or scheme in ("postgresql", "postgres")
        except ValueError:
            reachable = False
        if not reachable:
            raise checks.ValueProblem("The address has no host.", f'Write "{scheme}://host:port/…".')
        return text
    if scheme != "sqlite" or not mark:
        shown = f"{scheme}://…" if mark else text
        raise checks.ValueProblem(f"{shown!r} is not a known kind of store.", _store_remedy(scheme) or example)
    if not rest.startswith("/"):
        raise checks.ValueProblem("The path of a file needs three slashes before it.", example)
    if rest in ("/", "/:memory:") or rest.endswith("/"):
        raise checks.ValueProblem("It names no file, but records must outlive the process.", example)
    if "?" in rest or "#" in rest:
        raise checks.ValueProblem("The address takes no parameters.", example)
    return text


def _hidden(form: re.Pattern[str], what: str, remedy: str) -> checks.Check:
    """Return a check of the form of a secret; the messages do not contain its value."""

    def check(value: object) -> object:
        if not form.fullmatch(checks.text(value)):
            raise checks.ValueProblem(f"This is not {what}.", remedy)
        return value

    return check


def _icon(value: object) -> object:
    text = checks.text(value)
    if text in REOPEN_ICONS or _OWN_PATH.fullmatch(text):
        return text
    known = ", ".join(f'"{name}"' for name in REOPEN_ICONS)
    raise checks.ValueProblem(
        f"{text!r} is neither an icon nor a path on this site.", f"Write {known}, or the path of your own picture."
    )


def _isp(value: object) -> object:
    text = checks.text(value)
    if text in ("ptr", "off") or (text.startswith("mmdb:") and len(text) > len("mmdb:")):
        return text
    raise checks.ValueProblem(f"{text!r} is not a source of ISP domains.", 'Write "ptr", "mmdb:FILE" or "off".')


def _function(value: object) -> object:
    """Return a function of the owner's site, given as a callable or as ``package.module:name``."""
    if callable(value):
        return _plain(value)
    text = checks.text(value)
    if not _CALLABLE.fullmatch(text):
        raise checks.ValueProblem(f"{text!r} does not name a function.", 'Write "package.module:name".')
    module, _, names = text.partition(":")
    remedy = "It is imported when the site starts. To avoid a circular import, pass the function itself in a mapping."
    try:
        found: object = import_module(module)
        for name in names.split("."):
            found = getattr(found, name)
    except Exception as error:  # the owner's module may raise anything
        raise checks.ValueProblem(f"{text!r} cannot be imported: {type(error).__name__}: {error}.", remedy) from None
    if not callable(found):
        raise checks.ValueProblem(f"{text!r} is {checks.kind(found)}, not a function.", "Name a function.")
    return _plain(found)


def _plain(found: Callable[..., object]) -> object:
    """Refuse a coroutine function: nobody would await the coroutine that it returns, which is always true."""
    if iscoroutinefunction(found) or iscoroutinefunction(type(found).__call__):
        remedy = "Give a plain function. It is called in a thread, and may pass on work that has to be awaited."
        raise checks.ValueProblem("This is a coroutine function, which would never be awaited.", remedy)
    return found


def _on_this_machine(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


def _smtp(value: object) -> object:
    """Return the address of a mail server; messages do not show it if it contains a password."""
    text = checks.text(value)
    remedy = 'Write "smtp+starttls://user@mail.example.org:587", or "smtp://localhost" for a server on this machine.'
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise checks.ValueProblem("This is not the address of a mail server.", remedy) from None
    if parts.password is not None:
        raise checks.ValueProblem("The address has a password in it.", "Name its variable in smtp_password_env.")
    if parts.scheme not in ("smtp", "smtps", "smtp+starttls") or not _DOMAIN_OR_LOCAL.fullmatch(host):
        raise checks.ValueProblem("This is not the address of a mail server.", remedy)
    if parts.path or parts.query or parts.fragment:
        raise checks.ValueProblem("The address of a mail server has no path.", remedy)
    if parts.scheme == "smtp" and parts.username and not _on_this_machine(host):
        what = "Over plain smtp the password could be read on its way."
        raise checks.ValueProblem(what, 'Write "smtps://…" or "smtp+starttls://…".')
    return text


def _webhook(value: object) -> object:
    """Return the address of a webhook; messages do not contain it."""
    text = checks.text(value)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or not ADDRESS.fullmatch(text):
        raise checks.ValueProblem("This is not an address.", "Write a full address that starts with https://.")
    if parts.scheme.lower() != "https" and not _on_this_machine(host):
        raise checks.ValueProblem("The webhook is not reached over https.", "Write an address with https://.")
    return text


def _shared_domain(value: object) -> object:
    """Return a domain that browsers accept cookies for (RFC 6265bis, section 5.7)."""
    remedy = "Write your own domain, in lower case and without a leading dot: example.org."
    text = checks.text(value)
    if not _DOMAIN.fullmatch(text) or text.rpartition(".")[2].isdigit():
        raise checks.ValueProblem(f"{text!r} is not a domain.", remedy)
    from consent_mw.public_suffix import is_public_suffix  # reading the list takes time; most sites do not need it

    if is_public_suffix(text):
        raise checks.ValueProblem(f"{text!r} is a public suffix, so browsers keep no cookie for it.", remedy)
    return text


def _day(value: object) -> object:
    """Return the day of a date, in days since 1970-01-01."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            raise checks.ValueProblem(f"{value!r} is not a date.", "Write year, month and day: 2026-11-01.") from None
    if isinstance(value, datetime):
        value = value.date()
    if not isinstance(value, date):
        raise checks.ValueProblem(
            f"This is {checks.kind(value)}, not a date.", "Write year, month and day: 2026-11-01."
        )
    return (value - EPOCH).days


def _moment(value: object) -> object:
    """Return a date with its time, in whole seconds since 1970-01-01 UTC."""
    remedy = "Write date, time and offset from UTC: 2026-12-01T06:00:00Z."
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise checks.ValueProblem(f"{value!r} is not a date with a time.", remedy) from None
    if not isinstance(value, datetime):
        raise checks.ValueProblem(f"This is {checks.kind(value)}, not a date with a time.", remedy)
    if value.tzinfo is None:
        raise checks.ValueProblem("The time has no offset, so it would differ between machines.", remedy)
    return int(value.timestamp())


#: An e-mail address as people write it: no quotes, comments or address literals.
_MAILBOX = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+"
_WORD = "Use lower-case letters, digits and single hyphens."
_LINK = "Write a full address that starts with https://, or a path on this site such as /privacy."
_address = checks.shape(ADDRESS, "an address", _LINK)
_contact = checks.shape(
    re.compile(f"{_MAILBOX}|{ADDRESS.pattern}", re.IGNORECASE),
    "an address",
    "Write an e-mail address alone, a web address with https:// first, or a path on this site such as /contact.",
)
_mailbox = checks.shape(re.compile(_MAILBOX), "an e-mail address", "Write the address alone: you@example.org.")
_language = checks.shape(service_rules.LANGUAGE, "a language tag", "Write en, de, pt-BR and the like.")

#: The positions of each layout.
POSITIONS: Mapping[str, tuple[str, ...]] = {
    "bar": ("bottom", "top"),
    "corner": ("bottom-start", "bottom-end", "top-start", "top-end"),
    "dialog": (),
}
#: Positions of the control that reopens the choices.
REOPEN_POSITIONS = ("bottom-start", "bottom-end", "middle-start", "middle-end", "top-start", "top-end")
#: Its icons; a path names the owner's picture.
REOPEN_ICONS = ("switch", "cookie", "shield", "none")
#: The colours of a theme: the names of the custom properties without ``--cmw-``.
COLOURS = ("paper", "ink", "soft", "line", "edge", "fill", "main", "over", "on", "focus")

SITE: Mapping[str, checks.Check] = {
    "id": checks.shape(ID, "an id", _WORD),
    "name": checks.text,
    "controller": checks.text,
    "contact": _contact,
    "privacy_policy": _address,
    "supervisory_authority": _address,
    "keys_env": checks.shape(_ENVIRONMENT, "the name of an environment variable", "Write a name such as CONSENT_KEYS."),
    "records": _records,
    "replica": _replica,
    "spool": checks.text,
    "mode": checks.one_of(("on", "report")),
    "live_share": checks.number(0, 100, "percent"),
    "report_file": checks.text,
    "unknown": checks.one_of(("suspects", "pixels", "hold", "allow")),
    "allow_hosts": checks.texts(_plain_host),
    "catalogue": checks.text,
    "caching": checks.one_of(("private", "shared", "class")),
    "release": checks.one_of(("in_place", "reload")),
    "reopen": checks.one_of(("button", "link")),
    "mount": checks.shape(_MOUNT, "a path to mount on", "Start with a slash, end without one: /_cmw."),
    # Chrome and the draft cookie standard (rfc6265bis section 5.5) keep no cookie longer than 400 days.
    "choice_days": checks.number(1, 400, "days", "; browsers keep no cookie longer"),
    "record_days": checks.number(1, 36_500, "days"),
    "hold_back": checks.number(65_536, 67_108_864, "bytes"),
    "grants_per_hour": checks.number(0, 1_000_000, "grants", "; 0 for no limit"),
    "allow_insecure_http": checks.flag,
    "languages": checks.texts(_language, least=1),
    "counters": checks.one_of(("all", "granted", "off")),
    "isp": _isp,
    "trusted_proxies": checks.number(0, 16, "proxies"),
    "csp": checks.one_of(("off", "tighten", "enforce")),
    "csp_reports": checks.flag,
    "cookie_domain": _shared_domain,
    "hide_cookies": checks.flag,
    "server_timing": checks.flag,
    "migrate_from": checks.texts(_former_tool),
    "migrate_until": _day,
    "takes_effect": _moment,
    "until_then": checks.text,
    "on_change": _function,
    "guard": checks.flag,
    "layout": checks.one_of(tuple(POSITIONS)),
    "position": checks.one_of(tuple(dict.fromkeys(place for places in POSITIONS.values() for place in places))),
    "dismiss": checks.one_of(("off", "text", "cross")),
    "show_services": checks.flag,
    "reopen_position": checks.one_of(REOPEN_POSITIONS),
    "reopen_offset": checks.number(0, 400, "CSS pixels"),
    "reopen_icon": _icon,
    "reopen_label": checks.one_of(("hover", "always")),
}
#: ``[paths]``: pages without a notice, and responses that are not changed.
PATHS: Mapping[str, checks.Check] = {"quiet": checks.texts(_place), "untouched": checks.texts(_place)}
STATS: Mapping[str, checks.Check] = {
    "password": _hidden(_HASH, "the hash of a password", "Run: consent-mw stats passwd"),
    "token": _hidden(_TOKEN, "the SHA-256 of a token", "Run: consent-mw stats token"),
    "check": _function,
}
_colour = checks.shape(_COLOUR, "a colour", "Write it as #rrggbb.")
_picture = checks.shape(_OWN_PATH, "a path on this site", "Write the path of your own picture: /static/logo.svg.")
#: Settings of both ``[theme.dark]`` and ``[theme]``.
DARK_THEME: Mapping[str, checks.Check] = {"brand": _colour, **dict.fromkeys(COLOURS, _colour), "logo": _picture}
THEME: Mapping[str, checks.Check] = {
    **DARK_THEME,
    "scheme": checks.one_of(("auto", "light", "dark", "selector")),
    "dark_selector": checks.shape(
        _SELECTOR,
        "a selector of html or body",
        'Write a class, an id or an attribute: "html.dark", "[data-theme=dark]".',
    ),
    "radius": checks.number(0, 40, "CSS pixels"),
    "font": checks.shape(_FONT, "a list of font families", 'Write names with commas between: Inter, "Segoe UI".'),
    "width": checks.number(20, 120, "em"),
}
#: ``[[links]]``: the owner's links in the notice.
LINK: Mapping[str, checks.Check] = {"url": _address, "label": checks.by_language()}
SIGNALS: Mapping[str, checks.Check] = dict.fromkeys(
    ("google", "microsoft", "clarity", "meta", "url_passthrough", "ads_data_redaction"), checks.flag
)
CHANGE: Mapping[str, checks.Check] = {"date": _day, "text": checks.by_language()}
REPORT: Mapping[str, checks.Check] = {
    "to": checks.texts(_mailbox, least=1),
    "sender": _mailbox,
    "smtp": _smtp,
    "smtp_password_env": checks.shape(
        _ENVIRONMENT, "the name of an environment variable", "Write a name such as CONSENT_SMTP_PASSWORD."
    ),
    "webhook": _webhook,
}
#: ``[[annotations]]``: the owner's notes on the time line of consent rates.
ANNOTATION: Mapping[str, checks.Check] = {"date": _day, "text": checks.by_language()}
PURPOSE = ("label", "description")
SERVICE: Mapping[str, checks.Check] = {
    "use": checks.text,
    "id": checks.shape(ID, "an id", _WORD),
    "name": checks.text,
    "vendor": checks.text,
    "purposes": checks.texts(checks.text, least=1),
    "hosts": checks.texts(_host),
    "paths": checks.texts(
        checks.shape(service_rules.PATH, "a path rule", "Start with a slash, and write more than the slash.")
    ),
    "inline": checks.texts(
        checks.shape(re.compile(r"\S[^\r\n]+\S"), "a code signature", "Write one line of at least 3 characters.")
    ),
    "elements": checks.texts(
        checks.shape(service_rules.ELEMENT, "an element rule", "Write name, name[attr], name[attr=value] or [attr].")
    ),
    "places": checks.texts(
        checks.shape(
            service_rules.PLACE,
            "a place",
            "Write .class, #id, [attr], name[attr*=part], or script: and some code.",
        )
    ),
    "cookies": checks.texts(checks.pattern(service_rules.COOKIE, "a cookie name")),
    "storage": checks.texts(checks.pattern(service_rules.KEY_NAME, "a storage key")),
    "country": checks.shape(
        service_rules.COUNTRY, "an ISO 3166-1 alpha-2 code", "Write two capital letters, such as GB."
    ),
    "policy": _address,
    "opt_out": _address,
    "safeguard": checks.one_of(tuple(filter(None, SAFEGUARDS))),
    "retention_days": checks.number(0, 36_500, "days", "; 0 for unknown"),
    "lawful_basis": checks.one_of(LAWFUL_BASES),
    "poster": checks.shape(_OWN_PATH, "a path on this site", "Write the path of your own picture: /static/film.jpg."),
    "embed": checks.flag,
    "manager": checks.flag,
    "signals": checks.texts(checks.one_of(VENDORS)),
    "description": checks.by_language(),
}

#: Every setting by its dotted name, in the order of docs/settings.md.
SETTINGS = (
    *(f"site.{key}" for key in SITE),
    *(f"paths.{key}" for key in PATHS),
    "hosts.HOST",
    *(f"stats.{key}" for key in STATS),
    *(f"report.{key}" for key in REPORT),
    *(f"annotations.{key}" for key in ANNOTATION),
    *(f"purposes.ID.{key}" for key in PURPOSE),
    *(f"services.{key}" for key in SERVICE),
    *(f"theme.{key}" for key in THEME),
    "theme.dark",
    *(f"links.{key}" for key in LINK),
    *(f"signals.{key}" for key in SIGNALS),
    *(f"changes.{key}" for key in CHANGE),
    "texts.LANG",
    "wordings.NAME.LANG",
)
