from typing import Any
from typing import TypeVar

from consent_mw.html.hold_policy import Edit
from consent_mw.html.hold_policy import Edits
from consent_mw.html.hold_policy import TagPlan
from consent_mw.html.scan import Buffer

INTERFACE: int

_State = TypeVar("_State", bound=dict[bytes, Any])

def occurs(buffer: Buffer, texts: tuple[bytes, ...], /) -> bool: ...
def follow(
    buffer: Buffer, position: int, state: _State, bounds: tuple[int, int, int], /
) -> tuple[int, _State, int, int]: ...

class Scanner:
    def __new__(
        cls,
        elements: dict[bytes, int],
        simple: dict[bytes, int],
        ends: dict[bytes, int],
        attributes: dict[bytes, int],
        paths: tuple[bytes, ...],
        marks: tuple[tuple[bytes, tuple[bytes, ...]], ...],
    ) -> Scanner: ...
    def skip(self, buffer: Buffer, position: int, /) -> int: ...
    def skip_local(self, buffer: Buffer, position: int, /) -> int: ...
    def skip_head(self, buffer: Buffer, position: int, /) -> int: ...
    def walk(
        self,
        buffer: Buffer,
        position: int,
        may: int,
        plans: dict[bytes, TagPlan | None],
        pieces: dict[bytes, Edits],
        edits: list[Edit],
        held: set[str],
        origin: int,
        /,
    ) -> int: ...

class Words:
    def __new__(cls, words: dict[bytes, int], beginnings: dict[bytes, int]) -> Words: ...
    def found_in(self, buffer: Buffer, /) -> list[bytes]: ...
