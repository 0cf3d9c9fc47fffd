"""
Tells what a response makes a browser request, by parsers that share no code with the product.

Documents are read by lexbor, html5ever and justhtml, XML by expat, style sheets by tinycss2, addresses by ada-url,
labels of charsets by webencodings.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from typing import NamedTuple
from urllib.parse import unquote_to_bytes
from xml.parsers import expat

import ada_url
import tinycss2  # type: ignore[import-untyped]
import webencodings

from tests.html.parsers import PARSERS
from tests.html.parsers import Parsed

PAGE = "https://shop.example/blog/post"
#: Everything that must be held is on this host or a subdomain, or runs this call.
HOST, CALL = "tracker.example", "trackNow("

_LINKS = {
    ("html", "img"): ("src",),
    ("html", "script"): ("src",),
    ("html", "iframe"): ("src",),
    ("html", "frame"): ("src",),
    ("html", "embed"): ("src", "code"),
    ("html", "object"): ("data",),
    ("html", "video"): ("src", "poster"),
    ("html", "input"): ("src",),
    ("html", "portal"): ("src",),
    ("html", "fencedframe"): ("src",),
    ("html", "param"): ("value",),
    ("svg", "image"): ("href", "xlink:href"),
    ("svg", "use"): ("href", "xlink:href"),
    ("svg", "script"): ("href", "xlink:href"),
    ("svg", "set"): ("to",),
    ("svg", "animate"): ("values",),
}
_FRAMES = frozenset({"iframe", "frame", "embed", "object", "portal", "fencedframe", "param"})
_DRAWN = ("fill", "mask", "filter", "cursor", "clip-path", "to", "values")
_LATE = ("src", "data", "ping", "poster")
_SPACE = " \t\n\r\f"
_BY_LINK = frozenset(
    {"stylesheet", "next", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload"}
    | {"compression-dictionary", "dictionary"}
)


class Response(NamedTuple):
    """A response as it was sent."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Around(NamedTuple):
    """The context of a document or a style sheet."""

    depth: int = 0
    #: Python's name of the surrounding charset, which a style sheet or script without its own charset inherits.
    charset: str = "utf-8"

    def within(self, charset: str) -> Around:
        """Return the context of an embedded document."""
        return Around(self.depth + 1, charset)


#: The types of JavaScript (MIME Sniffing, section 4.6), and the other types that run.
_SCRIPT_TYPES = {
    "module",
    *("application/ecmascript", "application/javascript", "application/x-ecmascript", "application/x-javascript"),
    *("text/ecmascript", "text/javascript", "text/jscript", "text/livescript"),
    *("text/x-ecmascript", "text/x-javascript", *(f"text/javascript1.{number}" for number in range(6))),
}


def asked(response: Response, decoded_as: str = "") -> set[str]:
    """
    Return where some browser would send a request to the tracker, or run its code.

    Args:
        decoded_as: The charset with which a browser decodes the body, if no header states it.
    """
    found = {f"header {name}" for name, url in _in_headers(_joined_too(response.headers)) if _is_held(url, PAGE)}
    if response.status != 200:
        return found
    given = ",".join(value for name, value in response.headers if name.lower() == "content-type")
    kinds = [part.strip() for part in given.split(",") if part.partition(";")[0].strip() != "*/*"] or [given]
    for kind in kinds:
        # If there are several types, consider each: browsers differ.
        found |= _in_body(response.body, kind, decoded_as)
    return found


def _in_body(body: bytes, kind: str, decoded_as: str) -> set[str]:
    """Return the requests of a browser that treats the body as ``kind``."""
    essence = kind.partition(";")[0].strip().lower()
    if essence.endswith("xml"):
        return {what for what, url, base in _in_xml(body) if _is_held(url, base)}
    if essence.startswith("multipart/"):
        documents = body.split(b"Content-Type: text/html\r\n\r\n")[1:]
        return {what for document in documents for what in _in_html(document.decode(), Around())}
    if essence == "text/plain":
        return set()
    charset = decoded_as or charset_of(kind) or "utf-8"
    text = body.removeprefix(b"\xef\xbb\xbf").decode(charset, "replace")
    return set(_in_html(text, Around(charset=charset)))


def _is_held(url: str, base: str) -> bool:
    try:
        found = ada_url.URL(url.strip(_SPACE), base)
    except ValueError:
        return False
    host = found.hostname.rstrip(".")
    return found.protocol in ("http:", "https:") and (host == HOST or host.endswith("." + HOST))


def _in_html(text: str, around: Around) -> Iterator[str]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for parser in PARSERS.values():
        for scripting in (True, False):
            base = ""
            late = False
            for element in parser(text, scripting):
                if element.name == "base" and not base and "href" in element.attributes:
                    base = _joined(element.attributes["href"], PAGE)
                    yield from ["an address before the base"] if late and _is_held(base, PAGE) else []
                # Browsers resolve these when they use them.
                late = late or any("//" not in element.attributes.get(key, "//") for key in _LATE)
                yield from _of(element, base or PAGE, around)


def _of(element: Parsed, base: str, around: Around) -> Iterator[str]:
    space, name, given, text = element
    # The charset of an element precedes that of the page.
    told = Around(around.depth, _codec(given.get("charset", "")) or around.charset)
    for key in _LINKS.get((space, name), ()):
        by_name = name != "param" or given.get("name", "").lower() in ("src", "movie", "code", "url")
        if key in given and by_name and (name != "input" or given.get("type") == "image"):
            yield from _of_link(f"{name} {key}", given[key], base, told, frame=name in _FRAMES)
    if name == "link" and _BY_LINK & set(given.get("rel", "").lower().split()):
        yield from _of_link("link href", given.get("href", ""), base, told, frame=False)
    for key in ("srcset", "imagesrcset"):
        urls = [part.split()[0] for part in given.get(key, "").split(",") if part.split()]
        yield from (f"{name} {key}" for url in urls if _is_held(url, base))
    if name == "meta" and given.get("http-equiv", "").lower() == "refresh":
        yield from (["meta refresh"] if _is_held(refreshed(given.get("content", "")), base) else [])
    if "srcdoc" in given and around.depth < 4:
        yield from _in_html(given["srcdoc"], around.within("utf-8"))
    if name == "style" and space != "math":
        yield from _of_sheet("style", text, base, around)
    for key in ("style", *(_DRAWN if space == "svg" else ())):
        if key in given:
            yield from _of_sheet(f"{name} {key}", given[key], base, around)
    if name == "script" and space != "math" and "src" not in given and CALL in text and _runs(given):
        yield "script text"
    if name == "script" and space != "math" and "src" not in given:
        yield from _of_json(given.get("type", "").strip().lower(), text, base)


def _of_json(kind: str, text: str, base: str) -> Iterator[str]:
    """Yield what an import map or speculation rules may lead to."""
    try:
        # Lists within lists are nothing to a browser, but too much for this parser.
        text = re.sub(r"\[{50,}\]{50,}", "[]", text)
        data = json.loads(text, parse_int=float) if kind in ("importmap", "speculationrules") else {}
    except ValueError:
        return
    if kind == "importmap":
        names = [data.get("imports", {}), *data.get("scopes", {}).values()]
        yield from (kind for one in names for url in one.values() if _is_held(url, base))
    for rule in [*data.get("prefetch", ()), *data.get("prerender", ())]:
        yield from ("a listed address" for url in rule.get("urls", ()) if _is_held(url, base))
        link = ada_url.URL("https://tracker.example/a").href
        yield from ["a link"] if "urls" not in rule and _is_chosen(link, rule.get("where", {"and": []}), base) else []


def _is_chosen(link: str, condition: Mapping[str, Any], base: str) -> bool:
    """Return whether speculation rules choose a link, which has every class."""
    if "and" in condition:
        return all(_is_chosen(link, one, base) for one in condition["and"])
    if "or" in condition:
        return any(_is_chosen(link, one, base) for one in condition["or"])
    if "not" in condition:
        return not _is_chosen(link, condition["not"], base)
    if "selector_matches" in condition:
        return True
    pattern = condition["href_matches"]
    if not isinstance(pattern, str):
        pattern = f"https://{pattern.get('hostname', ada_url.URL(base).hostname)}{pattern.get('pathname', '/*')}"
    elif "://" not in pattern:
        pattern = ada_url.URL(base).origin + pattern
    return re.fullmatch(re.escape(pattern).replace("\\*", ".*"), link) is not None


def _runs(given: Mapping[str, str]) -> bool:
    """Return whether a browser runs a script with these attributes (HTML, "prepare the script element")."""
    kind = given.get("type")
    if kind == "" or (kind is None and not given.get("language")):
        return True
    # Chromium strips more than ASCII white space.
    kind = kind.strip() if kind is not None else f"text/{given['language']}"
    return kind.lower() in _SCRIPT_TYPES


def _of_link(what: str, url: str, base: str, around: Around, *, frame: bool) -> Iterator[str]:
    if url.strip(_SPACE)[:5].lower() != "data:":
        yield from ([what] if _is_held(url, base) else [])
    elif around.depth < 4:
        kind, charset, body = _data(url.strip(_SPACE))
        if kind.endswith("xml") or kind == "text/xsl":
            yield from (f"{what} data: {inner}" for inner, link, _ in _in_xml(body) if _is_held(link, base))
        elif kind == "text/html":
            inner = around.within(charset or "utf-8")
            yield from (_in_html(body.decode(inner.charset, "replace"), inner) if frame else ())
        elif what == "script src":
            yield from ([f"{what} data:"] if CALL in body.decode(charset or around.charset, "replace") else [])
        elif not frame:
            # https://drafts.csswg.org/css-syntax/#determine-the-fallback-encoding
            said = re.match(rb'@charset "([^"]*)";', body)
            charset = charset or (_codec(said.group(1).decode("latin-1")) if said else "") or around.charset
            inner = around.within(charset)
            yield from _of_sheet(f"{what} data:", body.decode(charset, "replace"), base, inner)


def _of_sheet(what: str, text: str, base: str, around: Around) -> Iterator[str]:
    for url in _urls(tinycss2.parse_component_value_list(text)):
        yield from _of_link(what, url, base, around, frame=False)


def _urls(nodes: Iterable[tinycss2.ast.Node]) -> Iterator[str]:
    importing = False
    for node in nodes:
        if node.type == "url" or (node.type == "string" and importing):
            yield node.value
        elif node.type == "function" and node.lower_name in ("url", "src", "image-set"):
            yield from (inner.value for inner in node.arguments if inner.type == "string")
        if node.type not in ("whitespace", "comment"):
            importing = node.type == "at-keyword" and node.lower_value == "import"
        for part in ("content", "arguments"):
            yield from _urls(getattr(node, part, None) or ())


def _in_xml(body: bytes) -> list[tuple[str, str, str]]:
    """Return the addresses in an XML document, as far as it is well formed."""
    found: list[tuple[str, str, str]] = []
    #: The types of the open elements, if they are scripts, and their texts.
    scripts: list[tuple[str, list[str]]] = [("", [])]

    def start(name: str, given: dict[str, str]) -> None:
        space, _, local = name.rpartition("|")
        short = {"http://www.w3.org/1999/xhtml": "html", "http://www.w3.org/2000/svg": "svg"}.get(space, "")
        plain = {key.replace("http://www.w3.org/1999/xlink|", "xlink:"): value for key, value in given.items()}
        found.extend((local, plain[key], PAGE) for key in _LINKS.get((short, local), ()) if key in plain)
        drawn = [plain[key] for key in _DRAWN if short == "svg" and key in plain]
        found.extend((local, url, PAGE) for text in drawn for url in _urls(tinycss2.parse_component_value_list(text)))

        scripts.append((plain.get("type", "").lower(), []) if local == "script" else ("", []))

    def data(text: str) -> None:
        scripts[-1][1].append(text)

    def end(name: str) -> None:
        kind, texts = scripts.pop()
        found.extend((what, f"https://{HOST}/", PAGE) for what in _of_json(kind, "".join(texts), PAGE))

    def instruction(target: str, text: str) -> None:
        hrefs = re.findall(r"(?:\A|\s)href\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", text)
        if target == "xml-stylesheet":
            found.extend((target, one or other, PAGE) for one, other in hrefs)
            if "xsl" in text and any(f"{one}{other}".startswith("#") for one, other in hrefs):
                # The style sheet is in the page, and may transform it into anything.
                found.extend(
                    (target, url, PAGE) for url in re.findall(r"https:[^<\"']*", body.decode("utf-8", "replace"))
                )

    parser = expat.ParserCreate(namespace_separator="|")
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, data
    parser.ProcessingInstructionHandler = instruction
    with suppress(expat.ExpatError):  # browsers request what comes before an error
        parser.Parse(body, True)
    return found


def _joined_too(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers, and the combined values of repeated ones (Fetch, "get a value")."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    return [*headers, *((name, ", ".join(all_)) for name, all_ in values.items() if len(all_) > 1)]


def _in_headers(headers: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        lower = name.lower()
        if lower == "link":
            for url, rest in re.findall(r"<([^>]*)>([^<]*)", value):
                rels = re.findall(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|'([^']*)|([^\s;,]+))", rest, re.I)
                # Parsers differ about quotes, so any of several rels may be the first.
                if _BY_LINK & {word for both in rels for part in both for word in part.lower().split()}:
                    yield lower, url
                    yield lower, url.encode("latin-1").decode("utf-8", "replace")
                    if url.startswith("data:text/css"):
                        sheet = tinycss2.parse_component_value_list(_data(url)[2].decode())
                        yield from ((lower, imported) for imported in _urls(sheet))
                    yield from ((lower, part.split()[0]) for part in re.findall(r"imagesrcset=[\"']([^\"']*)", rest))
        elif lower == "refresh":
            yield lower, refreshed(value)
        elif lower.startswith("content-security-policy"):
            directives = [part.split() for part in re.split("[;,]", value)]
            yield from (
                (lower, url) for part in directives if part[:1] and part[0].lower() == "report-uri" for url in part
            )
        elif lower in (
            "reporting-endpoints",
            "report-to",
            "speculation-rules",
            "nel",
            "attribution-reporting-redirect",
            "attribution-reporting-register-os-source",
            "attribution-reporting-register-os-trigger",
            "expect-staple",
            "sec-session-registration",
            "secure-session-registration",
        ):
            yield from ((lower, url) for url in re.findall(r"\"((?:https?:)?//[^\"]*)\"", value))
        elif lower in ("sourcemap", "x-sourcemap"):
            yield lower, value
        elif lower == "alt-svc":
            yield from ((lower, f"//{host}") for host in re.findall(r"=\"([^\"]*)\"", value))


def refreshed(text: str) -> str:
    """Return the target of a refresh (https://html.spec.whatwg.org/#shared-declarative-refresh-steps)."""
    found = re.match(r"\s*[0-9.]+\s*[;,]?\s*(?:url\s*=\s*)?(.*)", text, re.I | re.DOTALL)
    rest = found.group(1) if found else ""
    return rest[1:].partition(rest[0])[0] if rest[:1] in ("'", '"') else rest


def charset_of(media_type: str) -> str:
    """Return Python's name of the charset that browsers take from a media type."""
    media_type = re.sub(r";(?!\s*charset)[^;=]*=\"[^\"]*\"", "", media_type, flags=re.I)
    found = re.search(r";\s*charset=(\"(?:[^\"\\]|\\.)*\"?|[^;]*)", media_type, re.I)
    label = re.sub(r"\\(.)", r"\1", found.group(1).strip('"')) if found else ""
    return _codec(label)


def _codec(label: str) -> str:
    known = webencodings.lookup(label)
    return str(known.codec_info.name) if known else ""


def _joined(url: str, base: str) -> str:
    try:
        return str(ada_url.URL(url, base).href)
    except ValueError:
        return base


def _data(url: str) -> tuple[str, str, bytes]:
    head, _, rest = re.sub(r"[\t\n\r]", "", url)[5:].partition("#")[0].partition(",")
    body = unquote_to_bytes(rest)
    if head.lower().replace(" ", "").endswith(";base64"):
        body = b64decode(re.sub(rb"[^A-Za-z0-9+/]", b"", body) + b"===")
    return head.partition(";")[0].strip(_SPACE).lower() or "text/plain", charset_of(head), body
