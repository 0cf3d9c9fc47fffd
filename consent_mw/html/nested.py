"""
Documents inside a page: an iframe's srcdoc, and the document in a ``data:`` URL.

They are read like separate pages, by the rules of their type and in their charset. Nothing is inserted into them: if
something in one must be held, the whole attribute that contains it is held.
"""

from __future__ import annotations

import re

from consent_mw.core.model import UNKNOWN_SERVICE
from consent_mw.errors import RefusedMarkup
from consent_mw.html.charset import PageStream
from consent_mw.html.code import Ids
from consent_mw.html.holder import Holder
from consent_mw.html.rewriter import Rewriter
from consent_mw.html.urls import DataUrl

_XML_ENCODING = re.compile(rb"<\?xml[^>]*?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")


def held_in(document: DataUrl, holder: Holder) -> Ids:
    """
    Return the ids of the services that would be held in a document inside an attribute.

    Args:
        holder: The holder of the page around it.
    """
    xml = document.is_xml
    rewriters: list[Rewriter] = []

    def rewriter(charset: str) -> Rewriter:
        rewriters.append(Rewriter(holder.nested(charset, xml=xml)))
        return rewriters[-1]

    label = document.charset
    if xml and not label and (found := _XML_ENCODING.match(document.body)):
        label = found.group(1).decode("ascii")
    stream = PageStream(label, rewriter)
    try:
        stream.feed(document.body)
        stream.finish()
    except RefusedMarkup:
        # Hold this attribute instead of refusing the whole page.
        return (UNKNOWN_SERVICE,)
    return tuple(sorted({id_ for made in rewriters for id_ in made.held}))
