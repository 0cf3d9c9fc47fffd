"""
Hostile markup in pieces: what a scanner could end at the wrong place in.

The pieces are the tokens of the scanner's own grammar (names that matter and names that nearly do, separators, values
with quotes of either kind or none), so that most texts of them are nearly right and few are.
"""

from __future__ import annotations

import random

NAMES = (
    *(
        "p",
        "a",
        "b",
        "div",
        "span",
        "h1",
        "P",
        "dIv",
        "svg",
        "SVG",
        "img",
        "IMG",
        "input",
        "link",
        "meta",
        "head",
        "html",
    ),
    *("body", "select", "template", "noscript", "script", "style", "title", "textarea", "source", "video", "embed"),
    *(
        "path",
        "g",
        "use",
        "text",
        "tspan",
        "circle",
        "stop",
        "lineargradient",
        "clippath",
        "my-tag",
        "x.y_z-w",
        "q\xe9-x",
    ),
    *(
        "imgs",
        "im",
        "s",
        "linkx",
        "widgetbot",
        "a:b",
        "a1",
        "bodyx",
        "bod",
        "selects",
        "templat",
        "plaintext",
        "x\x00y",
    ),
)
ATTRIBUTES = (
    *("id", "class", "style", "STYLE", "src", "SRC", "href", "xlink:href", "srcset", "imagesrcset", "data-src", "alt"),
    *("title", "width", "onclick", "ONload", "on", "on1", "ona", "data-cmw-x", "DATA-CMW-", "data-consent", "data-x"),
    *("data-lazy", "data-LAZY-src", "data-a-b-c-src", "data-a-b-c-d-src", "data--src", "data-bg", "lazy-src", "LAZY-S"),
    *(
        "ping",
        "background",
        "formaction",
        "attributionsrc",
        "poster",
        "http-equiv",
        "lowsrc",
        "dynsrc",
        "data-original",
    ),
    *("fill", "fill-opacity", "stroke", "Mask", "filter", "clip-path", "cursor", "marker-end", "fill1", "d", "xmlns"),
    *(
        "data-mark",
        "DATA-Mark",
        "data-any",
        "loading",
        "aria-label",
        "sizes",
        "=",
        "=x",
        '"',
        "'x",
        "\xe9",
        "\x00",
        "<",
    ),
    *(
        "srcs",
        "sty",
        "styles",
        "hre",
        "data-",
        "data-cmw",
        "data-srcset",
        "data-lazy-srcset",
        "pin",
        "pings",
        "decoding",
    ),
)
VALUES = (
    *(
        "",
        "x",
        "x y",
        "/a/b",
        "/a//b",
        "//x.example",
        "/a/./b",
        "/%2e/x",
        "/%2Ex",
        "/gtm.js",
        "gtm.js",
        "a gtm.js",
        "/a, /b",
    ),
    *("a 1x,b 2x", "a\nb", "a\tb", "a:b", "a\\b", "a&amp;b", "url(x)", "color:red", "a(b", "#a", "url(#a)", "url( #a)"),
    *(
        "url(#a) url(b)",
        "none",
        "red(",
        "M0 0",
        "has-text-in-it",
        "text-in",
        "text-i",
        "xtext-intext-in",
        "\x1b(B",
        "\x01",
    ),
    *(
        "\x00",
        "'",
        '"',
        "<b>",
        "a>b",
        "it's",
        "/",
        "./a",
        "../a",
        "?q=1",
        "/a?b=//c",
        "é",
        "ab",
        "/ab",
        "a/ab",
        "data-mark",
    ),
    *("go(1)", "go('a')", "go('a.b')", "`.c-1.d", "'.", "'.a", '"a.b', "a/b/", "//", "a /", "f('x').y", "'A.b", "\x7f"),
)
SEPARATORS = (" ", " ", " ", "\n", "\t", "\f", "\r", "/", " / ", "", "  ", "\v", "\xa0")
EQUALS = ("=", "=", "=", " = ", "= ", " =", "\n=\n", "==", "")
BETWEEN = (
    *(
        "text",
        " ",
        "\n",
        "<",
        "<<",
        "< ",
        "<1",
        "</",
        "</>",
        "</ x>",
        "</1>",
        "<!",
        "<!>",
        "<!x>",
        "<!doctype html>",
        "<?",
        "<?x>",
    ),
    *(
        "<!--",
        "<!-- x -->",
        "<!-->",
        "<!--->",
        "<!---->",
        "<!----->",
        "<!-- > -->",
        "<!--x--!>",
        "<!----!>",
        "<!--x--",
        "-->",
    ),
    *("<!--!>", "<!---!>", "<!--a-b--c->d--!x-->", "<![CDATA[x]]>", "<title>t</title>", "<title>", "</svg>", "</SVG >"),
    *(
        "</head>",
        "</HEAD>",
        "</head >",
        "</body>",
        "</select >",
        "</template/>",
        "</noscript\n>",
        "</p x='>'>",
        "&amp;",
        ">",
    ),
)


def pick(chance: random.Random, choices: tuple[str, ...]) -> str:
    """Return one of the choices."""
    return choices[int(chance.random() * len(choices))]


def attribute(chance: random.Random) -> str:
    """Return an attribute, mostly a whole one."""
    name = pick(chance, ATTRIBUTES)
    if chance.random() < 0.15:
        return name
    quote = pick(chance, ('"', '"', '"', "'", "'", ""))
    close = quote if chance.random() < 0.97 else ""
    return name + pick(chance, EQUALS) + quote + pick(chance, VALUES) + close


def tag(chance: random.Random) -> str:
    """Return a tag, mostly a whole one."""
    text = "<" + ("/" if chance.random() < 0.3 else "") + pick(chance, NAMES)
    for _ in range(int(chance.random() ** 2 * 5)):
        text += pick(chance, SEPARATORS) + attribute(chance)
    text += pick(chance, ("", "", "", " ", "/", " /"))
    return text + (">" if chance.random() < 0.95 else "")


def drawing(chance: random.Random) -> str:
    """Return a drawing, mostly a simple one."""
    names = ("path", "g", "use", "circle", "title", "text") if chance.random() < 0.8 else NAMES
    parts = ["<svg", *(" " + attribute(chance) for _ in range(int(chance.random() * 3))), ">"]
    for _ in range(int(chance.random() * 4)):
        attributes = "".join(" " + attribute(chance) for _ in range(int(chance.random() * 3)))
        parts.append(f"<{'/' if chance.random() < 0.3 else ''}{pick(chance, names)}{attributes}>")
    return "".join([*parts, pick(chance, ("</svg>", "</svg>", "</SVG>", "</svg >", ""))])


def page(chance: random.Random, pieces: int) -> bytes:
    """Return a text of so many pieces."""
    makers = (tag, tag, tag, drawing, lambda chance: pick(chance, BETWEEN))
    text = "".join(makers[int(chance.random() * len(makers))](chance) for _ in range(pieces))
    return text.encode("latin-1", "replace")
