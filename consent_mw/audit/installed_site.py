"""
Checks the installation of a running site: holding, reachability, caching, and answers to the notice.

It requests a few pages and sends one refusal; nothing is granted.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from collections.abc import Iterator
from urllib.parse import urljoin
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

from consent_mw.audit.installation import ERROR
from consent_mw.audit.installation import NOTE
from consent_mw.audit.installation import WARNING
from consent_mw.audit.installation import Advice
from consent_mw.audit.other_tools import tools_in
from consent_mw.audit.pages import AuditedPage
from consent_mw.audit.pages import Reader
from consent_mw.audit.pages import way_on
from consent_mw.audit.passes import AuditVisitor
from consent_mw.audit.targets import AuditTarget
from consent_mw.audit.targets import Bounds
from consent_mw.audit.targets import Response
from consent_mw.audit.targets import UrlTarget
from consent_mw.cookies.choice import PLAIN_NAME
from consent_mw.core.model import Site
from consent_mw.engine.mount import GPC_PATH

__all__ = ["about_site"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
#: Headers that proxies and CDNs add to responses.
_PROXY_HEADERS = ("via", "x-cache", "x-served-by", "cf-ray", "x-amz-cf-id", "fly-request-id", "x-vercel-id", "age")
#: Statuses with which another host may reject a program although people can open the page.
_KEEPS_PROGRAMS_OUT = frozenset({401, 403, 405, 429})
_LOCAL = ("localhost", "127.0.0.1", "::1")


def about_site(target: AuditTarget, reader: Reader, path: str, *, others: bool = False) -> Iterator[Advice]:
    """
    Yield advice about a running site.

    Args:
        reader: Reads pages with the site's configuration.
        path: A page that should have a notice.
        others: Whether to follow the notice's links to other hosts.
    """
    site, visitor = reader.site, AuditVisitor(target, ())
    path, answer = _followed(visitor, target.origin, path)
    if not answer.status or answer.status >= 400:  # noqa: PLR2004
        what = f"{path} cannot be looked at: {answer.problem or f'the site answered {answer.status}'}."
        yield Advice("unreachable", ERROR, what, "Name a page of the site with --path.")
        return
    page = reader.read(target.origin, path, answer)
    if page.refused:
        remedy = "Correct what the response says of itself; docs/bad-input.md has the reasons."
        yield Advice("page-refused", ERROR, f"{path}: {page.refused}", remedy)
    mount = page.marks.choice.rpartition("/")[0] or site.mount
    if not (yield from _about_health(visitor, mount)):
        return
    yield from _about_notice(page, site, path)
    yield from _about_caches(visitor, site, path, page)
    yield from _about_way(target, site, answer)
    if site.mode == "on":
        yield from _about_refusal(visitor, target.origin, page.marks.choice or f"{mount}/choice")
    yield from _about_signal(visitor)
    yield from about_links(site, visitor, target.origin, others=others)


def _followed(visitor: AuditVisitor, origin: str, path: str) -> tuple[str, Response]:
    """Follow redirects on the host; return the final path and its response."""
    answer = visitor.get(path)
    for _ in range(_MOST_REDIRECTS):
        way = way_on(origin + path, answer.header("location")) if answer.status in _REDIRECTS else ""
        if not way:
            break
        path, answer = way, visitor.get(way)
    return path, answer


def _about_health(visitor: AuditVisitor, mount: str) -> Generator[Advice, None, bool]:
    """Yield advice from the site's health endpoint; return whether the site is wrapped at all."""
    found = _json(visitor.get(mount + "/health"))
    if "live" not in found:
        what = f"{mount}/health does not answer as consent_mw does: the site is not wrapped, or something is in front."
        remedy = f"Wrap the application, and let proxies, caches and routes pass on everything under {mount}/."
        yield Advice("not-wrapped", ERROR, what, remedy)
        return False
    problems = found.get("problems")
    for problem in problems if isinstance(problems, list) else []:
        yield Advice("health", ERROR, f"The site says: {problem}", f"See {mount}/health, and docs/operations.md.")
    return True


def _about_notice(page: AuditedPage, site: Site, path: str) -> Iterator[Advice]:
    if page.marks.notices > 1:
        what = f"{path} has {page.marks.notices} notices: consent_mw is around it more than once."
        yield Advice("wrapped-twice", ERROR, what, "Keep one: in the application, or in the gateway before it.")
    elif not page.marks.notices and site.mode == "on" and not site.learning:
        what = f"{path} has no notice."
        remedy = "See paths.quiet, whether the page is HTML, and whether a cache answers for it; or name --path."
        yield Advice("no-notice", WARNING, what, remedy)
    for tool in tools_in(page.text):
        yield Advice("other-tool", NOTE, f"{tool.name} is on {path}, too.", f"Take it out: {tool.delete}")
    if loads := [load for load in page.loads if load.is_held]:
        names = ", ".join(sorted({load.service.name for load in loads}))
        remedy = "Run consent-mw audit: it says where each comes from."
        yield Advice("loads", ERROR, f"{path} loads before consent: {names}.", remedy)


def _about_caches(visitor: AuditVisitor, site: Site, path: str, page: AuditedPage) -> Iterator[Advice]:
    again = visitor.get(path)
    age = again.header("age").strip()
    hit = "hit" in again.header("x-cache").lower() or (age.isdigit() and int(age) > 0)
    if hit and page.marks.notices and site.caching == "private":
        what = f"A cache in front of the site answers for {path}, and would serve one visitor's page to others."
        remedy = 'Let it pass pages on (Cache-Control: private), or write caching = "shared"; see docs/caching.md.'
        yield Advice("cached", ERROR, what, remedy)


def _about_way(target: AuditTarget, site: Site, answer: Response) -> Iterator[Advice]:
    parts = urlsplit(target.origin)
    is_local = parts.hostname in _LOCAL
    if parts.scheme == "http" and not is_local and not site.allow_insecure_http:
        what = "The site is served over http: no choice can be kept."
        yield Advice("http", ERROR, what, "Serve it over https.")
    proxies = [name for name in _PROXY_HEADERS if answer.header(name)]
    if proxies and not site.trusted_proxies:
        what = f"A proxy is in front of the site (it sends {', '.join(proxies)}), and trusted_proxies is 0."
        remedy = "Write trusted_proxies = 1, or how many there are, under [site]; docs/servers.md says what they send."
        yield Advice("proxies", WARNING, what, remedy)


def _about_refusal(visitor: AuditVisitor, origin: str, form: str) -> Iterator[Advice]:
    problem = visitor.choose(form, "reject-all")
    if problem:
        what = f"A refusal was not taken: {problem}."
        remedy = (
            f"The site has to know that it is {origin}: let proxies send X-Forwarded-Proto and X-Forwarded-Host, set"
            f" trusted_proxies, and pass POST to {form} on."
        )
        yield Advice("choice-refused", ERROR, what, remedy)
    elif not any(name.endswith(PLAIN_NAME) for name in visitor.cookie_names):
        what = "A refusal was taken, and its cookie did not arrive."
        yield Advice("choice-lost", ERROR, what, "Something in front of the site removes Set-Cookie: let it pass.")


def _about_signal(visitor: AuditVisitor) -> Iterator[Advice]:
    if "gpc" not in _json(visitor.get(GPC_PATH)):
        what = f"{GPC_PATH} does not say that the site honours Global Privacy Control."
        remedy = "Let proxies and routes pass it on to the application; consent_mw answers it."
        yield Advice("no-gpc-file", WARNING, what, remedy)


def about_links(site: Site, visitor: AuditVisitor | None = None, origin: str = "", *, others: bool) -> Iterator[Advice]:
    """
    Yield advice about links of the notice that lead nowhere.

    Args:
        visitor: Follows those on the site itself; None if only others can be followed.
        others: Whether to follow those to other hosts.
    """
    named = {
        "privacy_policy": site.privacy_policy,
        "contact": site.contact,
        "supervisory_authority": site.supervisory_authority,
    }
    for setting, link in named.items():
        url = urljoin(origin + "/", link)
        if not link or not url.startswith(("http://", "https://")):
            continue
        way = way_on(origin + "/", url) if visitor is not None else ""
        if visitor is not None and way:
            answer = _followed(visitor, origin, way)[1]
        elif others:
            there = UrlTarget(url, Bounds(10))
            path = urlunsplit(urlsplit(url)._replace(scheme="", netloc=""))
            answer = _followed(AuditVisitor(there, ()), there.origin, path)[1]
        else:
            continue
        is_there = 0 < answer.status < 400 or (not way and answer.status in _KEEPS_PROGRAMS_OUT)  # noqa: PLR2004
        if not is_there:
            said = f"which answers {answer.status}" if answer.status else f"and there is {answer.problem}"
            what = f"{setting} leads to {link}, {said}."
            yield Advice("dead-link", WARNING, what, f"Correct {setting} under [site], or the page.")


def _json(answer: Response) -> dict[str, object]:
    """Return the JSON object in a response; empty if there is none."""
    try:
        found = json.loads(answer.body.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
