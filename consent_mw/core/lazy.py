"""
Attributes that are computed when they are first read, for objects that are made for every request.

:class:`functools.cached_property` does the same. But before Python 3.12 it takes a lock each time, the same one for all
objects of a class, so a thread that computes a decision made every other thread wait. It also takes three times as long
as this one, for some thirty attributes of a page view. Without the lock, two threads that read an attribute of one
object at once may both compute it; nothing that is made for a request is shared by threads.
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
