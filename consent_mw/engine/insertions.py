"""
What the notice inserts into pages, made once for all that it depends on.

Theory of operation: what goes into a page is a function of the site, the decision, the language, the path of the
mount and what the page's policies allow. Only three things are of this one page: its address, to which the forms lead
back, the nonce of its policy, and the key of the response. So the notice is asked once for a page whose address, nonce
and key are marks that nothing else can hold; what it returns is cut at the marks and kept, and a page joins the pieces
around its own values. The key in the cache is the whole :class:`NoticePage` with the marks in it, so that whatever the
notice comes to depend on is part of it by itself.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote_plus

from consent_mw.core.cache import BoundedCache
from consent_mw.core.model import Record
from consent_mw.notice.banner import Notice
from consent_mw.notice.banner import NoticePage
from consent_mw.notice.escaping import escape

#: Insertions that are kept, and their bytes: a banner with its runtime has about 20 KB, and visitors choose grants.
_KEPT = 256
_KEPT_SIZE = 4_194_304

#: A nonce as policies write it (https://www.w3.org/TR/CSP3/#grammardef-base64-value), whatever its quotes.
_NONCE = re.compile(r"[A-Za-z0-9+/_=-]+", re.ASCII)

_Pieces = tuple[bytes, ...]


class Insertions:
    """
    The insertions of one notice; shared by threads.

    Args:
        notice: Of the site as it is now.
    """

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        # Nobody who writes a page or an address can know the marks.
        token = secrets.token_hex(8)
        self._nonce = f"cmwNonce{token}"
        # A query writes the space as "+": so the two ways in which an address stands in a page are told apart.
        self._back = f"/cmwBack{token} "
        self._key = f"cmwKey{token}"
        self._marks = re.compile(f"({self._nonce}|{self._key}|{self._back[:-1]}[ +])".encode())
        self._kept: BoundedCache[tuple[str, NoticePage], _Pieces] = BoundedCache(_KEPT, _KEPT_SIZE)

    def head(self, page: NoticePage) -> bytes:
        """Return what goes first into the head of the page, as the notice would."""
        return self._filled("head", self._notice.head, page)

    def body(self, page: NoticePage) -> bytes:
        """Return what goes first into the body of the page, as the notice would."""
        return self._filled("body", self._notice.insertion, page)

    def head_around_key(self, page: NoticePage) -> _Pieces:
        """Return what :meth:`head` does, cut where the key stands; the page has to have one."""
        return self._around_key("head", self._notice.head, page)

    def body_around_key(self, page: NoticePage) -> _Pieces:
        """Return what :meth:`body` does, cut where the key stands; the page has to have one."""
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
        """Return an insertion with a mark of ours as every second piece."""
        nonce, key = self._nonce if page.nonce else "", self._key if page.key else ""
        if (nonce and not _NONCE.fullmatch(page.nonce)) or (key and not _NONCE.fullmatch(page.key)):
            return (make(page),)  # it might change more than its own place
        decision = page.decision
        if decision.record is not None:
            # The notice knows what was chosen, and nothing of whom.
            decision = replace(decision, record=Record(decision.record.action, 0, ""))
        marked = replace(page, nonce=nonce, key=key, back=self._back, decision=decision)
        pieces = self._kept.get((place, marked))
        if pieces is None:
            pieces = tuple(self._marks.split(make(marked)))
            self._kept.put((place, marked), pieces)
        return pieces

    def _value(self, mark: bytes, page: NoticePage) -> bytes:
        if mark.startswith(b"cmw"):
            text = page.nonce if mark.startswith(b"cmwNonce") else page.key
        else:
            text = quote_plus(page.back, safe="/") if mark.endswith(b"+") else page.back
        return escape(text).encode("utf-8" if page.utf8 else "ascii", "xmlcharrefreplace")
