"""Look-ups in the background: bounded, told once, forgotten, and good in the child of a fork."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from queue import Queue

import pytest

from consent_mw.core.counts import UNKNOWN
from consent_mw.counting import background
from tests.counting.lookups import V4
from tests.counting.lookups import found


class Slow(background.Background):
    """A look-up that waits until it may answer."""

    threads = 2

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def _resolve(self, address: str) -> str:
        self.go.wait(30)
        return f"{address}.net"


class Broken(background.Background):
    """A look-up that fails, and names the address while it does."""

    def _resolve(self, address: str) -> str:
        raise RuntimeError(address)


def test_a_full_queue_gives_nobody_at_once() -> None:
    """When more wait than may, the next is told so right away, and all others still get their answer."""
    lookup = Slow()
    answers: Queue[str] = Queue()
    for _ in range(background.WAITING + 20):
        lookup.find("a", answers.put)
    assert (True, UNKNOWN) == (18 <= answers.qsize() <= 20, answers.get())
    lookup.go.set()
    lookup.close(30)
    told = [answers.get() for _ in range(background.WAITING + 19)]
    assert {"a.net", UNKNOWN} == set(told)


def test_closing_tells_everyone_who_waits_once() -> None:
    """What is not found by the end is unknown: nobody is lost, and nobody is told twice."""
    lookup = Slow()
    answers: Queue[str] = Queue()
    for _ in range(10):
        lookup.find("a", answers.put)
    lookup.close(0.05)
    lookup.go.set()
    lookup.find("a", answers.put)
    lookup.close(0.2)
    assert [UNKNOWN] * 11 == [answers.get(timeout=60) for _ in range(11)]
    time.sleep(0.1)
    assert answers.empty()


def test_a_failure_names_no_address(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong, the log does not say whose address it was."""
    caplog.set_level(logging.DEBUG)
    lookup = Broken()
    assert UNKNOWN == found(lookup, V4)
    assert ("RuntimeError" in caplog.text, V4 in caplog.text) == (True, False)


def test_a_failure_to_count_is_contained(caplog: pytest.LogCaptureFixture) -> None:
    """Who asked may fail over the answer; the next one is told all the same."""
    lookup = Slow()
    lookup.go.set()

    def fail(provider: str) -> None:
        raise ValueError(provider)

    lookup.find("a", fail)
    assert "b.net" == found(lookup, "b")
    assert lookup.drain(10)
    assert "ValueError" in caplog.text


def test_an_idle_thread_holds_no_address() -> None:
    """After the answer no variable of a waiting thread holds the address any more."""
    lookup = Slow()
    lookup.go.set()
    address = "".join(["73.22", ".11.5"])
    assert f"{address}.net" == found(lookup, address)
    lookup.close(10)
    lookup = Slow()
    lookup.go.set()
    found(lookup, address)
    deadline = time.monotonic() + 60
    while held_by_threads(address) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [] == held_by_threads(address)


def held_by_threads(address: str) -> list[str]:
    """Return the variables of look-up threads that hold the address, or a job that does."""
    held = []
    for thread in threading.enumerate():
        frame = sys._current_frames().get(thread.ident or 0) if thread.name == "consent_mw-isp" else None
        while frame is not None:
            for name, value in frame.f_locals.items():
                if value == address or isinstance(value, background._Job):
                    held.append(name)
            frame = frame.f_back
    return held


def test_no_thread_runs_before_the_first_look_up() -> None:
    """A server that loads the site before it forks has no thread to lose."""
    before = threading.active_count()
    lookup = Slow()
    assert before == threading.active_count()
    lookup.close()


def test_a_machine_out_of_threads_gives_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be had nobody waits for one: the provider is unknown at once."""

    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    lookup = Slow()
    assert (UNKNOWN, True) == (found(lookup, "a"), lookup.drain(0))


def test_one_thread_of_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the first thread can be had it does the work of all."""
    lookup = Slow()
    answers: Queue[str] = Queue()
    lookup.find("a", answers.put)

    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    lookup.find("b", answers.put)
    lookup.go.set()
    assert {"a.net", "b.net"} == {answers.get(timeout=30), answers.get(timeout=30)}
    lookup.close()


def test_a_fork_that_python_was_not_told_of_looks_up_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers fork in C: what waited in the parent is left alone, and a new thread is started."""
    lookup = Slow()
    parent: Queue[str] = Queue()
    lookup.find("parent", parent.put)
    lookup.go.set()
    real = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: -real)
    assert "child.net" == found(lookup, "child")
    assert [-real, 1] == [lookup._process, lookup._started]
    lookup.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_looks_up_for_itself() -> None:
    """After a fork the child's look-ups work, and those that wait in the parent are not its own."""
    lookup = Slow()
    parent: Queue[str] = Queue()
    lookup.find("parent", parent.put)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            lookup.go = threading.Event()
            lookup.go.set()
            os.write(writing, f"{lookup.drain(0)} {found(lookup, 'child')} {parent.qsize()}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as told:
        assert "True child.net 0" == told.read()
    lookup.go.set()
    assert "parent.net" == parent.get(timeout=30)
    lookup.close()
