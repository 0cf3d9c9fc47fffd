"""
Generate docs/catalogue.md from the catalogue.

Usage: ``python -m tools.catalogue_page`` writes it; ``--check`` only checks that it is up to date (exit status 1 if
not). It fails if a kind of necessary services has no argument in ``ARGUMENTS``.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from consent_mw import catalogue
from consent_mw.catalogue.disputed import DISPUTED
from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.core.model import Service

PAGE = Path(__file__).resolve().parent.parent / "docs" / "catalogue.md"

#: Why a page needs the necessary services of a kind.
ARGUMENTS = {
    "ab-testing": (
        "These decide which functions of an application are switched on. Without an answer the application may not "
        "start. Those that also measure the effect on visitors are not among them."
    ),
    "accessibility": "A visitor who needs the page larger, read aloud or signed asks for it by using the page.",
    "bot-protection": (
        "They stand before the page and decide whether it is delivered at all. Holding them locks out the visitors "
        "that they check, and security is what a visitor expects of every site."
    ),
    "captcha": "A form that is protected by one cannot be sent without it.",
    "consent-tool": (
        "It asks a question of its own and keeps the answer. It is no tracker by itself, and the page's code waits "
        "for its answer. A site with consent_mw needs no second one: remove it."
    ),
    "fonts": "Text and icons that lack their font are shown in another one, and an icon as an empty box.",
    "fraud-prevention": (
        "A shop's checkout refuses an order that was not checked, and the law asks payment services for it (PSD2)."
    ),
    "library-cdn": "They deliver code that the page itself is written with; without it menus, forms and buttons fail.",
    "login": "A visitor who signs in asks for it. Nobody can sign in without the code of the service.",
    "media-delivery": (
        "They deliver the site's own pictures, files and style sheets, and pictures that its authors keep on a"
        " platform; a page without them is empty."
    ),
    "payment": "A visitor who pays asks for it, and the card number must not pass through the shop.",
    "search": "They answer what a visitor types into the search field of the site.",
    "translation": "It shows the page in the language that the visitor chose.",
    "widget": "They show the options of a product, without which it cannot be ordered.",
}

#: The objections to each disputed group.
OBJECTIONS = {
    "fonts from other hosts": (
        "Each visit tells the font's host an IP address. The Munich regional court awarded damages for Google Fonts "
        "(LG München I, 3 O 17493/20). The same files can be served from your own site, which is the best remedy."
    ),
    "captchas": (
        "Some, reCAPTCHA above all, judge a visitor by what the browser tells and by cookies of the vendor; the French "
        "authority CNIL asks for consent to it. Others only set a puzzle. A held one makes its form wait for consent."
    ),
    "accessibility overlays": (
        "Many of their users say that overlays hinder them, some vendors count visits, and a page that is accessible "
        "by itself needs none."
    ),
    "other consent tools": (
        "They may count visitors, and two notices on a page confuse everybody. Held, the tool asks nothing."
    ),
    "avatars and emoji": (
        "They are decoration, and each visit tells their host an IP address. Gravatar and Libravatar are not necessary "
        "in the catalogue: they get a hash of an e-mail address, so they are held as preferences."
    ),
}

HEAD = """\
# The catalogue

<!-- made by tools/catalogue_page.py: change that, or the catalogue -->

The catalogue describes trackers and embeds: how to recognise them in a page, what they store in the browser, who
provides them, and for what purpose. Everything in it that is not *necessary* is held until the visitor opts in.

```console
$ consent-mw catalogue search "fbq("          # find a service by name, host, cookie, URL or code
$ consent-mw catalogue show meta-pixel        # every fact, with its source
$ consent-mw catalogue list --kind fonts      # also --purpose, --country, --json
$ consent-mw catalogue new our-tool           # an entry to fill in
$ consent-mw catalogue check services         # check a folder of your own entries
```

A folder of your own can add entries or replace built-in ones: [`site.catalogue`](settings.md#sitecatalogue).
"""


def page() -> str:
    """Return the whole page as Markdown."""
    services = [service for id_, service in catalogue.load().items() if id_ != UNKNOWN_SERVICE]
    return "\n".join([HEAD, *_counts(services), *_necessary(services), *_disputed(services)])


def _counts(services: list[Service]) -> Iterator[str]:
    hosts, cookies = (len({text for one in services for text in getattr(one, key)}) for key in ("hosts", "cookies"))
    yield "## What is in it\n"
    yield f"{len(services):,} services, {hosts:,} hosts and {cookies:,} names of cookies.\n"
    yield f"| kind | services | {' | '.join(catalogue.PURPOSES)} |"
    yield f"|---|{'---:|' * (1 + len(catalogue.PURPOSES))}"
    by_kind = Counter(service.kind for service in services)
    for kind in sorted(by_kind):
        here = Counter(purpose for service in services if service.kind == kind for purpose in service.purposes)
        cells = [f"{here[purpose]:,}" if here[purpose] else "" for purpose in catalogue.PURPOSES]
        yield f"| {kind or 'not said'} | {by_kind[kind]:,} | {' | '.join(cells)} |"
    yield "\nA service with two purposes, such as a tag manager, is counted under each.\n"


def _necessary(services: list[Service]) -> Iterator[str]:
    yield "## What is called necessary\n"
    yield "A service is necessary if the page cannot do what its visitor came for without it, and if it is not known"
    yield "to follow visitors from site to site. A known tracker can never be declared necessary.\n"
    kinds: dict[str, list[Service]] = {}
    for service in services:
        if service.necessary:
            kinds.setdefault(service.kind, []).append(service)
    if missing := sorted(kinds.keys() - ARGUMENTS.keys()):
        raise SystemExit(f"No argument says why these kinds may be necessary: {', '.join(missing)}")
    for kind in sorted(kinds):
        names = ", ".join(sorted((service.name for service in kinds[kind]), key=str.casefold))
        yield f"### {kind}\n\n{ARGUMENTS[kind]}\n\n{len(kinds[kind]):,}: {names}.\n"


def _disputed(services: list[Service]) -> Iterator[str]:
    yield "## What is disputed\n"
    yield "Courts, authorities or users dispute that these are necessary. `consent-mw check` lists those that your site"
    yield "lets run. To hold one, declare it with the purpose below, by one line in `consent.toml`. If you already have"
    yield "`[[services]]`, write the same keys under one more `[[services]]`. The first service that you declare ends"
    yield "the learning of services from the pages, so declare the others, too.\n"
    for dispute in DISPUTED:
        yield f"### {dispute.name.capitalize()}\n\n{OBJECTIONS[dispute.name]}\n"
        covered = [service for service in services if service.necessary and dispute.covers(service)]
        yield "| service | the line that holds it |\n|---|---|"
        for service in sorted(covered, key=lambda one: (one.id != dispute.example, one.name.casefold())):
            line = f'services = [{{ use = "{service.id}", purposes = ["{dispute.purpose}"] }}]'
            yield f"| {service.name} | `{line}` |"
        yield ""


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    fresh = page()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == fresh:
        return 0
    if "--check" in arguments:
        print(f"{PAGE.name} is out of date: run python -m tools.catalogue_page")  # the caller's terminal
        return 1
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
