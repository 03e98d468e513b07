"""What callers hand over, as what travels: numbers, steps and arrays of any library.

No library is imported for this: arrays come by ``__array__`` or DLPack, images by the methods that PIL's have.
"""

from __future__ import annotations

import contextlib
import math
import numbers as numbers_abc
import operator
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from tensorplex._adjust import log_once

STEPS = range(-(2**63), 2**63)
MAX_BUCKETS = 4096
#: A probability may be so far outside of 0 to 1 by rounding, as a softmax of 32-bit floats makes it.
ROUNDING = 1e-5
#: More than any number of something in one record.
MAX_COUNT = 2**31 - 1


def tag(value: Any) -> str:
    found = text(value, "tag")
    if not found:
        raise ValueError("tag is empty: a name is wanted")
    return found


def scalar(value: Any, what: str = "scalar_value") -> float:
    """A number, or an array of any library with one element."""
    if value is np.ma.masked:
        log_once("masked numbers are recorded as NaN", what)
        return math.nan
    if isinstance(value, (numbers_abc.Real, Decimal)):
        return _float(value, what)
    found = array(value, what)
    if found.size != 1:
        raise ValueError(f"{what} has shape {found.shape}: one number is wanted")
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{what} is a {_kind(value)} of dtype {found.dtype}: a real number is wanted")
    return float(found.reshape(())[()])


def _float(value: Any, what: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{what} is beyond what a float holds, about 1.8e308") from None


def step(value: Any) -> int:
    """The step as torch takes it: ``int(value)``."""
    if value is None:
        return 0
    if getattr(value, "shape", ()) != ():
        value = scalar(value, "global_step")
    try:
        found = int(value)
    except (TypeError, RuntimeError):
        raise TypeError(f"global_step is a {_kind(value)}: an int or None is wanted") from None
    except (ValueError, OverflowError):
        raise ValueError(f"global_step is {value!r}: an int or None is wanted") from None
    if isinstance(value, (float, np.floating)) and found != value:
        log_once("steps are cut to whole numbers", f"global_step {value} is recorded as {found}")
    if found not in STEPS:
        raise ValueError(f"global_step is {found}: -2^63 to 2^63 - 1 is wanted")
    return found


def count(value: Any, what: str, most: int) -> int:
    """How many of something, at least one."""
    found = _whole(value, what, "an int")
    if not 1 <= found <= most:
        raise ValueError(f"{what} is {found}: 1 to {most} is wanted")
    return found


def bins(value: Any) -> str | int | list[float]:
    """The name of a rule, a number of buckets, or their edges."""
    if isinstance(value, str):
        return plain_text(value)
    if np.ndim(value) == 0:
        return count(value, "bins", MAX_BUCKETS)
    edges = numbers(value, "bins", np.float64)
    if edges.ndim != 1 or len(edges) < 2:
        raise ValueError(f"bins has shape {edges.shape}: a number, or at least two edges in a row are wanted")
    return edges.tolist()


def _whole(value: Any, what: str, wanted: str) -> int:
    """A float may stand for a whole number; no other."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{what} is a {_kind(value)}: {wanted} is wanted") from None


def walltime(value: Any) -> float | None:
    return None if value is None else scalar(value, "walltime")


def text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} is a {_kind(value)}: a str is wanted")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        lone = value[error.start]
        raise ValueError(f"{what} has a lone surrogate, {lone!r} at {error.start}, which has no UTF-8 form") from None
    return plain_text(value)


def plain_text(value: Any) -> str:
    """The text of any object. Of a ``str`` it is its characters: the ``str()`` of a subclass, such as ``class Metric(str, Enum)``,
    may be another text.
    """
    return str.__str__(value) if isinstance(value, str) else str(value)


def labels(metadata: Any, header: Any) -> tuple[list[str], list[list[str]]]:
    """A table of labels: its header, and a row per vector."""
    wanted = "a label per vector" if header is None else "a row of labels per vector"
    try:
        rows = [[row] if header is None else list(row) for row in metadata]
    except TypeError:
        raise TypeError(f"metadata is {metadata!r}: {wanted} is wanted") from None
    columns = ["label"] if header is None else list(header)
    return columns, [[plain_text(label) for label in row] for row in rows]


def array(value: Any, what: str) -> np.ndarray:
    """An array of NumPy, of whatever offers ``__array__`` or DLPack, or of Python numbers."""
    if type(value) is np.ndarray and value.dtype.kind in "biuf":
        return value
    if isinstance(value, np.ma.MaskedArray) and value.dtype.kind in "biuf":
        return _unmasked(value, what)
    if isinstance(value, (str, bytes, dict, set)) or value is None:
        raise TypeError(f"{what} is a {_kind(value)}: numbers or an array are wanted")
    # Tensors that record gradients, or live on another device, have no `__array__` before this.
    for name in ("detach", "cpu"):
        method = getattr(value, name, None)
        if callable(method):
            value = method()
    # NumPy has no such numbers: torch refuses to hand them over, JAX has a type of its own for them.
    if str(getattr(value, "dtype", "")).endswith("bfloat16"):
        value = value.float() if hasattr(value, "float") else np.asarray(value).astype(np.float32)
    try:
        if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
            found = np.from_dlpack(value)
        else:
            found = np.asarray(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise TypeError(f"{what} is a {_kind(value)} that is no array: {error}") from None
    if found.dtype.kind == "O":
        raise TypeError(
            f"{what} is a {_kind(value)} of objects, or of whole numbers beyond 64 bits: numbers or an array are wanted"
        )
    return found


def _unmasked(value: np.ma.MaskedArray, what: str) -> np.ndarray:
    """The array with NaN in place of what is masked."""
    if not np.ma.is_masked(value):
        return value.data
    log_once("masked numbers are recorded as NaN", what)
    return value.astype(np.result_type(value.dtype, np.float32)).filled(np.nan)


def numbers(value: Any, what: str, dtype: type = np.float32) -> np.ndarray:
    """Real numbers in C order, each at an address that is a multiple of its size."""
    return _numbers(array(value, what), what, dtype)


def _numbers(found: np.ndarray, what: str, dtype: type) -> np.ndarray:
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{what} has dtype {found.dtype}: real numbers are wanted")
    if found.ndim and found.dtype == dtype and found.flags.c_contiguous and found.flags.aligned:
        return found
    return np.require(np.atleast_1d(found), dtype, ["C", "A"])


def samples(value: Any, what: str) -> tuple[np.ndarray, bool]:
    """Real numbers in one row, at least one: 32-bit floats if they hold what there is, else 64-bit ones. And whether they came
    as integers, or as bools, which NumPy sorts as integers."""
    found = array(value, what)
    if found.size == 0:
        raise ValueError(f"{what} has shape {found.shape}: at least one number is wanted")
    is_small = found.dtype.itemsize <= (4 if found.dtype.kind == "f" else 2)
    row = _numbers(found, what, np.float32 if is_small else np.float64).reshape(-1)
    return row, found.dtype.kind != "f"


def rows(value: Any, what: str, columns: int, dtype: type) -> list[list[Any]]:
    """A table of numbers, as lists; a first axis of length 1, as torch's meshes have it, is left out."""
    found = numbers(value, what, dtype)
    if found.ndim == 3 and found.shape[0] == 1:
        found = found[0]
    if found.ndim != 2 or found.shape[1] != columns:
        raise ValueError(f"{what} has shape {found.shape}: (n, {columns}) is wanted")
    return found.tolist()


def sound(value: Any, what: str) -> np.ndarray:
    """Samples from -1 to 1: floats as they are, whole numbers of up to 32 bits by the range of their type."""
    found = array(value, what)
    kind, bits = found.dtype.kind, 8 * found.dtype.itemsize
    half = 2.0 ** (bits - 1)
    if kind == "i" and bits <= 32:
        found = found / half
    elif kind == "u" and bits <= 32:
        found = (found - half) / half
    return _numbers(found, what, np.float32)


def positives(labels: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels as bools, and which of them are known: NaN is not. What is above 0 is positive, so -1 is negative."""
    found = numbers(labels, what).reshape(-1)
    is_known = ~np.isnan(found)
    odd = found[(found != 0) & (found != 1)]
    if odd.size:
        log_once("PR-curve labels other than 0 and 1: above 0 is positive, NaN is left out", f"{what} has {odd[0]}")
    return found > 0, is_known


def probabilities(value: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers from 0 to 1, and which of them are known: NaN is not."""
    found = numbers(value, what).reshape(-1)
    is_known = ~np.isnan(found)
    odd = found[~((found >= -ROUNDING) & (found <= 1 + ROUNDING))]
    if odd.size:
        log_once("PR-curve predictions are moved into 0 to 1, NaN is left out", f"{what} has {odd[0]}")
    return found.clip(0, 1), is_known


def colors(value: Any, what: str) -> list[list[int]]:
    """Colours from 0 to 255; floats that are all from 0 to 1 are shares of 255."""
    is_float = array(value, what).dtype.kind == "f"
    found = np.asarray(rows(value, what, 3, np.float64))
    if is_float and found.size and found.min() >= 0 and found.max() <= 1:
        found = found * 255
    near = np.nan_to_num(found, nan=0).clip(0, 255)
    if not np.array_equal(near, found):
        log_once("mesh colors are moved into 0 to 255", f"{what} has {found[near != found][0]}")
    return near.round().astype(np.uint8).tolist()


def faces(value: Any, what: str) -> list[list[int]]:
    """Indices of vertices."""
    found = np.asarray(rows(value, what, 3, np.float64)).reshape(-1, 3)
    if not (np.abs(found) < 2**31).all():
        raise ValueError(f"{what} has an index that is NaN or beyond 2^31: indices of vertices are wanted")
    whole = np.trunc(found)
    if not np.array_equal(whole, found):
        log_once("mesh faces are cut to whole numbers", f"{what} has the index {found[whole != found][0]}")
    return whole.astype(np.int32).tolist()


def pixels(value: Any, what: str, dataformats: str) -> tuple[np.ndarray, str]:
    """Pixels as uint8 or float32, and what their axes are."""
    dataformats = text(dataformats, "dataformats").upper()
    if hasattr(value, "getbands") and hasattr(value, "convert"):
        return _pillow(value, what)
    if isinstance(value, (list, tuple)) and "N" not in dataformats and len(dataformats) == np.ndim(value[0] if value else 0):
        dataformats = f"N{dataformats}"
    found = array(value.filled(0) if isinstance(value, np.ma.MaskedArray) else value, what)
    if found.dtype == bool:
        return found.astype(np.uint8, order="C") * 255, dataformats
    if found.dtype == np.uint8:
        return np.ascontiguousarray(found), dataformats
    if found.dtype.kind == "u" and found.dtype.itemsize == 2:
        found = found / np.float32(65535)
    elif found.dtype.kind in "iu":
        if found.size and found.max() > 1:
            log_once("pictures of whole numbers other than uint8 and uint16 are cut at 1, as by torch", f"{what} is {found.dtype}")
        found = found.clip(0, 1)
    elif found.dtype.kind != "f":
        raise TypeError(f"{what} has dtype {found.dtype}: uint8 (0 to 255) or floats (0 to 1) are wanted")
    return np.require(np.atleast_1d(found), np.float32, ["C", "A"]), dataformats


def _pillow(value: Any, what: str) -> tuple[np.ndarray, str]:
    if value.mode[0] in "IF":
        found = np.asarray(value)
        most = 1 if value.mode == "F" else 65535
        if not ((found >= 0) & (found <= most)).all():
            raise ValueError(f"{what} is a picture of mode {value.mode} beyond 0 to {most}: convert it to L or RGB")
        return np.require(found / np.float32(most), np.float32, ["C", "A"]), "HW"
    if value.mode not in ("L", "RGB", "RGBA"):
        value = value.convert("RGBA" if "A" in value.getbands() else "RGB")
    return np.ascontiguousarray(np.asarray(value), np.uint8), "HW" if value.mode == "L" else "HWC"


def settings(hparam_dict: Any) -> list[tuple[str, bool | float | str]]:
    """Hyperparameters; those that are None are left out, as torch does it."""
    if not isinstance(hparam_dict, Mapping):
        raise TypeError(f"hparam_dict is a {_kind(hparam_dict)}: a dict of names and values is wanted")
    return [(plain_text(key), _setting(key, value)) for key, value in hparam_dict.items() if value is not None]


def _setting(key: Any, value: Any) -> bool | float | str:
    if isinstance(value, str):
        return text(value, f"hparam {key!r}")
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, numbers_abc.Real) or getattr(value, "shape", None) in ((), (1,)):
        with contextlib.suppress(TypeError, ValueError):
            return scalar(value, f"hparam {key!r}")
    shown = getattr(value, "__name__", None) if callable(value) else None
    return plain_text(shown or value).encode("utf-8", "backslashreplace").decode()


def metrics(metric_dict: Any) -> dict[str, float]:
    if not isinstance(metric_dict, Mapping):
        raise TypeError(f"metric_dict is a {_kind(metric_dict)}: a dict of tags and numbers is wanted")
    return {tag(name): scalar(value, repr(name)) for name, value in metric_dict.items()}


def message(value: Any, what: str) -> bytes:
    """The bytes of a protobuf message, of any library."""
    serialize = getattr(value, "SerializeToString", None)
    if callable(serialize):
        return serialize()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"{what} is a {_kind(value)}: bytes or a protobuf message are wanted")


def _kind(value: Any) -> str:
    return type(value).__name__
