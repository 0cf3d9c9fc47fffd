"""The pages of ``consent-mw preview``: one that a notice stands in, and the one that shows them side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable
from collections.abc import Mapping
from typing import TYPE_CHECKING

from consent_mw.notice.escaping import escape
from consent_mw.notice.theme import TEXT
from consent_mw.notice.theme import Pair
from consent_mw.notice.theme import colours
from consent_mw.notice.theme import ratios
from consent_mw.notice.wording import direction
from consent_mw.notice.wording import language_name

if TYPE_CHECKING:
    from consent_mw.cli.preview import Gallery

#: What the preview calls layouts and positions.
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
<p>The notice as visitors meet it. Choose what stands side by side; the buttons in the pictures do nothing, and
nothing is recorded.</p>
<form aria-label="What is shown">{controls}</form>
<noscript><p>A script puts the pictures together; without it, open them one by one in the folder looks.</p></noscript>
<p role="status" id="count"></p>
<div id="looks"></div>
<h2>Contrast</h2>
<p>Text needs 4.5:1, what must be seen to be used 3:1 (WCAG 2.2, AA). Every pair is checked at the site's start.</p>
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
  document.getElementById("count").textContent = `Looks shown: ${{looks.childElementCount}}`;
}};
form.addEventListener("change", show);
show();
</script>
</body>
</html>
"""


def sample_page(lang: str, scheme: str, markup: str) -> str:
    """Return a page in the language with the markup first in its body; its own text is grey blocks."""
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
    """Return a sample of two colours: words, or a shape without any."""
    front, back = used[pair.front], used[pair.back]
    if pair.least == TEXT:
        return f'<span style="color:{front};background:{back}">Aa</span>'
    return f'<span style="border-color:{front};background:{back}"></span>'
