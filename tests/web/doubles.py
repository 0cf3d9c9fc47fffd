"""Small doubles of what the pages need, and a site with one service of every kind."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from fnmatch import fnmatchcase
from http.cookies import SimpleCookie

from consent_mw.assets import Assets
from consent_mw.banner import Notice
from consent_mw.core.model import Action
from consent_mw.core.model import Decision
from consent_mw.core.model import NoRecord
from consent_mw.core.model import Purpose
from consent_mw.core.model import Reason
from consent_mw.core.model import Record
from consent_mw.core.model import RequestHead
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.errors import RecordsError

TODAY = 20_779  # 2026-11-22
MOUNT = "/_cmw"

PURPOSES = (
    Purpose("necessary", required=True),
    Purpose("preferences"),
    Purpose("analytics"),
    Purpose("marketing"),
    Purpose("embeds"),
)

COUNTER = Service(
    id="counter",
    name="Visit Counter",
    vendor="Counter Ltd",
    purposes=("analytics",),
    hosts=("counter.example",),
    cookies=("_vc", "_vc_*"),
    country="IE",
    policy="https://counter.example/privacy",
    opt_out="https://counter.example/opt-out",
    safeguard="adequacy",
    retention_days=400,
    description={"en": "Counts visits and the pages that were read.", "de": "Zählt Besuche und gelesene Seiten."},
)
HEATMAP = Service(
    id="heatmap",
    name="Heat Map",
    vendor="Warm Data Inc.",
    purposes=("analytics", "marketing"),
    cookies=("_hm", "_shared"),
    storage=("hm.*",),
    country="US",
    safeguard="dpf",
    retention_days=1,
    description={"en": "Records where visitors click and scroll."},
)
PIXEL = Service(
    id="pixel",
    name="Ad Pixel",
    vendor="Adverts SA",
    purposes=("marketing",),
    cookies=("_ap", "_shared"),
    country="US",
    description={"en": "Measures which advertisements led to a purchase."},
)
VIDEO = Service(
    id="video",
    name="Video Player",
    vendor="Streams GmbH",
    purposes=("embeds",),
    country="DE",
    embed=True,
    description={"en": "Plays the films in our lessons."},
)
PAY = Service(
    id="pay",
    name="Card Payment",
    vendor="Payments Ltd",
    purposes=("necessary",),
    cookies=("__pay",),
    country="IE",
    description={"en": "Takes payments and guards them against fraud."},
)
SERVICES = (COUNTER, HEATMAP, PIXEL, VIDEO, PAY)

SITE = Site(
    name="Portrait Shop",
    controller="Portrait Shop Ltd, London",
    contact="privacy@portrait.example",
    privacy_policy="/privacy",
    supervisory_authority="https://authority.example",
    languages=("en", "de", "fr"),
    purposes=PURPOSES,
    services=SERVICES,
    learning=False,
)


class FakeCookies:
    """A jar that keeps a choice as unsigned text; ``name`` answers as it is told."""

    def __init__(self, *, keeps: bool = True) -> None:
        self.keeps = keeps

    def name(self, head: RequestHead) -> str | None:
        return "cmw" if self.keeps else None

    def read(self, head: RequestHead) -> Record | NoRecord:
        morsel = SimpleCookie(head.header("cookie") or "").get("cmw")
        if morsel is None:
            return NoRecord.ABSENT
        try:
            told = json.loads(urlsafe_b64decode(morsel.value))
        except ValueError:
            return NoRecord.MALFORMED
        return Record(
            action=Action(told["action"]),
            day=told["day"],
            revision=told["revision"],
            purposes=frozenset(told["purposes"]),
            services=frozenset(told["services"]),
            receipt=told["receipt"],
            gpc=told["gpc"],
        )

    def set_cookie(self, record: Record, head: RequestHead) -> str:
        return f"cmw={cookie_value(record)}; Path=/; HttpOnly; SameSite=Lax"

    def expire(self, seen: Iterable[str], services: Iterable[Service], host: str) -> list[str]:
        globs = [glob for service in services for glob in service.cookies]
        return [
            f"{name}=; Max-Age=0; Path=/" for name in seen if any(fnmatchcase(name, glob) for glob in globs)
        ]


def cookie_value(record: Record) -> str:
    """Return what :class:`FakeCookies` keeps for the record."""
    told = {
        "action": record.action.value,
        "day": record.day,
        "revision": record.revision,
        "purposes": sorted(record.purposes),
        "services": sorted(record.services),
        "receipt": record.receipt,
        "gpc": record.gpc,
    }
    return urlsafe_b64encode(json.dumps(told).encode()).decode()


@dataclass
class FakeRecords:
    """A ledger in a list, which can be told to fail."""

    rows: list[tuple[Record, str, str]] = field(default_factory=list)
    failing: bool = False

    def append(self, record: Record, *, language: str, notice: str) -> None:
        if self.failing:
            raise RecordsError("the disk is full")
        self.rows.append((record, language, notice))


class FakeContext:
    """What the engine would provide; ``receipt`` counts."""

    def __init__(self, site: Site = SITE, *, keeps: bool = True) -> None:
        self.own_site = site
        self.records = FakeRecords()
        self.cookies = FakeCookies(keeps=keeps)
        self.assets = Assets()
        self.receipts = 0

    def site(self) -> Site:
        return self.own_site

    def notice(self) -> Notice:
        return Notice(self.own_site, self.assets)

    def today(self) -> int:
        return TODAY

    def receipt(self) -> str:
        self.receipts += 1
        return f"receipt-{self.receipts}"


def record(action: Action = Action.PARTIAL, **fields: object) -> Record:
    """Return a record of today about :data:`SITE`."""
    return replace(Record(action=action, day=TODAY, revision=SITE.revision), **fields)  # type: ignore[arg-type]


def decision(
    *,
    granted: Iterable[str] = (),
    purposes: Iterable[str] = (),
    prompt: bool = False,
    gpc: bool = False,
    kept: Record | None = None,
) -> Decision:
    """Return a decision for :data:`SITE`, as the engine would hand it to the notice."""
    return Decision(
        granted=frozenset({"pay", *granted}),
        purposes=frozenset({"necessary", *purposes}),
        prompt=prompt,
        reason=Reason.CHOSEN if kept is not None else Reason.ABSENT,
        gpc=gpc,
        record=kept,
    )


def environ(headers: Mapping[str, str] | None = None, *, prefix: str = "", scheme: str = "https") -> dict[str, str]:
    """Return what a request under the mount carries, for werkzeug's client."""
    extra = {"SCRIPT_NAME": prefix + MOUNT, "wsgi.url_scheme": scheme, "HTTP_HOST": "shop.example"}
    for name, value in (headers or {}).items():
        extra["HTTP_" + name.upper().replace("-", "_")] = value
    return extra
