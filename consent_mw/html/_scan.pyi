from consent_mw.html.hold_policy import Edit
from consent_mw.html.hold_policy import Edits
from consent_mw.html.hold_policy import TagPlan

INTERFACE: int

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
    def skip(self, buffer: bytes | bytearray, position: int, /) -> int: ...
    def skip_local(self, buffer: bytes | bytearray, position: int, /) -> int: ...
    def skip_head(self, buffer: bytes | bytearray, position: int, /) -> int: ...
    def walk(
        self,
        buffer: bytes | bytearray,
        position: int,
        may: int,
        plans: dict[bytes, TagPlan | None],
        pieces: dict[bytes, Edits],
        edits: list[Edit],
        held: set[str],
        origin: int,
        /,
    ) -> int: ...
