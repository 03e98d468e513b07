"""The methods that record, in the signatures of torch and tensorboardX."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tensorplex import _buckets, _figure, _graph, _inputs, _native

#: Types of tensors as they are written, by those that they hold.
_TENSORS = {
    **dict.fromkeys(("float16", "float32"), np.float32),
    "float64": np.float64,
    **dict.fromkeys(("bool", "uint8", "int8", "uint16", "int16", "int32"), np.int32),
    **dict.fromkeys(("uint32", "int64"), np.int64),
}


class Recording:
    """What records into a run.

    Every method takes ``global_step`` (None is 0) and ``walltime`` (seconds since 1970; None is the time of the call)
    where torch's method of this name does. None waits for the network or raises because of it. What is wrong with the
    arguments is a TypeError or ValueError that says what came and what is wanted.
    """

    #: Where the records go: a client or a directory of ``_native``.
    _sink: Any
    #: The same, as a plain attribute; None when something has to be done or looked at before.
    _native: Any

    def _send(self, method: str, args: tuple, kwargs: dict[str, Any]) -> None:
        self._sink.send(method, args, kwargs)

    def _warn_of_drops(self) -> None:
        """Clients do; of a writer, ``stats`` and ``flush`` tell."""

    def _stamp(self, global_step: Any, walltime: Any) -> tuple[int, float | None]:
        if type(global_step) is not int or global_step not in _inputs.STEPS:
            global_step = _inputs.step(global_step)
        return global_step, None if walltime is None else _inputs.walltime(walltime)

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: Any = None,
        walltime: Any = None,
        new_style: Any = False,
        double_precision: Any = False,
        display_name: str = "",
        summary_description: str = "",
    ) -> None:
        """Records a number: a Python or NumPy one, or an array of any library with one element.

        Args:
            new_style: torch's: the number as a tensor.
            double_precision: torch's, without effect: TensorBoard's data server shows no doubles.
            display_name: tensorboardX's: a title for the chart. It and the next may stand where torch's two stand.
            summary_description: a text beside the chart.
        """
        native = self._native
        if not (native is None or new_style or double_precision or display_name or summary_description):
            taken = native.add_scalar(tag, scalar_value, global_step, walltime)
            if taken:
                return
            if taken is not None:
                self._warn_of_drops()
                return
        scalar_value = _inputs.scalar(scalar_value)
        tag, at = _inputs.tag(tag), self._stamp(global_step, walltime)
        display_name = new_style if isinstance(new_style, str) else display_name
        summary_description = double_precision if isinstance(double_precision, str) else summary_description
        if new_style or display_name or summary_description:
            name = _inputs.text(display_name, "display_name")
            description = _inputs.text(summary_description, "summary_description")
            _native.add_scalar_tensor(self._sink, tag, scalar_value, name, description, at)
        else:
            self._send("add_scalar", (tag, scalar_value, *at), {})

    def add_tensor(self, tag: str, tensor: Any, global_step: Any = None, walltime: Any = None) -> None:
        """Records an array of any shape. No dashboard shows it; what reads event files does."""
        found = _inputs.array(tensor, "tensor")
        dtype = _TENSORS.get(found.dtype.name)
        if dtype is None:
            raise TypeError(f"tensor has dtype {found.dtype}: one of {', '.join(_TENSORS)} is wanted")
        found = np.asarray(found, np.dtype(dtype).newbyteorder("<"))
        at = self._stamp(global_step, walltime)
        _native.add_tensor(self._sink, _inputs.tag(tag), np.dtype(dtype).name, found.shape, found.tobytes(), at)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: Any = None,
        bins: Any = "tensorflow",
        walltime: Any = None,
        max_bins: int | None = None,
    ) -> None:
        """Records how values are distributed; those that are not finite are left out.

        Args:
            bins: ``"tensorflow"``: TensorBoard's thirty buckets; the name of a rule of ``numpy.histogram``, a
                number of buckets, or their edges. No bucket that a rule makes of integers is narrower than 1, as
                in NumPy 2.
            max_bins: neighbours are joined until there are at most so many.
        """
        values, is_integer = _inputs.samples(values, "values")
        if max_bins is not None:
            max_bins = _inputs.count(max_bins, "max_bins", _inputs.MAX_COUNT)
        at = self._stamp(global_step, walltime)
        _native.add_histogram(self._sink, _inputs.tag(tag), values, is_integer, _inputs.bins(bins), max_bins, at)

    def add_histogram_raw(
        self,
        tag: str,
        min: Any,
        max: Any,
        num: Any,
        sum: Any,
        sum_squares: Any,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: Any = None,
        walltime: Any = None,
    ) -> None:
        """Records a distribution that is sorted into buckets already, given by their upper limits and counts.

        ``num``, ``sum`` and ``sum_squares`` are torch's: no reader of TensorBoard shows them.
        """
        lowest, highest = _inputs.scalar(min, "min"), _inputs.scalar(max, "max")
        buckets = _buckets.from_limits(lowest, highest, bucket_limits, bucket_counts)
        self._send("add_histogram_buckets", (_inputs.tag(tag), buckets, *self._stamp(global_step, walltime)), {})

    def add_text(self, tag: str, text_string: str, global_step: Any = None, walltime: Any = None) -> None:
        """Records a text, shown as Markdown."""
        text_string = _inputs.text(text_string, "text_string")
        self._send("add_text", (_inputs.tag(tag), text_string, *self._stamp(global_step, walltime)), {})

    def add_image(
        self, tag: str, img_tensor: Any, global_step: Any = None, walltime: Any = None, dataformats: str = "CHW"
    ) -> None:
        """Records an image: uint8 from 0 to 255, or floats from 0 to 1, in any order of the axes; or an image of PIL."""
        self._image(tag, img_tensor, dataformats, [], self._stamp(global_step, walltime))

    def add_images(
        self, tag: str, img_tensor: Any, global_step: Any = None, walltime: Any = None, dataformats: str = "NCHW"
    ) -> None:
        """Records images as one, in a grid of up to eight columns."""
        self._image(tag, img_tensor, dataformats, [], self._stamp(global_step, walltime))

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: Any = None,
        walltime: Any = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: str | Sequence[str] | None = None,
    ) -> None:
        """Records an image with red frames, each given by its left, upper, right and lower edge in pixels.

        Args:
            rescale: the image is made so many times larger. This, and labels, need Pillow and are done in this thread.
            labels: a text per frame.
        """
        if np.ndim(box_tensor) == 1:
            box_tensor = [box_tensor]
        boxes = _inputs.rows(box_tensor, "box_tensor", 4, np.float32)
        if labels is not None or rescale != 1:
            pixels, axes = _inputs.pixels(img_tensor, "img_tensor", dataformats)
            img_tensor = _figure.draw_boxes(pixels, axes, boxes, _inputs.scalar(rescale, "rescale"), labels)
            dataformats, boxes = "HWC", []
        self._image(tag, img_tensor, dataformats, boxes, self._stamp(global_step, walltime))

    def _image(self, tag: str, img_tensor: Any, dataformats: str, boxes: list, at: tuple) -> None:
        pixels, axes = _inputs.pixels(img_tensor, "img_tensor", dataformats)
        _native.add_image(self._sink, _inputs.tag(tag), pixels, axes, boxes, at)

    def add_figure(
        self, tag: str, figure: Any, global_step: Any = None, close: bool = True, walltime: Any = None
    ) -> None:
        """Records a figure of matplotlib, or several as a grid, and closes them unless told otherwise."""
        tag, at = _inputs.tag(tag), self._stamp(global_step, walltime)
        self._image(tag, _figure.render(figure, close), "NHWC", [], at)

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
        _native.add_video(self._sink, _inputs.tag(tag), frames, axes, fps, self._stamp(global_step, walltime))

    def add_audio(
        self, tag: str, snd_tensor: Any, global_step: Any = None, sample_rate: int = 44100, walltime: Any = None
    ) -> None:
        """Records sound: samples from -1 to 1, of shape (n,), (1, n), or (n, 2) for two channels.

        Whole numbers of up to 32 bits are PCM: int16 is divided by 32768, uint8 is silent at 128.
        """
        sample_rate = _inputs.count(sample_rate, "sample_rate", 2**32 - 1)
        sound = _inputs.sound(snd_tensor, "snd_tensor")
        while sound.ndim > 1 and sound.shape[0] == 1:
            sound = sound[0]
        if sound.ndim not in (1, 2):
            raise ValueError(f"snd_tensor has shape {sound.shape}: (n,), (1, n), (n, 1) or (n, 2) is wanted")
        channels = 1 if sound.ndim == 1 else sound.shape[1]
        if channels not in (1, 2):
            raise ValueError(f"snd_tensor has shape {sound.shape}: (n,), (1, n), (n, 1) or (n, 2) is wanted")
        sound = np.ascontiguousarray(sound)
        _native.add_audio(self._sink, _inputs.tag(tag), sound, channels, sample_rate, self._stamp(global_step, walltime))

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
        num_thresholds = _inputs.count(num_thresholds, "num_thresholds", _inputs.MAX_COUNT)
        labels, has_label = _inputs.positives(labels, "labels")
        predictions, has_prediction = _inputs.probabilities(predictions, "predictions")
        weights = None if weights is None else _inputs.numbers(weights, "weights").reshape(-1)
        if len(labels) == len(predictions) == len(labels if weights is None else weights):
            known = has_label & has_prediction
            labels, predictions = labels[known], predictions[known]
            weights = None if weights is None else weights[known]
        labels = labels.view(np.uint8)
        at = self._stamp(global_step, walltime)
        _native.add_pr_curve(self._sink, _inputs.tag(tag), labels, predictions, weights, num_thresholds, at)

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
        num_thresholds: int | None = None,
        weights: Any = None,
        walltime: Any = None,
    ) -> None:
        """Records a PR curve that is computed already: a number per threshold in each of the six.

        ``num_thresholds`` and ``weights`` are torch's: how many numbers there are is seen, and no weights are needed.
        """
        rows = {
            "true_positive_counts": true_positive_counts,
            "false_positive_counts": false_positive_counts,
            "true_negative_counts": true_negative_counts,
            "false_negative_counts": false_negative_counts,
            "precision": precision,
            "recall": recall,
        }
        rows = [_inputs.numbers(row, name).reshape(-1).tolist() for name, row in rows.items()]
        _native.add_pr_curve_raw(self._sink, _inputs.tag(tag), rows, self._stamp(global_step, walltime))

    def add_custom_scalars(self, layout: Mapping[str, Mapping[str, Sequence]]) -> None:
        """Says which charts the dashboard of custom scalars has: ``{section: {title: ["Multiline" or "Margin", tags]}}``.

        A margin chart has three tags: value, lower and upper edge.
        """
        sections = []
        if not isinstance(layout, Mapping):
            raise TypeError(f"layout is a {type(layout).__name__}: {{section: {{title: [kind, tags]}}}} is wanted")
        for section, charts in layout.items():
            found = []
            for title, (kind, tags) in charts.items():
                if kind not in ("Multiline", "Margin"):
                    raise ValueError(f"chart {title!r} is {kind!r}: 'Multiline' or 'Margin' is wanted")
                found.append((title, kind == "Margin", list(tags)))
            sections.append((section, found))
        _native.add_custom_scalars(self._sink, sections)

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
        colors = None if colors is None else _inputs.colors(colors, "colors")
        faces = None if faces is None else _inputs.faces(faces, "faces")
        if not isinstance(config_dict, (Mapping, type(None))):
            raise TypeError(f"config_dict is {config_dict!r}: a dict, or None, is wanted")
        config = None if config_dict is None else json.dumps(config_dict)
        at = self._stamp(global_step, walltime)
        _native.add_mesh(self._sink, _inputs.tag(tag), vertices, colors, faces, config, at)

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
        settings, metrics = _inputs.settings(hparam_dict), _inputs.metrics(metric_dict)
        at = self._stamp(global_step, None)
        _native.add_hparams(self._sink, settings, name)
        for tag, value in metrics.items():
            self._send("add_scalar", (tag, value, *at), {})

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False, use_strict_trace: bool = True
    ) -> None:
        """Records a graph: a ``GraphDef`` message, its bytes, or a module of torch, which torch traces with its input."""
        graph_def, profile = _graph.trace(model, input_to_model, verbose, use_strict_trace)
        _native.add_graph(self._sink, graph_def, profile, self._stamp(None, None))

    def add_onnx_graph(self, onnx_model_file: str | os.PathLike[str]) -> None:
        """Records the graph of an ONNX file, without its weights."""
        with open(onnx_model_file, "rb") as file:
            model = file.read()
        _native.add_onnx_graph(self._sink, model)

    def add_openvino_graph(self, xmlname: str | os.PathLike[str]) -> None:
        """Records the graph of an OpenVINO file (``.xml``)."""
        _native.add_graph(self._sink, _graph.from_openvino(xmlname), None, self._stamp(None, None))

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
        table = None if metadata is None else _inputs.labels(metadata, metadata_header or None)
        pictures = None if label_img is None else _inputs.pixels(label_img, "label_img", "NCHW")
        _native.add_embedding(self._sink, _inputs.tag(tag), vectors, table, pictures, self._stamp(global_step, walltime))

    def add_summary(self, summary: Any, global_step: Any = None, walltime: Any = None) -> None:
        """Records a ready-made ``Summary``: the message, or its bytes; all of its values or none."""
        summary = _inputs.message(summary, "summary")
        _native.add_summary(self._sink, summary, self._stamp(global_step, walltime))

    def add_event(self, event: Any) -> None:
        """Records a ready-made ``Event``, the message or its bytes, at its own step and time."""
        _native.add_event(self._sink, _inputs.message(event, "event"))

    def rewind(self, step: Any) -> None:
        """Goes back to a step: what was logged from it on counts no more, in either reader of TensorBoard."""
        step = _inputs.step(step)
        # What is being encoded was logged before.
        self._sink.drain()
        self._send("rewind", (step,), {})

    def resume(self) -> None:
        """Says that this process goes on where another one ended that recorded into this run.

        If its first scalar is at a step that was logged before, or at an earlier one, that is a rewind to this step.
        """
        self._send("resume", (), {})
