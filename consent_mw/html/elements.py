"""
Elements and attributes: which contain addresses, and how; which scripts run; which images are tracking pixels.

The tables follow the HTML and SVG standards, including obsolete attributes
that some browser still fetches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping
from typing import NamedTuple

from consent_mw.html.syntax import LAZY_BACKGROUNDS
from consent_mw.html.syntax import LAZY_BY_CLASS
from consent_mw.html.tokens import ATTRIBUTE
from consent_mw.html.tokens import JAVASCRIPT_TYPES

SPACES = " \t\n\r\f"

#: Decodes an attribute's value, including character references.
Text = Callable[[bytes], str]

#: Link relations that make the browser fetch or connect; others are only statements.
FETCHING_LINKS = frozenset(
    [
        "stylesheet",
        # Firefox prefetches the next page.
        "next",
        "icon",
        "apple-touch-icon",
        "apple-touch-icon-precomposed",
        "apple-touch-startup-image",
        "mask-icon",
        "manifest",
        "search",
        "preload",
        "prefetch",
        "preconnect",
        "dns-prefetch",
        "modulepreload",
        "prerender",
        "import",
        "subresource",
        "compression-dictionary",
        # Its name in Chromium at first.
        "dictionary",
        "monetization",
    ]
)

#: The registered image types (https://www.iana.org/assignments/media-types), and others that browsers know.
_IMAGE_TYPES = frozenset(
    b"aces apng avci avcs avif bmp cgm dicom-rle dpx emf fits g3fax gif heic heic-sequence heif heif-sequence hej2k"
    b" hsj2 icon ico ief j2c j2k jaii jais jls jp2 jpe jpeg jpg jph jphc jpm jpx jxl jxr jxra jxrs jxs jxsc jxsi jxss"
    b" ktx ktx2 naplps pict pjpeg png pwg-raster svg svg+xml t38 tif tiff tiff-fx webp wmf xbm".split()
)
#: Prefixes of types that anybody may use without registration.
_UNREGISTERED = ("x-", "x.", "vnd.", "prs.")

#: The attributes of each element that contain addresses, with their syntax: a URL, the URL of a document ("page"), a
#: list of URLs, a srcset, a refresh, a document itself, or values of an animation.
LEADS_OUT: dict[bytes, dict[bytes, str]] = {
    b"script": {b"src": "url", b"href": "url", b"xlink:href": "url", b"attributionsrc": "urls"},
    b"img": {b"src": "url", b"srcset": "srcset", b"lowsrc": "url", b"dynsrc": "url", b"attributionsrc": "urls"},
    b"iframe": {b"src": "page", b"srcdoc": "document"},
    # Chromium supports "code", which an old plug-in used.
    b"embed": {b"src": "page", b"code": "page"},
    b"object": {b"data": "page", b"archive": "urls"},
    b"video": {b"src": "url", b"poster": "url"},
    b"audio": {b"src": "url"},
    b"source": {b"src": "url", b"srcset": "srcset"},
    b"track": {b"src": "url"},
    b"input": {b"src": "url"},
    b"link": {b"href": "url", b"imagesrcset": "srcset"},
    b"frame": {b"src": "page"},
    b"bgsound": {b"src": "url"},
    # Older browsers take the address of an object from a parameter. These frames are behind flags.
    b"param": {b"value": "page"},
    b"portal": {b"src": "page"},
    b"fencedframe": {b"src": "page"},
    b"meta": {b"content": "refresh"},
    b"a": {b"ping": "urls", b"attributionsrc": "urls"},
    b"area": {b"ping": "urls", b"attributionsrc": "urls"},
}
LEADS_OUT[b"model"] = {b"src": "url", b"environmentmap": "url", b"poster": "url"}
LEADS_OUT[b"template"] = {b"src": "page", b"patchsrc": "page", b"shadowrootadoptedstylesheets": "urls"}
#: Parameters from which browsers took the address of an object, https://html.spec.whatwg.org/#the-param-element
_PARAMETERS_WITH_ADDRESS = frozenset({"code", "movie", "src", "url"})
#: Attributes of custom elements, whose code fetches the addresses in them; not ``href``, which libraries use for links.
_CUSTOM = dict.fromkeys(
    b"src url poster data-src data-url video-src video-url audio-src audio-url media-src media-url embed-src"
    b" embed-url iframe-src frame-src image-src img-src script-src script-url".split(),
    "url",
)
#: The attributes among these that have the address of what the element shows.
SHOWN_BY_ELEMENT = tuple(
    b"src url data-src data-url video-src video-url embed-src embed-url iframe-src frame-src".split()
)
#: Attributes from which lazy loaders take the address when an element comes into view; the groups match srcset lists.
LAZY = re.compile(
    rb"data-(?:[a-z0-9]+-){0,3}?(?:src(set)?|lazy|lazyload|lazysrc|cfsrc|ezsrc|original|echo|bg|background|url|iframe|poster)"
    rb"|(?:nitro-)?lazy-src(set)?"
)
LAZY_ELEMENTS = frozenset({b"img", b"iframe", b"source", b"video", b"audio", b"embed", b"object", b"script"})
#: Attributes on any other element from which loaders take the address of a background image.
_BACKGROUNDS = frozenset(name.encode() for name in LAZY_BACKGROUNDS)
_BACKGROUNDS_BY_CLASS = frozenset(name.encode() for name in LAZY_BY_CLASS)
#: The first bytes of the names of these attributes, of those in LAZY, and of event handlers.
_FIRSTS = frozenset({b"d", b"l", b"n", b"o", b"O", *(name[:1] for name in _BACKGROUNDS | _BACKGROUNDS_BY_CLASS)})
LEADS_OUT[b"image"] = {**LEADS_OUT[b"img"], b"href": "url", b"xlink:href": "url"}
AMP = {b"src": "url", b"srcset": "srcset", b"poster": "url", b"href": "url", b"config": "url", b"type": "mark"}
ANYWHERE = {b"background": "url", b"style": "css"}
_PRESENTATION = dict.fromkeys(
    b"fill stroke mask filter clip-path cursor marker marker-start marker-mid marker-end".split(), "css"
)
_FOREIGN = {
    **_PRESENTATION,
    **dict.fromkeys(b"href xlink:href".split(), "url"),
    # An animation can set a link or a property, https://svgwg.org/specs/animations/#ValueAttributes
    **dict.fromkeys(b"to from by values".split(), "animated"),
}

#: Handlers of deliberate actions: where they navigate to, the visitor intends to go. ``ontoggle`` is none: browsers
#: fire it for each ``<details open>``.
VISITORS_EVENTS = frozenset(
    b"onclick ondblclick onauxclick oncontextmenu onmousedown onmouseup onpointerdown onpointerup ontouchstart"
    b" ontouchend onkeydown onkeypress onkeyup onsubmit onchange oninput onreset oninvalid ondrop".split()
)

#: Script types that browsers do not run but scripts in the page do: optimisers, Partytown, compilers.
_TURNED = re.compile(
    r"script|partytown|lazy|delay|defer|rocket|speed|block|psajs|phast|screx|babel|jsx|nitro|perfmatters|idle|interact"
    r"|(?<![a-z])js(?![a-z])"
)
#: Script types that are data: templates, shaders, records. They take precedence over the types above.
_DATA_TYPE = re.compile(
    r"vbs|json|templ|tmpl|shader|handlebars|mustache|markdown|yaml|csv|x-mathjax|application/vnd|\Atext/plain"
)

_HIDDEN_STYLE = re.compile(r"(?<![\w-])(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.I)
_TINY_STYLE = re.compile(r"(?<![\w-])(?:max-)?(?:width|height)\s*:\s*[01](?:px)?\s*(?:;|!|\Z)", re.I)
_ONE_PIXEL = re.compile(r"\s*[01](?:\.0*)?(?:px)?\s*\Z", re.I)
_TEN_PIXELS = re.compile(r"\s*[1-9][0-9]")
#: A candidate of ten pixels or more in a srcset attribute.
_WIDE_CANDIDATE = re.compile(r"\s[1-9][0-9]+w\s*(?:,|\Z)")
#: A picture in a format for photographs is meant to be seen; PNG and GIF may be pixels.
_PHOTOGRAPH = re.compile(r"[^?#]*\.(?:jpe?g|webp|avif)(?:[?#]|\s*\Z)", re.I)

_BRINGS: Mapping[bytes, str] = {
    b"script": "script",
    **dict.fromkeys((b"iframe", b"frame", b"object", b"embed", b"portal", b"fencedframe"), "frame"),
    **dict.fromkeys((b"video", b"audio", b"track"), "media"),
}

_STYLED_HEIGHT = re.compile(r"(?<![\w-])height\s*:\s*(\d{1,4}(?:\.\d+)?px)", re.I)
_PIXELS = re.compile(r"(\d{1,4})(?:\.\d+)?(?:px)?", re.I)
_PLAIN_START = re.compile(rb"\s*(?:https?:)?//[a-z0-9.\-]+[/?#]")


class Attribute(NamedTuple):
    """One attribute of a tag, with its position in the tag's bytes."""

    start: int
    end: int
    raw: bytes
    #: The offset of the value in the tag; -1 if there is no value.
    value_at: int


#: The attributes of a tag by name; the first of several counts.
Attributes = dict[bytes, list[Attribute]]


def attributes(tag: bytes, name_end: int, *, xml: bool = False) -> Attributes:
    """Return the attributes of a complete ``tag`` by name, lower-case in HTML; the first of several counts."""
    found: dict[bytes, list[Attribute]] = {}
    if tag[name_end:] == b">":
        return found  # as in most inline scripts
    for match in ATTRIBUTE.finditer(tag, name_end, len(tag)):
        name = match.group(1)
        group = match.lastindex or 1
        key = name if xml else name.lower()
        value_at = match.start(group) if group > 1 else -1
        found.setdefault(key, []).append(
            Attribute(match.start(), match.end(), match.group(group) if group > 1 else b"", value_at)
        )
    return found


class Tag(NamedTuple):
    """
    A start tag, with what the scanner knows about its context.

    ``Tag.read(...)`` creates one from its bytes.
    """

    #: The element's name: lower-case, in XML as written but without its prefix.
    name: bytes
    #: The tag itself, from "<" to ">".
    raw: bytes
    #: Offset in ``raw`` of the end of the name as written.
    name_end: int
    attributes: Attributes
    #: The element belongs to SVG or MathML.
    foreign: bool = False
    #: The element is inside noscript: it is markup only if scripts are disabled.
    in_noscript: bool = False
    #: The ids for which the content of an inline script must be held; None for other elements.
    code: tuple[str, ...] | None = None
    #: ``raw`` has only one attribute; the element's other attributes have been processed.
    late: bool = False
    #: The value of that attribute is cut off: it is held unless its start shows that it is harmless.
    cut: bool = False
    #: The element may be removed from the page if held elements are removed.
    removable: bool = True

    @classmethod
    def read(
        cls,
        name: bytes,
        raw: bytes,
        *,
        xml: bool = False,
        foreign: bool = False,
        in_noscript: bool = False,
    ) -> Tag:
        """
        Return the start tag ``raw`` with its attributes parsed.

        Args:
            name: The element's name, lower-case and without a prefix.
            xml: Whether XML rules apply: names keep their case and may have a prefix.
        """
        name_end = len(_NAME_IN_TAG.match(raw).group()) if xml else 1 + len(name)  # type: ignore[union-attr]
        return cls(
            name,
            raw,
            name_end,
            attributes(raw, name_end, xml=xml),
            foreign=foreign,
            in_noscript=in_noscript,
        )


_NAME_IN_TAG = re.compile(rb"</?[^ \t\n\r\f/>]*+")


def executes(found: Attributes, text: Text, *, foreign: bool = False) -> str:
    """
    Return the kind of a script: ``classic``, ``module``, empty for data, or a JSON format with addresses:
    ``importmap``, ``speculationrules``, ``webbundle``. ``deferred`` is data for the browser that another script turns
    into code: optimisers delay scripts this way, and Partytown moves them to a worker.

    https://html.spec.whatwg.org/#prepare-the-script-element
    """
    # Chromium strips all Unicode white space, not only ASCII.
    if b"type" in found:
        kind = text(found[b"type"][0].raw).strip().lower()
        if not found[b"type"][0].raw:
            kind = "text/javascript"
    elif not foreign and b"language" in found and found[b"language"][0].raw:
        kind = "text/" + text(found[b"language"][0].raw).strip().lower()
    else:
        kind = "text/javascript"
    if kind.encode("ascii", "replace") in JAVASCRIPT_TYPES:
        # All current browsers support modules, so they skip nomodule scripts; in SVG the attribute has no effect.
        return "" if b"nomodule" in found and not foreign else "classic"
    if kind in ("module", "speculationrules", "importmap", "webbundle"):
        return kind
    if kind.partition(";")[0].rstrip().encode("ascii", "replace") in JAVASCRIPT_TYPES:
        return ""  # browsers do not run a type with a parameter, and loaders do not use one
    if b"type" not in found or _DATA_TYPE.search(kind):
        return ""
    # Data has no address: a script with an address is code, whatever its type.
    has_address = b"src" in found or any(map(LAZY.fullmatch, found))
    return "deferred" if has_address or _TURNED.search(kind) else ""


def is_pixel(found: Attributes, in_noscript: bool, text: Text) -> bool:
    """
    Whether an image is a tracking pixel: it is fetched, but not meant to be seen.

    A stated size counts most, because slide shows hide large pictures until
    their turn, and pages with lazy loading repeat their pictures in noscript.
    A picture that comes in several widths is visible, whatever size it
    states: frameworks write its aspect ratio there, or stretch it by CSS.
    """
    if b"srcset" in found and _WIDE_CANDIDATE.search(text(found[b"srcset"][0].raw)):
        return False
    sides = [text(found[side][0].raw) for side in (b"width", b"height") if side in found]
    style = text(found[b"style"][0].raw) if b"style" in found else ""
    if any(map(_ONE_PIXEL.match, sides)) or (style and _TINY_STYLE.search(style)):
        return True
    if len(sides) == 2 and all(map(_TEN_PIXELS.match, sides)):
        return False
    if b"hidden" in found or (style and _HIDDEN_STYLE.search(style)):
        return True
    return in_noscript and not (
        (b"srcset" in found and found[b"srcset"][0].raw)
        or (b"src" in found and _PHOTOGRAPH.match(text(found[b"src"][0].raw)))
    )


def stated_height(found: Attributes, text: Text) -> int:
    """Return the height in CSS pixels that an element's attributes state for it or its content; 0 if none does."""
    texts = [text(found[key][0].raw) for key in (b"height", b"data-height") if key in found]
    styled = _STYLED_HEIGHT.search(text(found[b"style"][0].raw)) if b"style" in found else None
    for one in [styled.group(1)] if styled else texts:
        if given := _PIXELS.fullmatch(one.strip()):
            return int(given.group(1))
    return 0


def _is_no_image(value: str) -> bool:
    """Whether a picture's source has an unregistered image type, so that every browser skips it."""
    essence = value.partition(";")[0].strip(SPACES).lower()
    kind = essence.removeprefix("image/")
    return (
        kind != essence and not kind.startswith(_UNREGISTERED) and kind.encode("ascii", "replace") not in _IMAGE_TYPES
    )


def what_of(name: bytes, found: Attributes, text: Text) -> str:
    """Return one word for what an element loads: ``script``, ``frame``, ``picture``, ``pixel``, ``style``, ..."""
    if name in (b"img", b"image", b"source", b"input"):
        return "pixel" if name == b"img" and is_pixel(found, False, text) else "picture"
    if name == b"link":
        rels = text(found[b"rel"][0].raw).lower().split() if b"rel" in found else []
        return "style" if "stylesheet" in rels else "picture" if "icon" in rels else "hint"
    return _BRINGS.get(name, "other")


def kinds(name: bytes, found: Attributes, foreign: bool, text: Text) -> Mapping[bytes, str]:
    """Return the attributes of this element that contain addresses; none if the element does not use them."""
    if name == b"link":
        rels = text(found[b"rel"][0].raw).lower().split() if b"rel" in found else []
        if not FETCHING_LINKS.intersection(rels):
            return {}
    elif name == b"meta":
        equiv = found.get(b"http-equiv")
        if not equiv or text(equiv[0].raw).strip(SPACES).lower() != "refresh":
            return {}
    elif name == b"source" and b"srcset" in found and b"type" in found:
        if _is_no_image(text(found[b"type"][0].raw)):
            return {}
    elif name == b"input":
        given = found.get(b"type")
        if not given or text(given[0].raw).strip(SPACES).lower() != "image":
            return {}
    elif name == b"param":
        given = found.get(b"name")
        if not given or text(given[0].raw).strip(SPACES).lower() not in _PARAMETERS_WITH_ADDRESS:
            return {}
    elif name == b"script":
        if executes(found, text, foreign=foreign) not in ("classic", "module", "deferred"):
            return {}
    elif name.startswith(b"amp-"):
        return AMP
    elif b"-" in name and not foreign:
        return _CUSTOM
    return _of_foreign(name) if foreign else LEADS_OUT.get(name, {})


def _of_foreign(name: bytes) -> Mapping[bytes, str]:
    """Return the attributes of an SVG or MathML element that contain addresses, except a link for visitors."""
    return {**(_PRESENTATION if name == b"a" else _FOREIGN), **LEADS_OUT.get(name, {})}


_HARMLESS_DATA = re.compile(
    rb"\s*data:(?:image/(?!svg)|font/|video/|audio/|application/(?:font|octet-stream|pdf))", re.I
)


def any_kinds(name: bytes, foreign: bool) -> Mapping[bytes, str]:
    """Return the attributes of an element that may contain addresses, whatever its other attributes are."""
    if name.startswith(b"amp-"):
        return AMP
    if b"-" in name and not foreign:
        return _CUSTOM
    return _of_foreign(name) if foreign else LEADS_OUT.get(name, {})


def told_by_beginning(kind: str, raw: bytes) -> bool:
    """Whether a value that is cut off can be judged by its start."""
    return kind in ("url", "page") and (_HARMLESS_DATA.match(raw) is not None or _PLAIN_START.match(raw) is not None)


#: Elements that are removed whole if held elements are removed; other elements lose only the attributes.
LEFT_OUT = frozenset(b"script iframe img image link meta embed source track frame bgsound".split())


def self_closing(found: re.Match[bytes]) -> bool:
    """Whether a tag (a match of which the name is the last group) ends in a slash that is not part of a value."""
    tag = found.group()
    if tag[-2:-1] != b"/":
        return False
    values = attributes(tag, found.end(found.lastindex or 0) - found.start()).values()
    return not any(value.end == len(tag) - 1 for entries in values for value in entries)


_HANDLER = re.compile(rb"[oO][nN].")
#: Classes by which lazy loaders find their pictures.
_LOADERS_CLASS = re.compile(rb"lazy|lozad|unveil|defer|progressive|async", re.I)
_ABSOLUTE = re.compile(rb"[\x00-\x20]*+(?:https?:|[/\\][\t\n\r]*+[/\\]|[^&]*+&)", re.I)
_STAND_IN = re.compile(rb"[ \t\n\f\r]*(?:data:|about:|\Z)", re.I)


def _waits_for_loader(name: bytes, found: Attributes) -> bool:
    """Whether an element shows nothing yet, or has the class of a lazy loader; otherwise ``data-src`` is only data."""
    if name != b"img" or _has_loaders_class(found) or b"loading" in found:
        return True
    return b"src" not in found or _STAND_IN.match(found[b"src"][0].raw) is not None


def _has_loaders_class(found: Attributes) -> bool:
    """Whether an element has the class of a lazy loader, or UIkit's attribute."""
    return b"uk-img" in found or any(_LOADERS_CLASS.search(value.raw) for value in found.get(b"class", ()))


def other_kind(name: bytes, key: bytes, found: Attributes) -> str:
    """Return the syntax of an address in a non-standard attribute or an event handler; empty if there is none."""
    if key[:1] not in _FIRSTS:
        return ""
    if _HANDLER.match(key):
        return "handler"
    if (
        name in LAZY_ELEMENTS
        and (lazy := LAZY.fullmatch(key))
        and (key != b"data-src" or _waits_for_loader(name, found))
    ):
        return "srcset" if any(lazy.groups()) else "page" if name == b"iframe" else "url"
    if name == b"iframe" and key.startswith(b"data-") and _is_empty(found):
        # An empty frame waits for a script to set its address, whatever the attribute is called until then.
        return "document" if key == b"data-srcdoc" else "page" if _ABSOLUTE.match(found[key][0].raw) else ""
    if key in _BACKGROUNDS or (key in _BACKGROUNDS_BY_CLASS and _has_loaders_class(found)):
        return "background"
    return ""


def _is_empty(frame: Attributes) -> bool:
    """Whether a frame has no document yet."""
    return b"srcdoc" not in frame and (b"src" not in frame or _STAND_IN.match(frame[b"src"][0].raw) is not None)
