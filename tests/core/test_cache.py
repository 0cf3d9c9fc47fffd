"""The cache with two bounds."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.cache import OVERHEAD
from consent_mw.core.cache import BoundedCache


def test_the_entry_used_longest_ago_goes_first() -> None:
    """Looking at an entry keeps it."""
    cache: BoundedCache[str, str] = BoundedCache(2, 10_000)
    cache.put("a", "1")
    cache.put("b", "2")
    assert cache.get("a") == "1"
    cache.put("c", "3")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("1", None, "3")


def test_one_large_entry_does_not_empty_the_cache() -> None:
    """What exceeds the bound by itself is not kept, and nothing is dropped for it."""
    cache: BoundedCache[str, str] = BoundedCache(10, 1_000)
    cache.put("a", "1")
    cache.put("b", "x" * 2_000)
    assert (cache.get("a"), cache.get("b")) == ("1", None)


def test_a_value_that_grew_too_large_is_forgotten() -> None:
    """An old value never stands in for a new one that could not be kept."""
    cache: BoundedCache[str, str] = BoundedCache(10, 1_000)
    cache.put("a", "1")
    cache.put("a", "x" * 2_000)
    assert (cache.get("a"), cache.size) == (None, 0)


texts = st.text("ab\N{SNOWMAN}", max_size=300)


@given(st.lists(st.tuples(st.text("abc", max_size=2), texts | st.lists(texts, max_size=3).map(tuple)), max_size=60))
def test_both_bounds_hold_after_every_step(steps: list[tuple[str, object]]) -> None:
    """Whatever comes, entries and bytes stay within their bounds, and the size is that of what is kept."""
    cache: BoundedCache[str, object] = BoundedCache(5, 2_000)
    for key, value in steps:
        cache.put(key, value)
        assert cache.get(key) in (value, None)
        assert len(cache) <= 5
        assert cache.size <= 2_000
    assert (cache.size == 0) is (len(cache) == 0)
    cache.clear()
    assert (len(cache), cache.size) == (0, 0)


@given(st.text(max_size=100))
def test_no_text_is_measured_below_its_size(text: str) -> None:
    """The estimate of a text, with its overhead, is at least what the interpreter takes for it."""
    cache: BoundedCache[int, str] = BoundedCache(5, 10_000)
    cache.put(1, text)
    assert cache.size + 8 >= sys.getsizeof(text)
    assert cache.size >= OVERHEAD
