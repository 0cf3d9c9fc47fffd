"""Rolling out a new signing key in two rounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_mw.cookies.choice import CookieJar
from consent_mw.cookies.keys import load_keys
from consent_mw.core.choice import Action
from consent_mw.core.choice import Record
from consent_mw.core.model import Site
from consent_mw.http.request import RequestHead
from consent_mw.proof.signing import key_name
from tests.cli.conftest import Run

OLD = "old-" + "k" * 40


@pytest.fixture
def key_file(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the key file of a site without keys in its environment."""
    monkeypatch.delenv("CONSENT_KEYS")
    file = config_file.parent / "consent.key"
    file.touch(0o600)
    file.write_text(f"{OLD}\n", encoding="ascii")
    return file


def keys(file: Path) -> tuple[str, ...]:
    """Return the keys as the site reads them."""
    return load_keys(Site(records=f"sqlite:///{file.with_suffix('.db')}"), {})


def test_a_new_key_verifies_before_it_signs(run: Run, key_file: Path) -> None:
    """After the first round the old key signs, after the second the new one, and both verify until the old retires."""
    assert run("keys", "add").code == 0
    new, old = keys(key_file)
    assert old == OLD
    name = run("keys", "list").out.splitlines()[0].split()[1]
    assert run("keys", "promote", name).code == 0
    assert keys(key_file) == (OLD, new)
    assert [line.split()[2] for line in run("keys", "list").out.splitlines()] == ["verifies", "signs"]
    first = run("keys", "list").out.splitlines()[0].split()[1]
    assert run("keys", "retire", first, "--yes").code == 0
    assert keys(key_file) == (new,)
    assert key_file.stat().st_mode & 0o077 == 0


def test_a_name_that_begins_with_a_hyphen_is_no_option(run: Run, key_file: Path) -> None:
    """Names are base64, so one in 64 does: such a key is promoted and retired like any other."""
    made = (f"{number:048d}" for number in range(10_000))
    new = next(key for key in made if key_name(key).startswith("-"))
    key_file.write_text(f"{new},{OLD}\n", encoding="ascii")
    assert run("keys", "promote", key_name(new)).code == 0
    assert keys(key_file) == (OLD, new)
    assert run("keys", "promote", key_name(OLD)).code == 0
    assert run("keys", "retire", key_name(new), "--yes").code == 0
    assert keys(key_file) == (OLD,)


def test_no_machine_meets_a_signature_that_it_does_not_know(run: Run, key_file: Path) -> None:
    """Machines are restarted one by one: at each moment any of them may be a round ahead of the others."""
    rounds = [keys(key_file)]
    run("keys", "add")
    rounds.append(keys(key_file))
    run("keys", "promote", run("keys", "list").out.splitlines()[0].split()[1])
    rounds.append(keys(key_file))
    site = Site(name="Shop")
    head = RequestHead("GET", "https", "shop.example", "/", "", ())
    record = Record(Action.REJECT, 20_779, site.revision)
    for before, after in zip(rounds, rounds[1:], strict=False):
        for signs, reads in ((before, after), (after, before)):
            cookie = CookieJar(site, signs).set_cookie(record, head).partition(";")[0]
            sent = RequestHead("GET", "https", "shop.example", "/", "", (("cookie", cookie),))
            assert CookieJar(site, reads).read(sent) == record


def test_keys_of_the_environment_are_printed(run: Run) -> None:
    """A command cannot set a variable of other processes: it prints the list, and nothing else to standard output."""
    done = run("keys", "add")
    assert (done.code, len(done.out.splitlines()[0].split())) == (0, 3)
    assert "Set CONSENT_KEYS to this on every machine" in done.err


def test_the_key_that_signs_is_not_retired(run: Run, key_file: Path) -> None:
    """Somebody who retires too early is told what to do first; an unknown name is told, too."""
    name = run("keys", "list").out.split()[1]
    done = run("keys", "retire", name, "--yes")
    assert (done.code, "promote another key first" in done.err) == (2, True)
    assert run("keys", "promote", name).code == 2
    assert run("keys", "promote", "nonsense").code == 2
    assert keys(key_file) == (OLD,)


def test_no_command_shows_a_key_of_the_file(run: Run, key_file: Path) -> None:
    """What lists and changes a key file names keys by what does not lead to them."""
    outputs = [run("keys", "list"), run("keys", "add")]
    assert not any(key in done.out + done.err for done in outputs for key in keys(key_file))
