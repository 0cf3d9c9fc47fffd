"""
Signatures: the pieces of code that identify the scripts of a service, and an index of them.

A signature is tried on a script only if the script contains all of its words. So an index finds those that come into
question by one word each, and most scripts need no pattern at all.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple
from typing import Protocol

#: The length of the prefix by which a signature is indexed if it has no word, or only common ones.
FIRST_LETTERS = 3
#: A word in more signatures than this is common.
_COMMON = 6
_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_QUOTES = "\"'`"
_CODE_TOKEN = re.compile(r"[A-Za-z0-9_$]+|\s+|[\"'`]|.", re.DOTALL)
#: Code that only leaves settings for a service: ``name =``, ``name = window.name``.
_SETTING = re.compile(r"(?:window\.)?([A-Za-z_$][\w$]*) ?= ?(?:[{\[\"']|\(?(?:window\.)?\1\b.*)?\Z")
_ROOT = re.compile(r"(?:new )?(?:window\.)?([A-Za-z_$][\w$]*)")
_CALLED = re.compile(r"(?:new )?([A-Za-z_$][\w$]*)(?:\.[\w$]+)*(?:\(|\.push\Z)|send_to\b")


class Signature:
    """Code that identifies a script: white space between its tokens and the kind of its quotes do not matter."""

    __slots__ = ("_compiled", "_text", "beginning", "call", "id", "is_setting", "root", "text", "words")

    def __init__(self, text: str, service: str) -> None:
        pieces = [piece for piece in _CODE_TOKEN.findall(text) if not piece.isspace()]
        first, *more = ["[\"'`]" if piece in _QUOTES else re.escape(piece) for piece in pieces]
        # The word boundary is checked after the first piece, because a pattern that starts with a literal is fast.
        boundary = f"(?<![A-Za-z0-9_$]{first})" if re.match(r"[A-Za-z0-9_$]", text) else ""
        self.id = service
        self.text = text
        self._text = r"\s*+".join([first + boundary, *more]).encode()
        self._compiled: re.Pattern[bytes] | None = None
        #: Whole words in every script with this signature.
        self.words = frozenset(piece.encode() for piece in pieces[:-1] if _WORD.fullmatch(piece))
        #: The prefix of another word in such a script: the last piece may be the start of a longer word.
        self.beginning = pieces[-1].encode() if _WORD.fullmatch(pieces[-1]) else b""
        called = _CALLED.match(text)
        #: The global that the code calls; empty for an argument such as ``send_to``, None if it is not a call.
        self.call = None if called is None else (called.group(1) or "").encode()
        #: Whether the code only leaves settings. ``root`` is the global at its start.
        self.is_setting = _SETTING.match(text) is not None
        root = _ROOT.match(text)
        self.root = root.group(1).encode() if root else b""

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """The pattern, compiled on first use: a site needs few of a thousand, and each takes a millisecond."""
        if self._compiled is None:
            self._compiled = re.compile(self._text)
        return self._compiled


@lru_cache(maxsize=4096)
def signature_of(text: str, service: str) -> Signature:
    """Return a signature; the sites of a process share the catalogue's signatures and their compiled patterns."""
    return Signature(text, service)


class SignatureTables(NamedTuple):
    """Signatures, indexed by word or prefix."""

    by_word: dict[bytes, list[Signature]]
    #: Signatures whose last word is the most specific but may continue, by its first letters.
    by_beginning: dict[bytes, list[Signature]]
    #: Signatures that have to be tried in each script.
    rest: list[Signature]


def indexed(signatures: list[Signature]) -> SignatureTables:
    """Return an index of signatures, each by its rarest word, or by the prefix of its last word if that is rarer."""
    tables = SignatureTables({}, {}, [])
    occurrences = Counter(word for signature in signatures for word in signature.words)
    for signature in signatures:
        word = min(signature.words, key=lambda each: (occurrences[each], -len(each), each), default=b"")
        begins = len(signature.beginning) >= FIRST_LETTERS
        if word and not (begins and occurrences[word] > _COMMON):
            tables.by_word.setdefault(word, []).append(signature)
        elif begins:
            tables.by_beginning.setdefault(signature.beginning[:FIRST_LETTERS], []).append(signature)
        else:
            tables.rest.append(signature)
    return tables


class SignatureSource(Protocol):
    """The signatures of a catalogue, which are created when a script contains their word or prefix."""

    @property
    def words(self) -> frozenset[bytes]:
        """The words that signatures are indexed by."""
        ...

    @property
    def beginnings(self) -> frozenset[bytes]:
        """The prefixes that the other signatures are indexed by."""
        ...

    def signatures_with(self, word: bytes) -> list[tuple[str, str]]:
        """Return the signatures that are indexed by a word, with the ids of their services."""
        ...

    def signatures_beginning(self, letters: bytes) -> list[tuple[str, str]]:
        """Return the signatures that are indexed by a prefix, with the ids of their services."""
        ...

    def signatures_without_words(self) -> list[tuple[str, str]]:
        """Return the signatures that have to be tried in each script, with the ids of their services."""
        ...
