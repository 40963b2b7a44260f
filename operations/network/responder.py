"""What a host lets the other hosts ask of it: without an answer inside, silence outside proves nothing."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Callable

from operations.network import messages

_CLOSED = b"."


class Responder:
    """Answers TCP, TLS, DNS and NTP at one address, on ports of the system's choice, until it is closed."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._serve, daemon=True, name="responder")

    def open(self, address: str) -> dict[str, int]:
        """Starts to answer; returns the port of each kind of question. Raises OSError."""
        six = ":" in address
        family = socket.AF_INET6 if six else socket.AF_INET
        ports = {}
        for kind, answer in _STREAMS.items():
            listener = socket.create_server((address, 0), family=family)
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, (self._accept, answer))
            ports[kind] = int(listener.getsockname()[1])
        for kind, reply in _DATAGRAMS.items():
            listener = socket.socket(family, socket.SOCK_DGRAM)
            listener.bind((address, 0))
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, (_datagram, reply))
            ports[kind] = int(listener.getsockname()[1])
        self._thread.start()
        return ports

    def close(self) -> None:
        """Ends all answering and closes every socket."""
        self._wake.send(_CLOSED)
        if self._thread.is_alive():
            self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._wake.close()
        self._selector.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                do, what = key.data
                # Who asks and goes away again is no concern of the others.
                with contextlib.suppress(OSError):
                    do(key.fileobj, what)

    def _accept(self, listener: socket.socket, answer: Callable[[bytes], bytes]) -> None:
        connection, _ = listener.accept()
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ, (self._stream, answer))

    def _stream(self, connection: socket.socket, answer: Callable[[bytes], bytes]) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = connection.recv(4096)
            if data:
                connection.send(answer(data))
        # One question, one answer. The other end is let read it before it is closed: it closes first.
        if not data:
            self._selector.unregister(connection)
            connection.close()


def _datagram(listener: socket.socket, reply: Callable[[bytes], bytes]) -> None:
    data, sender = listener.recvfrom(4096)
    answer = reply(data)
    if answer:
        listener.sendto(answer, sender)


def _dns_over_tcp(data: bytes) -> bytes:
    answer = messages.dns_refusal(data[2:])
    return struct.pack(">H", len(answer)) + answer if answer else b""


_STREAMS: dict[str, Callable[[bytes], bytes]] = {
    "tcp": lambda _: b"",
    "tls": lambda _: messages.TLS_ALERT,
    "dns-tcp": _dns_over_tcp,
}
_DATAGRAMS: dict[str, Callable[[bytes], bytes]] = {"dns-udp": messages.dns_refusal, "ntp": messages.ntp_reply}
