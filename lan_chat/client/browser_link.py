"""Under which link a browser on another machine reaches the room. Main thread only; nothing to close."""

from __future__ import annotations

import ipaddress

from lan_chat.interfaces import interfaces, likeliest_first, outgoing_addresses
from lan_chat.sockets import address_label


def browser_link(address: str, port: int) -> str | None:
    """Return the link to a server that has this IP address for us; None where no other machine's browser reaches it.

    A server on this machine may be reached by loopback here: the others reach it at the likeliest address in the LAN.
    No browser opens a link-local address of IPv6, which needs an interface.
    """
    try:
        there = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # it is not known
        return None
    found = [there]
    if there.is_loopback:
        here = likeliest_first(interfaces(), outgoing_addresses())
        found = [one.address for one in here if one.address.version == 4 or there.version == 6]
    usable = [one for one in found if one.version == 4 or not one.is_link_local]
    return f"http://{address_label((str(usable[0]), port))}/" if usable else None
