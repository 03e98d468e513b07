"""Conversions for which Python has the words; `_native` has the bytes around them.

docs/reference/protocol.md, "Values beyond MessagePack", has the whole layout.
"""

from datetime import datetime, timedelta, timezone
from struct import pack as _struct

import numpy as np

_DATETIME, _ARRAY, _SCALAR = 5, 6, 7

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)

# Kinds of dtypes that travel, with their sizes; all sizes where there are none. Not "O", which is any object, not
# "V", whose fields would be lost, and no long double, which is another format on each kind of machine.
_KINDS = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16), "M": (8,), "m": (8,), "S": (), "U": ()}


def pack(value):
    """(extension type, head, items or None); a text that says why not; or None for an unknown type."""
    kind = type(value)
    if kind is np.ndarray:
        return _pack_array(value)
    if isinstance(value, np.generic):
        return _pack_scalar(value)
    if kind is datetime:
        return _pack_datetime(value)
    return None


def _pack_array(array):
    dtype = array.dtype
    if not _travels(dtype):
        return f"an array of dtype {dtype} cannot travel"
    if dtype.str[0] == ">":
        array = array.astype(dtype.newbyteorder("<"))
    items = np.ascontiguousarray(array).reshape(-1)
    head = _pack_dtype(array.dtype) + _struct(f"<B{array.ndim}Q", array.ndim, *array.shape)
    # The same memory, as bytes: some dtypes, such as datetime64, do not offer theirs themselves.
    return _ARRAY, head, items.view(np.uint8) if items.size else None


def _pack_scalar(value):
    dtype = value.dtype
    if not _travels(dtype) or type(value) is not dtype.type:
        return f"a NumPy scalar of dtype {dtype} cannot travel"
    dtype = dtype.newbyteorder("<")
    return _SCALAR, _pack_dtype(dtype) + np.asarray(value, dtype).tobytes(), None


def _travels(dtype):
    sizes = _KINDS.get(dtype.kind)
    return sizes is not None and dtype.itemsize > 0 and (not sizes or dtype.itemsize in sizes)


def _pack_dtype(dtype):
    text = dtype.str.encode()
    return bytes([len(text)]) + text


def _pack_datetime(value):
    ahead = value.utcoffset()
    shown = (value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND
    if ahead is None:
        return _DATETIME, _struct("<q", shown), None
    return _DATETIME, _struct("<qq", shown, ahead // _MICROSECOND), None


def unpack_datetime(shown, ahead):
    zone = None if ahead is None else timezone(timedelta(microseconds=ahead))
    return (_EPOCH + timedelta(microseconds=shown)).replace(tzinfo=zone)


def unpack_array(dtype, shape, items):
    """`items` is ours alone: the array uses its memory, and can be written to."""
    if not items:
        return np.empty(shape, dtype)
    return np.frombuffer(items, dtype).reshape(shape)


def unpack_scalar(dtype, item):
    return np.frombuffer(item, dtype)[0]


def pack_int(value):
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def unpack_int(data):
    return int.from_bytes(data, "little", signed=True)
