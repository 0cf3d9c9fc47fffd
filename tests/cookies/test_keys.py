"""Signing keys: from the environment or from a private file, and what is said about bad ones."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from consent_mw.cookies.keys import load_keys
from consent_mw.core.model import Site
from consent_mw.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
OLD = "old-" + "k" * 32
NEW = "new-" + "k" * 32
SITE = Site(name="Shop")


def site_at(folder: Path, **fields: object) -> Site:
    """Return a site whose records are in ``folder``."""
    return replace(SITE, records=f"sqlite:///{folder}/consent.db", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [f"{OLD},{NEW}", f"{OLD} {NEW}", f"\n{OLD} ,\n\t{NEW},\n"])
def test_keys_come_from_the_environment(text: str, tmp_path: Path) -> None:
    """Commas and white space separate keys, the oldest first, and no file is made."""
    keys = load_keys(site_at(tmp_path, keys_env="SHOP_KEYS"), {"SHOP_KEYS": text})
    assert (keys, list(tmp_path.iterdir())) == ((OLD, NEW), [])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "It holds no key."),
        (" , ", "It holds no key."),
        (f"{OLD},hunter2", "Key 2 of 2 has 7 characters, and at least 32 are needed."),
        ("k" * 31, "Key 1 of 1 has 31 characters, and at least 32 are needed."),
    ],
)
def test_bad_keys_in_the_environment_are_told(text: str, what: str, tmp_path: Path) -> None:
    """An empty or guessable key is an error at start-up, never a silent key file; no key is ever shown."""
    with pytest.raises(ConfigError) as caught:
        load_keys(site_at(tmp_path), {"CONSENT_KEYS": text})
    assert [(found.where, found.what) for found in caught.value.problems] == [
        ("environment variable CONSENT_KEYS", what)
    ]
    assert "hunter2" not in str(caught.value)
    assert OLD not in str(caught.value)


def test_remote_records_need_keys_in_the_environment() -> None:
    """Machines that share records must share keys."""
    with pytest.raises(ConfigError, match="CONSENT_KEYS is not set, and the records are shared"):
        load_keys(replace(SITE, records="redis://h/0"), {})


def test_a_key_file_is_made_beside_the_records(tmp_path: Path) -> None:
    """Without keys a file is made that only its owner may read, and the next start finds the same key."""
    keys = load_keys(site_at(tmp_path), {})
    file = tmp_path / "consent.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert load_keys(site_at(tmp_path), {}) == keys
    assert len(keys[0]) == 64


def test_a_key_file_is_private_under_any_umask(tmp_path: Path) -> None:
    """What the process would take away or leave does not matter."""
    old = os.umask(0o777)
    try:
        load_keys(site_at(tmp_path), {})
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "consent.key").stat().st_mode) == 0o600


def test_a_key_file_may_hold_several_keys(tmp_path: Path) -> None:
    """Keys rotate in the file as they do in the environment."""
    file = tmp_path / "consent.key"
    file.touch(0o600)
    file.write_text(f"{OLD}\n{NEW}\n", encoding="ascii")
    assert load_keys(site_at(tmp_path), {}) == (OLD, NEW)


def test_a_database_called_key_does_not_share_its_file(tmp_path: Path) -> None:
    """The key never takes the database's own name."""
    load_keys(replace(SITE, records=f"sqlite:///{tmp_path}/my.key"), {})
    assert [file.name for file in tmp_path.iterdir()] == ["my.key.key"]


def test_the_log_says_what_a_second_machine_needs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line names the file and the variable, and does not show the key."""
    keys = load_keys(site_at(tmp_path), {})
    file = tmp_path / "consent.key"
    assert caplog.record_tuples == [
        (
            "consent_mw",
            logging.WARNING,
            f"signing with the key in {file}: before a second machine serves this site, set the environment variable "
            "CONSENT_KEYS on every machine to the content of that file",
        )
    ]
    assert keys[0] not in caplog.text


def test_insecure_http_is_warned_about_at_start_up(caplog: pytest.LogCaptureFixture) -> None:
    """One line says what plain http means."""
    load_keys(replace(SITE, allow_insecure_http=True), {"CONSENT_KEYS": NEW})
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["allow_insecure_http is on"]


@pytest.mark.parametrize(
    ("content", "mode", "what"),
    [
        (b"", 0o600, "It holds no key."),
        (b"short\n", 0o600, "Key 1 of 1 has 5 characters, and at least 32 are needed."),
        (b"\xff" * 40, 0o600, "The key file is not text."),
        (NEW.encode(), 0o640, "Others on this machine may read the key file (mode 0640)."),
        (NEW.encode(), 0o604, "Others on this machine may read the key file (mode 0604)."),
    ],
)
def test_a_bad_key_file_is_told(content: bytes, mode: int, what: str, tmp_path: Path) -> None:
    """An empty, short or public key file is an error that names it."""
    file = tmp_path / "consent.key"
    file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        load_keys(site_at(tmp_path), {})
    assert [(found.where, found.what) for found in caught.value.problems] == [(str(file), what)]


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf%b", b"%b\r\n", b"\n\n  %b  \n", b"\xef\xbb\xbf%b\r\n\r\n"])
def test_a_key_file_that_was_edited_by_hand_is_read(content: bytes, tmp_path: Path) -> None:
    """What editors add to a text is no part of a key: with another key every visitor would be asked again."""
    file = tmp_path / "consent.key"
    file.write_bytes(content % NEW.encode())
    file.chmod(0o600)
    assert load_keys(site_at(tmp_path), {}) == (NEW,)


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, ("é" * 40).encode()])
def test_who_lost_the_key_is_told_to_put_it_back(content: bytes, tmp_path: Path) -> None:
    """A new key is no remedy where an old one has signed."""
    file = tmp_path / "consent.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="Put the former key back"):
        load_keys(site_at(tmp_path), {})


def test_a_key_file_without_a_folder_is_told(tmp_path: Path) -> None:
    """A missing folder is told with the setting that names it."""
    with pytest.raises(ConfigError, match="Let the setting records name a file in a folder"):
        load_keys(site_at(tmp_path / "missing"), {})


def test_processes_that_start_together_get_one_key(tmp_path: Path) -> None:
    """Of several makers at once one wins, and all of them sign with its key."""
    program = (
        "import sys, hashlib; from consent_mw.cookies.keys import load_keys; from consent_mw.core.model import Site\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "keys = load_keys(Site(records=sys.argv[1]), {})\n"
        "print(len(keys), hashlib.sha256(keys[0].encode()).hexdigest())"
    )
    arguments = [sys.executable, "-c", program, site_at(tmp_path).records]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(arguments, cwd=ROOT, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        for _ in range(6)
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    answers = []
    for process in started:  # all are past their imports: let them go
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        answers.append(process.communicate(timeout=60)[0])
    assert len(set(answers)) == 1
    assert answers[0].startswith("1 ")
    assert [file.name for file in tmp_path.iterdir()] == ["consent.key"]


def test_a_file_system_that_widens_modes_is_named_with_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where every file is readable by all (a Windows or network mount), the error says to use the variable instead."""
    chmod = os.chmod
    monkeypatch.setattr(os, "chmod", lambda file, mode: chmod(file, 0o777))
    with pytest.raises(ConfigError) as caught:
        load_keys(site_at(tmp_path, keys_env="SHOP_KEYS"), {})
    (problem,) = caught.value.problems
    assert "the file system gives it the mode 0777" in problem.what
    assert "Set the environment variable SHOP_KEYS" in problem.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_widened_key_file_is_told_with_both_remedies(tmp_path: Path) -> None:
    """The mode may be a slip or the file system's doing: the message has the remedy for either."""
    file = tmp_path / "consent.key"
    file.write_text(NEW, encoding="ascii")
    file.chmod(0o777)
    with pytest.raises(ConfigError) as caught:
        load_keys(site_at(tmp_path), {})
    (problem,) = caught.value.problems
    assert f"chmod 600 {file}" in problem.remedy
    assert "environment variable CONSENT_KEYS" in problem.remedy


def test_a_file_that_cannot_be_made_is_told_with_the_variable(tmp_path: Path) -> None:
    """A folder that does not exist, or cannot be written, leaves the variable as the way out."""
    with pytest.raises(ConfigError, match="environment variable CONSENT_KEYS"):
        load_keys(site_at(tmp_path / "missing"), {})


@pytest.mark.parametrize(
    ("ignored", "warned"), [(None, True), ("*.log\n", True), ("*.key\n", False), ("/data/consent.key\n", False)]
)
def test_a_new_key_in_a_repository_that_does_not_ignore_it_is_warned_about(
    ignored: str | None, warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A key that is committed by accident is the owner's to know of, on the day it is made."""
    (tmp_path / ".git").mkdir()
    if ignored is not None:
        (tmp_path / ".gitignore").write_text(ignored, encoding="utf-8")
    folder = tmp_path / "data"
    folder.mkdir()
    load_keys(site_at(folder), {})
    assert any("add the line consent.key to .gitignore" in text for text in caplog.messages) is warned
    caplog.clear()
    load_keys(site_at(folder), {})
    assert not any(".gitignore" in text for text in caplog.messages)
