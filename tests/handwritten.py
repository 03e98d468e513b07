"""Event files written byte by byte, to test the readers of these tests.

    length   u64 LE          size of payload
    crc      u32 LE          masked CRC-32C of the eight length bytes
    payload  [u8; length]    one encoded Event
    crc      u32 LE          masked CRC-32C of payload

This module uses no code of the project; the messages are TensorBoard's own.
"""

import itertools
import struct

from tensorboard.compat.proto import event_pb2
from tensorboard.compat.proto import summary_pb2
from tensorboard.compat.proto import tensor_pb2
from tensorboard.compat.proto import tensor_shape_pb2
from tensorboard.compat.proto import types_pb2

# Wall time of step 0; each step is a second.
EPOCH = 1_700_000_000

FILE_NUMBERS = itertools.count()


def write(run, *events):
    """Writes a new event file in the directory `run`; returns its path."""
    run.mkdir(parents=True, exist_ok=True)
    path = run / f"events.out.tfevents.{EPOCH}.host.1.{next(FILE_NUMBERS):06}"
    with path.open("xb") as file:
        file.write(record(event_pb2.Event(wall_time=EPOCH, file_version="brain.Event:2")))
        file.writelines(record(event) for event in events)
    return path


def append(path, data):
    with path.open("ab") as file:
        file.write(data)


def record(event):
    payload = event.SerializeToString()
    length = struct.pack("<Q", len(payload))
    return length + checksum(length) + payload + checksum(payload)


def checksum(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CASTAGNOLI[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return struct.pack("<I", masked)


def castagnoli(byte):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


CASTAGNOLI = [castagnoli(byte) for byte in range(256)]


def scalars(tag, values, first_step=0):
    return [scalar(tag, step, value) for step, value in enumerate(values, first_step)]


def scalar(tag, step, value):
    return event(step, summary_pb2.Summary.Value(tag=tag, simple_value=value))


def scalar_tensor(tag, step, dtype, **values):
    return event(step, tensor_value(tag, "scalars", dtype, [], **values))


def histogram(tag, step, buckets):
    """`buckets` are [left, right, count]."""
    flat = [number for bucket in buckets for number in bucket]
    shape = [len(buckets), 3]
    return event(step, tensor_value(tag, "histograms", types_pb2.DT_DOUBLE, shape, double_val=flat))


def text(tag, step, *strings):
    values = [string.encode() for string in strings]
    return event(step, tensor_value(tag, "text", types_pb2.DT_STRING, [len(values)], string_val=values))


def image(tag, step, width, height, png):
    values = [str(width).encode(), str(height).encode(), png]
    return event(step, tensor_value(tag, "images", types_pb2.DT_STRING, [3], string_val=values))


def tensor_value(tag, plugin, dtype, shape, **values):
    dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=size) for size in shape]
    value = summary_pb2.Summary.Value(tag=tag)
    value.metadata.plugin_data.plugin_name = plugin
    value.tensor.CopyFrom(
        tensor_pb2.TensorProto(
            dtype=dtype, tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=dims), **values
        )
    )
    return value


def event(step, value):
    return event_pb2.Event(
        wall_time=EPOCH + step, step=step, summary=summary_pb2.Summary(value=[value])
    )
