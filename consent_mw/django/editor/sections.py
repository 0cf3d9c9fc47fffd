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
from consent_mw.notice import theme
from consent_mw.notice.wording import every_text
from consent_mw.notice.wording import language_name
from consent_mw.notice.wording import purpose_label
from consent_mw.notice.wording import wording

__all__ = ["SECTIONS", "Group", "facts", "look", "service", "services", "text_name", "texts"]

#: A heading, a note, whether the group is folded, and its fields.
Group = tuple[str, str, bool, list[Field]]
SECTIONS = {"texts": "Texts", "services": "Services", "look": "Look", "facts": "Site and languages"}

_TEXT_GROUPS = (
    ("The notice", ("banner.", "action.", "changed.", "gpc."), False),
    ("Purposes", ("purpose.",), False),
    ("Panels of held content", ("placeholder.",), True),
    ("The page of choices", ("page.",), True),
    ("What is kept about a choice", ("receipt.",), True),
    ("The declaration", ("policy.", "basis.", "safeguard."), True),
    ("Counting", ("count.",), True),
    ("Errors", ("error.",), True),
)
#: The longest text that is its own name, in characters.
_LONGEST_NAME = 60
#: What owners change most, in their words.
_TEXT_NAMES = {
    "banner.title": "Title",
    "banner.text": "First sentence, before the purposes",
    "banner.promise": "Promise, after the purposes",
    "banner.responsible": "Who is responsible",
    "banner.services": "Link to the services",
    "banner.privacy": "Link to the privacy policy",
    "banner.always": "Beside necessary services",
    "banner.saved": "After an answer",
    "banner.counted": "About counting",
    "banner.counted.more": "Link to more about counting",
    "gpc.short": "Beside what an opt-out signal keeps off",
    "gpc.banner": "To visitors whose browser sends an opt-out signal",
    "gpc.page": "The same, on the page of choices",
    "changed.on": "Asked again after a change that the site describes",
    "changed.plain": "Asked again after another change",
    "changed.expired": "Asked again since the choice is too old",
    "action.accept-all": "Button that accepts everything",
    "action.reject-all": "Button that rejects everything",
    "action.choose": "Button that opens the choices",
    "action.save": "Button that saves them",
    "action.withdraw": "Button that withdraws everything",
    "action.open": "Control that opens the choices again",
    "action.continue": "Second way to refuse",
    "placeholder.title": "Title of a panel",
    "placeholder.text": "Words of a panel",
    "placeholder.once": "Button that loads the content once",
    "placeholder.allow": "Button that allows the service",
    "placeholder.more": "Link to all choices",
}
_PURPOSE_PARTS = {"label": "name", "description": "description", "profiles": "description, where it profiles"}
_ON_OFF = (("", "Default"), ("true", "On"), ("false", "Off"))
_COLOUR_NAMES = {
    "paper": "Background",
    "ink": "Text",
    "soft": "Less prominent text",
    "line": "Hairlines",
    "edge": "Borders of controls",
    "fill": "Chips",
    "main": "Buttons",
    "over": "Buttons under the pointer",
    "on": "Text on the buttons",
    "focus": "Focus ring",
}


def _options(words: Iterable[str], default: str) -> tuple[tuple[str, str], ...]:
    named = [(word, word.replace("-", " ").capitalize()) for word in words]
    return (("", f"Default ({default})"), *named)


def look(site: Site) -> list[Group]:
    """Return the settings of the look."""
    positions = tuple(dict.fromkeys(place for places in POSITIONS.values() for place in places))
    layout: list[Field] = [
        Field(("site", "layout"), "Layout", "choice", choices=_options(POSITIONS, "bar")),
        Field(
            ("site", "position"),
            "Position",
            "choice",
            "A bar has bottom and top; a corner card the four corners; a dialog none. Start is the left in English.",
            choices=_options(positions, "at the bottom"),
        ),
        Field(
            ("site", "dismiss"),
            "A second way to refuse",
            "choice",
            "Some regulators like “Continue without accepting” (text), or a cross. Either one refuses.",
            choices=_options(("off", "text", "cross"), "off"),
        ),
        Field(("site", "show_services"), "List the services under each purpose", "flag", choices=_ON_OFF),
    ]
    colours: list[Field] = [
        Field(
            ("theme", "brand"),
            "Brand colour",
            "colour",
            "One colour is enough: the others follow, with contrast kept. Accept and reject always look the same.",
        ),
        Field(("theme", "dark", "brand"), "Brand colour in the dark look", "colour"),
        Field(
            ("theme", "scheme"),
            "Light or dark",
            "choice",
            "Auto follows the visitor; selector follows a mark of your page.",
            choices=_options(("auto", "light", "dark", "selector"), "auto"),
        ),
        Field(("theme", "dark_selector"), "Mark of dark pages", note="For selector alone, for example html.dark."),
    ]
    shape: list[Field] = [
        Field(("theme", "radius"), "Radius of corners, in pixels", "number", usual=str(theme.RADIUS)),
        Field(("theme", "width"), "Width, in em", "number"),
        Field(("theme", "font"), "Fonts", note="Names with commas between them; none is loaded."),
        Field(("theme", "logo"), "Logo", note="The path of a picture of yours: /static/logo.svg."),
        Field(("theme", "dark", "logo"), "Logo on dark backgrounds"),
    ]
    control: list[Field] = [
        Field(
            ("site", "reopen"),
            "Control that opens the choices again",
            "choice",
            choices=_options(("button", "link"), "button"),
        ),
        Field(
            ("site", "reopen_position"), "Its position", "choice", choices=_options(REOPEN_POSITIONS, "bottom start")
        ),
        Field(
            ("site", "reopen_offset"), "Its distance from the edge, in pixels", "number", usual=str(theme.REOPEN_OFFSET)
        ),
        Field(
            ("site", "reopen_icon"),
            "Its icon",
            note=f"{', '.join(REOPEN_ICONS)}, or the path of a picture of yours.",
            usual="switch",
        ),
        Field(("site", "reopen_label"), "Its words", "choice", choices=_options(("hover", "always"), "hover")),
    ]
    each = [
        (f"{heading}: single colours", "Without a brand colour, or against it.", [*_colours(dark)])
        for heading, dark in (("Light", False), ("Dark", True))
    ]
    groups: list[Group] = [
        ("Layout", "", False, layout),
        ("Colours", "", False, colours),
        *((heading, note, True, fields) for heading, note, fields in each),
        ("Shape and logo", "", False, shape),
        ("The way back to the choices", "", True, control),
        ("Links in the notice", f"At most {MOST_LINKS}, to your imprint for example.", True, list(_links(site))),
    ]
    return groups


def _colours(dark: bool) -> Iterator[Field]:
    usual = theme.DARK if dark else theme.LIGHT
    for name in COLOURS:
        path = ("theme", "dark", name) if dark else ("theme", name)
        yield Field(path, _COLOUR_NAMES[name], "colour", usual=usual[name])


def _links(site: Site) -> Iterator[Field]:
    for place in range(MOST_LINKS):
        yield Field(("links", place, "url"), f"Address of link {place + 1}")
        for lang in site.languages:
            yield Field(
                ("links", place, "label", lang),
                f"Its words, {language_name(lang)}",
                lang=lang,
                by_language=site.languages[0],
            )


def facts(site: Site) -> list[Group]:
    """Return the facts about the site that visitors read, and its languages."""
    link = "An address with https://, or a path on this site."
    fields: list[Field] = [
        Field(("site", "controller"), "Who is responsible", note="A new controller asks every visitor again."),
        Field(("site", "contact"), "Contact", note="An e-mail address, an address, or a path on this site."),
        Field(("site", "privacy_policy"), "Privacy policy", note=link),
        Field(("site", "supervisory_authority"), "Supervisory authority", note=link),
        Field(
            ("site", "languages"),
            "Languages",
            "lines",
            "One tag a line (en, de, pt-BR). The first one is the fallback.",
            usual="en",
        ),
    ]
    return [("The site", "", False, fields)]


def texts(site: Site, tables: Mapping[str, Any], lang: str) -> list[Group]:
    """Return the texts in the language."""
    known = every_text(lang)
    built_in = wording(lang)
    groups: list[Group] = []
    for title, prefixes, folded in _TEXT_GROUPS:
        fields = [_text(tables, lang, key, built_in) for key in known if key.startswith(prefixes)]
        if title == "Purposes":
            fields += _own_purposes(site, lang)
        note = "Links are written [words](/path)." if title == "The notice" else ""
        groups.append((title, note, folded, fields))
    return groups


def text_name(key: str) -> str:
    """Return the name of a text for its owner: in words, as part of a purpose, or the English text itself."""
    if key in _TEXT_NAMES:
        return _TEXT_NAMES[key]
    group, _, part = key.partition(".")
    english = wording("en")
    if group == "purpose":
        purpose, _, part = part.partition(".")
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
                    ("purposes", purpose.id, part, lang), f"{purpose.id}: {part}", kind, lang=lang, by_language=first
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
                "Purposes",
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
            [field("id", "Id", note="Lower-case letters, digits and hyphens. A new id asks every visitor again.")]
            if own
            else []
        ),
        field("name", "Name"),
        field("vendor", "Provided by", note="A new vendor asks every visitor again."),
        field(
            "purposes",
            "Purposes",
            "boxes",
            "None chosen: those of the catalogue." if not own else "",
            choices=_purposes(site),
            effective=known.purposes if known is not None else (),
        ),
        field("country", "Country that data goes to", note="Two capital letters, such as GB."),
        field("policy", "Privacy policy of the vendor"),
        field("opt_out", "Opt-out of the vendor"),
        field("safeguard", "Safeguard of a transfer", "choice", choices=_words(SAFEGUARDS)),
        field("retention_days", "Kept for, in days", "number"),
        field("lawful_basis", "Lawful basis", "choice", choices=_words(LAWFUL_BASES)),
        field("poster", "Picture of its panel", note="The path of a picture of yours."),
    ]
    added = "" if own else "These are added to those of the catalogue. "
    signs = [
        field("hosts", "Hosts", "lines", f"{added}One a line: stats.example.org or example.com/pixel."),
        field("paths", "Paths", "lines", "On any host; one a line: /matomo.php."),
        field("inline", "Code", "lines", "An inline script with this code is held; one piece a line."),
        field("elements", "Elements", "lines", "One a line: name, name[attr] or name[attr=value]."),
        field("places", "Places of panels", "lines", "One a line: .class, #id or [attr]."),
        field("cookies", "Cookies", "lines", "Names, one a line; * for the part that varies."),
        field("storage", "Keys in the browser's storage", "lines", "One a line; * for the part that varies."),
    ]
    described = [
        Field(
            ("services", place, "description", lang),
            f"Description, {language_name(lang)}",
            "text",
            usual=known.description.get(lang, "") if known is not None else "",
            lang=lang,
            by_language=site.languages[0],
        )
        for lang in site.languages
    ]
    return [
        ("Service", "", False, who),
        ("What it does", "", False, described),
        ("How it is recognised", "", not own, signs),
    ]


def _words(words: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return (("", "Default"), *((word, word) for word in words if word))
