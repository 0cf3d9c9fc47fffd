"""
The forms of the editor: each one shows a part of a configuration, and turns a submitted form into edits.

A form works on the current tables of the file. It sets the values of its fields in a copy; the edits are the
differences between the two. So other changes that were made to the file in the meantime are kept.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from typing import Any

from consent_mw.catalogue import load as load_catalogue
from consent_mw.catalogue.definitions import joined
from consent_mw.config.config_file import ConfigText
from consent_mw.config.editable import between
from consent_mw.config.editable import service_key
from consent_mw.config.toml_edit import Edit
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.django.editor import sections
from consent_mw.django.editor.fields import Field
from consent_mw.django.editor.fields import FieldGroup
from consent_mw.django.editor.fields import FilledField
from consent_mw.django.editor.fields import put_all
from consent_mw.django.editor.words import in_language as _
from consent_mw.django.editor.words import later as lazy
from consent_mw.errors import Problem
from consent_mw.notice.wording import language_name
from consent_mw.notice.wording import purpose_label

if TYPE_CHECKING:
    from django.http import QueryDict

__all__ = ["FORMS", "DeclaredService", "EditorForm"]

#: The kinds of forms, with their titles.
FORMS: Mapping[str, str] = {
    **sections.SECTIONS,
    "add": lazy("Add services"),
    "new": lazy("A service of your own"),
    "service": lazy("Service"),
}
#: How many services of the catalogue a search shows.
MOST_FOUND = 40


@dataclass(frozen=True)
class DeclaredService:
    """A row of the list of services."""

    key: str
    name: str
    vendor: str
    purposes: FilledField


@dataclass(frozen=True)
class FoundService:
    """A service of the catalogue that a search found."""

    id: str
    name: str
    vendor: str
    purposes: str
    declared: bool


class EditorForm:
    """
    One form on the text of a file that has no mistakes.

    Args:
        text: The text as it is now.
        kind: One of ``FORMS``.
        lang: The language of texts.
        key: The service in the file.
        query: What to search the catalogue for.

    Raises:
        KeyError: if there is no such form, language or service.
    """

    def __init__(self, text: ConfigText, kind: str, *, lang: str = "", key: str = "", query: str = "") -> None:
        self.title = str(FORMS[kind])
        self.text, self.kind, self.key, self.query = text, kind, key, query.strip()
        self.site: Site = text.site
        self.lang = lang or self.site.languages[0]
        if self.lang not in self.site.languages:
            raise KeyError(lang)
        self.problems: list[Problem] = []
        self._place = self._found_place()
        if kind == "texts":
            self.title = _("Texts, %(language)s") % {"language": language_name(self.lang)}
        if kind == "service":
            self.title = self.site.by_id[key].name if key in self.site.by_id else key
        self.groups = [
            FieldGroup(heading, [FilledField(one, self._shown(one)) for one in fields], note, folded)
            for heading, note, folded, fields in self._sections()
            if fields
        ]
        self.declared = self._declared() if kind == "services" else []

    # -- what it shows

    def _shown(self, field: Field) -> Any:
        value = field.value(self.text.tables)
        return list(field.effective) if value is None and field.effective else value

    def _found_place(self) -> int:
        """Return the place of the service in the file; for a new one, behind the last."""
        declared = self._tables_of_services()
        if self.kind != "service":
            return len(declared)
        return {service_key(table): place for place, table in enumerate(declared)}[self.key]

    def _tables_of_services(self) -> list[Any]:
        declared = self.text.tables.get("services")
        return declared if isinstance(declared, list) else []

    def _sections(self) -> list[sections.Group]:
        if self.kind == "look":
            return sections.look(self.site)
        if self.kind == "facts":
            return sections.facts(self.site)
        if self.kind == "texts":
            return sections.texts(self.site, self.text.tables, self.lang)
        if self.kind == "new":
            return sections.service(self.site, self._place, None, own=True)
        if self.kind == "service":
            own = "use" not in self._tables_of_services()[self._place]
            return sections.service(self.site, self._place, None if own else self.catalogue.get(self.key), own=own)
        return []

    def _declared(self) -> list[DeclaredService]:
        return [
            DeclaredService(
                key,
                known.name if known is not None else key,
                known.vendor if known is not None else "",
                FilledField(field, self._shown(field)),
            )
            for key, known, field in sections.services(self.site, self.text.tables)
        ]

    @cached_property
    def catalogue(self) -> Mapping[str, Service]:
        """The services that can be added."""
        return joined(self.site.definitions, load_catalogue())

    @cached_property
    def found(self) -> list[FoundService]:
        """The services of the catalogue that match the query, those whose names begin with it first."""
        wanted = self.query.casefold()
        if self.kind != "add" or not wanted:
            return []
        labels = {one.id: purpose_label(one, self.lang, self.site) for one in self.site.purposes}
        matches = [
            one
            for one in self.catalogue.values()
            if wanted in f"{one.name}\n{one.vendor}\n{one.id}".casefold() and not one.suspected
        ]
        matches.sort(key=lambda one: (not one.name.casefold().startswith(wanted), one.name.casefold()))
        declared = {service_key(table) for table in self._tables_of_services()}
        return [
            FoundService(
                one.id,
                one.name,
                one.vendor,
                ", ".join(labels.get(id_, id_) for id_ in one.purposes),
                one.id in declared,
            )
            for one in matches[:MOST_FOUND]
        ]

    @property
    def fields(self) -> list[FilledField]:
        """All its fields."""
        return [one for group in self.groups for one in group.fields] + [row.purposes for row in self.declared]

    @property
    def address(self) -> dict[str, str]:
        """The parts of a query that lead to this form."""
        return {"form": self.kind, "language": self.lang, **({"key": self.key} if self.key else {})}

    # -- what a filled-in form means

    def edits(self, post: QueryDict) -> list[Edit]:
        """Return the edits that a filled-in form stands for; its fields show the posted values from now on."""
        tables: dict[str, Any] = copy.deepcopy(dict(self.text.tables))
        values: list[tuple[Field, Any]] = []
        for filled in self.fields:
            filled.value, problem = filled.field.posted(post)
            if problem:
                filled.problems.append(problem)
            values.append((filled.field, filled.value))
        put_all(tables, values)
        _drop_empty_links(tables)
        if self.kind == "services":
            gone = set(post.getlist("remove"))
            tables["services"] = [one for one in self._list(tables) if service_key(one) not in gone]
        if self.kind == "add":
            known = {service_key(one) for one in self._list(tables)}
            chosen = [id_ for id_ in dict.fromkeys(post.getlist("add")) if id_ in self.catalogue and id_ not in known]
            tables["services"] = [*self._list(tables), *({"use": id_} for id_ in chosen)]
        return between(self.text.tables, tables)

    @staticmethod
    def _list(tables: Mapping[str, Any]) -> list[Any]:
        found = tables.get("services")
        return found if isinstance(found, list) else []

    def show(self, problems: Iterable[Problem]) -> None:
        """Put each problem at the field that it concerns, and all of them at the top."""
        for problem in problems:
            self.problems.append(problem)
            for filled in self.fields:
                if filled.concerns(problem.where):
                    filled.problems.append(f"{problem.what} {problem.remedy}")

    @property
    def wrong(self) -> bool:
        """Whether a field has a value that cannot be read."""
        return any(one.problems for one in self.fields)


def _drop_empty_links(tables: dict[str, Any]) -> None:
    links = tables.get("links")
    if isinstance(links, list):
        tables["links"] = (
            [one for one in links if any(one.values())] if all(isinstance(o, dict) for o in links) else links
        )
        if not tables["links"]:
            del tables["links"]
