"""
Attributes that are computed on first access, for objects that are created for every request.

:class:`functools.cached_property` does the same. But before Python 3.12 it takes a lock, which all objects of a class
share, so a thread that computes a decision would make every other thread wait. It is also three times as slow, and a
page view has some thirty such attributes. Without a lock, two threads that read an attribute of the same object at once
may both compute it, but threads do not share the objects of a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

__all__ = ["lazy"]

if TYPE_CHECKING:
    from functools import cached_property as lazy
else:

    class lazy:  # noqa: N801 -- a decorator
        """An attribute that replaces itself by its value."""

        def __init__(self, make: Any) -> None:
            self._make = make
            self._name = make.__name__
            self.__doc__ = make.__doc__

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            """Compute the value, and keep it in the object, where it is found from now on."""
            if instance is None:
                return self
            value = instance.__dict__[self._name] = self._make(instance)
            return value
