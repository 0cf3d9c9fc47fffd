"""``consent-mw report`` by mail and to a webhook, against servers on this machine."""

from __future__ import annotations

import email
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.policy import default
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from consent_mw import config
from consent_mw.errors import ConfigError
from consent_mw.records import open_records
from tests.stats.test_cli import fill
from tests.stats.test_cli import run
from tests.stats.test_cli import today
from tests.stats.test_cli import week


class _MailServer(socketserver.ThreadingTCPServer):
    """Takes mails and keeps them; refuses those to ``nobody@``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _MailSession)
        self.mails: list[bytes] = []
        self.wanted: list[str] = []


class _MailSession(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, _MailServer)
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline().decode("ascii"):
            word = line[:4].upper()
            if word == "DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                server.mails.append(b"".join(lines))
            elif word == "RCPT":
                server.wanted.append(line.partition(":")[2].strip())
                if "nobody@" in line:
                    self.wfile.write(b"550 no such person\r\n")
                    continue
            self.wfile.write(b"221 bye\r\n" if word == "QUIT" else b"250 fine\r\n")
            if word == "QUIT":
                return


class _Hook(BaseHTTPRequestHandler):
    """Takes what is posted, or answers with the number in its path."""

    taken: list[bytes] = []

    def do_POST(self) -> None:
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        status = int(self.path.rpartition("/")[2])
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/200")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Run a server for the length of the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def settings(folder: Path, lines: str) -> Path:
    """Return the configuration of a site with two weeks of figures and these lines in [report]."""
    path = folder / "consent.toml"
    text = f'[site]\nname = "Shop Ä"\nrecords = "sqlite:///{folder}/consent.db"\n[report]\n{lines}\n'
    path.write_text(text, encoding="utf-8")
    open_records(f"sqlite:///{folder}/consent.db").close()
    fill(path, [*week(today() - 14, granted=60), *week(today() - 7, granted=45)])
    return path


TO = 'to = ["a@shop.example", "b@shop.example"]\nsender = "consent@shop.example"'


def test_a_report_is_sent_by_mail(tmp_path: Path) -> None:
    """Everybody in the settings gets the sentence and each rate, and the exit code still tells of a drop."""
    server = _MailServer()
    with serving(server):
        path = settings(tmp_path, f'{TO}\nsmtp = "smtp://localhost:{server.server_address[1]}"')
        result = run(path, "report", "--send", "--fail-if-drop", "10")
    assert result.exit_code == 1, result.output
    assert server.wanted == ["<a@shop.example>", "<b@shop.example>"]
    mail = email.message_from_bytes(server.mails[0], policy=default)
    assert (mail["To"], mail["From"]) == ("a@shop.example, b@shop.example", "consent@shop.example")
    assert mail["Subject"].startswith("Consent rates of Shop Ä, ")
    body = mail.get_content()
    assert "45% of answers accept at least one purpose" in body
    assert "Dropped: consent rate fell by 15.0 points" in body
    assert "Consent rate: 45.0% (43.8–46.2%), -15.0 points" in body.replace("\r\n", "\n")


def test_a_mail_that_is_refused_is_an_error(tmp_path: Path) -> None:
    """An address that the server does not take is named, though others got their mail."""
    server = _MailServer()
    with serving(server):
        lines = TO.replace("b@", "nobody@")
        path = settings(tmp_path, f'{lines}\nsmtp = "smtp://localhost:{server.server_address[1]}"')
        result = run(path, "report", "--send")
    assert "refused the mail to nobody@shop.example" in str(result.exception)
    assert len(server.mails) == 1


def test_a_mail_can_be_written_for_another_program(tmp_path: Path) -> None:
    """Without a server the mail goes to standard output, whole."""
    result = run(settings(tmp_path, TO), "report", "--mail")
    mail = email.message_from_string(result.output, policy=default)
    assert mail["To"] == "a@shop.example, b@shop.example"
    assert "45% of answers" in mail.get_content()


@pytest.mark.parametrize(("status", "problem"), [(200, ""), (302, "answered 302"), (500, "answered 500")])
def test_a_report_is_sent_to_a_webhook(
    tmp_path: Path, status: int, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The webhook gets one JSON document; what it does not take, or sends elsewhere, is an error without its secret."""
    monkeypatch.setattr(_Hook, "taken", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    with serving(server):
        path = settings(tmp_path, f'webhook = "http://localhost:{server.server_address[1]}/secret/{status}"')
        result = run(path, "report", "--send")
    assert problem in str(result.exception or "")
    assert "secret" not in str(result.exception or "") + result.output
    assert len(_Hook.taken) == 1
    document = json.loads(_Hook.taken[0])
    assert "45% of answers accept at least one purpose" in document["text"]
    assert document["rates"][0]["rate"] == "consent rate"


@pytest.mark.parametrize("arguments", [("--send",), ("--mail",)])
def test_nothing_is_sent_to_nobody(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Without anywhere to send to, the command says what to add."""
    result = run(settings(tmp_path, ""), "report", *arguments)
    assert "add [report]" in str(result.exception)


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ({"to": ["a@shop.example\nBcc: c@evil.example"], "sender": "c@shop.example"}, "report.to[0]"),
        ({"to": ["Anna <a@shop.example>"], "sender": "c@shop.example"}, "report.to[0]"),
        ({"to": ["a@shop.example"]}, "report"),
        ({"smtp": "smtp://localhost"}, "report"),
        ({"to": ["a@b.example"], "sender": "c@b.example", "smtp": "smtp://user@mail.example"}, "report.smtp"),
        ({"to": ["a@b.example"], "sender": "c@b.example", "smtp": "smtps://user@mail.example"}, "report.smtp"),
        ({"to": ["a@b.example"], "sender": "c@b.example", "smtp": "smtps://u:hunter2@mail.example"}, "report.smtp"),
        ({"to": ["a@b.example"], "sender": "c@b.example", "smtp": "http://mail.example"}, "report.smtp"),
        ({"webhook": "http://hooks.example/hunter2"}, "report.webhook"),
        ({"webhook": "file:///etc/hunter2"}, "report.webhook"),
        ({"webhook": "https://hooks.example:no/hunter2"}, "report.webhook"),
    ],
)
def test_a_mistake_in_an_address_is_told_at_once(table: dict[str, object], where: str) -> None:
    """Each address is checked when the configuration is read, and a secret in it is not repeated."""
    with pytest.raises(ConfigError) as raised:
        config.load({"report": table})
    assert where in [problem.where for problem in raised.value.problems]
    assert "hunter2" not in str(raised.value)
