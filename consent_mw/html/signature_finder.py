"""
Finds the signatures of services in a script.

Theory of operation: a catalogue has a thousand signatures, and a script has few of their words. Each signature is
indexed by one of its words, or by the first letters of its last word, which may continue. So the words of a script lead
to the few signatures that it may have; only if all their words occur are their patterns tried. With the scanner in C
the words are split and looked up in one pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from consent_mw.core.model import Service
from consent_mw.html import scan
from consent_mw.html.script_reading import ScriptText
from consent_mw.html.signatures import FIRST_LETTERS
from consent_mw.html.signatures import Signature
from consent_mw.html.signatures import SignatureSource
from consent_mw.html.signatures import indexed
from consent_mw.html.signatures import signature_of

__all__ = ["SignatureFinder"]

#: The words whose signatures are kept, and the longest of them in bytes.
_MOST_WORDS, _LONGEST_WORD = 4096, 64
#: Up to so many signatures, their words are searched for one by one instead of collecting all words of the script.
_FEW = 8


class _Index(NamedTuple):
    """What signatures are indexed by: in the table of the scanner in C, or without it as sets."""

    table: scan.WordTable | None
    words: frozenset[bytes] = frozenset()
    beginnings: frozenset[bytes] = frozenset()


class SignatureFinder:
    """
    The signatures of a set of services; shared by threads.

    Args:
        own: The services that do not come from ``source``, by id.
        source: The signatures of the other services, which are created when first needed; None if there are none.
    """

    def __init__(self, own: Mapping[str, Service], source: SignatureSource | None) -> None:
        self._own = own
        self._source = source
        self._own_found = indexed(
            [signature_of(text, service.id) for service in own.values() for text in service.inline]
        )
        #: The signatures that have to be tried in each script.
        self._rest = self._own_found.rest
        if source is not None:
            self._rest = self._made(source.signatures_without_words()) + self._rest
        #: The signatures that words of scripts have led to.
        self._by_word: dict[bytes, tuple[Signature, ...]] = {}

    @cached_property
    def _index(self) -> _Index:
        own, source = self._own_found, self._source
        words, beginnings = frozenset(own.by_word), frozenset(own.by_beginning)
        if source is not None:
            words, beginnings = words | source.words, beginnings | source.beginnings
        if scan.Words is None:
            return _Index(None, words, beginnings)
        return _Index(scan.Words(dict.fromkeys(words, 1), dict.fromkeys(beginnings, 1)))

    def found_in(self, script: ScriptText) -> Iterator[tuple[Signature, list[int]]]:
        """Yield the signatures in a script, with their positions in its decoded text."""
        table, indexed_words, beginnings = self._index
        if table is None:
            known = script.words()
            telling = known & indexed_words | {word for word in known if word[:FIRST_LETTERS] in beginnings}
        else:
            known = telling = set(table.found_in(script.text))
        tried = {signature: None for word in telling for signature in self._with(word)}
        if table is not None and len(tried) <= _FEW and not self._rest:
            # Usually none of them occurs, and finding that out is cheaper than collecting all words of the script.
            tried = {signature: None for signature in tried if all(map(script.text.__contains__, signature.words))}
            if not tried:
                return
        words = known if table is None else script.words()
        for signature in (*self._rest, *tried):
            if not signature.words <= words:
                continue
            if places := [found.start() for found in signature.pattern.finditer(script.text)]:
                yield signature, places

    def _with(self, word: bytes) -> tuple[Signature, ...]:
        """Return the signatures that are indexed by a word, or by its first letters."""
        found = self._by_word.get(word)
        if found is None:
            own, source, letters = self._own_found, self._source, word[:FIRST_LETTERS]
            by_word, by_letters = own.by_word.get(word, []), own.by_beginning.get(letters, [])
            if source is not None:
                by_word = self._made(source.signatures_with(word)) + by_word
                by_letters = self._made(source.signatures_beginning(letters)) + by_letters
            found = (*by_word, *(one for one in by_letters if word.startswith(one.beginning)))
            if len(word) <= _LONGEST_WORD:
                if len(self._by_word) >= _MOST_WORDS:
                    self._by_word.clear()
                self._by_word[word] = found
        return found

    def _made(self, pairs: Iterable[tuple[str, str]]) -> list[Signature]:
        """Return the signatures, except those of services that the owner replaces."""
        return [signature_of(text, id_) for text, id_ in pairs if id_ not in self._own]
