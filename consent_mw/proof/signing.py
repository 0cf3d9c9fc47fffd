"""
The signatures of seals, under keys that change over time.

A signature is ``KEY.MAC``: the name of the key, and the MAC of the seal's hash. The name does not reveal the key. It
distinguishes an edited seal from one that was signed with an unknown key.
"""

from __future__ import annotations

from functools import lru_cache

from consent_mw.core.seal import Seal
from consent_mw.core.signing import signer

__all__ = ["is_signed", "key_name", "sign"]

# Domain separation: the same keys sign seals and cookies, and one must not be accepted as the other.
_CONTEXT = "consent_mw.seal.v1"
_NAME_CONTEXT = "consent_mw.seal.key.v1"


def sign(seal: Seal, keys: tuple[str, ...]) -> str:
    """Return the seal's signature by the newest key, which is the last one."""
    return f"{key_name(keys[-1])}.{signer(keys, _CONTEXT).get_signature(seal.hash).decode('ascii')}"


def is_signed(seal: Seal, keys: tuple[str, ...]) -> bool:
    """Return whether one of the keys signed the seal."""
    name, dot, mac = seal.signature.partition(".")
    by = tuple(key for key in keys if key_name(key) == name)
    return bool(dot and by and mac.isascii() and signer(by, _CONTEXT).verify_signature(seal.hash, mac))


@lru_cache(maxsize=32)
def key_name(key: str) -> str:
    """Return eight characters that name a key without revealing it."""
    return signer((key,), _NAME_CONTEXT).get_signature(b"").decode("ascii")[:8]
