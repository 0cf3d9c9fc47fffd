"""What is done beside the requests is done in every process, keeps going, and is finished at its end."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from consent_mw.engine.tasks import Task
from consent_mw.engine.tasks import Upkeep

ROOT = Path(__file__).resolve().parents[2]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def failing() -> None:
    """Fail."""
    raise ValueError("the disk is full")


def eventually(true: Callable[[], bool]) -> bool:
    """Return whether ``true`` comes about within a minute."""
    until = time.monotonic() + 60
    while not true() and time.monotonic() < until:
        time.sleep(0.005)
    return true()


def test_a_task_is_done_at_its_time_and_again_after_its_pause() -> None:
    """The first run waits for ``first`` seconds, the next ones for the pause."""
    done: list[float] = []
    clock = Clock()
    upkeep = Upkeep([Task("task", lambda: done.append(clock.now), least=10, most=10, first=5)], clock)
    for clock.now in range(0, 30):
        upkeep.run_due()
    assert done == [5, 15, 25]


def test_the_next_pause_is_told() -> None:
    """The thread sleeps until the earliest task is due."""
    upkeep = Upkeep([Task("a", int, 10, 10, first=7), Task("b", int, 10, 10, first=3)], Clock())
    assert upkeep.run_due() == 3


def test_a_task_that_fails_does_not_stop_the_others() -> None:
    """Each task stands alone."""
    done: list[int] = []
    upkeep = Upkeep([Task("bad", failing, 1, 1), Task("good", lambda: done.append(1), 1, 1)], Clock())
    upkeep.run_due()
    assert done == [1]


def test_a_failure_is_logged_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """A store that is down for a day does not fill the log."""
    outcomes: Iterator[Callable[[], object]] = iter([failing, failing, failing, int, int])
    clock = Clock()
    upkeep = Upkeep([Task("sealing", lambda: next(outcomes)(), 1, 1)], clock)
    with caplog.at_level(logging.WARNING, "consent_mw"):
        for clock.now in range(5):
            upkeep.run_due()
    assert [record.getMessage() for record in caplog.records] == [
        "sealing failed and is tried again: the disk is full",
        "sealing works again",
    ]


def test_the_thread_does_what_is_due() -> None:
    """Nobody has to wait for a request."""
    done = threading.Event()
    upkeep = Upkeep([Task("task", done.set, 60, 60)])
    upkeep.start()
    assert done.wait(10)


def test_there_is_one_thread_however_often_it_is_started() -> None:
    """Every request says that the process is at work."""
    upkeep = Upkeep([Task("task", int, 60, 60)])
    before = set(threading.enumerate())
    for _ in range(5):
        upkeep.start()
    assert len(set(threading.enumerate()) - before) == 1


def test_a_hurried_task_is_done_before_its_time() -> None:
    """A request that needs news does not wait for the next round."""
    done: list[int] = []
    upkeep = Upkeep([Task("news", lambda: done.append(1), 60, 60, first=60)])
    assert (upkeep.hurry("news", 10), done) == (True, [1])


def test_a_hurried_task_that_hangs_is_not_waited_for() -> None:
    """A store that does not answer costs a request no more than it allows."""
    stuck = threading.Event()
    upkeep = Upkeep([Task("news", lambda: stuck.wait(10), 60, 60, first=60)])
    assert upkeep.hurry("news", 0.01) is False
    stuck.set()


def test_only_the_first_request_waits_for_a_task_that_hangs() -> None:
    """If each waited, a store that hangs would occupy every worker in turn."""
    clock = Clock()
    begun, stuck = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        stuck.wait()

    upkeep = Upkeep([Task("news", hang, 60, 60, first=60)], clock)
    assert upkeep.hurry("news", 0.01) is False
    assert begun.wait(60)
    clock.now = 10.0
    assert upkeep.hurry("news", 10) is False
    stuck.set()
    assert eventually(lambda: not upkeep._asked)
    assert upkeep.hurry("news", 60) is True


def test_a_request_that_came_too_late_for_a_run_gets_another() -> None:
    """What it needs may have come about since the run began."""
    clock = Clock()
    begun, gate = threading.Semaphore(0), threading.Semaphore(0)

    def run() -> None:
        begun.release()
        gate.acquire()

    upkeep = Upkeep([Task("news", run, 60, 60, first=60)], clock)
    assert upkeep.hurry("news", 0.01) is False
    assert begun.acquire(timeout=60)
    clock.now = 20.0
    assert upkeep.hurry("news", 10) is False
    gate.release()
    assert begun.acquire(timeout=60)
    gate.release()


def test_the_end_does_what_must_not_be_lost() -> None:
    """What tasks say for the end is done, once, whether they are due or not."""
    done: list[str] = []
    upkeep = Upkeep(
        [
            Task("counts", lambda: done.append("too early"), 60, 60, first=60, last=lambda: done.append("counts")),
            Task("purge", lambda: done.append("purge"), 60, 60, first=60),
        ]
    )
    upkeep.start()
    upkeep.end()
    upkeep.end()
    assert done == ["counts"]


def test_a_process_that_did_nothing_has_nothing_to_finish() -> None:
    """The parent of the workers loads the site and serves nobody."""
    done: list[str] = []
    Upkeep([Task("counts", int, 60, 60, last=lambda: done.append("counts"))]).end()
    assert done == []


def test_a_site_that_is_gone_takes_its_thread_along() -> None:
    """Nothing keeps an engine alive that nobody uses."""
    before = threading.active_count()
    ran = threading.Event()
    upkeep = Upkeep([Task("task", ran.set, 3600, 3600)])
    upkeep.start()
    assert ran.wait(30)
    del upkeep
    gc.collect()
    assert eventually(lambda: threading.active_count() <= before)


def test_the_child_of_a_fork_has_its_own_thread(tmp_path: Path) -> None:
    """A server that loads the site, serves a request and then forks has workers that do their part."""
    upkeep = Upkeep([Task("task", lambda: (tmp_path / str(os.getpid())).touch(), 0.01, 0.01)])
    upkeep.start()
    child = os.fork()
    if child == 0:
        upkeep.start()
        found = eventually((tmp_path / str(os.getpid())).exists)
        os._exit(0 if found else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_end_of_the_process_is_the_end_of_the_tasks() -> None:
    """An interpreter that ends in good order loses no counts."""
    program = (
        "from consent_mw.engine.tasks import Task, Upkeep\n"
        "u = Upkeep([Task('counts', int, 60, 60, first=60, last=lambda: print('written'))])\n"
        "u.start()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "written\n"


def test_the_end_of_a_process_of_multiprocessing_is_the_end_of_the_tasks(tmp_path: Path) -> None:
    """Where multiprocessing forked, what is last is done too, though such a process runs no exit handlers."""
    file = tmp_path / "done"
    code = f"""
import multiprocessing, pathlib
from consent_mw.engine.tasks import Task, Upkeep

upkeep = Upkeep([Task("a", int, 60, 60, first=60, last=lambda: pathlib.Path({str(file)!r}).touch())])
if __name__ == "__main__":
    child = multiprocessing.get_context("fork").Process(target=upkeep.start)
    child.start()
    child.join()
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
    assert file.exists()
