"""Rights of visitors and the site's operations with a spool, with and without the remote store, without waiting."""

from __future__ import annotations

import itertools
import logging
import time
from contextlib import closing
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.core.counts import Count
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import of_service
from consent_mw.core.seal import Act
from consent_mw.core.seal import Kept
from consent_mw.errors import RecordsError
from consent_mw.records import Records
from consent_mw.records import open_records
from consent_mw.records import postgres
from consent_mw.records import spool
from consent_mw.records.spool import SpooledRecords
from consent_mw.records.sqlite import file as sqlite_file
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

# -- rights of visitors


def test_an_end_comes_after_its_grant(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """The end of a spooled grant goes into the spool too, even if the remote store is back."""
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
    """A withdrawal works without the remote store, and is recorded there in the end."""
    store.append(GRANT)
    remote.down()
    store.append(END)
    assert here(file) == [(GRANT.receipt, "withdraw")]
    remote.up()
    replayed(store)
    assert there(remote) == [GRANT, END]


def test_the_history_is_found_wherever_it_is(store: SpooledRecords, remote: Remote) -> None:
    """The history combines a grant in the remote store and its end in the spool."""
    store.append(GRANT)
    store._spool.append(END)
    store._spool.append(GRANT)
    assert store.history(GRANT.receipt) == [Kept(GRANT), Kept(END)]


def test_a_history_that_may_be_over_there_cannot_be_told(store: SpooledRecords, remote: Remote) -> None:
    """Without the remote store, an empty history is not reported."""
    store.append(GRANT)
    remote.down()
    with pytest.raises(RecordsError):
        store.history(GRANT.receipt)


def test_what_waits_can_be_erased_without_the_remote_store(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """The entries are gone from the spool and its files, and are not sent."""
    remote.down()
    store.append(GRANT)
    store.append(END)
    assert (store.erase(GRANT.receipt, 20_781), store.history(GRANT.receipt), store.waiting()) == (2, [], 0)
    assert b"0123456789ab" not in bytes_of(file)
    remote.up()
    replayed(store)
    assert there(remote) == []


def test_what_is_over_there_is_not_erased_without_it(store: SpooledRecords, remote: Remote, file: Path) -> None:
    """An erasure that is not possible fails, and the end of the grant stays too."""
    store.append(GRANT)
    remote.down()
    store.append(END)
    with pytest.raises(RecordsError):
        store.erase(GRANT.receipt, 20_781)
    assert here(file) == [(GRANT.receipt, "withdraw")]


def test_erasing_takes_what_is_here_and_there(store: SpooledRecords, remote: Remote) -> None:
    """A grant in the remote store and its end in the spool are both erased, and counted."""
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


def test_what_another_machine_erased_does_not_come_from_the_spool(
    store: SpooledRecords, remote: Remote, file: Path
) -> None:
    """It could not see this spool, and left its mark in the store: the replay drops the grant and its end."""
    remote.down()
    store.append(GRANT)
    store.append(END)
    store.append(replace(GRANT, receipt="other"))
    remote.up()
    with closing(open_records(remote.url)) as another:
        another.erase(GRANT.receipt, 20_781, "m-1")
    until = time.monotonic() + PATIENT
    while store.waits() and time.monotonic() < until:
        store.replay(lambda receipt: [f"m-{number}" for number in (0, 1) if receipt == GRANT.receipt])
    assert (here(file), [(entry.receipt, entry.act) for entry in there(remote)]) == (
        [],
        [("m-1", Act.ERASE), ("other", GRANT.act)],
    )


def test_what_was_on_its_way_when_it_was_erased_is_erased_there(
    store: SpooledRecords, remote: Remote, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If an abandoned call writes the entry after its erasure, the entry is erased again."""
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
    """Expired entries in the spool are dropped too."""
    store._spool.append(GRANT)
    store._spool.append(replace(END, day=GRANT.day + 9))
    assert (store.purge(GRANT.day + 1), here(file)) == (1, [(GRANT.receipt, "withdraw")])


# -- the other parts of the records


def test_the_rest_is_that_of_the_remote_store(store: SpooledRecords, remote: Remote) -> None:
    """Seals, counters and learned services are only in the remote store."""
    store.append(GRANT)
    store.add_counts({Count(1, "", "", "shown"): 3})
    store.observe({of_service("ga"): Occurrence(1, 1)})
    with closing(open_records(remote.url)) as records:
        assert (records.counts(2), records.learned()) == ({Count(1, "", "", "shown"): 3}, frozenset({"ga"}))
    assert (store.unsealed(9), [kept.entry for kept in store.entries()], store.last_seal()) == ([GRANT], [GRANT], None)
    assert (store.seals(), store.sealed(1), store.figures(0, 9), store.counts(1)) == ([], [], [], {})
    assert store.publish([], {Count(1, "", "", "shown"): 3})


def test_what_was_learned_is_known_without_the_remote_store(store: SpooledRecords, remote: Remote) -> None:
    """Pages use the last known services."""
    store.observe({of_service("ga"): Occurrence(1, 1)})
    known = store.learned()
    remote.down()
    assert store.learned() == known == {"ga"}
    with pytest.raises(RecordsError):
        store.observe({of_service("youtube"): Occurrence(1, 1)})


def test_counts_wait_for_the_remote_store(store: SpooledRecords, remote: Remote, opened: Opened) -> None:
    """They survive their process, the next one adds them once, and they count on a day that is still open."""
    shown, today = Count(1, "", "", "shown"), int(time.time() // 86_400)
    remote.down()
    store.add_counts({shown: 3})
    store.add_counts({shown: 4})
    assert (store.waits(), store.status().counts) == (True, 1)
    store.close()
    remote.up()
    after = opened()
    after._clock = lambda: 86_400.0 * today
    replayed(after)
    replayed(after)
    assert (after.counts(today + 1), after.waits()) == ({replace(shown, day=today): 7}, False)


def test_counts_that_the_remote_store_refuses_stay(store: SpooledRecords, remote: Remote) -> None:
    """A replay that fails puts them back."""
    shown = Count(1, "", "", "shown")
    store._spool.add_counts({shown: 3})
    remote.down()
    with pytest.raises(RecordsError):
        store._send_counts()
    assert store._spool.counts(2) == {shown: 3}


def test_what_was_never_known_is_not_made_up(remote: Remote, opened: Opened) -> None:
    """A process that has never reached the store does not report an empty set."""
    remote.down()
    store = opened()
    with pytest.raises(RecordsError):
        store.learned()


# -- no waiting


@pytest.mark.slow
def test_nobody_waits_for_a_store_that_is_frozen(
    remote: Remote, opened: Opened, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first one on, grants go into the spool and pages work at once; in the end the store has everything."""
    # With one call that waits for the store, this test would take longer than it may.
    wait = 2 * PATIENT
    monkeypatch.setattr(sqlite_file, "WAIT", wait)
    monkeypatch.setattr(postgres, "WAIT", wait)
    if remote.url.startswith("redis"):
        remote.url = f"{remote.url.partition('?')[0]}?timeout={wait:.0f}"
    store = opened(patience=0.025)
    until = time.monotonic() + PATIENT
    while time.monotonic() < until:  # on a loaded machine it may take longer than a visitor waits
        with suppress(RecordsError):
            store.observe({of_service("ga"): Occurrence(1, 1)})
            store.learned()
            break
    made = grants(40)
    remote.freeze()
    begun = time.monotonic()
    for entry in made:
        store.append(entry)
        store.learned()
    taken = time.monotonic() - begun
    remote.thaw()
    assert taken < wait
    until = time.monotonic() + PATIENT
    while here(file) and time.monotonic() < until:
        store.replay()
    assert there(remote) == made


def test_going_and_coming_is_told_once(store: SpooledRecords, remote: Remote, caplog: pytest.LogCaptureFixture) -> None:
    """One outage gives two log lines, without receipts."""
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
    """The remote store can be passed as an open store instead of a function."""
    records: Records = SpooledRecords(open_records(remote.url), str(file), patience=PATIENT)
    records.append(GRANT)
    records.close()
    assert list(itertools.islice(there(remote), 2)) == [GRANT]
