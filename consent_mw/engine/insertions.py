"""
The notice's insertions into pages, rendered once for pages that differ only in three values.

Theory of operation: the markup is a function of the site, the decision, the language, the path of the mount and the
page's policies. Only three values belong to a single page: its address, to which the forms lead back, the nonce of its
policy, and the key of the response. So the notice is rendered once with unique marks in place of these values. The
result is split at the marks and cached, and each page joins the pieces with its own values. The cache key has every
field of :class:`NoticePage` and of its decision but these three and the record, of which only the action counts. So any
property that the notice depends on is part of the key. It is made of the fields themselves: to make and to hash a page
with marks for each response would take ten times as long.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from collections.abc import Hashable
from dataclasses import fields
from dataclasses import replace
from operator import attrgetter
from urllib.parse import quote_plus

from consent_mw.core.cache import BoundedCache
from consent_mw.core.choice import Decision
from consent_mw.core.choice import Record
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.escaping import escape

#: The limits of the cache, in entries and bytes: a banner with its runtime has about 20 KB, and visitors choose grants.
_KEPT = 256
_KEPT_SIZE = 4_194_304

#: A nonce as policies write it (https://www.w3.org/TR/CSP3/#grammardef-base64-value), whatever its quotes.
_NONCE = re.compile(r"[A-Za-z0-9+/_=-]+", re.ASCII)

#: The fields of a page and of its decision that are part of the key as they are.
_OF_PAGE = attrgetter(*({field.name for field in fields(NoticePage)} - {"decision", "nonce", "key", "back"}))
_OF_DECISION = attrgetter(*({field.name for field in fields(Decision)} - {"record"}))

_Pieces = tuple[bytes, ...]


class Insertions:
    """
    The insertions of one notice; shared by threads.

    Args:
        notice: The notice of the current site.
    """

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        # The marks are random, so that no page and no address can contain them.
        token = secrets.token_hex(8)
        self._nonce = f"cmwNonce{token}"
        # The trailing space becomes "+" in a query, which tells the two spellings of the address apart.
        self._back = f"/cmwBack{token} "
        self._key = f"cmwKey{token}"
        self._marks = re.compile(f"({self._nonce}|{self._key}|{self._back[:-1]}[ +])".encode())
        self._kept: BoundedCache[Hashable, _Pieces] = BoundedCache(_KEPT, _KEPT_SIZE)

    def head(self, page: NoticePage) -> bytes:
        """Return the markup for the start of the head, as the notice would render it."""
        return self._filled("head", self._notice.head, page)

    def body(self, page: NoticePage) -> bytes:
        """Return the markup for the start of the body, as the notice would render it."""
        return self._filled("body", self._notice.insertion, page)

    def head_around_key(self, page: NoticePage) -> _Pieces:
        """Return the result of :meth:`head`, split at the key; the page must have one."""
        return self._around_key("head", self._notice.head, page)

    def body_around_key(self, page: NoticePage) -> _Pieces:
        """Return the result of :meth:`body`, split at the key; the page must have one."""
        return self._around_key("body", self._notice.insertion, page)

    def _around_key(self, place: str, make: Callable[[NoticePage], bytes], page: NoticePage) -> _Pieces:
        pieces = [b""]
        for at, piece in enumerate(self._pieces(place, make, page)):
            if at % 2 and piece.startswith(b"cmwKey"):
                pieces.append(b"")
            else:
                pieces[-1] += self._value(piece, page) if at % 2 else piece
        return tuple(pieces)

    def _filled(self, place: str, make: Callable[[NoticePage], bytes], page: NoticePage) -> bytes:
        pieces = self._pieces(place, make, page)
        if len(pieces) == 1:
            return pieces[0]
        return b"".join(self._value(piece, page) if at % 2 else piece for at, piece in enumerate(pieces))

    def _pieces(self, place: str, make: Callable[[NoticePage], bytes], page: NoticePage) -> _Pieces:
        """Return the pieces of an insertion; every second piece is a mark."""
        nonce, key = self._nonce if page.nonce else "", self._key if page.key else ""
        if (nonce and not _NONCE.fullmatch(page.nonce)) or (key and not _NONCE.fullmatch(page.key)):
            return (make(page),)  # an unusual value might change more than its own place
        decision = page.decision
        action = decision.record.action if decision.record is not None else None
        kind = (place, bool(nonce), bool(key), _OF_PAGE(page), _OF_DECISION(decision), action)
        pieces = self._kept.get(kind)
        if pieces is None:
            # The notice needs to know what was chosen, but not by whom.
            record = None if action is None else Record(action, 0, "")
            decision = replace(decision, record=record)
            marked = replace(page, nonce=nonce, key=key, back=self._back, decision=decision)
            pieces = tuple(self._marks.split(make(marked)))
            self._kept.put(kind, pieces)
        return pieces

    def _value(self, mark: bytes, page: NoticePage) -> bytes:
        if mark.startswith(b"cmw"):
            # These are letters and digits at most, which need no escaping.
            return (page.nonce if mark.startswith(b"cmwNonce") else page.key).encode("ascii")
        text = quote_plus(page.back, safe="/") if mark.endswith(b"+") else page.back
        return escape(text).encode("utf-8" if page.utf8 else "ascii", "xmlcharrefreplace")
