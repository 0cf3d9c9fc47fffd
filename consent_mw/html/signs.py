"""
The table of signs: how much the address of an unknown third party looks like that of a tracker.

Theory of operation
-------------------

Each row of :data:`SIGNS` says where it looks, what it looks for, and how many points it gives; :func:`opinion` adds
them up. :mod:`consent_mw.html.suspects` decides how many points are enough, and knows what an address alone cannot say.
All words are looked up in sets, so an address costs microseconds.

The words were chosen by hand. The stems in the names of hosts were derived from one half of the catalogue's hosts and
tested on the other half. docs/suspects.md lists the signs, and ``python -m tools.judged_markup`` measures them on saved
pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from consent_mw.html.urls import RENTED
from consent_mw.html.urls import Url
from consent_mw.html.urls import public_suffix_length
from consent_mw.html.urls import registrable_name

#: Shorter names of sites may be words in a path by chance.
_SHORTEST_IN_PATH = 6
#: Longer file names are generated, so they prove nothing.
_LONGEST_FILE = 40
#: Shorter names of attributes may occur in the name of a host by chance.
_SHORTEST_VENDOR = 4
#: Shorter names may occur in another name by chance, so they do not count as cited.
_SHORTEST_CITED = 8

_WORDS = re.compile(r"[a-z]+|[0-9]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TRACKING = _words(
    """
    track tracks tracker trackers tracking trk trck analytics analytic analytix metrics metrica metrika telemetry
    pixel pixels beacon beacons collect collector webstats stats stat statistics counter hitcounter insight
    insights heatmap heatmaps replay sessioncam clickstream clicktracks conversion conversions retarget
    retargeting remarketing audience audiences dmp visitor visitors attribution measure measurement webtrends
    omniture hit hits fingerprint engage engagement optimize personalization personalisation leadgen rum evt evts
    events martech
    zaehler zaehlpixel statistik statistiken estadisticas estatisticas statistiche statistiques statystyki
    compteur contador licznik sayac
    """
)
_ADVERTISING = _words(
    """
    ad ads adv advert adverts advertising advertisement adserver adserve adservice adsystem adtag adtech adnetwork
    adview adsense adx adsrv adform dfp rtb bid bidder bidding prebid ssp dsp sync cookiesync usersync syndication
    affiliate affiliates aff banner banners popunder popup popups sponsor sponsored promo native recommend
    recommender recommendation recommendations outbrain monetize monetization openx hb headerbidding
    werbung werbemittel reklam reklama reklame publicidad publicidade publicite pubblicita anuncio anuncios
    """
)
_TAGS = _words(
    """
    tag tags tagmanager gtm utag uwt satellite embedtag pix px ping tm
    """
)
_LOADERS = _words("sdk loader launch snippet")
_LIBRARY = _words(
    """
    jquery bootstrap react preact vue angular lodash underscore modernizr polyfill polyfills requirejs require
    mootools prototype scriptaculous swfobject yui dojo ember backbone webpack vendor vendors bundle chunk chunks
    runtime main app common commons global core lib libs library libraries theme themes plugin plugins skin skins
    template component components module modules wp includes assets static dist build fanstatic fancybox lightbox
    slick slider carousel swiper isotope masonry lazyload lazysizes menu nav header footer player jwplayer
    flowplayer videojs hls search autocomplete validation form forms comments captcha checkout cart payment map
    maps fonts font icon icons webfont mathjax highlight prism katex tinymce ckeditor socket minify minified combined
    concat compressed
    """
)
_DELIVERY = _words(
    """
    cdn cdns static statics assets asset media img imgs image images files content resources res rsrc cache common
    fonts js css ui web www edge
    """
)
_ACCOUNT_KEYS = _words(
    """
    id cid sid tid pid aid uid wid oid gid mid zid zone zoneid siteid site_id site account acc client clientid
    client_id customer token pub publisher partner partnerid campaign advertiser org orgid
    propertyid property tag tagid container
    """
)
#: Keys of programming interfaces, which maps, translations and libraries ask for as well.
_INTERFACE_KEYS = _words("key apikey api_key appkey")
#: Data attributes in which vendors' snippets give the account, without "data-" and hyphens.
_ACCOUNT_ATTRIBUTES = _words(
    """
    websiteid siteid domainid accountid account clientid customerid token key apikey apitoken appid appkey publickey
    projectid projectkey project workspace workspaceid writekey trackingid trackid pid orgid organizationid tenantid
    publisherid partnerid propertyid campaignid widgetid pixelid tagid entity
    """
)
_CACHE_BUSTERS = _words(
    """
    cb rnd rand random ord cachebuster cachebust nocache ts timestamp r
    """
)
#: Keys that name the site which an application serves: shop platforms add them to the addresses of installed apps.
_SITE_KEYS = _words("shop store site domain")
#: Words in a host or a path of a request that is about signing in.
_SIGN_IN = _words("login logon signin sso oauth oauth2 auth account accounts session")
#: The same in the middle of a word, and in a query: many sites of one owner ask the first one who is signed in.
_SIGNED_IN = re.compile(r"remote-?login|auto-?login|is-?(?:connected|logged)|[=_-](?:sso|login|oauth2?)(?=[&_-]|\Z)")
#: Words of tools that ask for consent.
_CONSENT = _words("consent consents cmp gdpr ccpa tcf cookieconsent cookiebanner cookielaw usercentrics ccm")
#: The same in the middle of a word.
_CONSENT_NAME = re.compile(
    r"cookie[_-]?(?:banner|consent|notice|bar|law|control|choice|hub|policy|info|manage|script|seal|widget)"
    r"|consent[_-]?(?:manage|banner|tool)|privacy[_-]?(?:cent|banner|tool)"
)
#: Signs of payments and of proofs that the visitor is human: holding these would stop visitors from doing what they
#: came for.
_SERVES_VISITOR = re.compile(
    r"pay(?!b|c)|checkout|captcha|wallet|banking|billing|donat|\b3ds|\bcard|fraud|turnstile|challenge"
)
#: What visitors come to use, also in the middle of a word. Most of it is a service of another kind than a tracker.
_HELPS_VISITOR = re.compile(
    r"chat(?!beat)|booking|reserv|ticket|calendar|helpdesk|weather|recruit|translat|podcast|calculat"
    r"|appointm|accessib|support|assistan|conversations?-|donat|menu|gallery|size-?guide|locator"
)
#: File names of trackers, matched as a whole: products, and descriptions of what such code does.
_TRACKER_FILE = re.compile(
    r"(?:comscore|streamsense|webtrends|omniture|sitecatalyst|appmeasurement|chartbeat|piwik|matomo|webtrekk|etracker"
    r"|econda|coremetrics|eluminate|quantcast|gemius|krux|bluekai|demdex|mixpanel|snowplow|parsely|tealium|ensighten"
    r"|hotjar|clicktale|clarity|fullstory|mouseflow|fbpixel|pixelfb|fbevents|metrika|prebid|outbrain|taboola|criteo|adsense"
    r"|doubleclick|adserver|retargeting|remarketing|telemetry|clickstream|heatmaps?"
    r"|[a-z]{0,6}analytics"
    r"|(?:ad|ga|event|click|page|pageview|user|visit|visitor|web|site|scroll|link|conversion|outbound)s?"
    r"(?:track|tracker|tracking|counter|stats?|pixels?|beacon|logger|metrics?))"
)
#: The parts of a file name. Numbers and the words below, such as versions and builds, say nothing.
_NAME_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_SAYS_NOTHING = _words(
    "js min prod production latest bundle v init load loader config custom client main lib base all async web my the"
    " google adobe ga fb facebook new core common wrapper script tag tags sdk module plugin"
)
#: Query keys for the version of one of the site's own files.
_VERSIONS = frozenset({"v", "ver", "version", "rev", "hash", "h", "build"})
_ACCOUNT_IN_PATH = re.compile(r"/(?:[0-9]{5,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:[/.?-]|\Z)")
#: A folder or a file whose whole name is a mix of letters and digits without a word in it.
_MIXED_NAME = re.compile(
    r"/(?=[a-z_-]{0,4}[0-9]|[0-9a-f]{20})(?=[0-9]*[a-z])(?![0-9a-z_-]*[a-z]{5})[a-z0-9_-]{6,40}(?=/|\.(?:min\.)?js\b|\?|\Z)"
)
#: Stems in the names of trackers, also in the middle of a word.
_STEM = re.compile(
    r"track|analytic|pixel|advert|ads?serv|pagead|metri[ck]|retarget|beacon|clickst|conver[st](?!er\b)|counter|visitor"
    # Names that end in "ads", except uploads, leads, heads, threads and roads.
    r"|(?<![lhr][oe])(?<!rea)ads(?=\.)"
    # What ads are put into and run by: adSlots, adsWrapper, ad_unit, adManager.
    r"|(?<![a-z])ads?[_-]?(?:wrap|unit|slot|tag|serv|load|script|code|init|conf|manage|lib|feed|pos|zone|tech|sens|func|bid|show)"
    # What is reported: fbevents, userEvent.
    r"|(?:fb|user|click|log)[_-]?event"
)
#: The same for hosts, which contain vendors' names. Derived from one half of the catalogue's hosts and tested on the
#: other half.
_HOST_STEM = re.compile(
    r"track|analyt|lytics|pixel|advert|click|affili|metric|beacon|counter|visit|traffic|rtb|yield|insight|optimi"
    r"|audience|conver[st](?!er\b)|retarg|target|trk|mkt|marketing|push(?!er)|bidd|sponsor|moneti|promo|popup|popunder|engage|measure"
    r"|attribut|retent|recomm|revenue|personal|visual|webtr|sniff|cashback|coupon|banner"
    r"|(?:count|stats?|leads?|hits?|bid|[sd]sp)(?=[.0-9-])"
    # Names that start with "ad", except address, adobe, admin, advance, adventure, adviser, adult and the like.
    r"|(?:^|[.-])ad(?!ob|y|min|dr|dto|dc|dth|dev|van|ven|vis|vic|a[cp]|idas|ult|just)[a-z0-9]"
    r"|(?<![lhr][oe])(?<!rea)(?<!i)ads(?=[.-]|serv|sys|tat|[0-9]|r|m)|(?<![oe])[a-z]adv?(?=[.-])(?<![oe]ad)"
)
#: Top-level domains that young vendors prefer, and from which sites are seldom delivered.
_VENDORS_ENDING = re.compile(
    r"\.(?:io|ai|co|ly|so|to|im|cc|biz|xyz|online|site|live|cloud|tech|space|pro|click|media)\Z"
)
#: Parts of the file names of libraries and applications.
_LIBRARY_NAME = re.compile(
    r"jquery|bootstrap|modernizr|html5|shiv|respond|polyfill|require|angular|react|vue|lodash|underscore|mootools"
    r"|prototype|swfobject|mathjax|fancybox|slick|owl|swiper|lightbox|isotope|masonry|moment|popper|font|core|common|global"
    r"|main|bundle|vendor|chunk|runtime|theme|plugin"
)
_DEEP = re.compile(r"(?:/[^/?]+){4}")
_PACKAGE_VERSION = re.compile(r"@[0-9]")
#: A value that is a whole host: it names a site, not an account.
_HOST_VALUE = re.compile(r"(?:[a-z]+(?:%3a|:)(?:%2f|/){2})?[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}(?:(?:%2f|/).*)?\Z")
_SHORT_FILE = re.compile(r"/[a-z]{1,3}[0-9]?\.js(?:\?|\Z)")
#: The whole path of small counters that are named after nothing, with one folder at most.
_PLAIN_SCRIPT = re.compile(r"(?:/[a-z0-9-]{1,12})?/script\.js")
_HASHED_FILE = re.compile(r"[.\-_~][0-9a-f]{8,}(?:\.min)?\.js|[0-9]+\.[0-9]+(?:\.[0-9]+)?(?:[./-]|\.min|\.js)")


class Sign(NamedTuple):
    """One row of the table."""

    #: The description of the sign, for reports.
    says: str
    points: int
    #: Returns the part of the address that shows the sign, or an empty string.
    found: Callable[[StrangeAddress], str]
    #: Such a sign proves nothing alone.
    weak: bool = False
    #: Such a sign counts only beside one that is not weak: help, chat and shop widgets have it as well.
    beside: bool = False


class StrangeAddress(NamedTuple):
    """The address of a third party with a fact about its element, prepared for the signs."""

    host: str
    path: str
    query: str
    #: The words of the host without its public suffix, and the words of the path.
    host_words: frozenset[str]
    path_words: frozenset[str]
    keys: frozenset[str]
    #: A key of the query that names the site, with a whole host as its value; or empty.
    names_site: str = ""
    #: The element is an async script.
    is_async: bool = False
    #: The registrable domain of the page; empty if it is unknown.
    site: str = ""
    #: The names of the element's data attributes, without "data-".
    data: frozenset[str] = frozenset()


class Opinion(NamedTuple):
    """The judgement of an address, with reasons."""

    points: int
    reasons: tuple[str, ...]
    #: The address has a positive sign that is not weak.
    is_marked: bool


def _one_of(words: frozenset[str], where: str) -> Callable[[StrangeAddress], str]:
    """Return a function that finds one of ``words`` in a field of an address."""

    def found(address: StrangeAddress) -> str:
        field: frozenset[str] = getattr(address, where)
        return min(field & words, default="")

    return found


def _asks_consent(address: StrangeAddress) -> str:
    """Return the part of an address that is about asking for consent."""
    word = min((address.host_words | address.path_words) & _CONSENT, default="")
    return word or _anywhere(_CONSENT_NAME)(address)


def _signs_in(address: StrangeAddress) -> str:
    """Return the part of an address that is about signing in."""
    if word := min((address.host_words | address.path_words) & _SIGN_IN, default=""):
        return word
    match = _SIGNED_IN.search(f"{address.path}?{address.query}")
    return match.group() if match else ""


def _site_in_path(address: StrangeAddress) -> str:
    """
    Return the site's own name if it is in the path: networks prepare a script for each site that they serve.

    A name that is short may be a word by chance, so it counts with the rest of its domain only.
    """
    label = address.site.partition(".")[0]
    names = (address.site, label) if len(label) >= _SHORTEST_IN_PATH else (address.site,)
    for name in filter(None, names):
        at = address.path.find(name)
        around = address.path[at - 1 : at] + address.path[at + len(name) :][:1]
        if at > 0 and not any(map(str.isalnum, around)):
            return name
    return ""


def _account_attribute(address: StrangeAddress) -> str:
    """Return the data attribute that gives the vendor's account for this site."""
    return min((f"data-{name}" for name in address.data if name.replace("-", "") in _ACCOUNT_ATTRIBUTES), default="")


def _vendors_attribute(address: StrangeAddress) -> str:
    """Return the data attribute that is named like the host: vendors name the settings of their snippets so."""
    domain = registrable_name(address.host).replace("-", "")
    named = (name for name in address.data if len(name) >= _SHORTEST_VENDOR and name.partition("-")[0] in domain)
    return min((f"data-{name}" for name in named if len(name.partition("-")[0]) >= _SHORTEST_VENDOR), default="")


def _in_host(pattern: re.Pattern[str]) -> Callable[[StrangeAddress], str]:
    """Return a function that finds a pattern in the host of an address."""

    def found(address: StrangeAddress) -> str:
        match = pattern.search(address.host)
        return match.group() if match else ""

    return found


def _matches(pattern: re.Pattern[str]) -> Callable[[StrangeAddress], str]:
    """Return a function that finds a pattern in an address's path, with "?" at its end if there is a query."""

    def found(address: StrangeAddress) -> str:
        match = pattern.search(address.path + ("?" if address.query else ""))
        return match.group() if match else ""

    return found


def _plain_script(address: StrangeAddress) -> str:
    """Return the path if it only says script.js; people also keep scripts of their own on rented hosts."""
    return address.path if _PLAIN_SCRIPT.fullmatch(address.path) and not RENTED.search(address.host) else ""


def tracker_file(path: str) -> str:
    """
    Return the file name of a script if it unambiguously names a tracker, or an empty string.

    Args:
        path: The path as the page has it, in its original case.
    """
    name = path.rpartition("/")[2]
    if not name.lower().endswith(".js") or len(name) > _LONGEST_FILE:
        return ""
    parts = [part.lower() for part in _NAME_PARTS.findall(name)]
    said = [part for part in parts if not part.isdigit() and part not in _SAYS_NOTHING]
    whole = "".join(said)
    if whole and (_TRACKER_FILE.fullmatch(whole) or all(map(_TRACKER_FILE.fullmatch, said))):
        return name
    return ""


def _file(address: StrangeAddress) -> str:
    return tracker_file(address.path)


def _no_code_file(path: str) -> str:
    """Return the last segment of a path unless it names a script file."""
    return "" if path.endswith((".js", ".mjs")) else path.rpartition("/")[2] or "/"


def _library_file(path: str) -> str:
    """Return the last segment of a path if it names the script of a library or an application."""
    name = path.partition("?")[0].rpartition("/")[2]
    return name if name.endswith(".js") and _LIBRARY_NAME.search(name, 0, len(name) - 3) else ""


def _anywhere(pattern: re.Pattern[str]) -> Callable[[StrangeAddress], str]:
    """Return a function that finds a pattern in the host or the path of an address."""

    def found(address: StrangeAddress) -> str:
        match = pattern.search(address.host + address.path)
        return match.group() if match else ""

    return found


SIGNS: tuple[Sign, ...] = (
    Sign("a tracking word in the host", 4, _one_of(_TRACKING, "host_words")),
    Sign("an advertising word in the host", 4, _one_of(_ADVERTISING, "host_words")),
    Sign("part of a tracking word in the host", 2, _in_host(_HOST_STEM)),
    Sign("part of a tracking word in the path", 2, _matches(_STEM)),
    Sign("a file name that trackers use", 3, _file),
    Sign("a tag-management word in the host", 2, _one_of(_TAGS, "host_words")),
    Sign("a tracking word in the path", 3, _one_of(_TRACKING, "path_words")),
    Sign("an advertising word in the path", 3, _one_of(_ADVERTISING, "path_words")),
    Sign("a tag-management word in the path", 2, _one_of(_TAGS, "path_words")),
    Sign("a loader's word in the path", 2, _one_of(_LOADERS, "path_words"), weak=True),
    Sign("an account parameter in the query", 2, _one_of(_ACCOUNT_KEYS, "keys")),
    Sign("a programming interface's key in the query", 1, _one_of(_INTERFACE_KEYS, "keys"), weak=True),
    Sign("a cache buster in the query", 1, _one_of(_CACHE_BUSTERS, "keys"), weak=True),
    Sign("an account id in the path", 2, _matches(_ACCOUNT_IN_PATH)),
    Sign("a name of mixed letters and digits in the path", 1, _matches(_MIXED_NAME), weak=True),
    Sign("a file name of one to three letters", 1, _matches(_SHORT_FILE), weak=True),
    Sign("a file called script.js, alone or in one folder", 2, _plain_script),
    Sign("no script file in the path", 1, lambda address: _no_code_file(address.path), weak=True),
    Sign("a top-level domain that young vendors prefer", 1, _in_host(_VENDORS_ENDING), weak=True),
    Sign("an async script", 2, lambda address: "async" if address.is_async else "", weak=True),
    Sign("the site's name in the path", 2, _site_in_path),
    Sign("an attribute for an account", 2, _account_attribute, beside=True),
    Sign("an attribute named like the host", 2, _vendors_attribute, beside=True),
    Sign("a sign-in word", -8, _signs_in),
    Sign("a word of a consent tool", -4, _asks_consent),
    Sign("a payment or captcha word", -4, _anywhere(_SERVES_VISITOR)),
    Sign("a word of chat, booking, help or the like", -2, _anywhere(_HELPS_VISITOR)),
    Sign("a rented host", -2, _in_host(RENTED)),
    Sign("a library's or application's word in the path", -2, _one_of(_LIBRARY, "path_words")),
    Sign("a file named after a library or an application", -1, lambda address: _library_file(address.path)),
    Sign("a version or content hash in the path", -2, _matches(_HASHED_FILE)),
    Sign("a package version in the path", -2, _matches(_PACKAGE_VERSION)),
    Sign("four or more folders in the path", -1, _matches(_DEEP)),
    Sign("the site that it serves in the query", -2, lambda address: address.names_site),
    Sign("a version in the query", -1, _one_of(_VERSIONS, "keys")),
    Sign("a delivery word in the host", -1, _one_of(_DELIVERY, "host_words")),
)


def address_of(
    url: Url, *, is_async: bool = False, site: str = "", data: frozenset[str] = frozenset()
) -> StrangeAddress:
    """
    Return an address prepared for the signs.

    Args:
        site: The registrable domain of the page.
        data: The names of the element's data attributes, without "data-".
    """
    labels = url.host.split(".")
    name = ".".join(labels[: -public_suffix_length(labels)])
    path, _, query = url.rest.lower().partition("?")
    pairs = [pair.partition("=") for pair in query[:400].split("&")]
    return StrangeAddress(
        url.host,
        path,
        query,
        frozenset(_WORDS.findall(name)),
        frozenset(_WORDS.findall(path[:400])),
        frozenset(key for key, _, value in pairs if not _HOST_VALUE.match(value)),
        next((key for key, _, value in pairs if key in _SITE_KEYS and _HOST_VALUE.match(value)), ""),
        is_async,
        site,
        data,
    )


def opinion(address: StrangeAddress) -> Opinion:
    """Return the judgement of an address by the table."""
    found = [(sign, what) for sign in SIGNS if (what := sign.found(address))]
    marked = any(sign.points > 0 and not (sign.weak or sign.beside) for sign, _ in found)
    found = [(sign, what) for sign, what in found if marked or not sign.beside]
    reasons = tuple(f"{what} ({sign.says})" for sign, what in found if sign.points > 0)
    return Opinion(sum(sign.points for sign, _ in found), reasons, marked)


def describes_picture(alt: str) -> bool:
    """Return whether an alternative text describes something visible: two words or more, and none of tracking."""
    words = _WORDS.findall(alt[:400].lower())
    return len(words) > 1 and (_TRACKING | _ADVERTISING | _TAGS).isdisjoint(words)


def is_tracking_word(word: str) -> bool:
    """Return whether a word is one of tracking, advertising or tag management."""
    return word in _TRACKING or word in _ADVERTISING or word in _TAGS


def is_about_sign_in(address: StrangeAddress) -> bool:
    """Return whether a word in the host or the path of an address is about signing in."""
    return not _SIGN_IN.isdisjoint(address.host_words | address.path_words)


def without_cited(address: StrangeAddress, knows: Callable[[str], bool]) -> StrangeAddress:
    """
    Return an address without the known hosts that it cites inside its own host or as folders of its path.

    Args:
        knows: Returns whether the catalogue has a rule for a host.
    """
    host, path = address.host, address.path
    ends = [at for at, char in enumerate(host + ".") if char == "."][1:]
    cited = next(
        (
            host[start:end]
            for end in ends
            for start in range(max(end - _SHORTEST_CITED, 0))
            if host[start] not in ".-" and "." in host[start:end] and knows(host[start:end])
        ),
        "",
    )
    folders = [folder for folder in path.split("/") if "." in folder and knows(folder)]
    if not cited and not folders:
        return address
    left = host.replace(cited, "") if cited else host
    for folder in folders:
        path = path.replace(folder, "")
    return address_of(
        Url("", left, path + ("?" + address.query if address.query else "")),
        is_async=address.is_async,
        site=address.site,
    )
