"""
The browser and operating system of a request, as one word each from a closed list.

Sources, in this order: the client hints that browsers send unasked (UA Client Hints, sections 3.1, 3.2 and 3.8;
nothing here asks for more), a table of patterns in the user agent, and the ``user-agents`` library for what the table
does not know. Versions, devices and languages are not read. Headers are remembered in memory only, so that the next
request with the same ones is a look-up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from consent_mw.core.counts import OTHER
from consent_mw.http.request import RequestHead

__all__ = ["BROWSERS", "SYSTEMS", "Visitor", "visitor_of"]

CHROME = "chrome"
EDGE = "edge"
FIREFOX = "firefox"
SAFARI = "safari"
SAMSUNG = "samsung-internet"
OPERA = "opera"
BRAVE = "brave"
DUCKDUCKGO = "duckduckgo"
#: The page is shown inside an app: a WebView, or the browser view of a social network.
IN_APP = "in-app"

#: The browsers that are distinguished; Chromium itself counts as chrome.
BROWSERS = (CHROME, EDGE, FIREFOX, SAFARI, SAMSUNG, OPERA, BRAVE, DUCKDUCKGO, IN_APP, OTHER)

WINDOWS = "windows"
MACOS = "macos"
IOS = "ios"
ANDROID = "android"
LINUX = "linux"
CHROMEOS = "chromeos"

#: The systems that are distinguished; iPadOS counts as ios if it identifies itself.
SYSTEMS = (WINDOWS, MACOS, IOS, ANDROID, LINUX, CHROMEOS, OTHER)

#: Most sets of headers in the cache.
REMEMBERED = 2048
#: Most characters of a user-agent or hint that are read; real ones have under 300.
MAX_LENGTH = 512
#: Most characters that are passed to the library; its time grows with the length, and this length takes about 1 ms.
MAX_TAIL = 256
#: Most brands of a hint that are read; real ones have three.
MAX_BRANDS = 16


@dataclass(frozen=True, slots=True)
class Visitor:
    """
    The classification of a request's sender.

    Args:
        browser: One of BROWSERS.
        os: One of SYSTEMS.
        bot: Whether a program sent the request, not a person.
        prefetch: Whether the page is prefetched, and perhaps never viewed.
    """

    browser: str
    os: str
    bot: bool = False
    prefetch: bool = False


def visitor_of(head: RequestHead) -> Visitor:
    """Classify the visitor by the headers; never raises."""
    return visitor_from(dict(reversed(head.headers)))


def visitor_from(headers: Mapping[str, str]) -> Visitor:
    """Classify the visitor by headers with lower-case names."""
    get = headers.get
    agent = get("user-agent", "")
    brands = get("sec-ch-ua", "")
    mobile = get("sec-ch-ua-mobile", "")
    platform = get("sec-ch-ua-platform", "")
    prefetch = is_prefetch(headers)
    if len(agent) + len(brands) + len(mobile) + len(platform) > 2 * MAX_LENGTH:
        # Cached keys are bounded in length, not only in number.
        return _judge(agent[:MAX_LENGTH], brands[: MAX_LENGTH + 1], mobile[:16], platform[:64], prefetch)
    return _remembered(agent, brands, mobile, platform, prefetch)


def is_prefetch(headers: Mapping[str, str]) -> bool:
    """
    Return whether the page is prefetched.

    Browsers send ``Sec-Purpose`` (Fetch, section 2.2.5; Prerendering Revamped). The other headers are its predecessors
    in Chrome, Safari and Firefox.
    """
    for name in _PURPOSES:
        value = headers.get(name)
        if value is not None and _IN_ADVANCE.search(value, 0, 256):
            return True
    return False


_PURPOSES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_IN_ADVANCE = re.compile(r"prefetch|prerender|preview", re.ASCII | re.IGNORECASE)


def _judge(agent: str, brands: str, mobile: str, platform: str, prefetch: bool) -> Visitor:
    """Classify the headers, hints first."""
    small = agent.lower()
    if not small.strip() or _BOT.search(small):
        return Visitor(OTHER, OTHER, bot=True, prefetch=prefetch)
    names = _brands(brands)
    if any("headless" in name.lower() for name in names):
        return Visitor(OTHER, OTHER, bot=True, prefetch=prefetch)
    browser = _by_brand(names)
    system = _by_platform(platform)
    if not system and names and mobile.strip() == "?1":
        system = ANDROID  # only Android phones send hints
    browser = browser or next((name for name, sign in _BROWSER_SIGNS if sign.search(small)), "")
    system = system or next((name for name, sign in _SYSTEM_SIGNS if sign.search(small)), "")
    bot = False
    if not browser or (not system and not names):
        browser, system, bot = _tail(agent, browser, system)
    if bot:
        return Visitor(OTHER, OTHER, bot=True, prefetch=prefetch)
    return Visitor(browser or OTHER, system or OTHER, prefetch=prefetch)


_remembered = lru_cache(maxsize=REMEMBERED)(_judge)


# -- client hints

# Atomic groups, because possessive quantifiers on groups are broken in Python 3.11.2 (Debian 12).
_STRING = r'"(?>(?:[ !#-\[\]-~]|\\["\\])*)"'
#: A member of a list and its parameters (RFC 9651 sections 3.1, 3.1.2 and 4.2.1); the brand is its text.
_MEMBER = re.compile(
    rf"[ \t]*(?P<text>{_STRING})"
    rf"(?>(?:; *[a-z*][a-z0-9_.*-]*(?:=(?:{_STRING}|[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*|-?[0-9]+(?:\.[0-9]+)?"
    r"|\?[01]|:[A-Za-z0-9+/=]*:))?)*)[ \t]*(?P<end>,|\Z)",
    re.ASCII,
)


def _brands(hint: str) -> tuple[str, ...]:
    """Return the brands in ``Sec-CH-UA``; none if it is not a list of strings, or is too long."""
    if len(hint) > MAX_LENGTH:
        return ()
    found: list[str] = []
    place, more = 0, bool(hint.strip())
    while more:
        member = _MEMBER.match(hint, place)
        # A field that cannot be parsed is ignored as a whole (RFC 9651 section 4.2).
        if member is None or len(found) == MAX_BRANDS:
            return ()
        found.append(_unquoted(member["text"]))
        place, more = member.end(), member["end"] == ","
    return tuple(found)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


#: The first match decides: all Chromium browsers name the engine, and some also the browser they derive from.
_BRANDS = (
    ("duckduckgo", DUCKDUCKGO),
    ("brave", BRAVE),
    ("samsung internet", SAMSUNG),
    ("opera", OPERA),
    ("opera gx", OPERA),
    ("opera mini", OPERA),
    ("opera mobile", OPERA),
    ("operamobile", OPERA),
    ("android webview", IN_APP),
    ("microsoft edge webview2", IN_APP),
    ("microsoft edge", EDGE),
    ("google chrome", CHROME),
)


def _by_brand(brands: tuple[str, ...]) -> str:
    """Return the browser that the brands name; empty if they name only the engine."""
    names = {name.strip().lower() for name in brands}
    for brand, browser in _BRANDS:
        if brand in names:
            return browser
    # One brand is fake, with varying punctuation, so that sites cannot rely on the list
    # (UA Client Hints, section 6.2, "GREASE-like UA Strings").
    strange = {name for name in names if re.sub(r"[^a-z]", "", name) not in {"notabrand", "notbrand"}} - {"chromium"}
    return OTHER if strange else ""


_PLATFORMS = {
    "windows": WINDOWS,
    "macos": MACOS,
    "mac os x": MACOS,
    "ios": IOS,
    "android": ANDROID,
    "linux": LINUX,
    "chrome os": CHROMEOS,
    "chromium os": CHROMEOS,
    "chromeos": CHROMEOS,
}
_WHOLE_STRING = re.compile(rf"[ \t]*({_STRING})[ \t]*", re.ASCII)


def _by_platform(hint: str) -> str:
    """Return the system that ``Sec-CH-UA-Platform`` names; empty if it is not one that is distinguished."""
    text = _WHOLE_STRING.fullmatch(hint) if len(hint) <= 64 else None
    return _PLATFORMS.get(_unquoted(text[1]).lower(), "") if text else ""


# -- the user-agent


def _sign(pattern: str) -> re.Pattern[str]:
    """Return a pattern for lower-cased user agents, three times as fast as ignoring case."""
    return re.compile(pattern, re.ASCII)


#: Bots. "Cubot" makes phones; URLs occur in the user-agents of crawlers, not in those of browsers.
_BOT = _sign(
    # generic signs
    r"(?<!\bcu)bot(?!tl)|crawl|spider|slurp|scrap(?:er|y|ing)|archiver|fetch|https?://|headless|phantomjs|slimerjs"
    r"|\bvalidator|link ?check|monitor|uptime|\bprobe\b|\bscan(?:ner)?\b|prerender|rendertron|screenshot|thumbnail"
    # link previews, feed readers
    r"|facebookexternalhit|facebookcatalog|facebot|meta-external|meta-webindexer|whatsapp/|skypeuripreview|preview"
    r"|embedly|iframely|vkshare|flipboardproxy|pinterest/0|tumblr/|snap url|nuzzel|bufferbot|outbrain|w3c_|xing-content"
    r"|feedly|feedbin|newsblur|inoreader|netvibes|\brss\b|feed ?parser|feed ?burner"
    # search engines and language models without "bot" in their names
    r"|mediapartners-google|google-|googleother|apis-google|adsbot|chrome-lighthouse|\byeti/|daum/|sogou web|ia_archive"
    r"|chatgpt-user|perplexity|claude-|anthropic|cohere-|duckassist|mistralai|bytespider|diffbot|petalsearch"
    r"|barkrowler|dataprovider|ahrefs|semrush|screaming frog|sitebulb|seokicks|siteimprove|netcraft|censys|zgrab"
    r"|nessus|nikto|sqlmap|\bnmap\b|masscan|wpscan|expanse|internetmeasurement"
    # monitoring, and tests in a browser
    r"|pingdom|statuscake|site24x7|gtmetrix|pagespeed|lighthouse|webpagetest|ptst/|speedcurve|dareboot"
    r"|datadog|new ?relic|nagios|check_http|zabbix|catchpoint|dynatrace|synthetic|cypress/|selenium|puppeteer"
    r"|playwright"
    # libraries and programs
    r"|^curl|libcurl|\bwget\b|python|aiohttp|httpx\b|urllib|libwww|lwp::|\bperl\b|\bruby\b|\bphp\b|guzzle|symfony"
    r"|go-http|^go\b|okhttp|^java\b|java/|jakarta|apache-http|httpclient|http_client|http client|winhttp|cfnetwork"
    r"|node-|axios|undici|\bgot\b|superagent|^node\b|\bdeno/|\bbun/|\bdart/|dart:io|reqwest|hyper/|httpie|postman|insomnia"
    r"|^dalvik|apachebench|\bhey/|wrk/|vegeta|jmeter|\bk6/|gatling|locust|httrack|wget|aria2|microsoft office|ms-office"
    r"|windowspowershell|powershell|msnbot|bitlybot|^-$"
)

#: The first match decides: browsers also name those that they imitate, so the rarer ones come first.
_BROWSER_SIGNS = tuple(
    (name, _sign(pattern))
    for name, pattern in (
        # Television sets contain another vendor's browser.
        (OTHER, r"tizen|web0s|webos|smart-?tv|hbbtv|bravia|crkey|roku|aft[a-z]+ build"),
        (DUCKDUCKGO, r"\bduckduckgo/|\bddg/"),
        (
            IN_APP,
            r"\bfban/|\bfbav/|\bfb_iab|instagram|\bmessenger|barcelona |\bline/|twitterandroid|twitter for|tiktok"
            r"|musical_ly|bytedancewebview|trill_|snapchat|pinterest|linkedinapp|micromessenger|kakaotalk|\bnaver\("
            r"|telegram-|wechat|weibo|reddit/|discord/|slack_ssb|slack/|electron/|\bgsa/|; wv\)"
            r"|version/[0-9.]+ chrome/|webview",
        ),
        (EDGE, r"\bedg(?:e|a|ios)?/"),
        (OPERA, r"\bopr/|\bopt/|\bopx/|\bopios/|^opera|\bopera[ /]|\bopera mini"),
        (SAMSUNG, r"\bsamsungbrowser/"),
        (BRAVE, r"\bbrave/|\bbrave chrome/"),
        (
            OTHER,
            r"vivaldi|yabrowser|yowser|ucbrowser|ubrowser|whale/|qqbrowser|miuibrowser|huaweibrowser|vivobrowser"
            r"|heytapbrowser|\bsilk/|palemoon|seamonkey|waterfox|icecat|puffin|ecosia|maxthon|sleipnir|coc_coc|epiphany"
            r"|konqueror|falkon|qtwebengine|\bavast/|\bavg/|ccleaner|metasr|bidubrowser|baidubrowser|baiduboxapp"
            r"|2345explorer|lbbrowser|kiwi|oculusbrowser|playstation|nintendo"
            r"|trident/|msie |iemobile|blackberry|bb10|kaios|symbian|nokia|netfront"
            r"|ladybird|servo/|lynx/|links |elinks|w3m/|dillo|netsurf|mypal|k-meleon|arora|midori|otter/|phoenix/"
            r"|aloha|stargon|via/|quark/|mobicip",
        ),
        (FIREFOX, r"\bfxios/|\bfirefox/|\bfocus/|\bklar/|\bfennec/|\biceweasel/"),
        (CHROME, r"\bcrios/|\bchrome/|\bchromium/|\bcrmo/"),
        # Android's old browser and WebKitGTK also call themselves Safari.
        (SAFARI, r"^(?=.*(?:macintosh|iphone|ipad|ipod))(?=.*\bversion/).*\bsafari/"),
        (IN_APP, r"^(?=.*\((?:iphone|ipad|ipod|macintosh))(?=.*applewebkit/).*\bmobile/"),
        (OTHER, r"^(?=.*(?:\bandroid |\bx11;))(?=.*\bversion/).*\bsafari/"),
    )
)

_SYSTEM_SIGNS = tuple(
    (name, _sign(pattern))
    for name, pattern in (
        (OTHER, r"windows phone|iemobile|xbox|playstation|nintendo|tizen|web0s|webos|kaios|roku|openharmony|hbbtv"),
        (CHROMEOS, r"\bcros\b"),
        (WINDOWS, r"\bwindows\b|\bwin(?:32|64|98)\b"),
        # iPadOS identifies itself as a Mac to get desktop pages; some browsers still name their iOS edition.
        (IOS, r"iphone|ipad|ipod|\b(?:crios|fxios|edgios|opios|opt|opx)/|macintosh.*\bmobile/"),
        (ANDROID, r"android"),
        (MACOS, r"macintosh|mac os x|mac_powerpc"),
        (LINUX, r"\blinux\b|\bubuntu\b"),
        (OTHER, r"bsd\b|sunos|haiku|serenityos|symbian|series ?[46]0|blackberry|bb10|nokia|fuchsia"),
    )
)


def _tail(agent: str, browser: str, system: str) -> tuple[str, str, bool]:
    """Return the library's result for a user agent: browser, system, and whether it is a bot."""
    if len(agent) > MAX_TAIL:
        return browser, system, False
    try:
        from user_agents import parse  # imported late: half a megabyte of patterns, rarely needed

        found = parse(agent)
        bot = bool(found.is_bot)
        family, system_family = str(found.browser.family).lower(), str(found.os.family).lower()
    except Exception:  # visitors' input can make the library raise, which must not make a page fail
        return browser, system, False
    browser = browser or next((name for name, sign in _FAMILIES if family.startswith(sign)), "")
    system = system or next((name for name, sign in _SYSTEM_FAMILIES if system_family.startswith(sign)), "")
    # All browsers call themselves Mozilla or Opera; an unknown user agent that does not is a program.
    nameless = family == "other" and not browser and not agent.startswith(("Mozilla/", "Opera/"))
    return browser, system, bot or nameless


_FAMILIES = (
    (IN_APP, ("chrome mobile webview", "facebook", "instagram", "mobile safari ui/wkwebview", "electron", "twitter")),
    (CHROME, ("chrome", "chromium")),
    (EDGE, ("edge",)),
    (FIREFOX, ("firefox",)),
    (SAMSUNG, ("samsung internet",)),
    (OPERA, ("opera",)),
    (BRAVE, ("brave",)),
    (DUCKDUCKGO, ("duckduckgo",)),
    (SAFARI, ("safari", "mobile safari")),
)
_SYSTEM_FAMILIES = (
    (OTHER, ("windows phone", "windows mobile", "windows ce")),
    (WINDOWS, ("windows",)),
    (MACOS, ("mac os",)),
    (IOS, ("ios", "ipados")),
    (ANDROID, ("android",)),
    (CHROMEOS, ("chrome os",)),
    (LINUX, ("linux", "ubuntu", "debian", "fedora", "red hat", "arch linux", "gentoo", "suse", "mageia", "slackware")),
)
