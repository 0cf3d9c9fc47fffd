"""
Writes what is inserted into a held tag: the bytes of a :class:`~consent_mw.html.hold_policy.TagPlan`.

:mod:`consent_mw.html.holder` decides that a tag is held, and for which services. Here are the insertions: the prefix
that disarms an attribute, the list of services, the type that keeps a script from running, and the placeholder of an
embed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping

from consent_mw.html.code import Ids
from consent_mw.html.elements import Attribute
from consent_mw.html.elements import Attributes
from consent_mw.html.elements import Tag
from consent_mw.html.hold_policy import KEY
from consent_mw.html.hold_policy import KEY_IN_ADDRESS
from consent_mw.html.hold_policy import PREFIX
from consent_mw.html.hold_policy import Edit
from consent_mw.html.hold_policy import HoldPolicy
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.suspects import host_of_stranger

#: How an address in a list or a style sheet is made invalid (docs/decisions/0003).
_INVALID = b"about:invalid#cmw="
#: What precedes our prefix in an attribute's name. The runtime gives ``xlink:data-cmw-href`` back as ``xlink:href``.
_MARK = re.compile(rb"(?:[^:]*+:)*?(?=data-cmw-)", re.I)
#: How to make copies of our insertions inert: the element (empty for any), the attribute to insert, and the marks by
#: which a copy is recognised.
_COPIED: tuple[tuple[bytes, tuple[bytes, bytes], frozenset[bytes]], ...] = (
    (b"", (b"hidden", b""), frozenset({b"data-cmw-banner", b"data-cmw-reopen", b"data-cmw-panel"})),
    (b"", (b"media", b"not all"), frozenset({b"data-cmw-style"})),
    (
        b"script",
        (b"type", b"text/plain"),
        frozenset(b"data-cmw-" + name for name in (b"runtime", b"hosts", b"queue", b"library", b"signals", b"on")),
    ),
)
#: Attributes that name a frame; and attributes to disarm if a placeholder takes its place, because they have the
#: address or would block our page.
_NAMES_OF_A_FRAME = frozenset({b"title", b"aria-label", b"aria-labelledby"})
_OF_THE_FRAME = frozenset({b"src", b"sandbox", b"csp", b"credentialless"})


class PlanWriter:
    """
    Writes the insertions that make a tag inert.

    Args:
        policy: Tells whether to remove attributes instead, the path of the placeholder pages, and the services' names.
        xml: Whether the rules of XML apply (XHTML): attributes need quotes, and their names may have a prefix.
    """

    def __init__(self, policy: HoldPolicy, *, xml: bool) -> None:
        self._policy = policy
        self._xml = xml

    def plan(
        self,
        tag: Tag,
        held: Ids,
        holds: Mapping[bytes, Ids],
        inner: Iterable[tuple[int, bytes]] = (),
        *,
        is_embed: bool = False,
    ) -> TagPlan:
        """
        Return the plan that makes a tag inert.

        Args:
            held: The ids of the services that the tag is held for.
            holds: The attributes to disarm, each with the ids it is held for.
            inner: Insertions into values or before attributes, each with its offset in the tag.
            is_embed: Whether the tag is an iframe that shows a visible embed, and a placeholder takes its place.
        """
        name, found, name_end = tag.name, tag.attributes, tag.name_end
        edits: list[Edit] = [(offset, 0, text) for offset, text in inner]
        disarmed = set(holds)
        opening = b" data-cmw-held=" + self.quoted(",".join(held)) + KEY
        if name == b"script":
            opening += b" type=" + self.quoted("text/plain")
            disarmed.update({b"type"} & found.keys())
        elif is_embed and self._policy.placeholder:
            opening += b" src=" + self.quoted(self._policy.placeholder + ",".join(held))
            opening += self._frame_title(found, held)
            disarmed.update(_OF_THE_FRAME & found.keys())
        for key in disarmed:
            # Disarm all duplicates: without the first, the browser would use the second.
            for attribute in found[key]:
                if self._policy.remove and key != b"type":
                    edits.append((attribute.start, attribute.end - attribute.start, b""))
                else:
                    prefix = tag.raw.find(b":", attribute.start, attribute.end) + 1 if self._xml else 0
                    local = prefix if prefix and prefix < attribute.start + len(key) else attribute.start
                    edits.append((local, 0, PREFIX))
        if tag.raw[name_end : name_end + 1] == b"/":
            opening += b" "
        edits.append((name_end, 0, opening))
        edits.sort(key=lambda edit: edit[0])
        return TagPlan(tuple(edits), held)

    def own_handler(self, event: bytes, held: Attribute, code: bytes) -> list[tuple[int, bytes]]:
        """Return the insertion of an event handler with this code before the one that is held; none without code."""
        if not code or self._xml:
            return []
        return [(held.start, event + b'="' + code.replace(b"&", b"&amp;").replace(b'"', b"&quot;") + b'" ')]

    def quoted(self, value: str) -> bytes:
        """Quote a value only if XML or its characters require it: quotes could end a quoted text around the tag."""
        plain = re.fullmatch(r"[A-Za-z0-9/_.,:~%-]+", value) is not None
        if plain and not self._xml:
            return value.encode()
        escaped = value.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
        return b'"' + escaped.encode("ascii", "xmlcharrefreplace") + b'"'

    def _frame_title(self, found: Attributes, held: Ids) -> bytes:
        """Return a title for a frame without a name: the names of the services it is held for (WCAG 2.2, 4.1.2)."""
        services = self._policy.matcher.services
        names = [services[id_].name if id_ in services else host_of_stranger(id_) for id_ in held]
        title = ", ".join(dict.fromkeys(filter(None, names)))
        if not title or _NAMES_OF_A_FRAME & found.keys():
            return b""
        # Character references, since a space would need quotes. The title may stay when the frame is restored.
        value = "".join(char if char.isascii() and char.isalnum() else f"&#{ord(char)};" for char in title).encode()
        return b' title="' + value + b'"' if self._xml else b" title=" + value


def feigned_marks(tag: Tag) -> list[Edit]:
    """Return edits that make attributes with our prefix inert if they come from the application's page."""
    # Such an attribute, for example in a visitor's comment that passed a sanitizer, must not be mistaken for a hold and
    # released as code. A second prefix keeps it inert.
    edits = [
        (attribute.start + mark.end(), 0, PREFIX)
        for key, values in tag.attributes.items()
        if (mark := _MARK.match(key)) and key != b"data-cmw-action"
        for attribute in values
    ]
    # The application may have taken a part of the page from one that was already rewritten, by a request of its own or
    # from another wrapped site. The copies of our notice and scripts in it must do nothing, since those of this
    # response serve the whole page.
    if edits:
        for name, without, marks in _COPIED:
            if name not in (b"", tag.name) or marks.isdisjoint(tag.attributes) or without[0] in tag.attributes:
                continue
            start = min(tag.attributes[mark][0].start for mark in marks & tag.attributes.keys())
            edits = [edit for edit in edits if edit[0] != start] + [(start, 0, b'%s="%s" ' % without + PREFIX)]
            break
    return sorted(edits)


def defuse(ids: Ids) -> bytes:
    """Return the prefix that makes a URL invalid, and names the services that it is held for and the response's key."""
    return _INVALID + ",".join(ids).encode() + b"#" + KEY_IN_ADDRESS


def ids_of_defused(prefix: bytes) -> list[str]:
    """Return the ids in a prefix that :func:`defuse` returned."""
    return prefix.removeprefix(_INVALID).partition(b"#")[0].decode().split(",")
