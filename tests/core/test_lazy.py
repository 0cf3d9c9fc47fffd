"""Attributes that are computed when they are first read."""

from __future__ import annotations

from consent_mw.core.lazy import lazy


class _Thing:
    def __init__(self) -> None:
        self.made = 0

    @lazy
    def value(self) -> int:
        """The number of times it was made."""
        self.made += 1
        return self.made


def test_a_lazy_attribute_is_computed_once_for_each_object() -> None:
    """It belongs to its object, and may be replaced or forgotten."""
    one, other = _Thing(), _Thing()
    assert (one.made, one.value, one.value, other.made) == (0, 1, 1, 0)
    one.value = 7
    assert one.value == 7
    del one.value
    assert one.value == 2


def test_a_lazy_attribute_keeps_its_documentation() -> None:
    """Read on the class it is itself."""
    assert _Thing.__dict__["value"].__doc__ == "The number of times it was made."
    assert _Thing.value is _Thing.__dict__["value"]
