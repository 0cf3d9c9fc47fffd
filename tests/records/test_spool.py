"""What holds for records on another machine with a spool beside them: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import itertools
import logging
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.core.counts import Count
from consent_mw.core.seal import Act
from consent_mw.core.seal import Entry
from consent_mw.core.seal import Kept
from consent_mw.errors import ConfigError
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from consent_mw.records import breaker
from consent_mw.records import open_records
from consent_mw.records import spool
from consent_mw.records.spool import SpooledRecords
from tests.records.remotes import KINDS
from tests.records.remotes import PICKY
from tests.records.remotes import Remote
from tests.records.remotes import remote_of

ROOT = Path(__file__).resolve().parent.parent.parent

GRANT = Entry(
    site="site",
    receipt="r" * 22,
    act=Act.PARTIAL,
    day=20_779,
    revision="0123456789ab",
    purposes=frozenset({"marketing", "analytics"}),
    services=frozenset({"youtube", "ga"}),
    gpc=True,
    language="de",
    notice="f" * 64,
)
END = replace(GRANT, act=Act.WITHDRAW, day=20_780)
#: Long enough that only what hangs is cut off.
PATIENT = 30.0

Opened = Callable[..., SpooledRecords]


@pytest.fixture(params=KINDS)
def remote(request: pytest.FixtureRequest, tmp_path: Path, server: Callable[[str], object]) -> Iterator[Remote]:
    """Return an empty store on "another machine" of each kind, which a test can take away and give back."""
    with remote_of(request.param, tmp_path, server) as found:
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the spool of this test is."""
    return tmp_path / "spool.db"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for a breaker."""
    monkeypatch.setattr(breaker, "PAUSE", 0.01)
    monkeypatch.setattr(breaker, "LONGEST_PAUSE", 0.01)


@pytest.fixture
def opened(remote: Remote, file: Path) -> Iterator[Opened]:
    """Return what opens the records once more, as another process would; all are closed at the end."""
    stores: list[SpooledRecords] = []

    def another(patience: float = PATIENT) -> SpooledRecords:
        stores.append(SpooledRecords(lambda: open_records(remote.url), str(file), patience=patience))
        return stores[-1]

    yield another
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Opened) -> SpooledRecords:
    """Return records whose remote store is there."""
    return opened()


def grants(count: int) -> list[Entry]:
    """Return grants with receipts of their own."""
    return [replace(GRANT, receipt=f"receipt-{number:05}") for number in range(count)]


def there(remote: Remote) -> list[Entry]:
    """Return what the remote store holds, by receipt and step."""
    with closing(open_records(remote.url)) as records:
        return [kept.entry for kept in records.entries()]


def here(file: Path) -> list[tuple[str, str]]:
    """Return receipt and act of what is in the spool, as another program would read it."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT receipt, act FROM ledger ORDER BY receipt, step").fetchall()


def replayed(store: SpooledRecords) -> int:
    """Replay until the breaker lets it through, and return how many entries went."""
    until = time.monotonic() + PATIENT
    sent = store.replay()
    while not store._breaker.closed:
        if time.monotonic() > until:
            pytest.fail("the remote store did not come back")
        sent += store.replay()
    return sent


def bytes_of(file: Path) -> bytes:
    """Return all that the spool has left on the disk."""
    return b"".join(path.read_bytes() for path in sorted(file.parent.glob(f"{file.name}*")))


# -- with and without the remote store


def test_a_grant_goes_to_the_remote_store(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """While that can be reached the spool stays empty."""
    store.append(GRANT)
    assert (there(remote), here(file), store.replay()) == ([GRANT], [], 0)


def test_a_grant_waits_in_the_spool_and_is_sent_on(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """While the remote store is away a grant is acknowledged, and is there exactly once when that is back."""
    remote.down()
    store.append(GRANT)
    assert (here(file), store.waiting(), store.replay()) == ([(GRANT.receipt, "partial")], 1, 0)
    remote.up()
    assert [replayed(store), store.replay(), store.waiting()] == [1, 0, 0]
    assert (there(remote), here(file)) == ([GRANT], [])


def test_nothing_of_what_was_sent_on_stays_on_the_disk(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """Neither the spool nor its write-ahead log remembers a receipt that the remote store has."""
    remote.down()
    store.append(GRANT)
    assert GRANT.receipt.encode() in bytes_of(file)
    remote.up()
    replayed(store)
    assert GRANT.receipt.encode() not in bytes_of(file)


def test_what_waits_survives_the_process(remote: Remote, opened: Opened) -> None:
    """Another process, started later and while the remote store is still away, sees it and sends it on."""
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
    """The site starts without it, takes grants, and finds it later."""
    remote.down()
    store = opened()
    store.append(GRANT)
    remote.up()
    replayed(store)
    store.append(END)
    assert there(remote) == [GRANT, END]


def test_an_owners_mistake_is_told_at_start_up(file: Path) -> None:
    """An address that cannot be a store's, and a spool that cannot be one, stop the start."""
    with pytest.raises(ConfigError, match=r"site\.records"):
        SpooledRecords(lambda: open_records("carrier-pigeon://loft"), str(file))
    with pytest.raises(ConfigError, match=r"site\.spool.* The folder .* is missing.* setting spool"):
        SpooledRecords(lambda: open_records(f"sqlite:///{file}"), str(file.parent / "missing" / "spool.db"))


def test_with_neither_a_grant_is_refused(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """A grant that is kept nowhere is not acknowledged."""
    remote.down()
    replace_by_folder(file)
    with pytest.raises(RecordsError, match="Neither the records nor the spool"):
        store.append(GRANT)
    with pytest.raises(RecordsError, match="Neither the records nor the spool"):
        store.keep_notice("f" * 64, b"{}")


def test_a_spool_that_fails_keeps_nobody_from_the_remote_store(
    store: SpooledRecords, remote: Remote, file: Path
) -> None:
    """With the spool gone, everything still works as long as the remote store does."""
    replace_by_folder(file)
    store.append(GRANT)
    store.append(END)
    assert store.history(GRANT.receipt) == [Kept(GRANT), Kept(END)]


def replace_by_folder(file: Path) -> None:
    """Put something in the place of the spool that no process can open as a file."""
    for path in file.parent.glob(f"{file.name}*"):
        path.unlink()
    file.mkdir()


@pytest.mark.parametrize("wrong", [replace(GRANT, receipt=""), replace(GRANT, act=Act.ERASE), replace(GRANT, site="x")])
def test_what_no_ledger_takes_the_spool_does_not_take(
    store: SpooledRecords, remote: Remote, file: Path, wrong: Entry
) -> None:
    """An entry that could never be sent on is refused at once."""
    remote.down()
    with pytest.raises(RecordsError):
        store.append(wrong)
    assert here(file) == []


# -- replay


def test_replay_repeats_nothing(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """An entry that the remote store has already, because an answer was lost, is in it once all the same."""
    store.append(GRANT)
    store._spool.append(GRANT)
    store._spool.append(END)
    assert replayed(store) == 2
    assert (there(remote), here(file)) == ([GRANT, END], [])


def test_notices_are_sent_on_before_what_names_them(store: SpooledRecords, remote: Remote) -> None:
    """A notice waits like a grant, can be read meanwhile, and is in the remote store afterwards."""
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
    """Return what starts a process that replays the spool once, when it gets a line."""
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
    """Put grants into the spool while the remote store is away, and bring that back."""
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
    """Killed in the middle, again and again: at the end every grant is in the remote store, exactly once."""
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
    """Together they send everything, once; one of them leaves it to the other."""
    made = spooled(store, remote, 300)
    pair = [replayer(), replayer()]
    for process in pair:
        go(process)
    counts = [int(process.communicate(timeout=PATIENT)[0]) for process in pair]
    assert sum(counts) == len(made)
    assert (there(remote), here(file)) == (made, [])


def test_grants_are_taken_while_another_process_replays(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """The lock of a replay keeps nobody out of the spool."""
    remote.down()
    with store._spool.alone() as alone:
        store.append(GRANT)
        assert (alone, here(file)) == (True, [(GRANT.receipt, "partial")])


@pytest.mark.parametrize("remote", PICKY, indirect=True)
def test_one_refused_entry_does_not_hold_up_the_others(
    store: SpooledRecords, remote: Remote, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the remote store will not take stays in the spool and is told once; the rest is sent on."""
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
    """Once the reason is gone, and some time has passed, it is sent on too."""
    monkeypatch.setattr(spool, "REFUSED_WAIT", 0.0)
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
    """A full disk over there is not asked thousands of times, and nothing is lost."""
    monkeypatch.setattr(spool, "REFUSALS", 3)
    made = spooled(store, remote, 10)
    remote.refuse("receipt-%")
    assert replayed(store) == 0
    assert (len(store._refused), len(here(file))) == (3, len(made))


# -- what people may ask for


def test_an_end_comes_after_its_grant(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """What ends a grant that waits goes into the spool as well, even when the remote store is back."""
    remote.down()
    store.append(GRANT)
    remote.up()
    until = time.monotonic() + PATIENT
    while not store._answers() and time.monotonic() < until:
        pass
    store.append(END)
    assert here(file) == [(GRANT.receipt, "partial"), (GRANT.receipt, "withdraw")]
    replayed(store)
    assert there(remote) == [GRANT, END]


def test_a_withdrawal_of_what_is_over_there_waits(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """Withdrawing works without the remote store, and is recorded there in the end."""
    store.append(GRANT)
    remote.down()
    store.append(END)
    assert here(file) == [(GRANT.receipt, "withdraw")]
    remote.up()
    replayed(store)
    assert there(remote) == [GRANT, END]


def test_the_history_is_found_wherever_it_is(store: SpooledRecords, remote: Remote) -> None:
    """The grant over there, and its end in the spool."""
    store.append(GRANT)
    store._spool.append(END)
    store._spool.append(GRANT)
    assert store.history(GRANT.receipt) == [Kept(GRANT), Kept(END)]


def test_a_history_that_may_be_over_there_cannot_be_told(store: SpooledRecords, remote: Remote) -> None:
    """Without the remote store nobody says that nothing is held."""
    store.append(GRANT)
    remote.down()
    with pytest.raises(RecordsError):
        store.history(GRANT.receipt)


def test_what_waits_can_be_erased_without_the_remote_store(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """The entries are gone from the spool and its files, nothing is held any more, and nothing is sent on."""
    remote.down()
    store.append(GRANT)
    store.append(END)
    assert (store.erase(GRANT.receipt, 20_781), store.history(GRANT.receipt), store.waiting()) == (2, [], 0)
    assert b"0123456789ab" not in bytes_of(file)
    remote.up()
    replayed(store)
    assert there(remote) == []


def test_what_is_over_there_is_not_erased_without_it(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """Nobody is told that something was erased that was not; its end stays too."""
    store.append(GRANT)
    remote.down()
    store.append(END)
    with pytest.raises(RecordsError):
        store.erase(GRANT.receipt, 20_781)
    assert here(file) == [(GRANT.receipt, "withdraw")]


def test_erasing_takes_what_is_here_and_there(store: SpooledRecords, remote: Remote) -> None:
    """A grant over there and its end in the spool are both gone, and counted."""
    store.append(GRANT)
    remote.down()
    store.append(END)
    remote.up()
    assert erased(store) == 2
    replayed(store)
    assert (there(remote), store.history(GRANT.receipt)) == ([], [])


def erased(store: SpooledRecords) -> int:
    """Erase the grant as soon as the breaker lets it through."""
    until = time.monotonic() + PATIENT
    while True:
        try:
            return store.erase(GRANT.receipt, 20_781)
        except RecordsError:
            if time.monotonic() > until:
                raise


def test_what_was_on_its_way_when_it_was_erased_is_erased_there(
    store: SpooledRecords, remote: Remote, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that was given up may write the entry after it was erased: it does not stay."""
    remote.down()
    store.append(GRANT)
    store.erase(GRANT.receipt, 20_781)
    remote.up()
    with closing(open_records(remote.url)) as records:
        records.append(GRANT)
        replayed(store)
        assert list(records.entries()) == []
        records.append(GRANT)
        store.replay()
        assert [kept.entry for kept in records.entries()] == [GRANT]
        monkeypatch.setattr(spool, "SETTLED", 0.0)
        store.replay()
        assert (list(records.entries()), here(file)) == ([], [])


def test_retention_reaches_the_spool(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """What could not be sent on for so long is dropped with the rest."""
    store._spool.append(GRANT)
    store._spool.append(replace(END, day=GRANT.day + 9))
    assert (store.purge(GRANT.day + 1), here(file)) == (1, [(GRANT.receipt, "withdraw")])


# -- the other parts of the records


def test_the_rest_is_that_of_the_remote_store(store: SpooledRecords, remote: Remote) -> None:
    """Seals, counters and what was learned are over there and nowhere else."""
    store.append(GRANT)
    store.add_counts({Count(1, "", "", "shown"): 3})
    assert store.learn("ga", 1)
    with closing(open_records(remote.url)) as records:
        assert (records.counts(2), records.learned()) == ({Count(1, "", "", "shown"): 3}, frozenset({"ga"}))
    assert (store.unsealed(9), [kept.entry for kept in store.entries()], store.last_seal()) == ([GRANT], [GRANT], None)
    assert (store.seals(), store.sealed(1), store.figures(0, 9), store.counts(1)) == ([], [], [], {})
    assert store.publish([], {Count(1, "", "", "shown"): 3})


def test_what_was_learned_is_known_without_the_remote_store(store: SpooledRecords, remote: Remote) -> None:
    """Pages go by what was known last."""
    store.learn("ga", 1)
    known = store.version(), store.learned()
    remote.down()
    assert (store.version(), store.learned()) == known
    with pytest.raises(RecordsError):
        store.learn("youtube", 1)
    with pytest.raises(RecordsError):
        store.add_counts({Count(1, "", "", "shown"): 3})


def test_what_was_never_known_is_not_made_up(remote: Remote, opened: Opened) -> None:
    """A process that has never reached the store does not say that nothing was learned."""
    remote.down()
    store = opened()
    with pytest.raises(RecordsError):
        store.learned()
    with pytest.raises(RecordsError):
        store.version()


# -- nobody waits


@pytest.mark.slow
def test_nobody_waits_for_a_store_that_is_frozen(remote: Remote, opened: Opened, file: Path) -> None:
    """Grants go into the spool and pages go on within a moment, from the first one on, and all is there in the end."""
    store = opened(patience=0.025)
    store.learn("ga", 1)
    store.version()
    made = grants(40)
    remote.freeze()
    taken = []
    for entry in made:
        begin = time.monotonic()
        store.append(entry)
        store.version()
        taken.append(time.monotonic() - begin)
    remote.thaw()
    # Generous, for a loaded machine: what waits for the store waits for seconds.
    assert max(taken) < 1.0
    assert sorted(taken)[len(taken) // 2] < 0.05
    until = time.monotonic() + PATIENT
    while here(file) and time.monotonic() < until:
        store.replay()
    assert there(remote) == made


def test_going_and_coming_is_told_once(store: SpooledRecords, remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    """Two lines for one outage, and none of them names a receipt."""
    caplog.set_level(logging.DEBUG)
    remote.down()
    for entry in grants(20):
        store.append(entry)
    remote.up()
    replayed(store)
    told = [record.getMessage() for record in caplog.records if record.name == "consent_mw"]
    assert ["cannot be reached" in told[0], "can be reached again" in told[-1]] == [True, True]
    assert [line for line in told if "receipt-" in line or "secret" in line] == []
    assert len([line for line in told if "reached" in line]) == 2


def test_a_store_can_be_given_open(remote: Remote, file: Path) -> None:
    """The remote store may be an open one instead of what opens it."""
    records: Records = SpooledRecords(open_records(remote.url), str(file), patience=PATIENT)
    records.append(GRANT)
    records.close()
    assert list(itertools.islice(there(remote), 2)) == [GRANT]
