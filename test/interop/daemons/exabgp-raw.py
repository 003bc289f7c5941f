#!/usr/bin/python3
"""
ExaBGP with one more command of its API, `neighbor ADDRESS raw HEX`: the octets go out as they are, as one message. And without enhanced route
refresh (RFC 7313), which ExaBGP 4.2 offers but ends the session without a word when it is asked for routes on such a session.
"""
import sys

from exabgp.application.bgp import main
from exabgp.bgp.message.open.capability.capabilities import Capabilities
from exabgp.bgp.message.open.capability.refresh import RouteRefresh as RefreshCapability
from exabgp.bgp.message.refresh import RouteRefresh
from exabgp.reactor.api.command.command import Command


def offer_plain_refresh(self, neighbor):
    if neighbor.route_refresh:
        self[RefreshCapability.ID] = RefreshCapability()


Capabilities._refresh = offer_plain_refresh


class Raw:
    """Stands where ExaBGP expects a route refresh to send: the next one in a neighbor's queue is asked for its octets."""

    ID = RouteRefresh.ID

    def __init__(self, octets):
        self.octets = octets

    def message(self, negotiated=None):
        return self.octets

    def __str__(self):
        return 'raw %s' % self.octets.hex()


@Command.register('text', 'raw')
def raw(self, reactor, service, line):
    words = line.split()
    address, octets = words[words.index('neighbor') + 1], bytes.fromhex(words[-1])
    for neighbor in reactor.configuration.neighbors.values():
        if str(neighbor.peer_address) == address:
            neighbor.refresh.append(Raw(octets))
    return True


sys.exit(main())
