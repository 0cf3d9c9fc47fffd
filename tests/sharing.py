"""
Distributes the tests among processes: related tests stay together, and every process has work to the end.

The tests of a group run in one process, one after the other, so that shared fixtures are made once. A group is a file,
with two exceptions: the files that need the servers of the stores form one group, and a long file of visits is split
into several. The groups form a queue: first those that wait for browsers and servers, then the many short ones, and
last those that compute. One process in four takes groups from the end and the others take them from the front. So the
processor is rarely idle, and all processes finish at about the same time.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling
    from xdist.workermanage import WorkerController

#: Files and folders that wait for other programs, in the order in which they start. A wrong place only costs time.
WAITING = (
    "tests/audit/test_browser.py",
    "tests/faults/test_store.py",
    "tests/records/",
    "tests/proof/test_proof.py",
    "tests/proof/test_retention.py",
    "tests/proof/test_transfer.py",
    "tests/browser/test_snippets.py",
    "tests/browser/test_engines.py",
    "tests/faults/",
    "tests/field/",
    "tests/browser/test_gadgets.py",
    "tests/browser/test_traps.py",
    "tests/browser/test_demo.py",
    "tests/browser/test_harness.py",
    "tests/browser/test_flows.py",
    "tests/browser/test_csp.py",
    "tests/browser/",
    "tests/privacy/",
    "tests/edges/servers/",
    "tests/web/stats/test_looks.py",
    "tests/web/test_receipt_looks.py",
    "tests/caching/test_caches.py",
    "tests/house/test_soak.py",
    "tests/house/test_generated.py",
)
#: Files and folders that compute for a long time, the longest last.
COMPUTING = (
    "tests/notice/test_languages.py",
    "tests/edges/test_validators.py",
    "tests/proof/test_export.py",
    "tests/engine/",
    "tests/corpus/",
    "tests/stats/test_whole.py",
)
#: Files that need the servers of the stores, which take seconds to start.
STORES = tuple(start for start in WAITING if start.startswith(("tests/records/", "tests/proof/")))
#: Files with so many visits that they are split.
CUT = (
    "tests/browser/test_engines.py",
    "tests/browser/test_snippets.py",
    "tests/browser/test_traps.py",
    "tests/field/test_field.py",
)
#: The most tests of one function in a piece of such a file: the number of visits of a batch (see harness/batch.py).
MOST = 24


def place_of(name: str) -> int:
    """Return the place of a file's tests in the queue, by its path or by the name of a test."""
    for place, start in enumerate(WAITING):
        if name.startswith(start):
            return place
    for place, start in enumerate(COMPUTING, len(WAITING) + 1):
        if name.startswith(start):
            return place
    return len(WAITING)


def groups_of(names: Iterable[str]) -> Mapping[str, str]:
    """
    Return the group of each test.

    In a file that is split, a new piece begins when a function recurs after another one: the tests of a batch of visits
    are adjacent.
    """
    found = {}
    pieces: dict[str, int] = {}
    run: dict[str, int] = {}
    last = ""
    for name in names:
        file = name.partition("::")[0]
        if name.startswith(STORES):
            found[name] = "stores"
        elif file not in CUT:
            found[name] = file
        else:
            function = name.partition("[")[0]
            count = run.get(function, 0)
            if file not in pieces or count == MOST or (count and function != last):
                pieces[file] = pieces.get(file, 0) + 1
                run.clear()
            run[function] = run.get(function, 0) + 1
            last = function
            found[name] = f"{file} {pieces[file]}"
    return found


def scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Return the scheduler that distributes the groups."""
    from xdist.scheduler import LoadScopeScheduling  # imported here, since tests also run without xdist

    class FromBothEnds(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        groups: Mapping[str, str] = {}

        def schedule(self) -> None:
            self.groups = self.groups or groups_of(next(iter(self.registered_collections.values())))
            super().schedule()

        def _split_scope(self, name: str) -> str:
            return self.groups[name]

        def _assign_work_unit(self, node: WorkerController) -> None:
            if int(node.gateway.id.removeprefix("gw")) % 4 == 0:
                self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
            super()._assign_work_unit(node)

    config.option.loadscopereorder = False
    return FromBothEnds(config, log)
