"""How the jobs of one run find each other: one listens, the others connect, all prove that they know the token."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import NamedTuple

from operations.contract import Context, Refusal
from operations.network.peer import WORDS, Peer, Role, Stopping, Untrusted

GREET_SECONDS = 5.0
"""How long someone who connects may take to prove that it knows the token."""
_TICK = 0.2
_LISTENS_FOR: dict[Role, Role] = {"sink": "source", "server": "client", "first": "other"}


class Joined(NamedTuple):
    """A partner that knows the token, and the addresses of this connection's two ends."""

    peer: Peer
    here: str
    there: str


def listen(address: str) -> socket.socket:
    """A listener on a port of the system's choice. Raises Refusal if the address is not this host's."""
    try:
        family = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((address, 0), family=family)
    except OSError as error:
        raise Refusal(f"can't listen on {address}: {error.strerror or error}") from None
    listener.settimeout(_TICK)
    return listener


@contextlib.contextmanager
def admitted(context: Context, listener: socket.socket, role: Role, patience: float, until: float) -> Iterator[Joined]:
    """The next to connect that knows the token; all others are sent away, which is told.

    ``patience`` is in seconds and the partner's from then on, ``until`` is monotonic. Raises Refusal if none came by
    then, Stopping if the job is asked to end.
    """
    with contextlib.ExitStack() as held:
        joined = _admit(context, held, listener, role, until)
        joined.peer.patience = patience
        yield joined


def _admit(context: Context, held: contextlib.ExitStack, listener: socket.socket, role: Role, until: float) -> Joined:
    began = time.monotonic()
    token = context.secret("token")
    turned_away = 0
    while not context.stopping:
        if time.monotonic() > until:
            also = f"; {turned_away} connected without it" if turned_away else ""
            word = WORDS[_LISTENS_FOR[role]]
            raise Refusal(f"no {word} with the token came within {until - began:.3g} s{also}")
        try:
            connection, address = listener.accept()
        except TimeoutError:
            continue
        peer = Peer(connection, role, GREET_SECONDS, lambda: context.stopping)
        try:
            peer.greet(token)
        except Untrusted as error:
            turned_away += 1
            connection.close()
            context.log(f"sent {address[0]} away: {error}", "warning")
            continue
        held.enter_context(connection)
        return Joined(peer, connection.getsockname()[0], address[0])
    raise Stopping


@contextlib.contextmanager
def joined(context: Context, where: tuple[str, int], role: Role, patience: float) -> Iterator[Joined]:
    """The job that listens at ``where``. Raises Refusal if there is none, or one that does not know the token."""
    token = context.secret("token")
    if not where[1]:
        word = next(WORDS[listens] for listens, other in _LISTENS_FOR.items() if other == role)
        raise Refusal(f"the {word}'s job ended before it said where it listens")
    try:
        connection = socket.create_connection(where, timeout=patience)
    except OSError as error:
        raise Refusal(f"no connection to {where[0]} port {where[1]}: {error.strerror or error}") from None
    with connection:
        peer = Peer(connection, role, patience, lambda: context.stopping)
        try:
            peer.greet(token)
        except Untrusted as error:
            raise Refusal(str(error)) from None
        yield Joined(peer, connection.getsockname()[0], where[0])
