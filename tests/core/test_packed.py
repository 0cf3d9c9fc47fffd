"""What is packed is found again, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consent_mw.core.packed import Packed
from consent_mw.core.packed import pack

TABLES = st.dictionaries(st.text(), st.dictionaries(st.text(), st.text()), max_size=4)


@given(TABLES, st.text())
def test_what_is_packed_is_found_again(tables: dict[str, dict[str, str]], other: str) -> None:
    """Each table has its entries in their order, and an entry for nothing else."""
    packed = Packed(memoryview(pack(tables)))
    for name, table in tables.items():
        read = packed[name]
        assert [(key, read.get(key)) for key in read] == list(table.items())
        assert (read.get(other), other in read, len(read)) == (table.get(other), other in table, len(table))


def test_a_lone_surrogate_is_no_key() -> None:
    """A text that is not Unicode, as a page may make one, is looked for like any other."""
    assert Packed(memoryview(pack({"table": {"a": "b"}})))["table"].get("\ud800") is None
