"""
Finds the services that a script belongs to: by signatures in its code, and by the URLs that it loads.

Theory of operation
-------------------

It is cheap to rule matches out: the words of a script are a set, and a signature is tried only if the set contains all
of its words. Most scripts contain neither a signature nor a held address, and need no further work.

A match counts only if the script could run it or load it. To decide that, :mod:`consent_mw.html.javascript`
distinguishes code from data.

1. *Data is not code.* A script that does not itself fetch, insert or navigate is held for signatures in its code, and
   for addresses that it hands to anything that may load them (:mod:`consent_mw.html.address_use`). Its other strings,
   templates, comments and regular expressions are data: application state, documentation, a message for the console.
   The scripts that use that data are judged separately.
2. *A script that makes requests* may insert its strings as code and load the URLs in them, so matches in strings
   count, too. Matches in comments, regular expressions and messages for the console never count. A script that requests
   only URLs which it contains as single strings (``import('/app.js')``, ``fetch('/api', {...})``) makes these requests
   and no others.
3. *Visible embeds* (videos, maps, posts: services that are not trackers) often appear as data in application state.
   Their URL counts only if the surrounding code loads it: writes it into the page, sets it as a source, assigns it or
   passes it to a call. The guard in the page holds the rest at run time.
4. *A call is not the service.* A site's own code that also calls ``fbq(...)`` sends nothing while the script that
   defines ``fbq`` is held and a queue replaces it. So such a script is not held for the call: the service is listed in
   :attr:`Code.calls`, and the caller decides by whether the service's own script was held earlier in the page. If the
   script first checks that the function exists, the service is not listed at all. The same applies to settings that a
   script only leaves for the service (``xSettings = {...}``, ``_q = window._q || []``).
5. *Scripts decode what they have encoded.* A ``data:`` URL in a script, and a string in a call of ``atob`` or the like,
   is decoded and examined, and its matches count at its position. Strings that are joined by ``+`` are read as one.

If the lexer is unsure, everything is treated as code, as if the script made requests.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_right
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from consent_mw.core.model import Service
from consent_mw.html.address_use import AddressUses
from consent_mw.html.script_reading import IDENTIFIER
from consent_mw.html.script_reading import ScriptReading
from consent_mw.html.script_reading import ScriptText
from consent_mw.html.script_reading import asks_whether
from consent_mw.html.signature_finder import SignatureFinder
from consent_mw.html.signatures import Signature
from consent_mw.html.signatures import SignatureSource
from consent_mw.html.urls import Url
from consent_mw.html.urls import ascii_host
from consent_mw.html.urls import resolve

Ids = tuple[str, ...]

#: The size of the cache of answers, and the longest script that is cached, in bytes.
_CACHED_CODE = 4_194_304
_CACHED_SCRIPT = 65_536
#: The assumed size of an entry without the script itself, in bytes.
_ENTRY = 300
#: A longer script is assumed to have code of its own besides calls.
_MOST_CALLS = 65_536

_URL = re.compile(rb"//([a-zA-Z0-9.\-_\x80-\xff]+)(?::[0-9]+)?([^\s\"'`<>\\)\]}]*)")
_SCHEME = re.compile(rb"([a-zA-Z][a-zA-Z0-9+.\-]{0,15}):\Z")
_FETCHING_SCHEMES = frozenset({b"http", b"https", b"ws", b"wss"})
#: A quoted host, alone or with a path or a scheme, to which code may add a scheme, "//" or a subdomain; or else an
#: address with other slashes than "//". Browsers read a backslash as a slash, and accept any number of either after
#: a scheme that is not the page's (https://url.spec.whatwg.org/#scheme-state).
_QUOTED_HOST = re.compile(
    rb"[\"'`](?:(?:\.|\w+:/?)?((?>(?:[a-z0-9\-]+\.)+)[a-z]{2,12})(/[^\"'`\s<>\\]*+)?(?=[\"'`])"
    rb"|(?=[\x00-\x20/\\hwHW])(?i:[\x00-\x20]*+(?!(?:https?:|wss?:)?//[^/\\])"
    rb"(?:(?:https?|wss?):(?:/|\\\\|(?!))*+|(?:/|\\\\|(?!)){2,}+))([^\"'`\s<>]++))"
)
_NAVIGATES = rb"|\blocation\b|\bopen\s*\(|\.href\s*=(?!=)"
_FETCHES = (
    rb"createElement|sendBeacon|XMLHttpRequest|WebSocket|WebTransport|EventSource|get(?:Script|JSON)|importScripts"
    rb"|insertAdjacentHTML|createContextualFragment|(?:inner|outer|set|parse)HTML|\bnew\s+(?:Image|Audio|FontFace)\b"
    rb"|\.src\b|\.(?:srcset|srcdoc|poster|ping)\s*=(?!=)|\.setAttribute(?:NS|Node)?\b|\.write(?:ln)?\s*\("
    rb"|\[\s*[\"'](?:src|srcset|fetch|sendBeacon|write|innerHTML|createElement)[\"']\s*\]"
    rb"|\.(?:attr|prop)\s*\(\s*[\"'](?:src|srcset|poster|data)[\"']"
    rb"|\bfetch\s*(?:\?\.\s*)?(?:\(|\)|\.\s*(?:call|apply|bind)\b)|\b(?:fetchLater|eval|Function)\s*\("
    rb"|\bimport\b|\bfrom\s*[\"']|\b(?:Shared)?Worker\s*\(|\.addModule\s*\("
    # Next.js loads the scripts in this list.
    rb"|\b__next_s\b"
    rb"|(?:[lL]oad|cript|quire|nject)[\w$]{0,20}\s*\(\s*[\"'`]|\.(?:ajax|load|get|post|html|append|prepend|before|after)\s*\("
)
#: Code that makes a request, inserts markup into the page, evaluates text as code, or navigates.
_ASKS = re.compile(_FETCHES + _NAVIGATES)
#: The same for code that runs only on an action of the visitor, who then intends to navigate.
_ASKS_BY_ITSELF = re.compile(_FETCHES)
#: Code that loads other code, as vendors' snippets do.
_BRINGS = re.compile(
    rb"createElement\s*\(\s*(?![\"'`](?!(?:script|img|iframe|link|image)\b))|\bnew\s+Image\b|getScript|importScripts"
    rb"|\.write(?:ln)?\s*\(|sendBeacon|\b(?:import|eval|Function)\s*\("
)
_LITERAL = rb"(?:\"[^\"\\\r\n]*+\"|'[^'\\\r\n]*+'|`[^`\\$]*+`)"
#: Code that requests one address or inserts one piece of markup, given as a single string. It also matches the ``get``
#: of a map or of search parameters, which does no harm, since the key is not an address.
_ASKS_FOR = re.compile(
    rb"(?:\b(?:fetch|(?:Shared)?Worker|addModule)\s*\(|\.(?:addModule|get|post|load)\s*\(|\bimport\s*\(?"
    rb"|\bimport\b[\w$\s{},*]{1,400}?\bfrom\b|\bfrom|\.innerHTML\s*=)\s*(" + _LITERAL + rb")\s*(?=[),;}]|\Z)"
)
_META = re.compile(rb"import\s*\.\s*meta\b")
_LOADS = re.compile(
    r"\.(?:m?js|css)\b|/(?:js|css|sdk|embed|player|widgets?|iframe|loader|api)\b|\Z(?<=/)|_api\b|\Aapi\.", re.I
)
#: The most levels of encoding within encoding that are decoded.
_MOST_ENCODED = 3
#: The start of a ``data:`` URL that is not an image, font, audio or video; SVG counts as a document.
_DATA = re.compile(
    rb"data:(?!image/(?!svg)|font/|audio/|video/)((?:[a-z]+/[\w.+-]++)?(?:;[^,\"'`\s]{0,100}+)?),", re.IGNORECASE
)
_DECODERS = (b"atob", b"unescape", b"decodeURI")
_DECODES = re.compile(rb"\b(atob|unescape|decodeURI(?:Component)?)\s*\(\s*[\"'`]")
_JOINED = re.compile(rb"[\"'`]\s*\+\s*[\"'`]")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/=_\-]++|%[0-9a-fA-F]{2}|[\"'`]\s*+\+\s*+[\"'`]|(?!))*+")
#: Code before a string that becomes the address of a source; below, before one that becomes markup of the page.
_SETS_SOURCE = re.compile(
    rb"(?:\.src|\[[\"']src[\"']\])\s*=[^;,{}]*\Z"
    rb"|setAttribute\s*\(\s*[\"'](?:src|href|data)[\"']\s*,\s*\Z"
    rb"|\b(?:fetch|import|importScripts|getScript)\s*\(\s*\Z"
)
_WRITES = re.compile(
    rb"(?:\.(?:write(?:ln)?|(?:set|parse)HTML(?:Unsafe)?)\s*\(|(?:inner|outer)HTML\s*\+?=|insertAdjacentHTML\s*\([^()]{0,30},"
    rb"|\.(?:html|append|prepend|before|after)\s*\()\s*\Z"
)
_USES_BEFORE = re.compile(
    rb"(?:[=(+?]|\b(?:return|import|from)|(?:\bdocument|[\"'`](?:script|iframe|link)[\"'`])\s*,"
    rb"(?:\s*[\"'`][\w-]{0,40}[\"'`]\s*,){0,3})\s*\Z"
)
#: Code that gives a string to a function, a variable or a member.
_IS_GIVEN = re.compile(rb"(?:[(=\[,]|[\w$\"'`]\s*:)\s*\Z")
_PARENTHESES = re.compile(rb"[()]")
#: The purposes of visible services.
_SHOWN = frozenset({"embeds", "preferences"})
#: The addresses of embeds, in contrast to links such as those to a channel or a profile.
EMBED = re.compile(r"\b(?:embed|player|iframe|widget)", re.I)
#: Words in and around calls that do not count as the site's own code.
_COMMON_WORDS = frozenset(
    b"arguments catch const Date document else e false function globalThis if js let new null push return self strict"
    b" this top true try typeof undefined use var void window".split()
)


class Code(NamedTuple):
    """The services in a script."""

    #: Services that it loads, sets up, or contains in a way that may run.
    ids: Ids = ()
    #: Services that its own code only calls: nothing is sent while a queue replaces the service.
    calls: Ids = ()
    #: Services whose addresses it names in data, from which other code may load them: the guard has to know them.
    names: Ids = ()

    @property
    def all(self) -> Ids:
        """The ids of what it loads or calls, sorted."""
        return tuple(sorted({*self.ids, *self.calls}))


_NOTHING = Code()


class _Address(NamedTuple):
    """An address in a script that belongs to services."""

    place: int
    ids: Ids
    #: Its host and path; empty for a quoted host or an encoded text.
    where: str


def is_shown(service: Service) -> bool:
    """Return whether a service is a visible embed: videos, maps, pictures."""
    return not service.tracker and _SHOWN.issuperset(service.purposes)


def _encoded(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the encoded texts in a script, decoded, each with its position."""
    escapes = len(text) if b"%" in text else -1
    if b"data:" in text.lower():
        for found in _DATA.finditer(text):
            if found.group(1).lower().endswith(b";base64"):
                yield found.start(), _from_base64(text, found.end())
            escapes = min(escapes, found.start())
    for found in _DECODES.finditer(text) if any(map(text.__contains__, _DECODERS)) else ():
        if found.group(1) == b"atob":
            yield found.start(), _from_base64(text, found.end())
        else:
            escapes = min(escapes, found.start())
    if 0 <= escapes < len(text):
        # A URL may be joined from many strings, so the whole rest of the script is decoded together.
        yield escapes, unquote_to_bytes(_JOINED.sub(b"", text[escapes:]))


def _from_base64(text: bytes, place: int) -> bytes:
    """Decode the base64 at ``place``, as far as it is valid (https://infra.spec.whatwg.org/#forgiving-base64)."""
    digits = _BASE64.match(text, place).group()  # type: ignore[union-attr]
    digits = unquote_to_bytes(_JOINED.sub(b"", digits)).rstrip(b"=")
    try:
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
    except binascii.Error:
        return b""


class CodeMatcher:
    """
    The signatures of a set of services.

    Args:
        services: The services by id.
        own: The services among them that do not come from ``source``, by id.
        resolved: Returns the services that a request reaches, given the page's host.
        begun: Returns the services that an address may reach if only its start is known.
        source: The signatures of the other services; None if there are none.
    """

    def __init__(
        self,
        services: Mapping[str, Service],
        own: Mapping[str, Service],
        resolved: Callable[[Url, str], Ids],
        begun: Callable[[str, str], Ids],
        source: SignatureSource | None = None,
    ) -> None:
        self._services = services
        self._resolved = resolved
        self._begun = begun
        self._finder = SignatureFinder(own, source)
        self._cache: dict[bytes | tuple[bytes, str], Code] = {}
        self._room = _CACHED_CODE

    def _queues_of(self, id_: str) -> frozenset[bytes]:
        """Return the globals that queues replace while the service is held."""
        return frozenset(re.split(r"[.(\[{]", name)[0].encode() for name in self._services[id_].queue)

    def match(self, text: bytes, host: str, *, own: bool) -> Code:
        """
        Return the services that the script ``text`` of a page on ``host`` loads or calls.

        Args:
            own: A rule matches the page's host, so the answer is valid for this host only.
        """
        key = (text, host) if own else text
        known = self._cache.get(key)
        if known is None:
            known = self._match(ScriptText(text), host)
            if len(text) <= _CACHED_SCRIPT:
                self._room -= len(text) + _ENTRY
                if self._room < 0:
                    self._cache.clear()
                    self._room = _CACHED_CODE
                self._cache[key] = known
        return known

    def handler(self, text: bytes, host: str, *, by_visitor: bool) -> Ids:
        """
        Return the services whose addresses an event handler loads.

        Args:
            by_visitor: The event is an action of the visitor, who may intend to navigate; so navigation does not count.
        """
        script = ScriptText(text)
        found = list(self._addresses(script.text, host))
        if (_ASKS_BY_ITSELF if by_visitor else _ASKS).search(script.text):
            found += self._hosts(script.text, host)
        elif found:
            uses = AddressUses(script, ScriptReading(script, ()), by_visitor=by_visitor)
            found = [address for address in found if uses.loads(address.place)]
        return tuple(sorted({id_ for address in found for id_ in address.ids}))

    def anywhere(self, text: bytes, host: str, depth: int = 0) -> Ids:
        """
        Return the services with a signature or an address anywhere in ``text``, such as markup with code in it.

        Args:
            depth: The number of encodings around the text.
        """
        script = ScriptText(text)
        marked = {signature.id for signature, _ in self._finder.found_in(script)}
        found = self._addresses(script.text, host, depth)
        return tuple(sorted(marked | {id_ for address in found for id_ in address.ids}))

    def mentions(self, text: bytes, host: str) -> Ids:
        """Return the services with a signature, an address or a quoted host anywhere."""
        hosts = (id_ for address in self._hosts(ScriptText(text).text, host) for id_ in address.ids)
        return tuple(sorted({*self.anywhere(text, host), *hosts}))

    def addresses(self, text: bytes, host: str) -> Ids:
        """Return the services that the absolute addresses in ``text`` reach, in any syntax."""
        return tuple(sorted({id_ for address in self._addresses(ScriptText(text).text, host) for id_ in address.ids}))

    # -- finding matches

    def _addresses(self, text: bytes, host: str, depth: int = 0) -> Iterator[_Address]:
        """Yield the addresses that reach services, and the encoded texts that contain a signature or an address."""
        if depth < _MOST_ENCODED:
            for place, decoded in _encoded(text):
                if ids := self.anywhere(decoded, host, depth + 1):
                    yield _Address(place, ids, "")
        if b"//" not in text:
            return
        for found in _URL.finditer(text):
            scheme = _SCHEME.search(text, max(0, found.start() - 17), found.start())
            if scheme and scheme.group(1).lower() not in _FETCHING_SCHEMES:
                continue
            name = ascii_host(found.group(1).decode("utf-8", "replace"))
            path = "/" + found.group(2).decode("utf-8", "replace").removeprefix("/")
            if ids := self._leads_to(name, path, host):
                yield _Address(found.start(), ids, name + path)

    def _leads_to(self, name: str, rest: str, host: str) -> Ids:
        """Return the services of an address in code, whose path may continue in a variable."""
        ids = self._resolved(Url("https", name, rest), host)
        if not ids and "?" not in rest:
            # The query may be appended at run time.
            ids = self._resolved(Url("https", name, rest + "?"), host)
        if ids or name == host:
            return ids
        # 'https://host/' + more: the string may be the start of a rule's path prefix.
        return self._begun(name, rest)

    def _hosts(self, text: bytes, host: str) -> Iterator[_Address]:
        """Yield the quoted hosts that belong to services."""
        for found in _QUOTED_HOST.finditer(text):
            name, rest, odd = found.groups()
            if odd is not None:
                url = resolve("https://" + odd.decode("utf-8", "replace"), Url("https", "", "/"))
                if ids := self._leads_to(url.host, url.rest, host):
                    yield _Address(found.start(3), ids, url.host + url.rest)
            elif ids := self._resolved(Url("https", name.decode(), (rest or b"/").decode("latin-1")), host):
                yield _Address(found.start(1), ids, "")

    # -- judging matches

    def _match(self, script: ScriptText, host: str) -> Code:
        signatures = list(self._finder.found_in(script))
        addresses = list(self._addresses(script.text, host))
        hosts = list(self._hosts(script.text, host))
        if not signatures and not addresses and not hosts:
            return _NOTHING
        asking = [found.start() for found in _ASKS.finditer(script.text)]
        if asking:
            addresses += hosts
        elif not signatures and not addresses:
            return _NOTHING
        bringing = [found.start() for found in _BRINGS.finditer(script.text)]
        marked = [place for _, places in signatures for place in places]
        reading = ScriptReading(script, [*asking, *bringing, *marked])
        asking = [place for place in asking if reading.is_code(place) and not _META.match(script.text, place)]
        # The single string that each of them requests, if it is one.
        asked = [_ASKS_FOR.match(script.text, place) for place in asking] if reading.is_sure else [None] * len(asking)
        asks = None in asked
        named = [found.span(1) for found in asked if found]
        begins = [start for start, _ in named]

        def is_asked_for(place: int) -> bool:
            index = bisect_right(begins, place) - 1
            return index >= 0 and place < named[index][1]

        loads: set[str] = set()
        uses = None if asks or not addresses else AddressUses(script, reading)
        for address in addresses:
            place = address.place
            is_loaded = uses is None or is_asked_for(place) or uses.loads(place)
            if is_loaded and not reading.is_dead(place):
                loads.update(
                    id_ for id_ in address.ids if not is_shown(self._services[id_]) or self._is_loaded(reading, address)
                )
        ids, calls = set(loads), set[str]()
        brings = asks and any(map(reading.is_code, bringing))
        by_service: dict[str, list[Signature]] = {}
        for signature, places in signatures:
            # The signature may be a name in a string, as in window['name'], but not a call in a string.
            in_code = reading.is_code if signature.call else reading.is_code_or_quoted
            if any(reading.counts(place) if asks else in_code(place) or is_asked_for(place) for place in places):
                by_service.setdefault(signature.id, []).append(signature)
        for id_, found in by_service.items():
            queues = self._queues_of(id_)
            if id_ in loads or brings or not all(self._is_used(signature, queues) for signature in found):
                ids.add(id_)
                continue
            roots = {signature.call or signature.root for signature in found} - {b""} | queues
            if not self._has_own_code(script, reading, roots):
                ids.add(id_)
            elif not asks_whether(script.text, roots):
                calls_what_is_missing = not queues and any(signature.call is not None for signature in found)
                (ids if calls_what_is_missing else calls).add(id_)
        return Code(tuple(sorted(ids)), tuple(sorted(calls)), self._named(reading, addresses, ids))

    def _named(self, reading: ScriptReading, addresses: Iterable[_Address], ids: set[str]) -> Ids:
        """Return the services that other code could load from the addresses in a script, without those in ``ids``."""
        named = [(id_, address) for address in addresses for id_ in {*address.ids} - ids]
        return tuple(sorted({id_ for id_, address in named if self._is_for_a_loader(reading, id_, address)}))

    def _is_for_a_loader(self, reading: ScriptReading, id_: str, address: _Address) -> bool:
        """Whether an address is one of an embed, or a string of its own that names code or a pixel."""
        if is_shown(self._services[id_]):
            return EMBED.search(address.where) is not None
        if not (_LOADS.search(address.where) or "?" in address.where) or reading.is_dead(address.place):
            return False
        before, first = reading.before(address.place)
        return first and _IS_GIVEN.search(before) is not None

    @staticmethod
    def _is_used(signature: Signature, queues: frozenset[bytes]) -> bool:
        """Whether a signature only uses a service (a call, settings, a queue), so that another script must load it."""
        return signature.call is not None or signature.is_setting or signature.root in queues

    @staticmethod
    def _is_loaded(reading: ScriptReading, address: _Address) -> bool:
        """Whether the code around the address of a visible embed loads it."""
        before, first = reading.before(address.place)
        if _WRITES.search(before):
            return True
        if not first:
            return False
        if _SETS_SOURCE.search(before):
            return True
        return bool(_LOADS.search(address.where)) and _USES_BEFORE.search(before) is not None

    @staticmethod
    def _has_own_code(script: ScriptText, reading: ScriptReading, roots: set[bytes]) -> bool:
        """Whether a script has code besides calls of the globals in ``roots``."""
        if len(script.raw) > _MOST_CALLS:
            return True
        code = reading.code()
        names = b"|".join(map(re.escape, sorted(roots)))
        # Chains of names without a call are matched as well; otherwise each name in them would start another attempt.
        chain = re.compile(rb"(?<![\w$.])(?:" + names + rb")(?![\w$])(?:\s*+\.\s*+[\w$]++|(?!))*+\s*+(\()?")
        kept: list[bytes] = []
        at = tried = 0
        while found := chain.search(code, tried):
            tried = max(found.end(), found.start() + 1)
            if not found.group(1):
                continue
            kept.append(code[at : found.start()])
            depth, at = 1, found.end()
            while depth and (bracket := _PARENTHESES.search(code, at)):
                depth += 1 if bracket.group() == b"(" else -1
                at = bracket.end()
            if depth:
                break
            tried = at
        kept.append(code[at:])
        words = {word for piece in kept for word in IDENTIFIER.findall(piece)}
        return bool(words - _COMMON_WORDS - roots)
