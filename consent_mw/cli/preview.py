"""
``consent-mw preview``: every layout, position, language, colour scheme and state of the notice, side by side.

Each variant is a real page with the site's real notice, in its own frame. Nothing is fetched and no choice is stored:
the buttons of a preview do nothing, and the notice's scripts are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import click

from consent_mw.cli import Owner
from consent_mw.notice.escaping import escape
from consent_mw.notice.palette import TEXT
from consent_mw.notice.theme import Pair
from consent_mw.notice.theme import colours
from consent_mw.notice.theme import ratios
from consent_mw.notice.wording import direction
from consent_mw.notice.wording import language_name

if TYPE_CHECKING:
    from wsgiref.types import StartResponse
    from wsgiref.types import WSGIEnvironment

    from consent_mw.core.choice import Decision
    from consent_mw.core.model import Site
    from consent_mw.notice.banner import Notice

#: The services for the preview of a site without services: one for each purpose.
_SAMPLES = ("google-analytics", "meta-pixel", "youtube")
#: The change for the state ``changed`` of a site without changes.
_SAMPLE_CHANGE = "We now use Matomo in place of Google Analytics."

_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)
_DARK = "@media (prefers-color-scheme:dark)"

#: The states of a visitor, with their names in the preview.
STATES = {
    "undecided": "Not decided",
    "open": "Choosing",
    "gpc": "Opt-out signal",
    "changed": "Asked again after a change",
    "decided": "Decided",
    "decided-gpc": "Decided, with the signal",
}
SCHEMES = {"light": "Light", "dark": "Dark"}
#: The widths of the window, each with its height.
WIDTHS = {320: 640, 768: 800, 1280: 800}


#: The names of layouts and positions in the preview.
_PLACES = {
    "bar": "Bar",
    "corner": "Corner card",
    "dialog": "Dialog",
    "bottom": "at the bottom",
    "top": "at the top",
    "center": "in the middle",
    "bottom-start": "at the bottom, start",
    "bottom-end": "at the bottom, end",
    "top-start": "at the top, start",
    "top-end": "at the top, end",
}

_SAMPLE = """<!doctype html>
<html lang="{lang}" dir="{dir}" style="color-scheme:{scheme}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Preview</title>
<style>
body {{ margin: 0; background: {ground} }}
main {{ max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem }}
i {{ display: block; height: 1rem; margin: .8rem 0; background: {block}; border-radius: 4px }}
i:nth-child(4n) {{ width: 82% }}
i:nth-child(5n) {{ width: 61% }}
i.title {{ width: 45%; height: 2.2rem; margin-bottom: 1.6rem }}
i.picture {{ width: auto; height: 15rem; margin: 1.6rem 0 }}
</style>
</head>
<body>{markup}
<main aria-hidden="true"><i class="title"></i>{blocks}</main>
<script>
for (const name of ["submit", "click"]) addEventListener(name, event => {{
  if (name === "submit" || event.target.closest("a")) event.preventDefault();
}});
</script>
</body>
</html>
"""

_INDEX = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Preview: {name}</title>
<style>
:root {{ color-scheme: light dark; --line: light-dark(#d5dae3, #3a4150); --soft: light-dark(#4b5361, #b4bcc9) }}
* {{ box-sizing: border-box }}
body {{ margin: 0; padding: 1.5rem; font: 1rem/1.5 system-ui, sans-serif; background: light-dark(#f4f6f9, #12151b) }}
h1 {{ margin: 0; font-size: 1.5rem }}
h2 {{ margin: 2.5rem 0 .5rem; font-size: 1.125rem }}
p {{ margin: .25rem 0 1rem; max-width: 48rem; color: var(--soft) }}
form {{ display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0 1.5rem }}
fieldset {{ min-width: 0; margin: 0; padding: .25rem .75rem .5rem; border: 1px solid var(--line); border-radius: 9px }}
fieldset div {{ display: flex; flex-wrap: wrap; gap: 0 1rem; max-width: 34rem; max-height: 9rem; overflow: auto }}
legend {{ padding: 0 .35rem; font-size: .875rem; font-weight: 600 }}
label {{ display: flex; align-items: center; gap: .4rem; min-height: 28px; font-size: .875rem }}
#looks {{ display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: start }}
figure {{ max-width: 100%; margin: 0 }}
figcaption {{ max-width: 36rem; margin: 0 0 .4rem; font-size: .875rem }}
figcaption b {{ margin-inline-end: .5rem; padding: 0 .5rem; border: 1px solid; border-radius: 99px; font-size: .75rem }}
.window {{ overflow: auto; max-width: 100%; border: 1px solid var(--line); border-radius: 10px; background: #fff }}
iframe {{ display: block; border: 0; transform-origin: 0 0 }}
table {{ display: block; overflow: auto; border-collapse: collapse; font-size: .875rem }}
th, td {{ padding: .35rem .75rem; border-bottom: 1px solid var(--line); text-align: start }}
td span {{ margin-inline-end: .6rem; padding: .1rem .6rem; border: 1px solid var(--line); border-radius: 4px }}
td span:empty {{ padding-block: 0; border-width: 3px }}
a {{ color: inherit }}
</style>
</head>
<body>
<main>
<h1>{name}</h1>
<p>The notice as visitors see it. Choose the variants to compare; the buttons in the pictures do nothing, and nothing
is recorded.</p>
<form aria-label="Variants">{controls}</form>
<noscript><p>This page needs JavaScript; without it, open the pictures one by one in the folder looks.</p></noscript>
<p role="status" id="count"></p>
<div id="looks"></div>
<h2>Contrast</h2>
<p>Text needs 4.5:1, controls need 3:1 (WCAG 2.2, AA). Every pair is checked when the site starts.</p>
<table><thead><tr><th>Where</th><th>Light</th><th>Dark</th><th>Needed</th></tr></thead><tbody>{ratios}</tbody></table>
</main>
<script>
const own = {own}, heights = {heights}, scales = {{ 320: .8, 768: .6, 1280: .45 }};
const form = document.querySelector("form"), looks = document.getElementById("looks");
const chosen = name => [...form.querySelectorAll(`[name=${{name}}]:checked`)];
const make = (name, parent, text) => {{
  const made = document.createElement(name);
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}};
const show = () => {{
  looks.replaceChildren();
  for (const place of chosen("place")) for (const lang of chosen("language")) for (const scheme of chosen("scheme"))
    for (const state of chosen("state")) for (const width of chosen("width")) {{
      const figure = make("figure", looks), caption = make("figcaption", figure), box = make("div", figure);
      const size = +width.value, scale = scales[size], parts = [place, lang, scheme, state];
      const address = "looks/" + parts.map(part => part.value).join(".") + ".html";
      if (place.value === own) make("b", caption, "yours");
      const link = make("a", caption, parts.map(part => part.dataset.name).join(" \\u00b7 ") + ` \\u00b7 ${{size}} px`);
      link.href = address;
      link.target = "_blank";
      box.className = "window";
      box.style.cssText = `width:${{size * scale + 2}}px;height:${{heights[size] * scale + 2}}px`;
      const frame = make("iframe", box);
      frame.loading = "lazy";
      frame.title = link.textContent;
      frame.style.cssText = `width:${{size}}px;height:${{heights[size]}}px;transform:scale(${{scale}})`;
      frame.src = address;
    }}
  document.getElementById("count").textContent = `Variants shown: ${{looks.childElementCount}}`;
}};
form.addEventListener("change", show);
show();
</script>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class PreviewLook:
    """One variant in the preview, at any width."""

    layout: str
    position: str
    lang: str
    scheme: str
    state: str

    @property
    def file(self) -> str:
        """The file name of its page."""
        return f"{self.layout}.{self.position}.{self.lang}.{self.scheme}.{self.state}.html"


class Gallery:
    """
    The pages of a preview.

    Args:
        site: The site whose notice is shown.
        languages: The languages to show; empty for those of the site.
        today: Whole days since 1970-01-01 UTC; changes up to this day are shown.
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
        """Yield every variant."""
        for (layout, position), lang, scheme, state in product(self.places, self.languages, SCHEMES, STATES):
            yield PreviewLook(layout, position, lang, scheme, state)

    def find(self, file: str) -> PreviewLook | None:
        """Return the look whose page has the name ``file``, or None."""
        parts = file.removesuffix(".html").split(".")
        look = PreviewLook(*parts) if len(parts) == 5 and file.endswith(".html") else None
        if look is None or look.lang not in self.languages or look.scheme not in SCHEMES or look.state not in STATES:
            return None
        return look if (look.layout, look.position) in self.places else None

    def page(self, look: PreviewLook) -> str:
        """Return the page with the notice in that look."""
        from consent_mw.core.choice import Action
        from consent_mw.core.choice import Record
        from consent_mw.notice.banner import NoticePage
        from consent_mw.notice.reasked import news

        notice, decision = self._notice(look), _decision(look.state)
        told = news(notice.site, decision, Record(Action.REJECT, 0, ""), look.lang, self._today)
        page = NoticePage(decision, look.lang, "", "/", self.site.mount, news=told, sheets=False)
        markup = _SCRIPT.sub("", notice.insertion(page).decode("ascii"))
        # A frame cannot have its own preferred colour scheme, so the media query is replaced.
        markup = markup.replace(_DARK, "@media all" if look.scheme == "dark" else "@media not all")
        if look.state == "open":
            markup = markup.replace('<details class="cmw-more"', '<details open="" class="cmw-more"')
        return sample_page(look.lang, look.scheme, markup)

    def index(self) -> str:
        """Return the page that shows all looks side by side."""
        return index_page(self, STATES, SCHEMES, WIDTHS)

    def _notice(self, look: PreviewLook) -> Notice:
        from consent_mw.core.model import Change
        from consent_mw.notice.assets import Assets
        from consent_mw.notice.banner import Notice

        place = (look.layout, look.position)
        if place not in self._notices:
            position = look.position if look.layout != "dialog" else ""
            changes = self.site.changes or (Change(self._today, {"en": _SAMPLE_CHANGE}),)
            # The owner's dark selector does not match in a frame, so it is replaced by the media query.
            theme = self.site.theme
            theme = replace(theme, scheme="auto") if theme.scheme == "selector" else theme
            site = replace(
                self.site, layout=look.layout, position=position, reopen="button", changes=changes, theme=theme
            )
            self._notices[place] = Notice(site, Assets())
        return self._notices[place]


def _with_samples(site: Site) -> Site:
    from consent_mw.catalogue import load

    catalogue = load()
    return replace(site, services=tuple(catalogue[name] for name in _SAMPLES if name in catalogue))


def _decision(state: str) -> Decision:
    """Return the decision that the engine would pass to the notice in that state."""
    from consent_mw.core.choice import Action
    from consent_mw.core.choice import Decision
    from consent_mw.core.choice import Reason
    from consent_mw.core.choice import Record
    from consent_mw.core.model import NECESSARY

    decided, changed = state.startswith("decided"), state == "changed"
    return Decision(
        granted=frozenset(),
        purposes=frozenset({NECESSARY}),
        prompt=not decided,
        reason=Reason.CHOSEN if decided else Reason.REVISED if changed else Reason.ABSENT,
        gpc=state.endswith("gpc"),
        record=Record(Action.REJECT, 0, "") if decided else None,
    )


# -- pages


def sample_page(lang: str, scheme: str, markup: str) -> str:
    """Return a page in the language with the markup first in its body, and grey blocks in place of text."""
    ground, block = ("#ffffff", "#e3e6eb") if scheme == "light" else ("#0e1014", "#262a33")
    blocks = ("<i></i>" * 6 + '<i class="picture"></i>') * 3
    return _SAMPLE.format(
        lang=lang, dir=direction(lang), scheme=scheme, ground=ground, block=block, markup=markup, blocks=blocks
    )


def index_page(
    gallery: Gallery, states: Mapping[str, str], schemes: Mapping[str, str], widths: Mapping[int, int]
) -> str:
    """Return the page that shows the looks of the gallery side by side."""
    places = {f"{layout}.{place}": f"{_PLACES[layout]}, {_PLACES[place]}" for layout, place in gallery.places}
    languages = {tag: language_name(tag) for tag in gallery.languages}
    controls = "".join(
        [
            _boxes("Layout", "place", places, list(places)),
            _boxes("Language", "language", languages, list(languages)[:1]),
            _boxes("Colours", "scheme", schemes, list(schemes)),
            _boxes("Visitor", "state", states, list(states)[:1]),
            _boxes("Width", "width", {str(width): f"{width} px" for width in widths}, [str(max(widths))]),
        ]
    )
    return _INDEX.format(
        name=escape(gallery.site.name or "Your notice"),
        controls=controls,
        ratios=_ratios(gallery),
        own=json.dumps(next(iter(places))),
        heights=json.dumps(dict(widths)),
    )


def _boxes(legend: str, name: str, options: Mapping[str, str], ticked: Iterable[str]) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" name="{name}" value="{escape(value)}" data-name="{escape(text)}"'
        f"{' checked' if value in set(ticked) else ''}>{escape(text)}</label>"
        for value, text in options.items()
    )
    return f"<fieldset><legend>{legend}</legend><div>{boxes}</div></fieldset>"


def _ratios(gallery: Gallery) -> str:
    rows = []
    theme = gallery.site.theme
    light, dark = (colours(theme, dark=at_night) for at_night in (False, True))
    for (pair, by_day), (_, by_night) in zip(ratios(theme), ratios(theme, dark=True), strict=True):
        cells = "".join(
            f"<td>{_swatch(pair, used)}{ratio:.1f}:1</td>" for used, ratio in ((light, by_day), (dark, by_night))
        )
        rows.append(f"<tr><td>{escape(pair.where)}</td>{cells}<td>{pair.least:g}:1</td></tr>")
    return "".join(rows)


def _swatch(pair: Pair, used: Mapping[str, str]) -> str:
    """Return a sample of two colours: text, or a shape without text."""
    front, back = used[pair.front], used[pair.back]
    if pair.least == TEXT:
        return f'<span style="color:{front};background:{back}">Aa</span>'
    return f'<span style="border-color:{front};background:{back}"></span>'


# -- the command


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
    """Write all pages into the folder, which is created if necessary, and return the number of looks."""
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
