"""
The only place that sets up signatures: HMAC-SHA256 with itsdangerous, and a salt for each use.

The same keys sign cookies, seals, receipts, sessions and frozen decisions. The salt separates them: a signature for one
use, or for one site, does not verify for another.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import TypeVar
from typing import overload

from itsdangerous import Signer

__all__ = ["is_canonical", "signer"]

AnySigner = TypeVar("AnySigner", bound=Signer)


@overload
def signer(keys: Sequence[str], *context: str) -> Signer: ...
@overload
def signer(keys: Sequence[str], *context: str, kind: type[AnySigner]) -> AnySigner: ...
def signer(keys: Sequence[str], *context: str, kind: type[Signer] = Signer) -> Signer:
    """
    Return the signer for one use of the keys.

    Args:
        keys: Oldest first; the last one signs, all of them verify.
        context: The use and its version first, such as ``consent_mw.choice.v1``, then what else must be the same:
            the site's name, its mount. Two contexts never verify each other's signatures.
        kind: The signer's class.
    """
    return kind(
        list(keys), salt="\0".join(context).encode(), sep=".", key_derivation="hmac", digest_method=hashlib.sha256
    )


def is_canonical(mac: str) -> bool:
    """
    Return whether ``mac`` is the canonical base64url of its bytes.

    The decoder ignores the spare bits of the last character, so that one signature would have several spellings.
    """
    return base64.urlsafe_b64encode(base64.urlsafe_b64decode(f"{mac}=")).decode("ascii") == f"{mac}="
