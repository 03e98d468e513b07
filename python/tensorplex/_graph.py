"""Graphs of others, as the bytes of a ``GraphDef``."""

from __future__ import annotations

import os
import sys
from typing import Any

from tensorplex import _inputs


def trace(
    model: Any, input_to_model: Any, verbose: bool, use_strict_trace: bool
) -> tuple[bytes, tuple[str, bytes] | None]:
    """A graph and, of a module of torch, what running it cost: its tag and a ``RunMetadata``."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        return _inputs.message(model, "model"), None
    try:
        from torch.utils.tensorboard._pytorch_graph import graph
    except ImportError as error:
        raise ImportError(f"torch traces a module only with the package tensorboard: {error}") from error
    graph_def, profile = graph(model, input_to_model, verbose, use_strict_trace)
    return graph_def.SerializeToString(), ("step1", profile.SerializeToString())


def from_openvino(path: str | os.PathLike[str]) -> bytes:
    """The layers of an OpenVINO file, each with those that it takes its input from."""
    from xml.etree import ElementTree

    root = ElementTree.parse(path).getroot()
    layers = {layer.get("id"): layer for layer in root.iterfind("layers/layer")}
    if not layers:
        raise ValueError(f"{os.fspath(path)} has no layers: an OpenVINO model (.xml) is wanted")
    inputs: dict[str | None, list[str]] = {number: [] for number in layers}
    for edge in root.iterfind("edges/edge"):
        source, target = layers.get(edge.get("from-layer")), edge.get("to-layer")
        if source is None or target not in inputs:
            raise ValueError(f"{os.fspath(path)} has an edge between layers that are not there: {edge.attrib}")
        inputs[target].append(source.get("name", ""))
    nodes = [(layer.get("name", ""), layer.get("type", ""), inputs[number]) for number, layer in layers.items()]
    return b"".join(_field(1, _node(*node)) for node in nodes)


def _node(name: str, kind: str, inputs: list[str]) -> bytes:
    fields = [_field(1, name.encode()), _field(2, kind.encode())]
    return b"".join(fields + [_field(3, each.encode()) for each in inputs])


def _field(number: int, data: bytes) -> bytes:
    """A field of a protobuf message that holds bytes: its number and kind, the length, the bytes."""
    length, size = len(data), bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2]) + bytes(size) + bytes([length]) + data
