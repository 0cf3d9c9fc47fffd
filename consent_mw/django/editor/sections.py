"""The sections of the editor: the settings that each one shows, how they are grouped, and their labels."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from consent_mw.catalogue import LAWFUL_BASES
from consent_mw.catalogue import PURPOSES
from consent_mw.catalogue import SAFEGUARDS
from consent_mw.config.editable import service_key
from consent_mw.config.look import MOST_LINKS
from consent_mw.config.schema import COLOURS
from consent_mw.config.schema import POSITIONS
from consent_mw.config.schema import REOPEN_ICONS
from consent_mw.config.schema import REOPEN_POSITIONS
from consent_mw.core.model import Service
from consent_mw.core.model import Site
from consent_mw.django.editor.fields import Field
from consent_mw.django.editor.fields import text_path
from consent_mw.django.editor.words import in_language as _
from consent_mw.django.editor.words import later as lazy
from consent_mw.notice import theme
from consent_mw.notice.wording import every_text
from consent_mw.notice.wording import language_name
from consent_mw.notice.wording import purpose_label
from consent_mw.notice.wording import wording

__all__ = ["SECTIONS", "Group", "choice_name", "facts", "look", "service", "services", "text_name", "texts"]

#: A heading, a note, whether the group is folded, and its fields.
Group = tuple[str, str, bool, list[Field]]
SECTIONS = {
    "texts": lazy("Texts"),
    "services": lazy("Services"),
    "look": lazy("Look"),
    "facts": lazy("Site and languages"),
}

_TEXT_GROUPS = (
    (lazy("The notice"), ("banner.", "action.", "changed.", "gpc."), False),
    (lazy("Purposes"), ("purpose.",), False),
    (lazy("Panels of held content"), ("placeholder.",), True),
    (lazy("The page of choices"), ("page.",), True),
    (lazy("What is kept about a choice"), ("receipt.",), True),
    (lazy("The declaration"), ("policy.", "basis.", "safeguard."), True),
    (lazy("Counting"), ("count.",), True),
    (lazy("Errors"), ("error.",), True),
)
#: The longest text that is its own name, in characters.
_LONGEST_NAME = 60
#: What owners change most, in their words.
_TEXT_NAMES = {
    "banner.title": lazy("Title"),
    "banner.text": lazy("First sentence, before the purposes"),
    "banner.promise": lazy("Promise, after the purposes"),
    "banner.responsible": lazy("Who is responsible"),
    "banner.services": lazy("Link to the services"),
    "banner.privacy": lazy("Link to the privacy policy"),
    "banner.always": lazy("Beside necessary services"),
    "banner.saved": lazy("After an answer"),
    "banner.counted": lazy("About counting"),
    "banner.counted.more": lazy("Link to more about counting"),
    "gpc.short": lazy("Beside what an opt-out signal keeps off"),
    "gpc.banner": lazy("To visitors whose browser sends an opt-out signal"),
    "gpc.page": lazy("The same, on the page of choices"),
    "changed.on": lazy("Asked again after a change that the site describes"),
    "changed.plain": lazy("Asked again after another change"),
    "changed.expired": lazy("Asked again since the choice is too old"),
    "action.accept-all": lazy("Button that accepts everything"),
    "action.reject-all": lazy("Button that rejects everything"),
    "action.choose": lazy("Button that opens the choices"),
    "action.save": lazy("Button that saves them"),
    "action.withdraw": lazy("Button that withdraws everything"),
    "action.open": lazy("Control that opens the choices again"),
    "action.continue": lazy("Second way to refuse"),
    "placeholder.title": lazy("Title of a panel"),
    "placeholder.text": lazy("Words of a panel"),
    "placeholder.once": lazy("Button that loads the content once"),
    "placeholder.allow": lazy("Button that allows the service"),
    "placeholder.more": lazy("Link to all choices"),
}
_PURPOSE_PARTS = {
    "label": lazy("name"),
    "description": lazy("description"),
    "profiles": lazy("description, where it profiles"),
}
_ON_OFF = (("", lazy("Default")), ("true", lazy("On")), ("false", lazy("Off")))
_COLOUR_NAMES = {
    "paper": lazy("Background"),
    "ink": lazy("Text"),
    "soft": lazy("Less prominent text"),
    "line": lazy("Hairlines"),
    "edge": lazy("Borders of controls"),
    "fill": lazy("Chips"),
    "main": lazy("Buttons"),
    "over": lazy("Buttons under the pointer"),
    "on": lazy("Text on the buttons"),
    "focus": lazy("Focus ring"),
}


#: The words of settings with several choices, for owners.
_CHOICE_NAMES = {
    "bar": lazy("Bar"),
    "corner": lazy("Corner card"),
    "dialog": lazy("Dialog"),
    "bottom": lazy("Bottom"),
    "top": lazy("Top"),
    "bottom-start": lazy("Bottom, at the start"),
    "bottom-end": lazy("Bottom, at the end"),
    "middle-start": lazy("Middle, at the start"),
    "middle-end": lazy("Middle, at the end"),
    "top-start": lazy("Top, at the start"),
    "top-end": lazy("Top, at the end"),
    "off": lazy("Off"),
    "text": lazy("Text"),
    "cross": lazy("Cross"),
    "auto": lazy("Auto"),
    "light": lazy("Light"),
    "dark": lazy("Dark"),
    "selector": lazy("Selector"),
    "button": lazy("Button"),
    "link": lazy("Link"),
    "hover": lazy("Under the pointer"),
    "always": lazy("Always"),
}


def choice_name(word: str) -> str:
    """Return the name of a choice for its owner, such as a layout's."""
    return str(_CHOICE_NAMES.get(word, word))


def _options(words: Iterable[str], default: str) -> tuple[tuple[str, str], ...]:
    """Return the choices of a setting, the first of which leaves it to its default."""
    default_name = _("Default (%(name)s)") % {"name": choice_name(default)}
    return (("", default_name), *((word, choice_name(word)) for word in words))


def look(site: Site) -> list[Group]:
    """Return the settings of the look."""
    positions = tuple(dict.fromkeys(place for places in POSITIONS.values() for place in places))
    layout: list[Field] = [
        Field(("site", "layout"), _("Layout"), "choice", choices=_options(POSITIONS, "bar")),
        Field(
            ("site", "position"),
            _("Position"),
            "choice",
            _("A bar has bottom and top; a corner card the four corners; a dialog none. Start is the left in English."),
            choices=_options(positions, "bottom"),
        ),
        Field(
            ("site", "dismiss"),
            _("A second way to refuse"),
            "choice",
            _("Some regulators like “Continue without accepting” (text), or a cross. Either one refuses."),
            choices=_options(("off", "text", "cross"), "off"),
        ),
        Field(("site", "show_services"), _("List the services under each purpose"), "flag", choices=_ON_OFF),
    ]
    colours: list[Field] = [
        Field(
            ("theme", "brand"),
            _("Brand colour"),
            "colour",
            _("One colour is enough: the others follow, with contrast kept. Accept and reject always look the same."),
        ),
        Field(("theme", "dark", "brand"), _("Brand colour in the dark look"), "colour"),
        Field(
            ("theme", "scheme"),
            _("Light or dark"),
            "choice",
            _("Auto follows the visitor; selector follows a mark of your page."),
            choices=_options(("auto", "light", "dark", "selector"), "auto"),
        ),
        Field(
            ("theme", "dark_selector"), _("Mark of dark pages"), note=_("For selector alone, for example html.dark.")
        ),
    ]
    shape: list[Field] = [
        Field(("theme", "radius"), _("Radius of corners, in pixels"), "number", usual=str(theme.RADIUS)),
        Field(("theme", "width"), _("Width, in em"), "number"),
        Field(("theme", "font"), _("Fonts"), note=_("Names with commas between them; none is loaded.")),
        Field(("theme", "logo"), _("Logo"), note=_("The path of a picture of yours: /static/logo.svg.")),
        Field(("theme", "dark", "logo"), _("Logo on dark backgrounds")),
    ]
    control: list[Field] = [
        Field(
            ("site", "reopen"),
            _("Control that opens the choices again"),
            "choice",
            choices=_options(("button", "link"), "button"),
        ),
        Field(
            ("site", "reopen_position"), _("Its position"), "choice", choices=_options(REOPEN_POSITIONS, "bottom-start")
        ),
        Field(
            ("site", "reopen_offset"),
            _("Its distance from the edge, in pixels"),
            "number",
            usual=str(theme.REOPEN_OFFSET),
        ),
        Field(
            ("site", "reopen_icon"),
            _("Its icon"),
            note=_("%(icons)s, or the path of a picture of yours.") % {"icons": ", ".join(REOPEN_ICONS)},
            usual="switch",
        ),
        Field(("site", "reopen_label"), _("Its words"), "choice", choices=_options(("hover", "always"), "hover")),
    ]
    each = [
        (
            _("%(scheme)s: single colours") % {"scheme": heading},
            _("Without a brand colour, or against it."),
            [*_colours(dark)],
        )
        for heading, dark in ((_("Light"), False), (_("Dark"), True))
    ]
    groups: list[Group] = [
        (_("Layout"), "", False, layout),
        (_("Colours"), "", False, colours),
        *((heading, note, True, fields) for heading, note, fields in each),
        (_("Shape and logo"), "", False, shape),
        (_("The way back to the choices"), "", True, control),
        (
            _("Links in the notice"),
            _("At most %(number)s, to your imprint for example.") % {"number": MOST_LINKS},
            True,
            list(_links(site)),
        ),
    ]
    return groups


def _colours(dark: bool) -> Iterator[Field]:
    usual = theme.DARK if dark else theme.LIGHT
    for name in COLOURS:
        path = ("theme", "dark", name) if dark else ("theme", name)
        yield Field(path, _COLOUR_NAMES[name], "colour", usual=usual[name])


def _links(site: Site) -> Iterator[Field]:
    for place in range(MOST_LINKS):
        yield Field(("links", place, "url"), _("Address of link %(number)s") % {"number": place + 1})
        for lang in site.languages:
            yield Field(
                ("links", place, "label", lang),
                _("Its words, %(language)s") % {"language": language_name(lang)},
                lang=lang,
                by_language=site.languages[0],
            )


def facts(site: Site) -> list[Group]:
    """Return the facts about the site that visitors read, and its languages."""
    link = _("An address with https://, or a path on this site.")
    fields: list[Field] = [
        Field(("site", "controller"), _("Who is responsible"), note=_("A new controller asks every visitor again.")),
        Field(("site", "contact"), _("Contact"), note=_("An e-mail address, an address, or a path on this site.")),
        Field(("site", "privacy_policy"), _("Privacy policy"), note=link),
        Field(("site", "supervisory_authority"), _("Supervisory authority"), note=link),
        Field(
            ("site", "languages"),
            _("Languages"),
            "lines",
            _("One tag a line (en, de, pt-BR). The first one is the fallback."),
            usual="en",
        ),
    ]
    return [(_("The site"), "", False, fields)]


def texts(site: Site, tables: Mapping[str, Any], lang: str) -> list[Group]:
    """Return the texts in the language."""
    known = every_text(lang)
    built_in = wording(lang)
    groups: list[Group] = []
    for title, prefixes, folded in _TEXT_GROUPS:
        fields = [_text(tables, lang, key, built_in) for key in known if key.startswith(prefixes)]
        if "purpose." in prefixes:
            fields += _own_purposes(site, lang)
        note = _("Links are written [words](/path).") if "banner." in prefixes else ""
        groups.append((str(title), note, folded, fields))
    return groups


def text_name(key: str) -> str:
    """Return the name of a text for its owner: in words, as part of a purpose, or the English text itself."""
    if key in _TEXT_NAMES:
        return str(_TEXT_NAMES[key])
    group, *parts = key.split(".", 2)
    english = wording("en")
    if group == "purpose":
        purpose, part = parts
        return f"{english[f'purpose.{purpose}.label']}: {_PURPOSE_PARTS[part]}"
    text = english.get(key, key)
    return f"“{text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME].rsplit(' ', 1)[0] + ' …'}”"


def _text(tables: Mapping[str, Any], lang: str, key: str, built_in: Mapping[str, str]) -> Field:
    usual = built_in.get(key, "")
    kind = "text" if len(usual) > 60 else "line"
    label = text_name(key)
    return Field(text_path(tables, lang, key), label, kind, usual=usual, lang=lang, key=f"text/{key}")


def _own_purposes(site: Site, lang: str) -> Iterator[Field]:
    first = site.languages[0]
    for purpose in site.purposes:
        if purpose.id not in PURPOSES:
            for part, kind in (("label", "line"), ("description", "text")):
                yield Field(
                    ("purposes", purpose.id, part, lang),
                    f"{purpose.id}: {_PURPOSE_PARTS[part]}",
                    kind,
                    lang=lang,
                    by_language=first,
                )


def services(site: Site, tables: Mapping[str, Any]) -> list[tuple[str, Service | None, Field]]:
    """Return each declared service: its key in the file, the service, and the field of its purposes."""
    found = []
    declared = tables.get("services")
    for place, table in enumerate(declared if isinstance(declared, list) else []):
        key = service_key(table)
        if key:
            known = site.by_id.get(key)
            purposes = Field(
                ("services", place, "purposes"),
                _("Purposes"),
                "boxes",
                choices=_purposes(site),
                key=f"service/{key}/purposes",
                effective=known.purposes if known is not None else (),
            )
            found.append((key, known, purposes))
    return found


def _purposes(site: Site) -> tuple[tuple[str, str], ...]:
    return tuple((one.id, purpose_label(one, site.languages[0], site)) for one in site.purposes)


def service(site: Site, place: int, known: Service | None, *, own: bool) -> list[Group]:
    """Return the settings of one service; while they are empty, those of ``known`` hold, its entry in the catalogue."""

    def field(name: str, label: str, kind: str = "line", note: str = "", **more: Any) -> Field:
        value = getattr(known, name, "") if known is not None else ""
        usual = "\n".join(map(str, value)) if isinstance(value, tuple) else str(value or "")
        return Field(("services", place, name), label, kind, note, usual="" if kind == "boxes" else usual, **more)

    who = [
        *(
            [field("id", _("Id"), note=_("Lower-case letters, digits and hyphens. A new id asks every visitor again."))]
            if own
            else []
        ),
        field("name", _("Name")),
        field("vendor", _("Provided by"), note=_("A new vendor asks every visitor again.")),
        field(
            "purposes",
            _("Purposes"),
            "boxes",
            _("None chosen: those of the catalogue.") if not own else "",
            choices=_purposes(site),
            effective=known.purposes if known is not None else (),
        ),
        field("country", _("Country that data goes to"), note=_("Two capital letters, such as GB.")),
        field("policy", _("Privacy policy of the vendor")),
        field("opt_out", _("Opt-out of the vendor")),
        field("safeguard", _("Safeguard of a transfer"), "choice", choices=_words(SAFEGUARDS)),
        field("retention_days", _("Kept for, in days"), "number"),
        field("lawful_basis", _("Lawful basis"), "choice", choices=_words(LAWFUL_BASES)),
        field("poster", _("Picture of its panel"), note=_("The path of a picture of yours.")),
    ]
    added = "" if own else _("These are added to those of the catalogue.") + " "
    signs = [
        field("hosts", _("Hosts"), "lines", added + _("One a line: stats.example.org or example.com/pixel.")),
        field("paths", _("Paths"), "lines", _("On any host; one a line: /matomo.php.")),
        field("inline", _("Code"), "lines", _("An inline script with this code is held; one piece a line.")),
        field("elements", _("Elements"), "lines", _("One a line: name, name[attr] or name[attr=value].")),
        field("places", _("Places of panels"), "lines", _("One a line: .class, #id or [attr].")),
        field("cookies", _("Cookies"), "lines", _("Names, one a line; * for the part that varies.")),
        field("storage", _("Keys in the browser's storage"), "lines", _("One a line; * for the part that varies.")),
    ]
    described = [
        Field(
            ("services", place, "description", lang),
            _("Description, %(language)s") % {"language": language_name(lang)},
            "text",
            usual=known.description.get(lang, "") if known is not None else "",
            lang=lang,
            by_language=site.languages[0],
        )
        for lang in site.languages
    ]
    return [
        (_("Service"), "", False, who),
        (_("What it does"), "", False, described),
        (_("How it is recognised"), "", not own, signs),
    ]


def _words(words: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return (("", _("Default")), *((word, word) for word in words if word))
