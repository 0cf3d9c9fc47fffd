"""
The owner's pages of consent rates. :mod:`consent_mw.web.stats.access` decides who may see them.

=========================  ===================================================
GET /stats                 the page, or the login
GET /stats.json            the same figures as JSON
GET /stats/TABLE.csv       one table of them as CSV
GET /stats/inventory       what the site's pages load
GET /metrics               the newest figures for Prometheus
GET /metrics/inventory     numbers of the inventory, likewise
GET /metrics/health        the state of this process and its store, likewise; also if the store is down
POST /stats/login          the password
POST /stats/logout         ends the session
=========================  ===================================================

All but the last two accept ``period`` (``7d``, ``4w``, ``12w``, ``52w``, ``3y``, or any number of days or weeks) or
``from`` and ``to`` as dates. The page also accepts ``table`` and ``purpose``, of which it then shows more, and
``lang``.

Everything shown comes from one :class:`~consent_mw.stats.Report`, which contains only published figures. Until the
owner configures access, all paths answer 404.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import quote

from flask import Flask
from flask import Response
from flask import abort
from flask import jsonify
from flask import render_template
from flask import request

from consent_mw.catalogue.definitions import joined
from consent_mw.catalogue.strangers import WithStrangers
from consent_mw.core.cache import BoundedCache
from consent_mw.core.days import iso
from consent_mw.core.model import Site
from consent_mw.errors import RecordsError
from consent_mw.http.request import RequestHead
from consent_mw.notice.wording import notes_within
from consent_mw.proof.audits import WEEKS
from consent_mw.proof.audits import last_result
from consent_mw.records.replica import FigureReads
from consent_mw.records.replica import ReplicaReads
from consent_mw.stats import DEFAULT
from consent_mw.stats import PRESETS
from consent_mw.stats import TABLES
from consent_mw.stats import PeriodError
from consent_mw.stats import Report
from consent_mw.stats import as_csv
from consent_mw.stats import as_json
from consent_mw.stats import chosen
from consent_mw.stats import first_needed
from consent_mw.stats import report
from consent_mw.stats.inventory import NEW
from consent_mw.stats.inventory import Inventory
from consent_mw.stats.inventory import lines_to_paste
from consent_mw.stats.inventory import read
from consent_mw.stats.texts import TEXTS
from consent_mw.stats.today import so_far
from consent_mw.stats.wordings import ComparedWording
from consent_mw.stats.wordings import compared
from consent_mw.web.form import Origin
from consent_mw.web.form import origin_of
from consent_mw.web.health import Health
from consent_mw.web.stats.access import SESSION_SECONDS
from consent_mw.web.stats.access import Gate
from consent_mw.web.stats.selection import Selection
from consent_mw.web.stats.view import ReportView
from consent_mw.web.stats.wordings import conclusions
from consent_mw.web.stats.wordings import forms_of
from consent_mw.web.stats.wordings import wordings_card
from consent_mw.web.stats.words import PageWords
from consent_mw.web.stats.words import coded
from consent_mw.web.visit import see_other

if TYPE_CHECKING:
    from consent_mw.web.context import WebContext

logger = logging.getLogger("consent_mw.web")

_PATHS = ("/stats", "/stats.json", "/metrics", "/metrics/inventory", "/metrics/health")
_RETRY_AFTER = "10"

#: Seconds for which a report is cached: an owner who opens several charts reads the store once.
_KEPT_SECONDS = 60
#: Days whose figures compare the wordings of the notice, whatever period is shown.
_COMPARED_DAYS = 364
#: The most cached reports, for several owners and periods, and the bytes of one that covers ten years.
_KEPT_REPORTS = 8
_REPORT_SIZE = 4_000_000


def register(app: Flask, context: WebContext, *, gate: Gate | None = None) -> None:
    """
    Add the owner's pages to the application of the pages under the mount.

    Args:
        gate: A gate to use instead of one with the real clock, for tests.
    """
    _Stats(context, gate or Gate(context.keys, documents=lambda: context.records)).register(app)


class _Stats:
    """The views; one for each process."""

    def __init__(self, context: WebContext, gate: Gate) -> None:
        self._context = context
        self._gate = gate
        self._health = Health(context)
        self._replica: ReplicaReads | None = None
        self._so_far: tuple[float, int | None] = (-_KEPT_SECONDS - 1.0, None)
        # Published figures never change, so a cached report stays correct.
        self._reports: BoundedCache[tuple[int, int], tuple[float, Report]] = BoundedCache(
            _KEPT_REPORTS, _KEPT_REPORTS * _REPORT_SIZE, measure=lambda kept: 1000 * len(kept[1].line) + 50_000
        )

    def register(self, app: Flask) -> None:
        app.jinja_env.filters["coded"] = coded
        app.before_request(self._hide)
        app.add_url_rule("/stats", "stats", self.page, methods=["GET"])
        app.add_url_rule("/stats.json", "stats_json", self.as_json, methods=["GET"])
        app.add_url_rule("/stats/<name>.csv", "stats_csv", self.as_csv, methods=["GET"])
        app.add_url_rule("/stats/inventory", "stats_inventory", self.inventory, methods=["GET"])
        app.add_url_rule("/metrics", "stats_metrics", self.metrics, methods=["GET"])
        app.add_url_rule("/metrics/inventory", "stats_inventory_metrics", self.inventory_metrics, methods=["GET"])
        app.add_url_rule("/metrics/health", "stats_health_metrics", self.health_metrics, methods=["GET"])
        app.add_url_rule("/stats/login", "stats_login", self.log_in, methods=["POST"])
        app.add_url_rule("/stats/logout", "stats_logout", self.log_out, methods=["POST"])

    # -- views

    def page(self) -> Response:
        asked = Selection.asked()
        site = self._context.site()
        try:
            admitted = self._admitted(site)
        except RecordsError as error:
            return self._away(site, asked, error)
        if not admitted:
            return self._way_in(site, asked, 403)
        problem = ""
        try:
            first, last = asked.days(self._context.today())
        except PeriodError:
            problem = self._words(asked).say("period.wrong")
            asked = replace(asked, period="", first="", last="")
            first, last = asked.days(self._context.today())
        words = self._words(asked)
        try:
            found = self._report(first, last)
            audit = self._last_audit(site, words)
            today = self._today(site)
            wordings = self._wordings(site)
        except RecordsError as error:
            return self._away(site, asked, error)
        view = ReportView(site, found, words, line=asked.purpose, focus=asked.table)
        if not (asked.first or asked.last):
            asked = replace(asked, period=asked.period or DEFAULT.id)
        days = replace(asked, table="", purpose="", lang="")
        body = render_template(
            "stats.html",
            **self._frame(site, words, asked),
            view=view,
            audit=audit,
            wordings=wordings_card(site, wordings, words) if wordings else None,
            concluded=conclusions(site, wordings, words) if wordings else [],
            today=words.say("today", n=words.number(today)) if today else words.say("today.few"),
            problem=problem,
            chosen=asked,
            presets=[preset.id for preset in PRESETS],
            dates=(iso(first), iso(last)),
            latest=iso(self._context.today() - 1),
            languages=tuple(TEXTS),
            here=lambda **changes: self._root() + "/stats" + replace(asked, **changes).query(),
            days=days.query(),
            downloads=self._downloads(words, found),
            session=self._in_session(site),
        )
        return Response(body, status=400 if problem else 200)

    def _wordings(self, site: Site) -> list[ComparedWording]:
        """Return the comparison of the wordings over the last year; empty if there is one. Raises RecordsError."""
        forms, today = forms_of(site), self._context.today()
        return compared(self._reads().figures(today - _COMPARED_DAYS, today), forms) if forms else []

    def _last_audit(self, site: Site, words: PageWords) -> list[str]:
        """Return the last audit result and its age, as sentences."""
        today = self._context.today()
        result = last_result(self._context.records, site.id, today, self._context.keys())
        if result is None:
            return [words.say("audit.none", n=words.number(WEEKS))]
        days = max(today - result.day, 0)
        age = words.count("audit.age", days) if days else words.say("audit.today")
        told = [words.say("audit.last", day=words.day(result.day), age=age)]
        told.append(words.count("audit.open", result.open) if result.open else words.say("audit.clean"))
        if result.before is not None:
            numbers = {"a": words.number(result.before), "b": words.number(result.now)}
            told.append(words.say("audit.before", **numbers))
        return told

    def as_json(self) -> Response:
        found = self._for_machines()
        if isinstance(found, Response):
            return found
        words = PageWords("en")
        view = ReportView(self._context.site(), found, words)
        labels = {purpose.id: view.purpose(purpose.id, inside=True) for purpose in found.period.purposes}
        notes = notes_within(self._context.site(), found.period.first, found.period.last, words.lang)
        try:
            wordings = self._wordings(self._context.site())
        except RecordsError as error:
            return self._unavailable(error)
        return jsonify(as_json(found, labels=labels, notes=notes, wordings=wordings))

    def as_csv(self, name: str) -> Response:
        if name not in TABLES:
            abort(404)
        found = self._for_machines()
        if isinstance(found, Response):
            return found
        answer = Response(as_csv(found, name), content_type="text/csv; charset=utf-8")
        days = f"{iso(found.period.first)}-{iso(found.period.last)}"
        answer.headers["Content-Disposition"] = f'attachment; filename="consent-{name}-{days}.csv"'
        return answer

    def inventory(self) -> Response:
        asked = Selection(lang=Selection.asked().lang)
        site, words = self._context.site(), self._words(asked)
        try:
            if not self._admitted(site):
                return self._way_in(site, asked, 403)
            found, known = self._inventory(site)
        except RecordsError as error:
            return self._away(site, asked, error)
        rows = [
            {
                "name": entry.name,
                "standing": entry.standing,
                "purposes": entry.purposes,
                "kinds": ", ".join(sorted(entry.kinds)),
                "state": entry.state,
                "gone": entry.gone,
                "pages": words.number(entry.pages),
                "first": iso(entry.first),
                "last": iso(entry.last),
                "where": entry.where,
                "lines": lines_to_paste(entry, site, known),
                "new": entry.first >= self._context.today() - NEW,
            }
            for entry in found.loaded
        ]
        return Response(
            render_template(
                "stats_inventory.html",
                **self._frame(site, words, asked),
                rows=rows,
                news=[row for row in rows if row["new"]],
                pages=found.pages,
                languages=tuple(TEXTS),
            )
        )

    def _inventory(self, site: Site) -> tuple[Inventory, WithStrangers]:
        known = WithStrangers(joined(site.definitions))
        return read(self._context.records, site, known), known

    def inventory_metrics(self) -> Response:
        self._for_metrics()
        from consent_mw.stats.metrics import inventory_metrics  # only with the extra "metrics"

        try:
            things, _ = self._inventory(self._context.site())
        except RecordsError as error:
            return self._unavailable(error)
        text, kind = inventory_metrics(things, self._context.today() - NEW)
        return Response(text, content_type=kind)

    def health_metrics(self) -> Response:
        self._for_metrics()
        from consent_mw.stats.metrics import process_metrics  # only with the extra "metrics"

        text, kind = process_metrics(self._health.measure().described())
        return Response(text, content_type=kind)

    def _for_metrics(self) -> None:
        """Answer 404 unless the client may see the metrics, so as not to reveal that they exist."""
        try:
            if find_spec("prometheus_client") is None or not self._admitted(self._context.site(), machine=True):
                abort(404)
        except RecordsError as error:
            abort(self._unavailable(error))

    def metrics(self) -> Response:
        self._for_metrics()
        from consent_mw.stats.metrics import as_metrics  # only with the extra "metrics"

        today = self._context.today()
        try:
            found = self._report(*chosen(today))
        except RecordsError as error:
            return self._unavailable(error)
        text, kind = as_metrics(found)
        return Response(text, content_type=kind)

    def log_in(self) -> Response:
        site, asked = self._context.site(), Selection.asked()
        if not site.stats.password:
            abort(404)
        words = self._words(asked)
        name = self._cookie_name()
        if name is None:
            logger.warning("a login to the statistics was refused, since the site is served over plain http")
            return self._way_in(site, asked, 403, words.say("in.insecure"))
        if origin_of(RequestHead.from_environ(request.environ)) is not Origin.SAME:
            return self._way_in(site, asked, 403, words.say("in.foreign"))
        seconds = self._gate.throttle.wait()
        if seconds:
            answer = self._way_in(site, asked, 429, words.count("in.slow", seconds))
            answer.headers["Retry-After"] = str(seconds)
            return answer
        session = self._gate.log_in(site, request.form.get("password", ""))
        if session is None:
            return self._way_in(site, asked, 403, words.say("in.wrong"))
        return self._to_page(asked, f"{name}={session}; Max-Age={SESSION_SECONDS}")

    def log_out(self) -> Response:
        asked, name = Selection.asked(), self._cookie_name()
        if name is None or origin_of(RequestHead.from_environ(request.environ)) is not Origin.SAME:
            return self._way_in(self._context.site(), asked, 403, self._words(asked).say("in.foreign"))
        try:
            self._gate.log_out(self._context.site(), self._session())
        except RecordsError as error:
            logger.error("a session of the statistics has ended in this process alone: %s", error)
        return self._to_page(asked, f"{name}=; Max-Age=0")

    # -- access

    def _hide(self) -> None:
        """Answer 404 to all methods until the owner configures access."""
        path = request.path
        if (path in _PATHS or path.startswith("/stats/")) and not self._context.site().stats.open:
            abort(404)

    def _admitted(self, site: Site, *, machine: bool = False) -> bool:
        token = request.headers.get("Authorization", "") if machine else None
        # A copy, since the check of the host site may modify it.
        return self._gate.admits(site, dict(request.environ), session=self._session(), token=token)

    def _in_session(self, site: Site) -> bool:
        return bool(self._session()) and bool(site.stats.password)

    def _session(self) -> str:
        name = self._cookie_name()
        values = request.cookies.getlist(name) if name else []
        return values[0] if len(values) == 1 else ""

    def _cookie_name(self) -> str | None:
        """Return the session cookie's name, ``__Host-cmw-stats`` or ``cmw-stats``; None if no cookie may be set."""
        name = self._context.cookies.name(RequestHead.from_environ(request.environ))
        return f"{name}-stats" if name else None

    def _to_page(self, asked: Selection, cookie: str) -> Response:
        answer = see_other(self._root() + "/stats" + asked.query())
        secure = "; Secure" if cookie.startswith("__Host-") else ""
        answer.headers.add("Set-Cookie", f"{cookie}; Path=/; HttpOnly; SameSite=Strict{secure}")
        return answer

    def _way_in(self, site: Site, asked: Selection, status: int, problem: str = "") -> Response:
        words = self._words(asked)
        form = bool(site.stats.password)
        if not form:
            problem = words.say("in.host" if site.stats.check else "in.machine")
        frame = self._frame(site, words, asked)
        body = render_template("stats_login.html", **frame, form=form, problem=problem)
        return Response(body, status=status)

    # -- figures

    def _reads(self) -> FigureReads:
        """Return what figures are read from: the replica of the store if there is one."""
        if self._replica is None:
            site = self._context.site()
            self._replica = ReplicaReads(lambda: self._context.records, site.replica, site=site.id)
        return self._replica

    def _report(self, first: int, last: int) -> Report:
        """Return the report for these days, which may be a minute old; raises RecordsError."""
        now = time.monotonic()
        kept = self._reports.get((first, last))
        if kept is not None and now - kept[0] <= _KEPT_SECONDS:
            return kept[1]
        figures = self._reads().figures(first_needed(first, last), last)
        found = report(figures, first=first, last=last)
        self._reports.put((first, last), (now, found))
        return found

    def _today(self, site: Site) -> int | None:
        """Return a lower bound of today's visits; reads the counters at most once a minute. Raises RecordsError."""
        now, today = time.monotonic(), self._context.today()
        if now - self._so_far[0] > _KEPT_SECONDS:
            counts = self._reads().counts(today + 1)
            self._so_far = now, so_far(counts, today, self._context.keys()[-1], site.id)
        return self._so_far[1]

    def _for_machines(self) -> Report | Response:
        """Return the report for the chosen days, or an error response."""
        try:
            if not self._admitted(self._context.site(), machine=True):
                answer = jsonify({"error": "Log in, or send the token: Authorization: Bearer TOKEN."})
                answer.status_code = 401
                answer.headers["WWW-Authenticate"] = 'Bearer realm="consent rates"'
                return answer
            return self._report(*Selection.asked().days(self._context.today()))
        except PeriodError as error:
            answer = jsonify({"error": str(error)})
            answer.status_code = 400
            return answer
        except RecordsError as error:
            return self._unavailable(error)

    @staticmethod
    def _unavailable(error: RecordsError) -> Response:
        logger.error("the consent rates could not be read: %s", error)
        answer = jsonify({"error": "The figures cannot be read just now. Try again in a moment."})
        answer.status_code = 503
        answer.headers["Retry-After"] = _RETRY_AFTER
        return answer

    def _away(self, site: Site, asked: Selection, error: RecordsError) -> Response:
        logger.error("the consent rates could not be read: %s", error)
        words = self._words(asked)
        frame = self._frame(site, words, asked)
        body = render_template("stats_login.html", **frame, form=False, problem=words.say("away"))
        answer = Response(body, status=503)
        answer.headers["Retry-After"] = _RETRY_AFTER
        return answer

    @staticmethod
    def _downloads(words: PageWords, found: Report) -> Sequence[tuple[str, str]]:
        filled = {table.name for table in found.tables if table.rows} | {"totals", "line", "purposes"}
        keys = {name: f"get.{name}" if words.has(f"get.{name}") else f"t.{name}" for name in TABLES}
        return [(name, words.say(keys[name])) for name in TABLES if name in filled]

    # -- values for every template

    def _frame(self, site: Site, words: PageWords, asked: Selection) -> dict[str, object]:
        return {
            "site": site,
            "words": words,
            "say": words.say,
            "root": self._root(),
            "sheet": self._context.assets.path("dashboard.css"),
            "query": asked.query(),
        }

    @staticmethod
    def _words(asked: Selection) -> PageWords:
        return PageWords(asked.lang or PageWords.preferred(request.headers.get("Accept-Language", "")))

    @staticmethod
    def _root() -> str:
        script = str(request.environ.get("SCRIPT_NAME", ""))
        return quote(script.encode("latin-1", "replace"), safe="/~!$&'()*+,;=:@")
