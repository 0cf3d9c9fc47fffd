"""
Other consent tools that may be in a page: how to recognise each, and how its categories map to ours.

The signs are public: addresses of scripts, names of globals and attributes, from each tool's own documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["OTHER_TOOLS", "OtherTool", "is_kept", "released", "tool_named", "tools_in"]

#: How many bytes of a start tag are examined.
_TAG = re.compile(rb"<(?:script|iframe|img|link)\b[^>]{0,4000}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OtherTool:
    """
    A consent tool.

    Args:
        signs: A pattern that finds it in a page.
        categories: Our purpose for each of its categories, by name.
        delete: What to remove from a site.
        marks: A pattern for the attribute that names the category of a tag.
    """

    id: str
    name: str
    signs: re.Pattern[str]
    categories: Mapping[str, str]
    delete: str
    marks: re.Pattern[bytes] | None = None


def _tool(id_: str, name: str, signs: str, marks: str, categories: Mapping[str, str], delete: str) -> OtherTool:
    pattern = re.compile(marks.encode(), re.IGNORECASE) if marks else None
    return OtherTool(id_, name, re.compile(signs, re.IGNORECASE), categories, delete, pattern)


#: What follows the name of a script: minified, and with the hash that many sites' static files have.
_FILE = r"(?:[.-](?:min|umd|module)){0,2}(?:[.-][0-9a-zA-Z_]{6,64})?(?:\.min)?\.js"
_USUAL = {"functional": "preferences", "analytics": "analytics", "marketing": "marketing", "advertisement": "marketing"}

#: The tools that are recognised.
OTHER_TOOLS = (
    _tool(
        "cookieconsent-3",
        "CookieConsent 3 (orestbida)",
        r"\bCookieConsent\.run\s*\(|/vanilla-cookieconsent@3|\bcookieconsent\.umd(?:[.-][0-9a-zA-Z_]{6,64})?\.js",
        r"\bdata-category=",
        {**_USUAL, "functionality": "preferences", "ads": "marketing"},
        "cookieconsent.umd.js and its style sheet, CookieConsent.run, and type and data-category of scripts.",
    ),
    _tool(
        "cookieconsent-2",
        "CookieConsent 2 (orestbida)",
        r"\binitCookieConsent\s*\(|vanilla-cookieconsent@2",
        r"\bdata-cookiecategory=",
        {**_USUAL, "targeting": "marketing", "performance": "analytics"},
        "cookieconsent.js and its style sheet, initCookieConsent, and type and data-cookiecategory of scripts.",
    ),
    _tool(
        "osano-cookieconsent",
        "Osano Cookie Consent 3",
        r"\bcookieconsent\.initiali[sz]e\s*\(|cookieconsent@3[^\"']*/cookieconsent\.min\.js",
        "",
        {},
        "cookieconsent.min.js and its style sheet, and cookieconsent.initialise. It held nothing by itself.",
    ),
    _tool(
        "klaro",
        "Klaro",
        rf"\bklaroConfig\b|[/\"']klaro(?:-no-css|-no-translations)?{_FILE}|cdn\.kiprotect\.com/klaro",
        r"\bdata-name=(?=[^>]*\b(?:data-type|data-src)=)|\bdata-name=(?=[^>]*text/plain)",
        {**_USUAL, "advertising": "marketing", "livechat": "preferences"},
        "klaro.js and its configuration, and data-name, data-type and data-src of tags, which get type and src back.",
    ),
    _tool(
        "tarteaucitron",
        "tarteaucitron",
        rf"\btarteaucitron\.(?:init|user|job)\b|\btarteaucitron{_FILE}",
        "",
        {"analytic": "analytics", "ads": "marketing", "video": "embeds", "social": "embeds", "support": "preferences"},
        "tarteaucitron.js, tarteaucitron.init, user and job; put back the vendors' own snippets.",
    ),
    _tool(
        "cookiebot",
        "Cookiebot",
        r"consent\.cookiebot\.(?:com|eu)/uc\.js|\bid=[\"']?Cookiebot\b|\bdata-cbid=",
        r"\bdata-cookieconsent=",
        {"preferences": "preferences", "statistics": "analytics", "marketing": "marketing"},
        "the script of consent.cookiebot.com, and type and data-cookieconsent of scripts.",
    ),
    _tool(
        "onetrust",
        "OneTrust",
        r"cdn\.cookielaw\.org|\botSDKStub\.js|\bOptanonWrapper\b|\bOtAutoBlock\.js",
        r"\boptanon-category-",
        {"C0002": "analytics", "C0003": "preferences", "C0004": "marketing", "C0005": "embeds"},
        "otSDKStub.js, OtAutoBlock.js and OptanonWrapper, and type and the class optanon-category-... of scripts.",
    ),
    _tool(
        "cookieyes",
        "CookieYes",
        r"cdn-cookieyes\.com|\bid=[\"']?cookieyes\b",
        r"\bdata-cookieyes=",
        {**_USUAL, "performance": "analytics"},
        "the script of cdn-cookieyes.com, and type and data-cookieyes of scripts.",
    ),
    _tool(
        "complianz",
        "Complianz",
        rf"\bcmplz-cookiebanner\b|\bcomplianz{_FILE}|\bid=[\"']?cmplz-",
        r"\bdata-(?:cmplz-src|service)=(?=[^>]*\bdata-category=)|\bdata-cmplz-src=",
        {"preferences": "preferences", "statistics": "analytics", "marketing": "marketing"},
        "the plugin; it wrote its marks into the page itself.",
    ),
    _tool(
        "usercentrics",
        "Usercentrics",
        r"app\.usercentrics\.eu|web\.cmp\.usercentrics\.eu|\bid=[\"']?usercentrics-cmp\b",
        r"\bdata-usercentrics=",
        {**_USUAL, "essential": "necessary"},
        "the script of usercentrics.eu, and type and data-usercentrics of scripts.",
    ),
    _tool(
        "c15t",
        "c15t",
        rf"@c15t/|\bc15t(?:-consent|Config)\b|[\"'/]c15t{_FILE}|"
        r"\bdata-testid=[\"']?(?:consent|cookie)-banner-(?:root|accept-button)\b",
        "",
        {"functionality": "preferences", "measurement": "analytics", "marketing": "marketing"},
        "ConsentManagerProvider and what it wraps; scripts that it loaded become tags of the page.",
    ),
    _tool(
        "django-cookie-consent",
        "django-cookie-consent",
        r"cookie_consent/cookiebar|\bcookie-consent__|\bname=[\"']?cookie_groups\b",
        r"\bx/cookie_consent\b|\bdata-varname=",
        {**_USUAL, "preferences": "preferences", "statistics": "analytics", "advertising": "marketing",
         "social": "embeds"},
        "cookie_consent of INSTALLED_APPS, MIDDLEWARE, urls and templates, and the type x/cookie_consent of scripts.",
    ),
    _tool(
        "wagtail-tag-manager",
        "Wagtail Tag Manager",
        rf"\bwtm\.bundle{_FILE}|\bdata-wtm-|/wtm/(?:manage|lazy)|\bwindow\.wtm\s*=|\bid=[\"']?wtm_cookie_bar\b",
        "",
        {"preferences": "preferences", "statistics": "analytics", "marketing": "marketing"},
        "wagtail_tag_manager of INSTALLED_APPS, MIDDLEWARE, urls and templates; its tags go into your templates.",
    ),
)  # fmt: skip


def tools_in(text: str) -> list[OtherTool]:
    """Return the tools in a page."""
    return [tool for tool in OTHER_TOOLS if tool.signs.search(text)]


#: Fits nothing.
_NEVER = re.compile("(?!)")
_SIGN = re.compile("[^a-z0-9]")


def tool_named(name: str) -> OtherTool | None:
    """
    Return the tool that a notice in a browser was recognised as, by our id of it or by autoconsent's name for it.

    autoconsent knows hundreds of tools; of one that is not in :data:`OTHER_TOOLS`, only the name is known here. Its
    heuristics and its rules for the notice of a single site name no tool.
    """
    if name in ("", "HEURISTIC") or name.startswith("auto_"):
        return None
    plain = _SIGN.sub("", name.lower())
    for tool in OTHER_TOOLS:
        if _SIGN.sub("", tool.id) in plain:
            return tool
    return OtherTool(name, name, _NEVER, {}, "its script and its settings, and its marks on the tags of the page.")


def released(body: bytes) -> bytes:
    """
    Return a page with the tags that other tools hold released, to examine what they load.

    A script of type ``text/plain`` becomes active, and ``data-src`` becomes ``src``; lines and columns stay the same.
    """
    return _TAG.sub(lambda found: _without_marks(found[0]), body)


_TYPE = re.compile(rb"""\stype=(?:["']?)(?:text/plain|x/cookie_consent)(?:["']?)(?=[\s>])""", re.IGNORECASE)
_SOURCE = re.compile(rb"\sdata-(?:cmplz-|cookieblock-|cookieconsent-)?src=", re.IGNORECASE)
_MARKS = tuple(tool.marks for tool in OTHER_TOOLS if tool.marks is not None)


def is_kept(markup: str) -> bool:
    """
    Whether a script is kept by another consent tool: it bears the tool's mark and a type that browsers do not run.

    Args:
        markup: Markup that begins with the tag of a script.
    """
    tag = markup.partition(">")[0].encode() + b">"
    return _TYPE.search(tag) is not None and any(marks.search(tag) for marks in _MARKS)


def _without_marks(tag: bytes) -> bytes:
    if not any(marks.search(tag) for marks in _MARKS):
        return tag
    tag = _TYPE.sub(lambda found: b" " * len(found[0]), tag)
    return _SOURCE.sub(lambda found: b" " * (len(found[0]) - 4) + b"src=", tag)
