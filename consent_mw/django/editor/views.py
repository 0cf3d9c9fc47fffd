"""
The pages of the editor. Each change takes two steps: a form is filled in, and its effect is confirmed.

Nothing is stored between the two steps: the confirmation contains the signed edits. They are applied to the file as it
is at that time. If the result is not what was confirmed, it has to be confirmed again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.http import HttpResponse
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.urls import reverse

from consent_mw.config.config_file import ConfigFile
from consent_mw.config.config_file import ConfigText
from consent_mw.config.config_file import FileChanged
from consent_mw.config.config_file import NotWritable
from consent_mw.config.editable import between
from consent_mw.config.toml_edit import Edit
from consent_mw.config.toml_edit import UneditableText
from consent_mw.django.editor import previews
from consent_mw.django.editor import reviews
from consent_mw.django.editor.forms import EditorForm
from consent_mw.django.editor.sections import SECTIONS
from consent_mw.django.editor.sections import choice_name
from consent_mw.django.editor.words import in_language as _
from consent_mw.django.editor.words import language
from consent_mw.django.middleware import OwnPage
from consent_mw.django.setup import config_file
from consent_mw.django.setup import text_at_start
from consent_mw.errors import ConfigError
from consent_mw.errors import Problem
from consent_mw.notice.wording import language_name

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest
    from django.urls import URLPattern

__all__ = ["EditorViews"]

_NAME = "consent_mw_editor_configuration"
_TEMPLATES = "admin/consent_mw_editor"
#: Servers refuse addresses that are much longer.
_LONGEST_IN_ADDRESS = 3000


@dataclass
class _EditorRequest:
    """One request of the editor: who asks, and the file as it is now."""

    request: HttpRequest
    file: ConfigFile
    text: ConfigText
    may_change: bool


class EditorViews:
    """
    The views of one admin site.

    Args:
        owner: The model's entry in the admin, which knows the permissions and the look of the site.
    """

    def __init__(self, owner: ModelAdmin) -> None:
        self._owner = owner

    def urls(self) -> list[URLPattern]:
        """Return the addresses below that of the entry."""

        def made(route: str, view: Callable[..., Any], name: str) -> URLPattern:
            return path(route, self._owner.admin_site.admin_view(view), name=f"{_NAME}_{name}")

        return [
            made("", self.overview, "changelist"),
            made("preview/", self.preview, "preview"),
            made("save/", self.save, "save"),
            made("history/", self.history, "history"),
            made("history/<slug:name>/", self.change, "change"),
            made("services/of/<slug:key>/", self.form, "service"),
            made("<slug:kind>/", self.form, "form"),
        ]

    # -- the pages

    def overview(self, request: HttpRequest) -> HttpResponse:
        """Show what the file has, and whether this process uses it."""
        session = self._session(request)
        if session is None:
            return self._page(request, "none", {"title": _("Consent notice")})
        site = session.text.site if session.text.problems is None else None
        stale = text_at_start() not in ("", session.text.text)
        more = {
            "title": _("Consent notice"),
            "layout": choice_name(site.layout) if site else "",
            "site": site,
            "languages": [language_name(tag) for tag in site.languages] if site else [],
            "stale": stale,
            "preview": self._preview(session, {}),
            "latest": session.file.changes()[:3],
        }
        return self._page(request, "overview", more, session)

    def form(self, request: HttpRequest, kind: str = "service", key: str = "") -> HttpResponse:
        """Show a form, or what a filled-in form would change."""
        session = self._editing(request)
        if session is None:
            return HttpResponseRedirect(self._address("changelist"))
        form = self._form(session, {"form": kind, "language": request.GET.get("language", ""), "key": key})
        if request.method == "POST":
            self._need_change(session)
            edits = form.edits(request.POST)
            draft = self._draft(session, form, edits) if request.POST.get("do") != "edit" else None
            if draft is not None and not edits:
                messages.info(request, _("Nothing was changed."))
            elif draft is not None:
                return self._review(session, edits, draft, form)
        more = {
            "title": form.title,
            "form": form,
            "languages": [(tag, language_name(tag), tag == form.lang) for tag in form.site.languages],
            "preview": self._preview(session, form.address, lang=form.lang),
        }
        return self._page(request, "form", more, session)

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Show the notice as the file has it, or as a filled-in form or a signed change would make it."""
        session = self._editing(request)
        if session is None:
            return self._framed(previews.problem_page([Problem("", "The file has mistakes.", "Correct it first.")]))
        draft: ConfigText | None = session.text
        problems: list[Problem] = []
        if request.method == "POST":
            self._need_change(session)
            form = self._form(session, request.GET.dict())
            draft = self._draft(session, form, form.edits(request.POST))
            problems = form.problems
        elif change := request.GET.get("change"):
            try:
                draft = session.text.with_edits(reviews.opened(change, request.user.pk)[0])
            except (signing.BadSignature, UneditableText):
                raise Http404("no such change") from None
        if draft is None or draft.problems is not None:
            return self._framed(
                previews.problem_page(problems or (draft.problems.problems if draft and draft.problems else ()))
            )
        asked = {**request.GET.dict(), **request.POST.dict()}
        return self._framed(previews.notice_page(draft.site, asked))

    def save(self, request: HttpRequest) -> HttpResponse:
        """Write a confirmed change."""
        session = self._editing(request)
        if session is None or request.method != "POST":
            return HttpResponseRedirect(self._address("changelist"))
        self._need_change(session)
        try:
            edits, base = reviews.opened(request.POST.get("change", ""), request.user.pk)
        except signing.BadSignature:
            messages.error(
                request, _("This change was not confirmed within an hour, so it was not made. Make it again.")
            )
            return HttpResponseRedirect(self._address("changelist"))
        try:
            draft = session.text.with_edits(edits)
            if base == session.text.digest:
                session.file.write(draft, base, request.user.get_username())
                messages.success(request, _("Saved. The site uses it once its processes are restarted."))
                return HttpResponseRedirect(self._address("changelist"))
            if draft.problems is None:
                messages.warning(request, _("The file was changed meanwhile. This is what your change does to it now."))
                return self._review(session, edits, draft)
            messages.error(request, _("The file was changed meanwhile, and your change no longer fits. Make it again."))
        except FileChanged:
            messages.error(request, _("The file was changed at the same moment. Make your change again."))
        except (UneditableText, NotWritable) as error:
            messages.error(request, str(error))
        except ConfigError as error:
            messages.error(request, " ".join(map(str, error.problems)))
        return HttpResponseRedirect(self._address("changelist"))

    def history(self, request: HttpRequest) -> HttpResponse:
        """List the changes that were made here."""
        session = self._session(request)
        if session is None:
            return HttpResponseRedirect(self._address("changelist"))
        changes = [
            (one, reviews.changes_in(one.before, between(one.before.tables, one.after.tables)))
            for one in session.file.changes()
        ]
        return self._page(request, "history", {"title": _("History"), "changes": changes}, session)

    def change(self, request: HttpRequest, name: str) -> HttpResponse:
        """Show a change of the past; on POST, what going back to the time before it would change."""
        session = self._editing(request)
        if session is None:
            return HttpResponseRedirect(self._address("changelist"))
        past = session.file.change(name)
        if past is None:
            raise Http404("no such change")
        if request.method == "POST":
            self._need_change(session)
            edits = between(session.text.tables, past.before.tables)
            try:
                draft = session.text.with_edits(edits)
            except UneditableText as error:
                messages.error(request, str(error))
            else:
                if not edits:
                    messages.info(request, _("The file already has these settings."))
                elif draft.problems is not None:
                    messages.error(request, " ".join(map(str, draft.problems.problems)))
                else:
                    return self._review(session, edits, draft)
        rows = reviews.changes_in(past.before, between(past.before.tables, past.after.tables))
        latest = next((one.name for one in session.file.changes()), "")
        more = {"title": _("A change of the past"), "past": past, "rows": rows, "is_latest": past.name == latest}
        return self._page(request, "change", more, session)

    # -- parts

    def _review(
        self, session: _EditorRequest, edits: list[Edit], draft: ConfigText, form: EditorForm | None = None
    ) -> HttpResponse:
        """Show what the edits change, to be confirmed; with a form, it can be filled in further."""
        change = reviews.sealed(edits, session.text, session.request.user.pk)
        shown = {"preview-language": form.lang} if form is not None else {}
        more = {
            "title": _("%(form)s: what changes") % {"form": form.title} if form is not None else _("What changes"),
            "form": form,
            "rows": reviews.changes_in(session.text, edits),
            "cautions": list(reviews.cautions(session.text, draft)),
            "change": change,
            "posted": [
                (name, value)
                for name, values in session.request.POST.lists()
                for value in values
                if form is not None and name not in ("csrfmiddlewaretoken", "do")
            ],
            "previews": [
                (
                    words,
                    f"{self._address('preview')}?{urlencode({**shown, 'change': change, 'preview-scheme': scheme})}",
                )
                for scheme, words in previews.SCHEME_NAMES.items()
                if len(change) < _LONGEST_IN_ADDRESS
            ],
            "back": session.request.get_full_path() if form is not None else self._address("changelist"),
        }
        return self._page(session.request, "review", more, session)

    def _draft(self, session: _EditorRequest, form: EditorForm, edits: list[Edit]) -> ConfigText | None:
        """Return the text with the edits, or None if the form has to show problems."""
        if form.wrong:
            for one in form.fields:
                form.problems += [Problem("", f"{one.field.label}: {what}", "") for what in one.problems]
            return None
        try:
            draft = session.text.with_edits(edits)
        except UneditableText as error:
            form.show([Problem(".".join(map(str, error.path)), str(error), "")])
            return None
        if draft.problems is not None:
            form.show(draft.problems.problems)
            return None
        return draft

    def _form(self, session: _EditorRequest, asked: dict[str, str]) -> EditorForm:
        try:
            return EditorForm(
                session.text,
                asked.get("form", ""),
                lang=asked.get("language", ""),
                key=asked.get("key", ""),
                query=session.request.GET.get("q", ""),
            )
        except KeyError:
            raise Http404("there is no such form") from None

    def _preview(self, session: _EditorRequest, address: dict[str, str], lang: str = "") -> dict[str, Any] | None:
        """Return what a page needs to show the preview; None if the file has mistakes."""
        if session.text.problems is not None:
            return None
        site = session.text.site
        at = self._address("preview")
        query = {"preview-language": lang} if lang else {}
        return {
            "address": f"{at}?{urlencode(address)}" if address else at,
            "frame": f"{at}?{urlencode(query)}",
            "selects": previews.choices(site, lang, {}),
        }

    def _framed(self, page: str) -> HttpResponse:
        """Return a page for a frame of the editor: it runs no script, and no other site may frame it."""
        response = OwnPage(page)
        response["X-Frame-Options"] = "SAMEORIGIN"
        response["Cache-Control"] = "no-store"
        return response

    def _session(self, request: HttpRequest) -> _EditorRequest | None:
        """
        Return the request's session, or None without a configuration file.

        Raises:
            PermissionDenied: if the user may not look.
        """
        if not self._owner.has_view_permission(request):
            raise PermissionDenied
        name = config_file()
        if not name:
            return None
        file = ConfigFile(name)
        try:
            text = file.read()
        except ConfigError as error:
            messages.error(request, " ".join(map(str, error.problems)))
            return None
        return _EditorRequest(request, file, text, self._owner.has_change_permission(request))

    def _editing(self, request: HttpRequest) -> _EditorRequest | None:
        """Return the request's session if the file has no mistakes."""
        session = self._session(request)
        return session if session is not None and session.text.problems is None else None

    def _need_change(self, session: _EditorRequest) -> None:
        if not session.may_change:
            raise PermissionDenied

    def _address(self, name: str, *args: str) -> str:
        return str(reverse(f"{self._owner.admin_site.name}:{_NAME}_{name}", args=args))

    def _page(
        self, request: HttpRequest, template: str, more: dict[str, Any], session: _EditorRequest | None = None
    ) -> HttpResponse:
        request.current_app = self._owner.admin_site.name
        shown: dict[str, Any] = {
            **self._owner.admin_site.each_context(request),
            "opts": self._owner.model._meta,
            "start": self._address("changelist"),
            "tabs": [(self._address("form", kind), words, kind == _tab_of(more)) for kind, words in SECTIONS.items()],
            "addresses": {name: self._address(name) for name in ("save", "history")},
            "here": request.path,
            "words_lang": language(),
            **more,
        }
        if session is not None:
            problems = session.text.problems
            shown |= {
                "file": os.path.basename(session.file.path),
                "mistakes": problems.problems if problems else (),
                "may_change": session.may_change,
            }
        return TemplateResponse(request, f"{_TEMPLATES}/{template}.html", shown)


def _tab_of(more: dict[str, Any]) -> str:
    """Return the section that a page belongs to, or an empty string."""
    form = more.get("form")
    kind = form.kind if isinstance(form, EditorForm) else ""
    return "services" if kind in ("add", "new", "service") else kind
