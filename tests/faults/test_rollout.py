"""A changed question is deployed to three machines one by one: no visitor is asked twice, whichever machine answers."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC
from datetime import datetime
from pathlib import Path

import pytest

from consent_mw.records import open_records
from tests.faults import load
from tests.faults.harness import SITE
from tests.faults.harness import Server
from tests.faults.harness import serving

pytestmark = pytest.mark.slow

OLD = """[site]
id = "{site}"
records = "{records}"
isp = "off"
grants_per_hour = 0
[[services]]
use = "youtube"
"""
#: Text that is in a page if its service may run.
ANALYTICS = b'<script async src="https://www.google-analytics.com/'
VIDEO = b'<iframe src="https://www.youtube.com/embed/'
#: Seconds from now until the change takes effect.
SOON = 3600


class Visitor:
    """A visitor who uses several machines with one cookie."""

    def __init__(self, page: bytes = b"") -> None:
        self.cookie = ""
        self.page = page

    def asked_by(self, server: Server) -> bool:
        """Open a page, and return whether it asks."""
        head = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none"}
        if self.cookie:
            head["Cookie"] = self.cookie
        self.page = load.request(server.port, "GET", "/", head)
        assert load.status_of(self.page) == 200
        return b"data-cmw-banner" in self.page

    def accept(self, server: Server) -> bool:
        """Send the form of the last page, and return whether the machine kept the choice."""
        (asked,) = re.findall(rb'name="asked" value="([0-9a-f]+)"', self.page) or [b""]
        answer = load.choose(server.port, "accept-all", self.cookie, asked=asked.decode())
        assert load.status_of(answer) == 303
        found = re.search(rb"(?i)^set-cookie: (cmw=[^;]+)", answer, re.MULTILINE)
        if found is not None:
            self.cookie = found[1].decode()
        return found is not None


class Machines:
    """One machine without the change, and two with it."""

    def __init__(self, folder: Path, records: str, late: Server, first: Server, second: Server) -> None:
        self.records = records
        self.first, self.second = first, second
        self.all = (late, first, second)
        self._folder = folder

    def set_clock(self, name: str, seconds: int) -> None:
        """Set the clock of a machine ahead."""
        set_clock(self._folder, name, seconds)


def set_clock(folder: Path, name: str, seconds: int) -> None:
    draft = folder / f"{name}.new"
    draft.write_text(str(seconds), encoding="ascii")
    draft.replace(folder / f"{name}.clock")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Start three machines with one store; two of them have the next question."""
    tmp_path = tmp_path_factory.mktemp("rollout")
    records = f"sqlite:///{tmp_path}/consent.db"
    (tmp_path / "old.toml").write_text(OLD.format(site=SITE, records=records), encoding="utf-8")
    own: dict[str, object] = {"id": SITE, "records": records, "isp": "off", "grants_per_hour": 0}
    old = {"site": own, "services": [{"use": "youtube"}]}
    moment = datetime.fromtimestamp(time.time() + SOON, UTC).isoformat()
    changed = {**own, "takes_effect": moment, "until_then": str(tmp_path / "old.toml")}
    new = {"site": changed, "services": [{"use": "youtube"}, {"use": "google-analytics"}]}
    with contextlib.ExitStack() as stack:
        servers = []
        for name, config in (("late", old), ("first", new), ("second", new)):
            set_clock(tmp_path, name, 0)
            (tmp_path / name).mkdir()
            environment = {"SITE_CLOCK": str(tmp_path / f"{name}.clock")}
            servers.append(stack.enter_context(serving(tmp_path / name, config, environment=environment, workers=1)))
        yield Machines(tmp_path, records, *servers)


@pytest.fixture
def machines(started: Machines) -> Machines:
    """Return the machines, with clocks that agree."""
    for name in ("first", "second"):
        started.set_clock(name, 0)
    return started


def test_nobody_is_asked_twice_while_machines_get_another_question(machines: Machines) -> None:
    """
    Until it takes effect, all machines ask the old question. Then they ask the new one, once per visitor.

    An answer to the new question is also valid on a machine whose clock is behind.
    """
    visitors = []
    for server in machines.all:
        visitor = Visitor()
        assert visitor.asked_by(server)
        assert visitor.accept(server)
        assert [visitor.asked_by(other) for other in machines.all] == [False] * 3
        assert (VIDEO in visitor.page, ANALYTICS in visitor.page) == (True, False)
        visitors.append(visitor)

    machines.set_clock("first", SOON + 60)
    for visitor in [*visitors, Visitor()]:
        assert visitor.asked_by(machines.first)
        assert visitor.accept(machines.first)
        for server in (machines.second, machines.first, machines.second):
            assert not visitor.asked_by(server)
            assert (VIDEO in visitor.page, ANALYTICS in visitor.page) == (True, True)

    machines.set_clock("second", SOON + 60)
    assert [visitor.asked_by(machines.second) for visitor in visitors] == [False] * 3
    with closing(open_records(machines.records, site=SITE)) as records:
        revisions = {kept.entry.revision for kept in records.entries()}
    assert len(revisions) == 2


def test_a_notice_from_before_grants_nothing_after_the_change(machines: Machines) -> None:
    """A visitor who accepts the old question after the change is asked the new one; a refusal is always valid."""
    visitor, refuser, early = Visitor(), Visitor(), Visitor()
    assert visitor.asked_by(machines.first)
    assert refuser.asked_by(machines.first)
    # The machine without the change names no question in its forms: until the change they ask the old one.
    assert early.asked_by(machines.all[0])
    copied = Visitor(early.page)
    assert copied.accept(machines.first)
    machines.set_clock("first", SOON + 60)
    assert not early.accept(machines.first)
    assert early.asked_by(machines.first)
    assert not visitor.accept(machines.first)
    assert visitor.asked_by(machines.first)
    assert visitor.accept(machines.first)
    assert not visitor.asked_by(machines.first)
    answer = load.choose(machines.first.port, "reject-all", asked="0" * 12)
    assert b"set-cookie: cmw=" in answer.lower()
