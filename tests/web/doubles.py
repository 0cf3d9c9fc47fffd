"""Small doubles of what the pages need, and a site with one service of every kind."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from werkzeug.test import Client
from werkzeug.test import TestResponse

from consent_mw.cookies.choice import CookieJar
from consent_mw.cookies.load_once import OneTime
from consent_mw.core.choice import Action
from consent_mw.core.choice import Decision
from consent_mw.core.choice import NoRecord
from consent_mw.core.choice import Reason
from consent_mw.core.choice import Record
from consent_mw.core.counts import BLOCKED
from consent_mw.core.counts import BannerShown
from consent_mw.core.durations import Durations
from consent_mw.core.model import Purpose
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.core.seal import Entry
from consent_mw.errors import RecordsError
from consent_mw.http.request import RequestHead
from consent_mw.notice.assets import Assets
from consent_mw.notice.banner import Notice
from consent_mw.proof.lost import LostRecords
from consent_mw.records.sqlite import SqliteRecords
from consent_mw.web.app import create_app
from consent_mw.web.context import Refusals

KEY = "0123456789abcdef0123456789abcdef"
ASSETS = Assets()


def rules_of(name: str) -> str:
    """Return the rules of a style sheet of the notice, as pages have them within their layer."""
    return ASSETS.read(name).decode().removeprefix("@layer cmw{").removesuffix("}")


TODAY = 20_779  # 2026-11-22
MOUNT = "/_cmw"
#: The address of every visitor.
REMOTE = "198.51.100.7"
FORM = "application/x-www-form-urlencoded"

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


class Books:
    """
    The default store in a folder of its own, which can be told to fail.

    It is made when it is used, since most visitors of a test leave nothing in it.
    """

    def __init__(self) -> None:
        self.failing = False
        self.calls: list[str] = []
        self._store: SqliteRecords | None = None

    @property
    def store(self) -> SqliteRecords:
        """The store itself."""
        if self._store is None:
            folder = tempfile.mkdtemp()
            self._store = SqliteRecords(f"{folder}/consent.db", site=SITE.id)
            weakref.finalize(self, _clear, self._store, folder)
        return self._store

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            if self.failing:
                raise RecordsError("the disk is full")
            self.calls.append(name)
            return getattr(self.store, name)(*args)

        return call

    @property
    def rows(self) -> list[Entry]:
        """What the ledger holds, by receipt and step."""
        return [kept.entry for kept in self._store.entries()] if self._store is not None else []


def _clear(store: SqliteRecords, folder: str) -> None:
    store.close()
    shutil.rmtree(folder)


@dataclass
class FakeCounting:
    """Keeps what it is told, without the request that told it."""

    told: list[tuple[str, str, frozenset[str], str, str, bool]] = field(default_factory=list)
    opened: list[bool] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    outcome: str = ""

    def answered(
        self,
        head: RequestHead,
        remote: str,
        outcome: str,
        purposes: frozenset[str],
        notice: BannerShown,
    ) -> None:
        self.told.append((remote, outcome, purposes, notice.language, notice.variant, notice.gpc))
        self.opened.append(notice.opened)

    def blocked(self, head: RequestHead, hosts: Iterable[str], outcome: str = BLOCKED) -> None:
        self.stopped += hosts
        self.outcome = outcome


class FakeContext:
    """What the engine would provide; ``receipt`` counts."""

    def __init__(self, site: Site = SITE) -> None:
        self.own_site = site
        self.records: Any = Books()
        self.counting: Any = FakeCounting()
        self.cookies = CookieJar(site, (KEY,))
        self.seconds = TODAY * 86_400.0
        self.once = OneTime(site, (KEY,), lambda: self.seconds)
        self.lost = LostRecords(site, self.records, (KEY,), lambda: self.day, lambda: self.seconds)
        self.durations = Durations()
        self.refusals = Refusals()
        self.assets = ASSETS
        self.receipts = 0
        self.day = TODAY

    def keys(self) -> tuple[str, ...]:
        return (KEY,)

    def site(self) -> Site:
        return self.own_site

    def notice(self, wording: str = "") -> Notice:
        return notice_of(self.own_site.worded(wording))

    def drawn(self, head: RequestHead, remote: str) -> str:
        return next(iter(self.own_site.wordings), "")

    def today(self) -> int:
        return self.day

    def clock(self) -> float:
        return self.seconds

    def receipt(self) -> str:
        self.receipts += 1
        return f"receipt-{self.receipts}"


_notices: list[Notice] = []


def notice_of(site: Site) -> Notice:
    """Return the notice of the site; made once, as the engine does."""
    for notice in _notices:
        if notice.site is site:
            return notice
    _notices.append(Notice(site, ASSETS))
    return _notices[-1]


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


class Visitor:
    """
    A browser in small: sends forms as one does, and keeps the cookies that it gets.

    Args:
        prefix: What stands before the mount.
        told: Headers that go with every request.
    """

    def __init__(
        self,
        context: FakeContext | None = None,
        *,
        prefix: str = "",
        scheme: str = "https",
        host: str = "shop.example",
        told: Mapping[str, str] | None = None,
    ) -> None:
        self.context = context or FakeContext()
        self.jar: dict[str, str] = {}
        self._app = create_app(self.context)
        self._base = f"{scheme}://{host}"
        self._prefix = prefix
        self._told = dict(told or {})

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> TestResponse:
        """Send a request to a path under the mount; no redirect is followed."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        answer = Client(self._app, use_cookies=False).open(
            path,
            method=method,
            base_url=self._base,
            environ_overrides={"SCRIPT_NAME": self._prefix + MOUNT, "REMOTE_ADDR": REMOTE},
            headers={**self._told, **(headers or {}), **({"Cookie": cookies} if cookies else {})},
            data=body,
            content_type=content_type,
        )
        for line in answer.headers.getlist("Set-Cookie"):
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0]
            if value:
                self.jar[name] = value
            else:
                self.jar.pop(name, None)
        return answer

    def get(self, path: str, **headers: str) -> TestResponse:
        """Open a page; the names of headers have underscores."""
        return self.send("GET", path, headers=_spelled(headers))

    def post(self, *fields: tuple[str, str], **headers: str) -> TestResponse:
        """Post the fields to the choice as a page of the same site does."""
        spelled = _spelled(headers) or {"Sec-Fetch-Site": "same-origin"}
        return self.send("POST", "/choice", body=urlencode(fields), headers=spelled, content_type=FORM)

    def holds(self) -> Record | NoRecord:
        """Return the choice that the kept cookie carries."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        head = RequestHead("GET", "https", "shop.example", "/", "", (("cookie", cookies),))
        return self.context.cookies.read(head)


def _spelled(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
