"""
Policies in the page itself: ``<meta http-equiv="Content-Security-Policy" content="...">``.

Additions go into the attribute's value, inside the page's own quotes. Single quotes in them become character
references, and in an unquoted value spaces as well. Everything is ASCII, so it means the same in every charset. Nothing
is left out: see ``inserting`` in :mod:`consent_mw.html.csp`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import NamedTuple

from consent_mw.html.csp import Edit as TextEdit
from consent_mw.html.elements import Attributes
from consent_mw.html.hold_policy import Edit
from consent_mw.html.urls import decode_with_offsets

#: Returns the edits to the text of a policy, all of them insertions.
Amend = Callable[[str], Iterable[TextEdit]]


class MetaPolicy(NamedTuple):
    """A policy in a meta element, and the insertions into its tag."""

    text: str
    edits: tuple[Edit, ...]


def meta_policy(found: Attributes, tag: bytes, text: Callable[[bytes], str], amend: Amend) -> MetaPolicy | None:
    """
    Return the policy of a meta element, or None if it has none.

    Args:
        found: The attributes of the tag.
        tag: The tag itself.
        text: Decodes an attribute's value.
        amend: Returns the insertions into a policy.
    """
    kind, content = found.get(b"http-equiv"), found.get(b"content")
    if not kind or not content or content[0].value_at < 0:
        return None
    # https://html.spec.whatwg.org/#attr-meta-http-equiv-content-security-policy
    if text(kind[0].raw).lower() != "content-security-policy":
        return None
    value = content[0]
    # Browsers ignore directives that are not ASCII, so the policy may be read byte by byte.
    decoded, offsets = decode_with_offsets(value.raw)
    policy = decoded.decode("latin-1")
    quoted = tag[value.value_at - 1 : value.value_at] in (b'"', b"'")
    edits = []
    for position, _, inserted in amend(policy):
        raw = offsets[position] if position < len(offsets) else len(value.raw)
        written = inserted.replace("'", "&#39;")
        if not quoted:
            written = written.replace(" ", "&#32;")
        edits.append((value.value_at + raw, 0, written.encode("ascii")))
    return MetaPolicy(policy, tuple(edits))
