"""Event files, byte for byte as TensorBoard's own writer makes them."""

import math

import pytest

from operations.model.learning import tensorboard

# Written by tensorboard 2.21's RecordWriter and its Event messages, of the same events as below.
THEIRS = bytes.fromhex(
    "1800000000000000a37f4b2209000010c0c640da411a0d627261696e2e4576656e743a32ec9f40ab200000000000000029eda950090000"
    "60c0c640da4110012a130a110a0a6c6f73732f747261696e158d5d13401327ac102b00000000000000861bc34b09000080c0c640da4110"
    "ac022a1d0a1b0a1461636375726163792f61747461636b5f747970651548e17a3fb99c8cf8220000000000000078113dfd090000c0c0c6"
    "40da411090a10f2a130a110a0a6c6f73732f747261696e150000c07f9fdcce7c"
)


@pytest.fixture
def written(tmp_path):
    writer = tensorboard.Writer(tmp_path / "first", 1_761_811_200.25)
    writer.scalar("loss/train", 2.302585, 1, 1_761_811_201.5)
    writer.scalar("accuracy/attack_type", 0.98, 300, 1_761_811_202.0)
    writer.scalar("loss/train", math.nan, 250_000, 1_761_811_203.0)
    writer.close()
    return writer.path


def test_the_bytes_are_those_of_tensorboards_own_writer(written):
    assert written.name == "events.out.tfevents.1761811200.training"
    assert written.read_bytes() == THEIRS


def test_the_checksum_is_crc32c():
    # RFC 3720, B.4: 32 bytes of zeros have the CRC-32C 8a9136aa; TFRecord's mask undone.
    masked = tensorboard.masked_crc32c(bytes(32))
    rotated = (masked - 0xA282EAD8) & 0xFFFFFFFF
    assert ((rotated << 15) | (rotated >> 17)) & 0xFFFFFFFF == 0x8A9136AA


def test_an_earlier_file_is_taken_over_up_to_a_step(written, tmp_path):
    whole = list(tensorboard.records(written))
    writer = tensorboard.Writer(tmp_path / "second", 1_761_811_300.0)
    writer.take_over(written, 300)
    writer.close()
    assert list(tensorboard.records(writer.path))[1:] == whole[1:3]


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda data: data[:-10] + b"x" + data[-9:]])
def test_what_is_torn_or_damaged_is_not_taken_over(written, damage):
    whole = list(tensorboard.records(written))
    written.write_bytes(damage(written.read_bytes()))
    assert list(tensorboard.records(written)) == whole[:-1]


def test_a_value_beyond_single_precision_is_infinite(tmp_path):
    writer = tensorboard.Writer(tmp_path, 0.0)
    writer.scalar("loss", 1e300, 1, 0.0)
    writer.close()
    assert list(tensorboard.records(writer.path))[1].endswith(b"\x15\x00\x00\x80\x7f")
