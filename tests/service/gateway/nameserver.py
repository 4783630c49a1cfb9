"""A name server on this machine that knows a few domains and does not answer for some others."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Records = Mapping[str, list[str]]

ZONES: Mapping[str, Records] = {
    "example.com": {"MX": ["10 mx.example.com."], "A": ["192.0.2.1"]},
    "mail.example.com": {"MX": ["10 mx.example.com."]},
    "gmail.com": {"MX": ["5 mx.gmail.com."], "A": ["192.0.2.2"]},
    "gmial.com": {"MX": ["5 mx.gmial.com."], "A": ["192.0.2.3"]},
    "mailinator.com": {"MX": ["5 mx.mailinator.com."], "A": ["192.0.2.4"]},
    "duck.com": {"MX": ["5 mx.duck.com."], "AAAA": ["2001:db8::1"]},
    "site.example": {"A": ["192.0.2.5"]},
    "nomail.example": {"MX": ["0 ."], "A": ["192.0.2.6"]},
    "xn--bcher-kva.example": {"MX": ["10 mx.example.com."]},
}
SILENT = "silent.example"
BROKEN = "broken.example"


class Nameserver(asyncio.DatagramProtocol):
    """`asked` lists the questions in the order of their arrival; `published` are TXT records beside the zones."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.published: dict[str, set[str]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        [question] = query.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if name == SILENT:
            return
        response = dns.message.make_response(query)
        if name == BROKEN:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif kind == "TXT" and (texts := self.published.get(name)):
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *(f'"{text}"' for text in texts)))
        elif name not in ZONES:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif records := ZONES[name].get(kind):
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        assert self._transport
        self._transport.sendto(response.to_wire(), addr)


@asynccontextmanager
async def nameserver() -> AsyncIterator[tuple[Nameserver, str]]:
    """Run the server and yield it with its address and port."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        Nameserver, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()
