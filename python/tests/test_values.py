"""A value arrives as the type it left as, or not at all."""

import enum
import re
from collections import OrderedDict, namedtuple
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tensorplex._native import decode, encode

offsets = st.timedeltas(min_value=timedelta(hours=-23), max_value=timedelta(hours=23)).map(timezone)
# The second of two equal times, `fold`, does not travel.
times = st.datetimes(timezones=st.none() | offsets).map(lambda time: time.replace(fold=0))
# A NaN is no member of any set, not even of its own.
keys = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    times,
)
scalars = keys | st.floats()
hashable = st.recursive(keys, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
values = st.recursive(
    scalars | st.sets(hashable, max_size=4),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(hashable, inner, max_size=4),
    ),
    max_leaves=20,
)


def same(a, b):
    """Equal, and of the same types all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a.items(), b.items(), strict=True))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return repr(a) == repr(b)
    if isinstance(a, datetime):
        return a == b and a.utcoffset() == b.utcoffset()
    return a == b


@given(values)
@settings(deadline=None, max_examples=300)
def test_values_come_back_as_they_were(value):
    assert same(decode(encode(value)), value)


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=500)
def test_any_bytes_are_a_value_or_an_error(data):
    try:
        decode(data)
    except (ValueError, TypeError, OverflowError):
        pass


@given(values, st.data())
@settings(deadline=None, max_examples=300)
def test_damaged_bytes_are_a_value_or_an_error(value, data):
    good = bytearray(encode(value))
    good[data.draw(st.integers(0, len(good) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        decode(bytes(good))
    except (ValueError, TypeError, OverflowError):
        pass


@pytest.mark.parametrize("edge", [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**1000])
def test_integers_of_any_size(edge):
    for value in (edge - 1, edge, edge + 1, -edge):
        assert decode(encode(value)) == value


ARRAYS = [
    np.arange(24, dtype=np.int16).reshape(2, 3, 4),
    np.arange(24.0).reshape(4, 6)[::2, ::-3],
    np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    np.arange(5, dtype=">f8"),
    np.arange(5, dtype=">u2")[::-1],
    np.array(3.5),
    np.zeros((0, 3)),
    np.zeros((2, 0, 5), bool),
    np.array([True, False]),
    np.array([1 + 2j], np.complex64),
    np.array([1.5, np.nan, np.inf], np.float16),
    np.array(["2026-01-01", "NaT"], "M8[ns]"),
    np.array([3], "m8[25us]"),
    np.array(["a", "Größe"]),
    np.array([b"ab", b"c"]),
    np.empty((1,) * 64),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{array.shape[:3]}")
def test_arrays_keep_shape_type_and_items(array):
    for value in (array, [(array,)]):
        got = decode(encode(value))
        got = got if value is array else got[0][0]
        assert type(got) is np.ndarray
        assert got.shape == array.shape
        assert got.dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(got, array)
        assert got.flags.writeable, "it is the receiver's own"


SCALARS = ["f2", "f4", "f8", "c8", "c16", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]


@pytest.mark.parametrize("code", SCALARS)
def test_numpy_scalars_stay_numpy_scalars(code):
    value = np.dtype(code).type(1)
    got = decode(encode(value))
    assert type(got) is type(value) and got == value


def test_numpy_times_and_texts():
    for value in (np.datetime64("2026-11-24T12:00"), np.timedelta64(3, "h"), np.str_("é"), np.bytes_(b"x")):
        got = decode(encode(value))
        assert (type(got), got) == (type(value), value)
        assert got.dtype == value.dtype


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    pass


Point = namedtuple("Point", "x y")

REFUSED = [
    (object(), "object"),
    (Colour.RED, "Colour"),
    (Text("x"), "Text"),
    (Point(1, 2), "Point"),
    (OrderedDict(), "OrderedDict"),
    (bytearray(b"x"), "bytearray"),
    (memoryview(b"x"), "memoryview"),
    (range(3), "range"),
    (1j, "complex"),
    (date(2026, 1, 1), "date"),
    (timedelta(1), "timedelta"),
    (lambda: None, "function"),
    (np.array([object()]), "dtype object"),
    (np.zeros(2, "i4,f8"), "dtype"),
    (np.zeros(2, np.longdouble), "float128"),
    (np.longdouble(1), "float128"),
    (np.ma.masked_array([1]), "MaskedArray"),
]


@pytest.mark.parametrize("value, name", REFUSED, ids=lambda part: str(part)[:20])
def test_anything_else_is_refused_by_name_and_place(value, name):
    with pytest.raises(TypeError, match=re.escape(name)):
        encode(value)
    with pytest.raises(TypeError, match=re.escape("[1]['k'][0]")):
        encode([0, {"k": (value,)}])


def test_text_without_a_unicode_form_is_refused():
    with pytest.raises(ValueError, match=r"\['k'\]: .*surrogate"):
        encode({"k": "\ud800"})


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {1: v}, lambda v: frozenset([v])])
def test_nesting_ends_at_63_levels(wrap):
    value = 0
    for _ in range(63):
        value = wrap(value)
    assert decode(encode(value)) == value
    with pytest.raises(ValueError, match="63 levels"):
        encode(wrap(value))
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="63 levels"):
        encode(endless)


def test_hostile_lengths_take_no_memory():
    for data in [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\x91" * 100_000,
        b"\xc7\x0c\x06\x03<f8\x01" + b"\xff" * 7,
        # Dimensions whose product is 0 modulo 2^64, and an object's dtype.
        b"\xc7\x17\x06\x03<f8\x02" + (2**32).to_bytes(8, "little") * 2 + b"\0\0",
        b"\xc7\x15\x06\x03|O8\x01" + (1).to_bytes(8, "little") + b"\0" * 8,
        b"\xd4\x63\x00",
        b"\x81\x90\x00",
    ]:
        with pytest.raises((ValueError, TypeError)):
            decode(data)


def test_the_bytes_are_those_of_the_protocol():
    """docs/reference/protocol.md, "Values beyond MessagePack"."""
    epoch = datetime(1970, 1, 1, 0, 0, 1)
    for value, data in [
        ((1, "a"), b"\xc9\0\0\0\x04\x01\x92\x01\xa1a"),
        ({7}, b"\xc9\0\0\0\x02\x02\x91\x07"),
        (frozenset({7}), b"\xc9\0\0\0\x02\x03\x91\x07"),
        (2**64, b"\xc7\x09\x04" + b"\0" * 8 + b"\x01"),
        (-(2**63) - 1, b"\xc7\x09\x04" + b"\xff" * 7 + b"\x7f\xff"),
        (epoch, b"\xd7\x05" + (10**6).to_bytes(8, "little")),
        (
            epoch.replace(tzinfo=timezone(timedelta(hours=-1))),
            b"\xd8\x05" + (10**6).to_bytes(8, "little") + (-3600 * 10**6).to_bytes(8, "little", signed=True),
        ),
        (np.float32(1), b"\xd7\x07\x03<f4\0\0\x80\x3f"),
    ]:
        assert encode(value) == data
        assert decode(data) == value
    array = np.array([[1, 2, 3]], np.uint8)
    data = b"\xc7\x18\x06\x03|u1\x02" + (1).to_bytes(8, "little") + (3).to_bytes(8, "little") + b"\x01\x02\x03"
    assert encode(array) == data
