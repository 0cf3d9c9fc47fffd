"""
``consent-mw preview``: every layout, position, language, colour scheme and state of the notice, side by side.

Each picture is a real page with the real notice of the site in it, in a frame
of its own. Nothing is fetched from anywhere and no choice is kept: the buttons
of a preview do nothing, and scripts of the notice are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consent_mw.cli import Owner
from consent_mw.cli.preview_page import index_page
from consent_mw.cli.preview_page import sample_page

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse
    from wsgiref.types import WSGIEnvironment

    from consent_mw.core.model import Decision
    from consent_mw.core.model import Site
    from consent_mw.notice.banner import Notice

#: What a site without services shows: one for each purpose that is asked about.
_SAMPLES = ("google-analytics", "meta-pixel", "youtube")
#: What a site that lists no change shows in the state ``changed``.
_SAMPLE_CHANGE = "We now use Matomo in place of Google Analytics."

_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)
_DARK = "@media (prefers-color-scheme:dark)"

#: The states of a visitor, with what the preview calls them.
STATES = {
    "undecided": "Not decided",
    "open": "Choosing",
    "gpc": "Opt-out signal",
    "changed": "Asked again after a change",
    "decided": "Decided",
    "decided-gpc": "Decided, with the signal",
}
SCHEMES = {"light": "Light", "dark": "Dark"}
#: Widths of the window with the height that goes with each.
WIDTHS = {320: 640, 768: 800, 1280: 800}


@dataclass(frozen=True, slots=True)
class PreviewLook:
    """One picture of the preview, but for its width."""

    layout: str
    position: str
    lang: str
    scheme: str
    state: str

    @property
    def file(self) -> str:
        """The name of its page."""
        return f"{self.layout}.{self.position}.{self.lang}.{self.scheme}.{self.state}.html"


class Gallery:
    """
    The pages of a preview.

    Args:
        site: Whose notice it is.
        languages: The languages that are shown; those of the site where empty.
        today: Whole days since 1970-01-01 UTC, for what changed until then.
    """

    def __init__(self, site: Site, languages: Iterable[str] = (), *, today: int) -> None:
        from consent_mw.notice.wording import offered_languages

        self.languages = tuple(dict.fromkeys(languages)) or offered_languages(site)
        self.sampled = not site.optional
        self.site = replace(_with_samples(site) if self.sampled else site, languages=self.languages)
        self._today = today
        self._notices: dict[tuple[str, str], Notice] = {}

    @cached_property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Every layout with each of its positions, the site's own first."""
        from consent_mw.config.schema import POSITIONS
        from consent_mw.notice.theme import POSITIONS as STANDARD
        from consent_mw.notice.theme import position_of

        places = [(layout, place) for layout, found in POSITIONS.items() for place in found or (STANDARD[layout],)]
        own = (self.site.layout, position_of(self.site))
        return (own, *(place for place in places if place != own))

    def looks(self) -> Iterator[PreviewLook]:
        """Yield every picture there is."""
        for (layout, position), lang, scheme, state in product(self.places, self.languages, SCHEMES, STATES):
            yield PreviewLook(layout, position, lang, scheme, state)

    def find(self, file: str) -> PreviewLook | None:
        """Return the look whose page is called ``file``, or None."""
        parts = file.removesuffix(".html").split(".")
        look = PreviewLook(*parts) if len(parts) == 5 and file.endswith(".html") else None
        if look is None or look.lang not in self.languages or look.scheme not in SCHEMES or look.state not in STATES:
            return None
        return look if (look.layout, look.position) in self.places else None

    def page(self, look: PreviewLook) -> str:
        """Return the page with the notice in that look."""
        from consent_mw.core.model import Action
        from consent_mw.core.model import Record
        from consent_mw.notice.banner import NoticePage
        from consent_mw.notice.reasked import news

        notice, decision = self._notice(look), _decision(look.state)
        told = news(notice.site, decision, Record(Action.REJECT, 0, ""), look.lang, self._today)
        page = NoticePage(decision, look.lang, "", "/", self.site.mount, news=told)
        markup = _SCRIPT.sub("", notice.insertion(page).decode("ascii"))
        # The frame cannot prefer a scheme of its own, so that the question is answered here.
        markup = markup.replace(_DARK, "@media all" if look.scheme == "dark" else "@media not all")
        if look.state == "open":
            markup = markup.replace('<details class="cmw-more"', '<details open="" class="cmw-more"')
        return sample_page(look.lang, look.scheme, markup)

    def index(self) -> str:
        """Return the page that shows them side by side."""
        return index_page(self, STATES, SCHEMES, WIDTHS)

    def _notice(self, look: PreviewLook) -> Notice:
        from consent_mw.core.model import Change
        from consent_mw.notice.assets import Assets
        from consent_mw.notice.banner import Notice

        place = (look.layout, look.position)
        if place not in self._notices:
            position = look.position if look.layout != "dialog" else ""
            changes = self.site.changes or (Change(self._today, {"en": _SAMPLE_CHANGE}),)
            site = replace(self.site, layout=look.layout, position=position, reopen="button", changes=changes)
            self._notices[place] = Notice(site, Assets())
        return self._notices[place]


def _with_samples(site: Site) -> Site:
    from consent_mw.catalogue import load

    catalogue = load()
    return replace(site, services=tuple(catalogue[name] for name in _SAMPLES if name in catalogue))


def _decision(state: str) -> Decision:
    """Return what the engine would hand to the notice in that state."""
    from consent_mw.core.model import NECESSARY
    from consent_mw.core.model import Action
    from consent_mw.core.model import Decision
    from consent_mw.core.model import Reason
    from consent_mw.core.model import Record

    decided, changed = state.startswith("decided"), state == "changed"
    return Decision(
        granted=frozenset(),
        purposes=frozenset({NECESSARY}),
        prompt=not decided,
        reason=Reason.CHOSEN if decided else Reason.REVISED if changed else Reason.ABSENT,
        gpc=state.endswith("gpc"),
        record=Record(Action.REJECT, 0, "") if decided else None,
    )


def application(gallery: Gallery) -> Callable[[WSGIEnvironment, StartResponse], list[bytes]]:
    """Return the pages as a WSGI application."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        path = environ.get("PATH_INFO", "/").removeprefix("/")
        look = gallery.find(path.removeprefix("looks/")) if path.startswith("looks/") else None
        if path and look is None:
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"There is no such page in the preview.\n"]
        text = gallery.page(look) if look is not None else gallery.index()
        start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")])
        return [text.encode()]

    return serve


def write(gallery: Gallery, folder: Path) -> int:
    """Write all pages into the folder, which is made if need be; return how many looks there are."""
    looks = folder / "looks"
    looks.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(gallery.index(), encoding="utf-8")
    count = 0
    for look in gallery.looks():
        (looks / look.file).write_text(gallery.page(look), encoding="utf-8")
        count += 1
    return count


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8040, show_default=True, help="0 takes a free one.")
@click.option("--output", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Write files instead.")
@click.option("--language", "-l", "languages", multiple=True, metavar="TAG", help="Another language; all: every one.")
@click.pass_obj
def preview(owner: Owner, port: int, output: Path | None, languages: tuple[str, ...]) -> int:
    """
    Show the notice in every layout, position, language, colour scheme and state.

    Serves a page on this machine until it is stopped (Ctrl+C), or writes it
    into a folder. The page works without a network, and records nothing.
    """
    from consent_mw.notice.assets import texts
    from consent_mw.notice.languages import nearest
    from consent_mw.notice.wording import offered_languages

    site = owner.site
    wanted = list(texts()) if "all" in languages else [tag for tag in languages if nearest(tag, texts())]
    if unknown := [tag for tag in languages if tag != "all" and tag not in wanted]:
        raise click.BadParameter(f"there are no texts in {', '.join(map(repr, unknown))}.", param_hint="'--language'")
    gallery = Gallery(site, [*offered_languages(site), *wanted], today=owner.today)
    if gallery.sampled:
        click.echo("The configuration lists no service that needs consent: three of the catalogue stand in.", err=True)
    if output is not None:
        count = write(gallery, output)
        click.echo(f"{count} looks written: open {output / 'index.html'}")
        return 0
    from werkzeug.serving import make_server

    try:
        server = make_server("127.0.0.1", port, application(gallery), threaded=True)
    except (OSError, SystemExit):
        message = f"port {port} is taken. Choose another one, or 0 for any."
        raise click.BadParameter(message, param_hint="'--port'") from None
    click.echo(f"The preview is at http://127.0.0.1:{server.server_port}/ until you press Ctrl+C.")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
    return 0
