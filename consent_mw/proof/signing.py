"""
The signatures of seals: HMAC-SHA256 by itsdangerous, under keys that change over time.

A signature is ``KEY.MAC``: a name of the key, which does not lead to it, and
the MAC of the seal's hash. The name tells a seal that was edited from one
whose key is not known here.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from itsdangerous import Signer

from consent_mw.core.seal import Seal

__all__ = ["is_signed", "key_name", "sign"]

# The same keys sign cookies: a salt of its own keeps either from passing as the other.
_SALT = b"consent_mw.seal.v1"
_NAME_SALT = b"consent_mw.seal.key.v1"


def sign(seal: Seal, keys: tuple[str, ...]) -> str:
    """Return the signature of the seal by the newest key, which is the last."""
    return f"{key_name(keys[-1])}.{_signer(keys).get_signature(seal.hash).decode('ascii')}"


def is_signed(seal: Seal, keys: tuple[str, ...]) -> bool:
    """Return whether one of the keys signed the seal."""
    name, dot, mac = seal.signature.partition(".")
    by = tuple(key for key in keys if key_name(key) == name)
    return bool(dot and by and mac.isascii() and _signer(by).verify_signature(seal.hash, mac))


@lru_cache(maxsize=32)
def key_name(key: str) -> str:
    """Return eight characters that tell a key from others, and do not lead to it."""
    return _signer((key,), _NAME_SALT).get_signature(b"").decode("ascii")[:8]


def _signer(keys: tuple[str, ...], salt: bytes = _SALT) -> Signer:
    return Signer(list(keys), salt=salt, sep=".", key_derivation="hmac", digest_method=hashlib.sha256)
