"""Records on another machine with a local spool: no acknowledged data is lost or duplicated."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records import open_records
from consent_mw.records.spool import SpooledRecords
from consent_mw.records.spool import replay
from tests.records.remotes import PICKY
from tests.records.remotes import Remote
from tests.records.spool.helpers import END
from tests.records.spool.helpers import GRANT
from tests.records.spool.helpers import PATIENT
from tests.records.spool.helpers import Opened
from tests.records.spool.helpers import bytes_of
from tests.records.spool.helpers import grants
from tests.records.spool.helpers import here
from tests.records.spool.helpers import replayed
from tests.records.spool.helpers import there

ROOT = Path(__file__).resolve().parent.parent.parent.parent


# -- with and without the remote store


def test_a_grant_goes_to_the_remote_store(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """While the store is reachable, the spool stays empty."""
    store.append(GRANT)
    assert (there(remote), here(file), store.replay()) == ([GRANT], [], 0)


def test_a_grant_waits_in_the_spool_and_is_sent_on(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """While the store is unreachable, grants are acknowledged; once it is back, it has each exactly once."""
    remote.down()
    store.append(GRANT)
    assert (here(file), store.waiting(), store.replay()) == ([(GRANT.receipt, "partial")], 1, 0)
    remote.up()
    assert [replayed(store), store.replay(), store.waiting()] == [1, 0, 0]
    assert (there(remote), here(file)) == ([GRANT], [])


def test_nothing_of_what_was_sent_on_stays_on_the_disk(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """Once the store has a receipt, the spool and its write-ahead log do not contain it any more."""
    remote.down()
    store.append(GRANT)
    assert GRANT.receipt.encode() in bytes_of(file)
    remote.up()
    replayed(store)
    assert GRANT.receipt.encode() not in bytes_of(file)


def test_what_waits_survives_the_process(remote: Remote, opened: Opened) -> None:
    """A process that starts later, with the store still unreachable, sees the entry and sends it."""
    first = opened()
    remote.down()
    first.append(GRANT)
    first.close()
    second = opened()
    assert second.history(GRANT.receipt) == [Kept(GRANT)]
    remote.up()
    replayed(second)
    assert there(remote) == [GRANT]


def test_a_remote_store_that_is_away_at_start_up_does_not_stop_the_site(remote: Remote, opened: Opened) -> None:
    """The site starts without the store, accepts grants, and connects to it later."""
    remote.down()
    store = opened()
    store.append(GRANT)
    remote.up()
    replayed(store)
    store.append(END)
    assert there(remote) == [GRANT, END]


def test_an_owners_mistake_is_told_at_start_up(file: Path) -> None:
    """An invalid address of the store or the spool prevents the start."""
    with pytest.raises(ConfigError, match=r"site\.records"):
        SpooledRecords(lambda: open_records("carrier-pigeon://loft"), str(file))
    with pytest.raises(ConfigError, match=r"site\.spool.* The folder .* is missing.* setting spool"):
        SpooledRecords(lambda: open_records(f"sqlite:///{file}"), str(file.parent / "missing" / "spool.db"))


def test_with_neither_a_grant_is_refused(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """A grant that is stored nowhere is not acknowledged."""
    remote.down()
    replace_by_folder(file)
    with pytest.raises(RecordsError, match="Neither the records nor the spool"):
        store.append(GRANT)
    with pytest.raises(RecordsError, match="Neither the records nor the spool"):
        store.keep_notice("f" * 64, b"{}")


def test_a_spool_that_fails_keeps_nobody_from_the_remote_store(
    store: SpooledRecords, remote: Remote, file: Path
) -> None:
    """Without the spool, everything works as long as the remote store does."""
    replace_by_folder(file)
    store.append(GRANT)
    store.append(END)
    assert store.history(GRANT.receipt) == [Kept(GRANT), Kept(END)]


def replace_by_folder(file: Path) -> None:
    """Replace the spool by a folder, which no process can open as a file."""
    for path in file.parent.glob(f"{file.name}*"):
        path.unlink()
    file.mkdir()


@pytest.mark.parametrize("wrong", [replace(GRANT, receipt=""), replace(GRANT, act=Act.ERASE), replace(GRANT, site="x")])
def test_what_no_ledger_takes_the_spool_does_not_take(
    store: SpooledRecords, remote: Remote, file: Path, wrong: Entry
) -> None:
    """An entry that no store would accept is refused at once."""
    remote.down()
    with pytest.raises(RecordsError):
        store.append(wrong)
    assert here(file) == []


# -- replay


def test_replay_repeats_nothing(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """If the store already has an entry because its answer was lost, a replay does not duplicate it."""
    store.append(GRANT)
    store._spool.append(GRANT)
    store._spool.append(END)
    assert replayed(store) == 2
    assert (there(remote), here(file)) == ([GRANT, END], [])


def test_notices_are_sent_on_before_what_names_them(store: SpooledRecords, remote: Remote) -> None:
    """A notice is spooled like a grant, can be read meanwhile, and is in the remote store afterwards."""
    remote.down()
    store.keep_notice("f" * 64, b'{"notice":1}')
    store.append(GRANT)
    assert store.notice("f" * 64) == b'{"notice":1}'
    remote.up()
    replayed(store)
    with closing(open_records(remote.url)) as records:
        assert records.notice("f" * 64) == b'{"notice":1}'
    assert (store.notice("f" * 64), store.notice("0" * 64), store._spool.digests()) == (b'{"notice":1}', None, [])


_REPLAY = """
import sys
from consent_mw.records import open_records
from consent_mw.records.spool import SpooledRecords
store = SpooledRecords(lambda: open_records(sys.argv[1]), sys.argv[2], patience=30.0)
print("ready", flush=True)
sys.stdin.readline()
print(store.replay(), flush=True)
"""


@pytest.fixture
def replayer(remote: Remote, file: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Return a function that starts a process which replays the spool once it gets a line."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _REPLAY, remote.url, str(file)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go(process: subprocess.Popen[str]) -> None:
    """Let a process replay."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def spooled(store: SpooledRecords, remote: Remote, count: int) -> list[Entry]:
    """Put grants into the spool while the store is disconnected, and reconnect it."""
    remote.down()
    made = grants(count)
    for entry in made:
        store.append(entry)
    remote.up()
    return made


@pytest.mark.slow
def test_a_replay_that_is_killed_and_repeated_sends_everything_once(
    store: SpooledRecords, remote: Remote, file: Path, replayer: Callable[[], subprocess.Popen[str]]
) -> None:
    """A replay is killed repeatedly: in the end every grant is in the remote store, exactly once."""
    made = spooled(store, remote, 300)
    counts = []
    for _ in range(3):
        process = replayer()
        before = len(there(remote))
        go(process)
        until = time.monotonic() + PATIENT
        while process.poll() is None and len(there(remote)) < before + 20 and time.monotonic() < until:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts.append(len(there(remote)))
    assert 0 < counts[0] < len(made)
    replayed(store)
    assert (there(remote), here(file)) == (made, [])


@pytest.mark.slow
def test_two_processes_may_replay_at_once(
    store: SpooledRecords, remote: Remote, file: Path, replayer: Callable[[], subprocess.Popen[str]]
) -> None:
    """Together they send everything once; one of them leaves it to the other."""
    made = spooled(store, remote, 300)
    pair = [replayer(), replayer()]
    for process in pair:
        go(process)
    counts = [int(process.communicate(timeout=PATIENT)[0]) for process in pair]
    assert sum(counts) == len(made)
    assert (there(remote), here(file)) == (made, [])


def test_grants_are_taken_while_another_process_replays(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """The lock of a replay does not block the spool."""
    remote.down()
    with store._spool.alone() as alone:
        store.append(GRANT)
        assert (alone, here(file)) == (True, [(GRANT.receipt, "partial")])


@pytest.mark.parametrize("remote", PICKY, indirect=True)
def test_one_refused_entry_does_not_hold_up_the_others(
    store: SpooledRecords, remote: Remote, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An entry that the store refuses stays in the spool and is logged once; the rest is sent."""
    made = grants(4)
    remote.refuse(made[1].receipt)
    spooled(store, remote, 4)
    replayed(store)
    store.replay()
    assert (there(remote), here(file)) == ([made[0], *made[2:]], [(made[1].receipt, "partial")])
    told = [record.getMessage() for record in caplog.records if "refuse something" in record.getMessage()]
    assert len(told) == 1
    assert made[1].receipt not in told[0]


@pytest.mark.parametrize("remote", PICKY, indirect=True)
def test_a_refused_entry_is_tried_again(
    store: SpooledRecords, remote: Remote, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the reason is gone, and after some time, it is sent too."""
    monkeypatch.setattr(replay, "REFUSED_WAIT", 0.0)
    remote.refuse(GRANT.receipt)
    remote.down()
    store.append(GRANT)
    remote.up()
    assert replayed(store) == 0
    remote.take()
    assert (replayed(store), there(remote), here(file)) == (1, [GRANT], [])


def test_a_store_that_refuses_everything_ends_the_replay(
    store: SpooledRecords, remote: Remote, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store with a full disk is not called thousands of times, and nothing is lost."""
    refusals = []
    run = replay.Replay.run

    def watched(one: replay.Replay) -> None:
        run(one)
        refusals.append(one._refusals)

    monkeypatch.setattr(replay, "REFUSALS", 3)
    monkeypatch.setattr(replay.Replay, "run", watched)
    made = spooled(store, remote, 10)
    remote.refuse("receipt-%")
    assert replayed(store) == 0
    # A store that is slow to refuse may look away for a moment, and then gets a second pass.
    assert (max(refusals), len(here(file))) == (3, len(made))
