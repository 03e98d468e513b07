"""The methods that record, in the signatures of torch and tensorboardX."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tensorplex import _inputs, _native
from tensorplex.remote_call import RemoteClient

#: Longest event that travels in one call.
_MAX_EVENT = 4 << 20


class Recording(RemoteClient):
    """What records into a run.

    Every method takes ``global_step`` (None is 0) and ``walltime`` (seconds since 1970; None is the time of the call)
    where torch's method of this name does. None waits for the network or raises because of it. What is wrong with the
    arguments is a TypeError or ValueError that says what came and what is wanted.
    """

    def add_scalar(self, tag: str, scalar_value: Any, global_step: Any = None, walltime: Any = None) -> None:
        """Records a number: a Python or NumPy one, or an array of any library with one element."""
        if type(scalar_value) is not float:
            scalar_value = _inputs.scalar(scalar_value)
        if type(global_step) is not int or global_step not in _inputs.STEPS:
            global_step = _inputs.step(global_step)
        if walltime is not None:
            walltime = _inputs.walltime(walltime)
        self._send("add_scalar", (_inputs.tag(tag), scalar_value, global_step, walltime), {})

    def add_histogram(
        self, tag: str, values: Any, global_step: Any = None, bins: Any = "tensorflow", walltime: Any = None
    ) -> None:
        """Records how values are distributed; those that are not finite are left out.

        Args:
            bins: ``"tensorflow"``: TensorBoard's thirty buckets; the name of a rule of ``numpy.histogram`` (all but
                ``stone``), a number of buckets, or their edges.
        """
        values = _inputs.numbers(values, "values", np.float64).reshape(-1)
        if not isinstance(bins, (str, int)):
            bins = _inputs.numbers(bins, "bins", np.float64).tolist()
        _native.add_histogram(self._native, _inputs.tag(tag), values, bins, _at(global_step, walltime))

    def add_text(self, tag: str, text_string: str, global_step: Any = None, walltime: Any = None) -> None:
        """Records a text, shown as Markdown."""
        text_string = _inputs.text(text_string, "text_string")
        self._send("add_text", (_inputs.tag(tag), text_string, *_at(global_step, walltime)), {})

    def add_image(
        self, tag: str, img_tensor: Any, global_step: Any = None, walltime: Any = None, dataformats: str = "CHW"
    ) -> None:
        """Records an image: uint8 from 0 to 255, or floats from 0 to 1, in any order of the axes; or an image of PIL."""
        self._image(tag, img_tensor, dataformats, [], _at(global_step, walltime))

    def add_images(
        self, tag: str, img_tensor: Any, global_step: Any = None, walltime: Any = None, dataformats: str = "NCHW"
    ) -> None:
        """Records images as one, in a grid of up to eight columns."""
        self._image(tag, img_tensor, dataformats, [], _at(global_step, walltime))

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: Any = None,
        dataformats: str = "CHW",
    ) -> None:
        """Records an image with red frames, each given by its left, upper, right and lower edge in pixels."""
        boxes = _inputs.rows(box_tensor, "box_tensor", 4, np.float32)
        self._image(tag, img_tensor, dataformats, boxes, _at(global_step, walltime))

    def _image(self, tag: str, img_tensor: Any, dataformats: str, boxes: list, at: tuple) -> None:
        pixels, axes = _inputs.pixels(img_tensor, "img_tensor", dataformats)
        _native.add_image(self._native, _inputs.tag(tag), pixels, axes, boxes, at)

    def add_video(
        self,
        tag: str,
        vid_tensor: Any,
        global_step: Any = None,
        fps: float = 4,
        walltime: Any = None,
        dataformats: str = "NTCHW",
    ) -> None:
        """Records a video, as a GIF: uint8 from 0 to 255, or floats from 0 to 1."""
        frames, axes = _inputs.pixels(vid_tensor, "vid_tensor", dataformats)
        fps = _inputs.scalar(fps, "fps")
        _native.add_video(self._native, _inputs.tag(tag), frames, axes, fps, _at(global_step, walltime))

    def add_audio(
        self, tag: str, snd_tensor: Any, global_step: Any = None, sample_rate: int = 44100, walltime: Any = None
    ) -> None:
        """Records sound: samples from -1 to 1, of shape (n,), (1, n), or (n, 2) for two channels."""
        sound = _inputs.numbers(snd_tensor, "snd_tensor")
        if sound.ndim == 2 and sound.shape[0] == 1:
            sound = sound[0]
        if sound.ndim not in (1, 2):
            raise ValueError(f"snd_tensor has shape {sound.shape}: (n,), (1, n), (n, 1) or (n, 2) is wanted")
        channels = 1 if sound.ndim == 1 else sound.shape[1]
        if channels not in (1, 2):
            raise ValueError(f"snd_tensor has shape {sound.shape}: (n,), (1, n), (n, 1) or (n, 2) is wanted")
        sound = np.ascontiguousarray(sound)
        _native.add_audio(self._native, _inputs.tag(tag), sound, channels, sample_rate, _at(global_step, walltime))

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: Any = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: Any = None,
    ) -> None:
        """Records precision and recall of predictions, from 0 to 1, of labels that are 0 or 1."""
        labels = (_inputs.numbers(labels, "labels").reshape(-1) != 0).tolist()
        predictions = _inputs.numbers(predictions, "predictions").reshape(-1)
        if weights is not None:
            weights = _inputs.numbers(weights, "weights").reshape(-1).tolist()
        at = _at(global_step, walltime)
        _native.add_pr_curve(self._native, _inputs.tag(tag), labels, predictions, weights, num_thresholds, at)

    def add_pr_curve_raw(
        self,
        tag: str,
        true_positive_counts: Any,
        false_positive_counts: Any,
        true_negative_counts: Any,
        false_negative_counts: Any,
        precision: Any,
        recall: Any,
        global_step: Any = None,
        walltime: Any = None,
    ) -> None:
        """Records a PR curve that is computed already: a number per threshold in each of the six."""
        rows = {
            "true_positive_counts": true_positive_counts,
            "false_positive_counts": false_positive_counts,
            "true_negative_counts": true_negative_counts,
            "false_negative_counts": false_negative_counts,
            "precision": precision,
            "recall": recall,
        }
        rows = [_inputs.numbers(row, name).reshape(-1).tolist() for name, row in rows.items()]
        _native.add_pr_curve_raw(self._native, _inputs.tag(tag), rows, _at(global_step, walltime))

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence]]) -> None:
        """Says which charts the dashboard of custom scalars has: ``{section: {title: ["Multiline" or "Margin", tags]}}``.

        A margin chart has three tags: value, lower and upper edge.
        """
        sections = []
        for section, charts in layout.items():
            found = []
            for title, (kind, tags) in charts.items():
                if kind not in ("Multiline", "Margin"):
                    raise ValueError(f"chart {title!r} is {kind!r}: 'Multiline' or 'Margin' is wanted")
                found.append((title, kind == "Margin", list(tags)))
            sections.append((section, found))
        _native.add_custom_scalars(self._native, sections)

    def add_custom_scalars_multilinechart(
        self, tags: Iterable[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """`add_custom_scalars` with one chart of several lines."""
        self.add_custom_scalars({category: {title: ["Multiline", list(tags)]}})

    def add_custom_scalars_marginchart(
        self, tags: Iterable[str], category: str = "default", title: str = "untitled"
    ) -> None:
        """`add_custom_scalars` with one chart of a line between two edges."""
        self.add_custom_scalars({category: {title: ["Margin", list(tags)]}})

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Mapping[str, Any] | None = None,
        global_step: Any = None,
        walltime: Any = None,
    ) -> None:
        """Records a mesh, or a cloud of points: (n, 3) or (1, n, 3); colors from 0 to 255, faces by three indices each."""
        vertices = _inputs.rows(vertices, "vertices", 3, np.float32)
        colors = None if colors is None else _inputs.rows(colors, "colors", 3, np.uint8)
        faces = None if faces is None else _inputs.rows(faces, "faces", 3, np.int32)
        config = None if config_dict is None else json.dumps(config_dict)
        at = _at(global_step, walltime)
        _native.add_mesh(self._native, _inputs.tag(tag), vertices, colors, faces, config, at)

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        name: str | None = None,
        global_step: Any = None,
    ) -> None:
        """Records the settings of this run, bools, numbers and texts, and the metrics to compare it by, as scalars.

        Args:
            name: of the group of runs that have the same settings.
        """
        settings = [(str(key), _setting(key, value)) for key, value in hparam_dict.items()]
        metrics = {_inputs.tag(tag): _inputs.scalar(value, repr(tag)) for tag, value in metric_dict.items()}
        at = _at(global_step, None)
        _native.add_hparams(self._native, settings, name)
        self._send("add_scalars", (metrics, *at), {})

    def add_graph(self, graph_def: Any) -> None:
        """Records a graph: a ``GraphDef`` message, or its bytes."""
        _native.add_graph(self._native, _inputs.message(graph_def, "graph_def"))

    def add_onnx_graph(self, onnx_model_file: str | os.PathLike[str]) -> None:
        """Records the graph of an ONNX file, without its weights."""
        with open(onnx_model_file, "rb") as file:
            model = file.read()
        _native.add_onnx_graph(self._native, model)

    def add_embedding(
        self,
        mat: Any,
        metadata: Sequence | None = None,
        label_img: Any = None,
        global_step: Any = None,
        tag: str = "default",
        metadata_header: Sequence[str] | None = None,
        walltime: Any = None,
    ) -> None:
        """Records vectors for the projector: ``mat`` of shape (n, size).

        Args:
            metadata: a label per vector; with ``metadata_header``, a row of labels per vector.
            label_img: a square picture per vector, (n, channels, height, width).
        """
        vectors = _inputs.numbers(mat, "mat")
        if vectors.ndim != 2:
            raise ValueError(f"mat has shape {vectors.shape}: (n, size) is wanted")
        table = None
        if metadata is not None:
            rows = [list(map(str, row)) if metadata_header else [str(row)] for row in metadata]
            table = (list(metadata_header or ["label"]), rows)
        pictures = None if label_img is None else _inputs.pixels(label_img, "label_img", "NCHW")
        _native.add_embedding(self._native, _inputs.tag(tag), vectors, table, pictures, _at(global_step, walltime))

    def add_summary(self, summary: Any, global_step: Any = None, walltime: Any = None) -> None:
        """Records a ready-made ``Summary``: the message, or its bytes; all of its values or none."""
        summary = _inputs.message(summary, "summary")
        self._send("add_summary", (summary, *_at(global_step, walltime)), {})

    def add_event(self, event: Any) -> None:
        """Records a ready-made ``Event``, the message or its bytes, at its own step and time."""
        event = _inputs.message(event, "event")
        if len(event) > _MAX_EVENT:
            raise ValueError(f"event of {len(event)} bytes: at most {_MAX_EVENT} are allowed")
        self._send("add_event", (event,), {})


def _at(global_step: Any, walltime: Any) -> tuple[int, float | None]:
    return _inputs.step(global_step), _inputs.walltime(walltime)


def _setting(key: Any, value: Any) -> bool | float | str:
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    return _inputs.scalar(value, f"hparam {key!r}")
