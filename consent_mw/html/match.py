"""
Which service a URL, a piece of code, an element or a cookie belongs to.

A :class:`Matcher` is compiled once from the catalogue and the declared
services; after that a request only looks up. It knows nothing of consent:
it names services, and :mod:`consent_mw.html.rewriter` decides what to hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from urllib.parse import unquote_to_bytes

from consent_mw.core.globs import Globs
from consent_mw.core.model import Service
from consent_mw.html.tokens import Syntax
from consent_mw.html.tokens import syntax_for
from consent_mw.html.urls import Url
from consent_mw.html.urls import ascii_host
from consent_mw.html.urls import data_url
from consent_mw.html.urls import public_suffix_length
from consent_mw.html.urls import resolve

Ids = tuple[str, ...]

#: Bounds of the look-up caches, in bytes; a full cache is emptied.
_CACHED_HOSTS = 2_097_152
_CACHED_CODE = 4_194_304
#: Longer scripts are looked at each time.
_CACHED_SCRIPT = 65_536
#: By how many letters of theirs signatures of one word are found.
_FIRST = 3
#: What an entry takes besides the script itself, in bytes.
_ENTRY = 300

_NO_PAGE = Url("https", "", "/")

_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_QUOTES = "\"'`"
_CODE_TOKEN = re.compile(r"[A-Za-z0-9_$]+|\s+|[\"'`]|.", re.DOTALL)
_IDENTIFIER = re.compile(rb"[A-Za-z_$][A-Za-z0-9_$]*+")
_CODE_URL = re.compile(rb"//([a-zA-Z0-9.\-_\x80-\xff]+)(?::[0-9]+)?([^\s\"'`<>\\)\]}]*)")
_CODE_SCHEME = re.compile(rb"([a-zA-Z][a-zA-Z0-9+.\-]{0,15}):\Z")
_LOADS = re.compile(r"\.(?:m?js|css)\b|/(?:js|css|sdk|embed|player|widgets?|iframe|loader|api)\b|\Z(?<=/)", re.I)
#: Code that asks for something by itself, or puts markup into the page.
_ASKS = re.compile(
    rb"createElement|sendBeacon|XMLHttpRequest|WebSocket|EventSource|getScript|importScripts|insertAdjacentHTML"
    rb"|(?:inner|outer)HTML|\bnew\s+Image\b|\.src\b|\.setAttribute\b|\.write(?:ln)?\s*\(|\b(?:fetch|import|open)\s*\("
    rb"|\.(?:ajax|load|get|post|html|append|prepend|before|after)\s*\(|\blocation\b"
)
#: What stands before an address that is data: a key of JSON, or a quote inside a quoted text.
_DATA_BEFORE = re.compile(rb"(?:\\[\"']|\"\s*:\s*\")(?:https?:)?\Z", re.I)
_SOURCE_BEFORE = re.compile(rb"\.src\s*=[^;,{}]*\Z")
#: Markup as JSON's writers escape it for a page: a text that is shown, or kept.
_JSON_MARKUP = re.compile(rb"\\u003c(?>(?:(?!\\u003[ce]).)*)(?:\\u003e)?", re.I | re.DOTALL)
#: A host alone in quotes, or with a path behind it: code joins a scheme, "//" or a sub-domain to it.
_QUOTED_HOST = re.compile(rb"[\"'`]\.?((?>(?:[a-z0-9\-]+\.)+)[a-z]{2,12})(/[^\"'`\s<>\\]*+)?(?=[\"'`])")
_FETCHING_SCHEMES = frozenset({b"http", b"https", b"ws", b"wss"})
_CODE_ESCAPE = re.compile(rb"\\(?:(/)|x([0-9a-fA-F]{2})|u00([0-9a-fA-F]{2})|u\{0*([0-9a-fA-F]{2})\})")
_RULE_END = re.compile(r"[A-Za-z0-9]\Z")
_ELEMENT_RULE = re.compile(r"([a-z][a-z0-9-]*)?(?:\[([a-z][a-z0-9_:-]*)(?:=([^\]]*))?\])?")


def _code_unescape(match: re.Match[bytes]) -> bytes:
    slash, *codes = match.groups()
    if slash:
        return b"/"
    return bytes([int(next(code for code in codes if code), 16)])


class Signature:
    """Code that marks a script: white space may stand between its tokens, and any quote stands for any other."""

    __slots__ = ("_compiled", "_text", "beginning", "id", "words")

    def __init__(self, text: str, service: str) -> None:
        pieces = [piece for piece in _CODE_TOKEN.findall(text) if not piece.isspace()]
        boundary = "(?<![A-Za-z0-9_$])" if re.match(r"[A-Za-z0-9_$]", text) else ""
        parts = ["[\"'`]" if piece in _QUOTES else re.escape(piece) for piece in pieces]
        self.id = service
        self._text = (boundary + r"\s*+".join(parts)).encode()
        self._compiled: re.Pattern[bytes] | None = None
        #: Words that stand whole in every script with this signature.
        self.words = frozenset(piece.encode() for piece in pieces[:-1] if _WORD.fullmatch(piece))
        #: What some word of such a script begins with: the last piece may go on.
        self.beginning = pieces[-1].encode() if _WORD.fullmatch(pieces[-1]) else b""

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """The pattern, compiled when first needed: a site meets few of a thousand, and each takes a millisecond."""
        if self._compiled is None:
            self._compiled = re.compile(self._text)
        return self._compiled


class ElementRule:
    """``name[attr=value]`` of a service, for markup that a library turns into requests."""

    __slots__ = ("attribute", "id", "name", "value")

    def __init__(self, text: str, service: str) -> None:
        found = _ELEMENT_RULE.fullmatch(text)
        name, attribute, value = found.groups() if found else (text, None, None)
        self.id = service
        self.name = (name or "").encode()
        self.attribute = (attribute or "").encode()
        self.value = None if value is None else value.strip("\"'")


class Matcher:
    """
    The compiled rules of a set of services.

    Args:
        services: Later ones replace earlier ones of the same id.
    """

    def __init__(self, services: Iterable[Service]) -> None:
        by_id = {service.id: service for service in services}
        self.services = by_id
        self._exact: dict[str, list[tuple[str, str]]] = {}
        self._any_suffix: dict[str, list[tuple[str, str]]] = {}
        self._words_of: dict[bytes, list[Signature]] = {}
        #: Signatures of one word, which may go on, by its first letters.
        self._beginning_with: dict[bytes, list[Signature]] = {}
        self._no_words: list[Signature] = []
        self.elements: dict[bytes, list[ElementRule]] = {}
        #: Services that are there to be seen: films, maps, pictures.
        self._shown = frozenset(
            service.id
            for service in by_id.values()
            if not service.tracker and {"embeds", "preferences"}.issuperset(service.purposes)
        )
        paths: list[tuple[str, str]] = []
        cookies: list[tuple[str, str]] = []
        for service in by_id.values():
            for host in service.hosts:
                self._add_host(host, service.id)
            for signature in service.inline:
                self._add_signature(signature, service.id)
            for element in service.elements:
                rule = ElementRule(element, service.id)
                self.elements.setdefault(rule.name, []).append(rule)
            paths += [(path, service.id) for path in service.paths]
            cookies += [(cookie, service.id) for cookie in service.cookies]
        self._paths = [(self._path_rule(path), id_) for path, id_ in paths]
        joined = "|".join(f"(?:{rule.pattern})" for rule, _ in self._paths)
        self._any_path = re.compile(joined) if joined else None
        self._cookies = Globs(cookies)
        self._words = frozenset(self._words_of)
        self._path_texts = [path for path, _ in paths]
        self._folders = frozenset(path[: at + 1] for path, _ in paths for at, c in enumerate(path) if c == "/" and at)
        self._longest_folder = max(map(len, self._folders), default=0)
        self._host_cache: dict[str, list[tuple[str, str]]] = {}
        self._host_room = _CACHED_HOSTS
        self._code_cache: dict[bytes | tuple[bytes, str], Ids] = {}
        self._code_room = _CACHED_CODE

    @cached_property
    def syntax(self) -> Syntax:
        """What the tokenizer must stop at for these rules."""
        return syntax_for(
            tuple(sorted({rule.name.decode() for rules in self.elements.values() for rule in rules if rule.name})),
            tuple(sorted({rule.attribute.decode() for rule in self.elements.get(b"", ())})),
            tuple(self._path_texts),
        )

    def _add_host(self, rule: str, id_: str) -> None:
        host, slash, path = rule.partition("/")
        prefix = slash + path
        if host.endswith(".*"):
            self._any_suffix.setdefault(host[:-2], []).append((prefix, id_))
        else:
            self._exact.setdefault(ascii_host(host), []).append((prefix, id_))

    def _add_signature(self, text: str, id_: str) -> None:
        signature = Signature(text, id_)
        word = max(signature.words, key=len, default=b"")
        if word:
            self._words_of.setdefault(word, []).append(signature)
        elif len(signature.beginning) >= _FIRST:
            self._beginning_with.setdefault(signature.beginning[:_FIRST], []).append(signature)
        else:
            self._no_words.append(signature)

    @staticmethod
    def _path_rule(path: str) -> re.Pattern[str]:
        end = r"(?=[?#&/]|\Z)" if _RULE_END.search(path) else ""
        return re.compile(re.escape(path) + end)

    # -- URLs

    def _rules_of(self, host: str) -> list[tuple[str, str]]:
        """Return the (path prefix, service) pairs for ``host``, longest prefix first; a sub-domain's own rule wins."""
        rules = self._host_cache.get(host)
        if rules is None:
            rules = []
            taken: set[str] = set()
            labels = host.split(".")
            suffix = public_suffix_length(labels)
            for start in range(len(labels)):
                here = list(self._exact.get(".".join(labels[start:]), ()))
                if self._any_suffix:
                    here += self._any_suffix.get(".".join(labels[start:-suffix]), ())
                rules += [rule for rule in here if rule[0] not in taken]
                taken.update(prefix for prefix, _ in here)
            rules.sort(key=lambda rule: -len(rule[0]))
            self._host_room -= len(host) + 64 * len(rules) + _ENTRY
            if self._host_room < 0:
                self._host_cache.clear()
                self._host_room = _CACHED_HOSTS
            self._host_cache[host] = rules
        return rules

    def knows(self, host: str) -> bool:
        """Whether any rule names ``host`` (lower-case ASCII)."""
        return bool(self._rules_of(host))

    @property
    def has_paths(self) -> bool:
        """Whether there are path rules, which apply to every host."""
        return self._any_path is not None

    def begins_in(self, path: str) -> bool:
        """Whether a path rule can begin in the folder of ``path``, so that what is relative to it may complete one."""
        if not self._folders:
            return False
        folder = path.partition("?")[0].rpartition("/")[0] + "/"
        tail = folder[-self._longest_folder :]
        return any(tail[at:] in self._folders for at, c in enumerate(tail) if c == "/" and at < len(tail) - 1)

    def path(self, raw: bytes) -> Ids:
        """Return the services whose path rules fit a plain raw path, relative or not."""
        if self._any_path is None:
            return ()
        text = raw.decode("latin-1")
        if text[:1] != "/":
            text = "/" + text
        if not self._any_path.search(text):
            return ()
        text = text.partition("#")[0]
        return tuple(dict.fromkeys(id_ for rule, id_ in self._paths if rule.search(text)))

    def resolved(self, url: Url, page_host: str = "") -> Ids:
        """
        Return the services that a request for ``url`` goes to.

        A bare host rule does not apply to the page's own host: a vendor's own
        site is not a third party to itself.
        """
        if self._any_path is not None and self._any_path.search(url.rest):
            return tuple(dict.fromkeys(id_ for rule, id_ in self._paths if rule.search(url.rest)))
        longest = -1
        ids: list[str] = []
        own = url.host == page_host
        for prefix, id_ in self._rules_of(url.host):
            if len(prefix) < longest:
                break
            if url.rest.startswith(prefix) and not (own and not prefix) and id_ not in ids:
                longest = len(prefix)
                ids.append(id_)
        return tuple(ids)

    def url(self, url: str, base: Url = _NO_PAGE, page: Url | None = None) -> Ids:
        """
        Return the services that a request for ``url`` goes to.

        Args:
            url: A reference with its character references decoded.
            base: What it is relative to.
            page: The page it stands in, where a base element set another base.
        """
        return self.target(resolve(url, base), page or base)

    def target(self, target: Url, page: Url) -> Ids:
        """Return the services that a request for the resolved ``target`` goes to."""
        if target.host:
            return self.resolved(target, page.host)
        if target.scheme == "javascript":
            return self.code(unquote_to_bytes(target.rest), page)
        if target.scheme == "data":
            data = data_url(target.rest)
            return () if data.is_media else self.code(data.body, page)
        return ()

    # -- code

    def code(self, text: bytes, base: Url = _NO_PAGE) -> Ids:
        """Return the services that the script ``text`` belongs to, by its signatures and the URLs in it."""
        # Only a page on a host that rules name can make a difference.
        key = (text, base.host) if self._rules_of(base.host) else text
        ids = self._code_cache.get(key)
        if ids is None:
            ids = self._match_code(text, base)
            if len(text) <= _CACHED_SCRIPT:
                self._code_room -= len(text) + _ENTRY
                if self._code_room < 0:
                    self._code_cache.clear()
                    self._code_room = _CACHED_CODE
                self._code_cache[key] = ids
        return ids

    def _match_code(self, text: bytes, base: Url) -> Ids:
        raw = text
        if b"\\" in text:
            text = _CODE_ESCAPE.sub(_code_unescape, text)
        ids: dict[str, None] = {}
        words = set(_IDENTIFIER.findall(text))
        # Sets are quick to ask; the patterns are tried where all of a signature's words occur.
        tried = [signature for word in words & self._words for signature in self._words_of[word]]
        tried = [signature for signature in tried if signature.words <= words]
        for word in words:
            beginning = self._beginning_with.get(word[:_FIRST])
            if beginning:
                tried += [signature for signature in beginning if word.startswith(signature.beginning)]
        for signature in (*self._no_words, *tried):
            if signature.id not in ids and signature.pattern.search(text):
                ids[signature.id] = None
        asks = _ASKS.search(text) is not None
        # An address in the data of a script that asks for nothing is another script's, which has to be held itself.
        looked_at = text if asks else raw
        if b"//" in looked_at:
            found = self._addresses(looked_at, base, asks)
            if not self._shown.isdisjoint(found) and b"\\u003" in raw:
                markup = _CODE_ESCAPE.sub(_code_unescape, _JSON_MARKUP.sub(b"", raw))
                found -= self._shown - self._addresses(markup, base, asks)
            ids.update(dict.fromkeys(found))
        if asks:
            for match in _QUOTED_HOST.finditer(text):
                host, rest = match.groups(b"")
                known = self.resolved(Url("https", host.decode(), (rest or b"/").decode("latin-1")), base.host)
                if not self._shown.isdisjoint(known) and not _SOURCE_BEFORE.search(
                    text, max(0, match.start() - 120), match.start()
                ):
                    known = tuple(id_ for id_ in known if id_ not in self._shown)
                ids.update(dict.fromkeys(known))
        return tuple(sorted(ids))

    def _addresses(self, text: bytes, base: Url, asks: bool) -> set[str]:
        """Return the services of the addresses in a script; ``asks``: it can ask for them itself."""
        ids: set[str] = set()
        for found in _CODE_URL.finditer(text):
            host, rest = found.groups()
            scheme = _CODE_SCHEME.search(text, max(0, found.start() - 17), found.start())
            if scheme and scheme.group(1).lower() not in _FETCHING_SCHEMES:
                continue
            if not asks and _DATA_BEFORE.search(text, max(0, found.start() - 40), found.start()):
                continue
            name = ascii_host(host.decode("utf-8", "replace"))
            path = "/" + rest.decode("utf-8", "replace").removeprefix("/")
            known = self._code_url(name, path, base)
            if (
                not self._shown.isdisjoint(known)
                and not name.startswith("api.")
                and not _LOADS.search(path)
                and not _SOURCE_BEFORE.search(text, max(0, found.start() - 120), found.start())
            ):
                # A film's or a picture's address among a script's data is no loader; a tracker's always counts.
                known = tuple(id_ for id_ in known if id_ not in self._shown)
            ids.update(known)
        return ids

    def _code_url(self, host: str, rest: str, base: Url) -> Ids:
        """Match a URL written in code, where the path may go on in a variable behind it."""
        ids = self.resolved(Url("https", host, rest), base.host)
        if not ids and "?" not in rest:
            # The query comes later.
            ids = self.resolved(Url("https", host, rest + "?"), base.host)
        if ids or host == base.host:
            return ids
        # 'https://host/' + more: what is written is the beginning of a held prefix.
        begun = (id_ for prefix, id_ in self._rules_of(host) if len(rest) > 1 and prefix.startswith(rest))
        return tuple(dict.fromkeys(begun))

    # -- cookies

    def cookie(self, name: str) -> Ids:
        """Return the services that set a cookie called ``name``."""
        return tuple(self._cookies.values(name))
