import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations import wire
from operations.job import JobFile

names = st.text(max_size=20)
numbers = st.integers(0, 2**53)
messages = st.one_of(
    st.builds(wire.Hello, protocol=numbers, versions=st.dictionaries(names, names, max_size=3)),
    st.builds(wire.Probe, id=numbers, job=names),
    st.builds(wire.Follow, id=numbers, job=names, offset=numbers),
    st.builds(wire.Failed, id=numbers, reason=names),
    st.builds(wire.State, id=numbers, state=st.sampled_from(["running", "finished", "dead", "absent"])),
    st.builds(wire.Data, job=names, offset=numbers),
    st.builds(
        wire.Launch,
        id=numbers,
        job=st.builds(JobFile, id=st.just("j1"), task=names, operation=names, parameters=st.just({"a": [1, 2.5, "x"]})),
        secrets=st.dictionaries(names, names, max_size=2),
    ),
)
frames = st.lists(st.tuples(messages, st.binary(max_size=50)), max_size=6)


def split(data, stream):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@given(st.data(), frames, st.binary(max_size=300).filter(lambda data: wire.MAGIC not in data))
def test_frames_come_whole_however_the_bytes_come_and_whatever_stood_before(data, sent, rubbish):
    stream = rubbish + wire.MAGIC + b"".join(wire.encode(message, body) for message, body in sent)
    parser = wire.Parser()
    found = [frame for part in split(data, stream) for frame in parser.feed(part)]
    assert [(frame.message, frame.body) for frame in found] == sent


@given(st.data(), st.binary(max_size=400))
def test_garbage_is_no_frame_and_no_other_error(data, garbage):
    parser = wire.Parser()
    try:
        for part in split(data, wire.MAGIC + garbage):
            for frame in parser.feed(part):
                assert wire.encode(frame.message, frame.body)
    except wire.WireError:
        return


def test_rubbish_has_an_end():
    parser = wire.Parser()
    for _ in range(64):
        assert parser.feed(b"Welcome!" * 128) == []
    with pytest.raises(wire.WireError, match="no agent answered"):
        parser.feed(b"Welcome!" * 128)


def test_how_rubbish_begins_is_kept_and_no_more():
    for said in (b"Hi", b"Welcome to this machine\n" * 100):
        parser = wire.Parser()
        parser.feed(said[:1])
        parser.feed(said[1:])
        assert parser.noise == said[: wire.NOISE]
        parser.feed(wire.MAGIC + wire.encode(wire.Ping(id=1)))
        assert parser.noise == said[: wire.NOISE]


@pytest.mark.parametrize("lengths", [(0, 0), (3, 0), (wire.FRAME_LIMIT + 1, 4), (2**32 - 1, 2**32 - 1), (10, 7)])
def test_lengths_that_can_not_be_are_refused_before_anything_is_kept(lengths):
    with pytest.raises(wire.WireError):
        wire.Parser().feed(wire.MAGIC + struct.pack(">II", *lengths))


def test_no_frame_is_longer_than_the_limit():
    body = bytes(wire.FRAME_LIMIT)
    with pytest.raises(wire.WireError):
        wire.encode(wire.Data(job="j", offset=0), body)
    assert wire.Parser().feed(wire.MAGIC + wire.encode(wire.Data(job="j", offset=0), body[: wire.FRAME_LIMIT - 100]))
