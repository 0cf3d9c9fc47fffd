"""
The overhead of the middleware on each edge, as a ratio, and its effect on the time to first byte of a slow page.

As in :mod:`benchmarks.overhead`, two servers with one worker each run side by side: the same site bare and wrapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import overhead
from benchmarks.edge_apps import PAUSE
from benchmarks.overhead import Overhead

#: The edges, with gunicorn's worker for each.
EDGES = {
    "wsgi": "sync",
    "flask": "sync",
    "django-wsgi": "sync",
    "asgi": "asgi",
    "starlette": "asgi",
    "django-asgi": "asgi",
}
PATHS = ("/json", "/page", "/stream")
#: The goal for the delay of the first byte of a slow page, in milliseconds.
GOAL = 20.0
_SLOW_REQUESTS = 7


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge: its answers, and the times of the slow page's first and last byte, in ms; (bare, wrapped)."""

    name: str
    answers: tuple[Overhead, ...]
    first: tuple[float, float]
    last: tuple[float, float]


def measure(requests: int, names: Sequence[str] = tuple(EDGES)) -> list[Edge]:
    """Time ``requests`` requests for each answer, edge and server."""
    return [_measure(name, requests) for name in names]


def _measure(name: str, requests: int) -> Edge:
    apps = (f"benchmarks.edge_apps:make('{name}', False)", f"benchmarks.edge_apps:make('{name}', True)")
    with overhead.servers(apps, EDGES[name]) as pair:
        for path in PATHS:
            for server in pair:
                for _ in range(5):
                    server.get(path, "")
        held = [server.get("/page", "")[1].count(b"data-cmw-held=") for server in pair]
        assert (held[0], held[1] > 0) == (0, True), f"{name}: {held} held elements"
        answers = tuple(overhead.compare(pair, path, name, "", requests) for path in PATHS)
        slow = [[server.first_byte("/slow") for server in pair] for _ in range(_SLOW_REQUESTS)]
    first, last = (
        (median(turn[0][which] for turn in slow), median(turn[1][which] for turn in slow)) for which in (0, 1)
    )
    return Edge(name, answers, first, last)


HEAD = ("answer", "edge", *overhead.HEAD[2:])
FIRST_HEAD = ("edge", "first byte, ms: bare / wrapped", "last byte, ms: bare / wrapped")


def rows(found: Sequence[Edge]) -> list[tuple[str, ...]]:
    """Return the rows of the table, with the columns of :data:`HEAD`."""
    return overhead.rows([answer for edge in found for answer in edge.answers])


def first_rows(found: Sequence[Edge]) -> list[tuple[str, ...]]:
    """Return the rows of the table of the slow page, with the columns of :data:`FIRST_HEAD`."""
    return [
        (edge.name, f"{edge.first[0]:.1f} / {edge.first[1]:.1f}", f"{edge.last[0]:.1f} / {edge.last[1]:.1f}")
        for edge in found
    ]


def goal(found: Sequence[Edge]) -> str:
    """Return whether the first byte of a slow page is as early as without consent_mw, as text."""
    worst = max(edge.first[1] - edge.first[0] for edge in found)
    assert all(edge.last[1] >= PAUSE * 1000 for edge in found), "the slow application did not wait"
    verdict = "reached" if worst < GOAL else "NOT reached"
    return f"the first byte comes at most {worst:.1f} ms later (goal: under {GOAL:.0f} ms, {verdict})"
