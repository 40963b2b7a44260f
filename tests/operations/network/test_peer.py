"""The sink's side of the connection against one who lies."""

import socket
import threading

import msgspec
import pytest

from operations.contract import Refusal
from operations.network.peer import GREETING, Peer, Untrusted


class Note(msgspec.Struct):
    text: str


def pair(patience=5.0):
    near, far = socket.socketpair()
    return (
        Peer(near, "sink", patience, lambda: False),
        Peer(far, "source", patience, lambda: False),
        near,
        far,
    )


def both(*work):
    """Runs each in a thread; what each raised, or None."""
    raised = [None] * len(work)

    def one(at, do):
        try:
            do()
        except Exception as error:
            raised[at] = error

    threads = [threading.Thread(target=one, args=item) for item in enumerate(work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return raised


def test_both_ends_know_the_token_and_hear_each_other():
    sink, source, _, _ = pair()
    assert both(lambda: sink.greet("t"), lambda: source.greet("t")) == [None, None]
    source.tell(Note("one"))
    source.tell(Note("two"))
    sink.tell(Note("three"))
    assert [sink.hear(Note).text, sink.hear(Note).text, source.hear(Note).text] == ["one", "two", "three"]
    assert sink.alias("m") == source.alias("m") != sink.alias("n")
    assert sink.alias("") == ""


def test_a_wrong_token_is_untrusted_at_both_ends():
    sink, source, near, _ = pair()

    def greet():
        try:
            sink.greet("t")
        finally:
            near.close()

    assert [type(error) for error in both(greet, lambda: source.greet("u"))] == [Untrusted, Untrusted]


def test_an_echo_proves_nothing():
    """One who sends back whatever it gets knows no token."""
    sink, _, near, far = pair(1.0)

    def echo():
        while data := far.recv(4096):
            far.sendall(data)

    def greet():
        try:
            sink.greet("t")
        finally:
            near.close()

    assert isinstance(both(greet, echo)[0], Untrusted)


def test_the_token_is_never_sent():
    sink, _, near, far = pair(0.5)
    far.sendall(GREETING + bytes(32) + bytes(32))
    with pytest.raises(Untrusted):
        sink.greet("secret-token")
    near.close()
    heard = b""
    while data := far.recv(4096):
        heard += data
    assert heard.startswith(GREETING)
    assert len(heard) == len(GREETING) + 32
    assert b"secret-token" not in heard


@pytest.mark.parametrize("fault", ["flip", "replay", "reflect", "length"])
def test_a_message_that_was_touched_is_refused(fault):
    sink, source, _, far = pair()
    both(lambda: sink.greet("t"), lambda: source.greet("t"))
    relay, tap = socket.socketpair()
    source._connection = relay
    source.tell(Note("one"))
    message = bytearray(tap.recv(4096))
    match fault:
        case "flip":
            message[6] ^= 1
            far.sendall(message)
        case "length":
            message[0] = 0xFF
            far.sendall(message)
        case "replay":
            far.sendall(message)
            assert sink.hear(Note).text == "one"
            far.sendall(message)
        case "reflect":
            sink.tell(Note("mine"))
            far.sendall(far.recv(4096))
    with pytest.raises(Refusal, match="changed on its way"):
        sink.hear(Note)
