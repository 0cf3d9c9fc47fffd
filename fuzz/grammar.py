"""
Turns bytes into pages: each byte selects a piece of markup, so small changes of the input change little of the page.

A plain mutation of HTML rarely reaches the insertion modes in which the standard drops, moves or reopens tags. So the
pieces are the tags that the sections of "tree construction" mention, tags of a held host, and some text.
"""

from __future__ import annotations

#: Everything that must be held has an address on this host, or contains the call ``trackNow(``.
T = b"//tracker.example/"

_TREE = b"""
<svg> </svg> <svg/> <math> </math> <mi> </mi> <mtext> </mtext> <annotation-xml> <annotation-xml\x20encoding=text/html>
</annotation-xml> <foreignObject> </foreignObject> <desc> </desc> <title> </title> <style> </style> <script> </script>
<template> </template> <select> </select> <option> <optgroup> <hr> <input> <keygen> <textarea> </textarea> <table>
</table> <tbody> </tbody> <tr> </tr> <td> </td> <th> <caption> </caption> <colgroup> </colgroup> <col> <frameset>
</frameset> <frame> <noframes> </noframes> <noscript> </noscript> <head> </head> <body> </body> <html> </html> <p> </p>
<div> </div> <b> </b> <i> </i> <a> </a> <font> <font\x20color=x> </font> <nobr> </nobr> <button> </button> <form>
</form>
<applet> </applet> <marquee> </marquee> <object> </object> <ruby> <rt> <rp> <li> <dd> <dt> <ul> </ul> <h1> </h1> <pre>
<listing> <xmp> </xmp> <plaintext> <iframe> </iframe> <noembed> </noembed> <image> <img> <br> </br> <base> <link> <meta>
<mglyph> <malignmark> <![CDATA[ ]]> <!-- --> --!> <!> <? > <!doctype\x20html> <path/> <g> </g> <span> </span>
""".split()
_HELD = [
    b"<img src=%b1>" % T,
    b"<image href=%b2>" % T,
    b"<script src=%b3></script>" % T,
    b"<style>@import '%b4';</style>" % T,
    b"<style>a{b:url(%b5)}</style>" % T,
    b"<iframe src=%b6></iframe>" % T,
    b"<p style=\"background:url('%b7')\">" % T,
    b"<link rel=stylesheet href=%b8>" % T,
    b"<video poster=%b9>" % T,
    b"<object data=%ba></object>" % T,
    b"<input type=image src=%bb>" % T,
    b"<script>trackNow(1)</script>",
    b"<p onclick='trackNow(1)'>",
]
_TEXT = [b"x", b" ", b"\n", b"<", b">", b'"', b"'", b"=", b"/", b"\\", b"\x00"]
_TEXT += [b"&#58;", b"&amp;", b"\xc3\xa9", b"]]", b"--"]
PIECES = (*_TREE, *_HELD, *_TEXT)


def page(data: bytes) -> bytes:
    """Return the page for the bytes; its length is linear in theirs."""
    count = len(PIECES)
    return b"".join(PIECES[byte % count].replace(b"\x20", b" ") for byte in data)
