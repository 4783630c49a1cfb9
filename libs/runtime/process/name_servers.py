"""The name servers of `GODWIT_DNS_SERVERS`, or the machine's."""

from functools import cached_property

import dns.asyncresolver

SERVER_SECONDS = 1.5
LOOKUP_SECONDS = 3.0
PORT = 53


class NameServers:
    """Makes the resolver on first use: a machine without DNS can do everything else.

    `servers` are `host` or `host:port`, separated by commas.
    """

    def __init__(self, servers: str) -> None:
        self._servers = servers

    @cached_property
    def resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=not self._servers)
        if self._servers:
            addresses = [server.strip().rpartition(":") for server in self._servers.split(",")]
            hosts = {host or last: int(last) if host else PORT for host, _, last in addresses}
            resolver.nameservers, resolver.nameserver_ports = list(hosts), hosts
        resolver.timeout, resolver.lifetime = SERVER_SECONDS, LOOKUP_SECONDS
        return resolver
