"""
Plural forms by the rules of CLDR (Unicode Technical Standard 35, part 3).

Limits: only whole numbers from 0 up. They have no fraction and no exponent, so the operands for fraction digits (v, w,
f, t) and exponents (c, e) are 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

__all__ = ["FORMS", "OTHER", "form_of", "holds", "needed", "stands_alone"]

#: All plural categories of CLDR, in CLDR's order.
FORMS = ("zero", "one", "two", "few", "many", "other")
#: The form if no rule holds; it has no rule of its own.
OTHER = "other"

_RELATION = re.compile(r"([nivwftce])(?: % (\d+))? (!?=) (\d+(?:\.\.\d+)?(?:,\d+(?:\.\.\d+)?)*)")
# Except for whole millions, the rules of our languages depend only on the last two digits.
_SAMPLE = range(1001)


def form_of(rules: Mapping[str, str], number: int) -> str:
    """
    Return the form for the number, one of ``FORMS``.

    Args:
        rules: The rules by form, such as ``{"one": "i = 1 and v = 0"}``.
        number: 0 or more.

    Raises:
        ValueError: if a rule is malformed.
    """
    return next((form for form in FORMS if form in rules and holds(rules[form], number)), OTHER)


def holds(rule: str, number: int) -> bool:
    """
    Return whether the rule holds for the number.

    Raises:
        ValueError: if the rule is malformed.
    """
    return any(all(_is_true(relation, number) for relation in relations) for relations in _parsed(rule))


def needed(rules: Mapping[str, str]) -> tuple[str, ...]:
    """Return the forms that whole numbers have, in the order of ``FORMS``."""
    reached = {form_of(rules, number) for number in _SAMPLE}
    return tuple(form for form in FORMS if form in reached)


def stands_alone(rules: Mapping[str, str], form: str) -> bool:
    """Return whether only one number has the form, so that its text need not contain the number."""
    return sum(form_of(rules, number) == form for number in _SAMPLE) == 1


_Relation = tuple[bool, int, bool, tuple[tuple[int, int], ...]]


@cache
def _parsed(rule: str) -> tuple[tuple[_Relation, ...], ...]:
    """Parse a rule into alternatives; each is a list of relations that must all hold."""
    return tuple(tuple(_relation(part) for part in one.split(" and ")) for one in rule.split(" or "))


def _relation(text: str) -> _Relation:
    found = _RELATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a relation of a plural rule")
    operand, modulus, sign, values = found.groups()
    ranges = (value.partition("..") for value in values.split(","))
    return (
        operand in "ni",
        int(modulus or 0),
        sign == "=",
        tuple((int(low), int(high or low)) for low, _, high in ranges),
    )


def _is_true(relation: _Relation, number: int) -> bool:
    whole, modulus, wanted, ranges = relation
    value = number if whole else 0
    if modulus:
        value %= modulus
    return any(low <= value <= high for low, high in ranges) is wanted
