"""A name server on loopback, for tests of whatever asks one."""

from __future__ import annotations

import socket
import threading

import dns.flags
import dns.message
import dns.rdatatype
import dns.reversename
import dns.rrset


class NameServer:
    """
    A name server on loopback, over UDP.

    ``zone`` holds the records by name and type, one text each; a name in
    ``silent`` is never answered, one in ``wrong`` gets bytes that are no answer.
    """

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.silent: set[str] = set()
        self.wrong: set[str] = set()
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def points(self, address: str, *names: str) -> None:
        """Give an address these names."""
        self.zone[dns.reversename.from_address(address).to_text(), "PTR"] = [f"{name}." for name in names]

    def leads(self, name: str, *addresses: str) -> None:
        """Give a name these addresses."""
        for address in addresses:
            kind = "AAAA" if ":" in address else "A"
            self.zone.setdefault((f"{name}.", kind), []).append(address)

    def close(self) -> None:
        """Stop; the thread ends with its socket."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(4096)
            if not wire:
                return
            query = dns.message.from_wire(wire)
            name = query.question[0].name.to_text()
            self.asked.append(f"{name} {dns.rdatatype.to_text(query.question[0].rdtype)}")
            if name in self.silent:
                continue
            self._socket.sendto(b"\0\1 no answer" if name in self.wrong else self._answer(query, name), client)

    def _answer(self, query: dns.message.Message, name: str) -> bytes:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        for _ in range(8):
            if alias := self.zone.get((name, "CNAME")):
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", *alias))
                name = alias[0]
        if records := self.zone.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *records))
        return answer.to_wire(max_size=65_535)
