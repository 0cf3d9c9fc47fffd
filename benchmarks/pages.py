"""
Pages for the benchmarks: generated with a fixed seed, or read from a folder.

A generated page resembles a shop or a news site: navigation, cards with responsive images and inline icons, tables,
comments, structured data, its own scripts, and ten trackers in the usual places.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SEED = 20_260_901

#: (name, size in bytes) of the generated pages.
SIZES = (("20 KB", 20_000), ("200 KB", 200_000), ("2 MB", 2_000_000))

_TEXT = (
    "about after album archive autumn balance bright calm camera camp canvas catalogue chair class colour contrast "
    "course crisp delivery detail develop digital early edge editing evening export exposure family field film filter "
    "focus frame garden gentle gift glass gradient grain green guide harbour highlight history house image import "
    "journey kitchen landscape layer learn lens letter library light linen macro manual market mask meadow memory "
    "mirror morning mountain museum natural negative night notebook ocean offer paper pattern pencil people photo "
    "picture pixel plain portrait preset print profile quality quick quiet range raw repair river sample scene season "
    "select shadow sharpen shop silver simple sketch small snow spring square station story street studio summer "
    "sunset table tone travel tripod update value vintage voice walk warm water weekend white window winter workshop"
)
WORDS = _TEXT.split()

# Ten trackers, each in the form of its vendor's instructions, with dummy ids.
_IN_HEAD = (
    '<script async src="https://www.googletagmanager.com/gtag/js?id=G-AAAA111111"></script>',
    "<script>window.dataLayer = window.dataLayer || []; function gtag(){dataLayer.push(arguments);} "
    "gtag('js', new Date()); gtag('config', 'G-AAAA111111');</script>",
    "<script>(function(w,d,s,l,i){w[l]=w[l]||[];w[l].push({'gtm.start':new Date().getTime(),event:'gtm.js'});"
    "var f=d.getElementsByTagName(s)[0],j=d.createElement(s);j.async=true;"
    "j.src='https://www.googletagmanager.com/gtm.js?id='+i;f.parentNode.insertBefore(j,f);"
    "})(window,document,'script','dataLayer','GTM-AAAA111');</script>",
    "<script>!function(f,b,e,v){if(f.fbq)return;var n=f.fbq=function(){n.queue.push(arguments)};n.queue=[];"
    "var t=b.createElement(e);t.async=!0;t.src=v;b.head.appendChild(t)}"
    "(window,document,'script','https://connect.facebook.net/en_US/fbevents.js');"
    "fbq('init','1234567890');fbq('track','PageView');</script>",
    '<link rel="preconnect" href="https://www.google-analytics.com">',
)
_IN_BODY = (
    '<noscript><img height="1" width="1" style="display:none" alt="" '
    'src="https://www.facebook.com/tr?id=1234567890&amp;ev=PageView&amp;noscript=1"></noscript>',
    '<noscript><iframe src="https://www.googletagmanager.com/ns.html?id=GTM-AAAA111" height="0" width="0" '
    'style="display:none;visibility:hidden"></iframe></noscript>',
    '<script async src="https://www.googletagmanager.com/gtag/js?id=AW-123456789"></script>',
    '<img width="1" height="1" alt="" src="https://googleads.g.doubleclick.net/pagead/viewthroughconversion/1/?guid=ON">',
    '<script src="https://connect.facebook.net/en_US/sdk.js#xfbml=1&amp;version=v20.0" defer></script>',
)
TRACKERS = len(_IN_HEAD) + len(_IN_BODY)


@dataclass(frozen=True, slots=True)
class PageSet:
    """Pages that are measured together; ``trackers`` is the number of trackers in them, None if unknown."""

    name: str
    pages: tuple[bytes, ...]
    trackers: int | None

    @property
    def size(self) -> int:
        """The total size of the pages, in bytes."""
        return sum(map(len, self.pages))


class _Writer:
    """Writes one page; every random choice comes from its own seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.number = 0

    def words(self, low: int, high: int) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randint(low, high)))

    def icon(self) -> str:
        x, y, r = (self.random.randint(1, 23) for _ in range(3))
        return (
            f'<svg class="icon" width="24" height="24" viewBox="0 0 24 24" aria-hidden="true">'
            f'<path d="M{x} {y}a{r} {r} 0 1 0 {y} {x}z" fill="none" stroke="currentColor"/></svg>'
        )

    def card(self) -> str:
        self.number += 1
        n, slug = self.number, "-".join(self.random.choices(WORDS, k=3))
        srcset = ", ".join(f"/media/{slug}-{w}.webp {w}w" for w in (320, 640, 1280))
        return (
            f'<article class="card card--{n % 4}" id="item-{n}" data-price="{n * 7 % 90}.90">\n'
            f'  <a class="card__link" href="/shop/{slug}?ref=list&amp;pos={n}">\n'
            f'    <picture><source type="image/webp" srcset="{srcset}" sizes="(max-width: 600px) 100vw, 33vw">\n'
            f'      <img loading="lazy" width="640" height="427" src="/media/{slug}-640.jpg" alt="{self.words(3, 8)}">'
            f"</picture>\n    <h3>{self.words(2, 6).capitalize()}</h3>\n  </a>\n"
            f'  <p class="card__text">{self.words(12, 40).capitalize()}.</p>\n'
            f'  <form method="post" action="/basket"><input type="hidden" name="id" value="{n}">'
            f'<button type="submit" onclick="return basket.add({n})">{self.icon()} Add</button></form>\n'
            f"</article>\n"
        )

    def table(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{self.words(1, 3)}</th><td>{self.random.randint(1, 999)}</td>'
            f'<td style="text-align:right">{self.random.random():.2f}&nbsp;&euro;</td></tr>\n'
            for _ in range(self.random.randint(4, 10))
        )
        return f'<table class="data"><caption>{self.words(2, 5)}</caption>\n<tbody>\n{rows}</tbody></table>\n'

    def prose(self) -> str:
        self.number += 1
        return (
            f"<!-- block {self.number} -->\n<h2>{self.words(3, 7).capitalize()}</h2>\n"
            f'<p>{self.words(30, 80).capitalize()} <a href="/guide/{self.words(1, 1)}">{self.words(2, 4)}</a>, '
            f"{self.words(10, 30)} <strong>{self.words(1, 3)}</strong>.</p>\n"
            f"<ul>{''.join(f'<li>{self.words(3, 9)}</li>' for _ in range(4))}</ul>\n"
        )

    def own_script(self) -> str:
        values = ",".join(f'"{word}":{self.random.randint(1, 99)}' for word in self.random.sample(WORDS, 12))
        return (
            f"<script>\nwindow.basket = window.basket || {{add: function (id) {{ return id < 0 || id > 10; }}}};\n"
            f"var stock = {{{values}}};\nfor (var i = 0; i < 4; i++) {{ stock['n' + i] = '<b>' + i + '</b>'; }}\n"
            "</script>\n"
        )

    def block(self) -> str:
        """Write the next block of content."""
        kinds = (self.card, self.card, self.card, self.card, self.prose, self.prose, self.table, self.own_script)
        return self.random.choice(kinds)()

    def head(self) -> str:
        css = "\n".join(
            f".{word}{{margin:{self.random.randint(0, 9)}px;background:url(/media/{word}.svg)}}"
            for word in self.random.sample(WORDS, 12)
        )
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{self.words(3, 6).capitalize()} &ndash; Portrait Shop</title>\n"
            '<link rel="canonical" href="https://shop.example/list">\n<link rel="icon" href="/favicon.svg">\n'
            '<link rel="stylesheet" href="/static/site.css?v=12">\n<script src="/static/site.js" defer></script>\n'
            f"<style>\n{css}\n</style>\n"
            '<script type="application/ld+json">'
            '{"@context":"https://schema.org","@type":"Store","name":"Portrait Shop"}</script>\n'
        )

    def navigation(self) -> str:
        items = "".join(
            f'<li class="nav__item"><a href="/{word}/">{word.capitalize()}</a></li>\n'
            for word in self.random.sample(WORDS, 12)
        )
        return f'<header class="top"><nav aria-label="Main"><ul class="nav">\n{items}</ul></nav></header>\n'


def make_page(size: int, seed: int = SEED) -> bytes:
    """Return a page of about ``size`` bytes (within one block) with :data:`TRACKERS` trackers."""
    writer = _Writer(seed)
    start = writer.head() + "\n".join(_IN_HEAD) + '\n</head>\n<body class="page">\n' + writer.navigation() + "<main>\n"
    end = '</main>\n<footer>&copy; Portrait Shop</footer>\n<script src="/static/late.js"></script>\n</body>\n</html>\n'
    room = size - len(start) - len(end) - sum(map(len, _IN_BODY))
    blocks: list[str] = []
    written = 0
    while written < room:
        blocks.append(writer.block())
        written += len(blocks[-1])
    # Spread the trackers in the body over the page.
    for number, tracker in enumerate(_IN_BODY):
        blocks.insert((number + 1) * len(blocks) // (len(_IN_BODY) + 1), tracker + "\n")
    return (start + "".join(blocks) + end).encode()


def endless_page(total: int, chunk_size: int = 65_536) -> Iterator[bytes]:
    """
    Yield one valid page of at least ``total`` bytes in chunks of ``chunk_size``, without building it in memory.

    Its blocks repeat with new URLs and ids each time, to reveal any cache that grows with the page.
    """
    writer = _Writer(SEED)
    pattern = (
        "".join(writer.block() for _ in range(600))
        .replace('id="item-', 'id="item-@@@@@@')
        .replace("/media/", "/media/@@@@@@")
        .encode()
        + "\n".join(_IN_BODY).encode()
    )
    buffer = (writer.head() + "</head>\n<body>\n" + writer.navigation()).encode()
    sent = rounds = 0
    while sent < total:
        while len(buffer) < chunk_size:
            buffer += pattern.replace(b"@@@@@@", b"%06d" % rounds)
            rounds += 1
        for start in range(0, len(buffer) - chunk_size + 1, chunk_size):
            yield buffer[start : start + chunk_size]
            sent += chunk_size
            if sent >= total:
                break
        buffer = buffer[len(buffer) // chunk_size * chunk_size :]
    yield b"</body></html>\n"


def made_pages() -> Iterator[PageSet]:
    """Yield the generated pages of every size."""
    for name, size in SIZES:
        yield PageSet(name, (make_page(size),), TRACKERS)


def read_pages(folder: Path) -> PageSet:
    """
    Read every ``.html`` and ``.htm`` file under ``folder``.

    Raises:
        FileNotFoundError: if there is none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".html", ".htm"} and path.is_file())
    if not files:
        raise FileNotFoundError(f"{folder}: no .html or .htm file in this folder; name one that holds pages")
    return PageSet(f"{folder.name} ({len(files)} files)", tuple(path.read_bytes() for path in files), None)
