"""The same calls for any SummaryWriter, and what is in its event files, as JSON: what goldens are compared by.

Only NumPy goes in, so that torch, tensorboardX and this package can be asked alike.
"""

import io
import wave
from pathlib import Path

import numpy as np

PIXELS = (np.arange(3 * 4 * 5, dtype=np.uint8) * 4).reshape(3, 4, 5)
SOUND = np.array([0.0, 0.5, -0.5, 0.999, -1.0, 0.25], np.float32)
LABELS = np.array([1, 0, 1, 1, 0, 1])
PREDICTIONS = np.array([0.0, 0.25, 0.5, 0.75, 0.9, 1.0], np.float32)
ROWS = [[4.0, 1.0], [2.0, 0.0], [0.0, 2.0], [0.0, 3.0], [0.5, 1.0], [1.0, 0.25]]
CHARTS = {"losses": {"both": ["Multiline", ["loss/.*", "x"]], "within": ["Margin", ["m", "lo", "hi"]]}}
VERTICES = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
COLORS = np.arange(12, dtype=np.uint8).reshape(1, 4, 3)
FACES = np.array([[[0, 1, 2], [1, 2, 3]]], np.int32)
SETTINGS = {"lr": 0.1, "layers": 3, "warm": True, "model": "small"}

CALLS = {
    "scalar": lambda w: w.add_scalar("loss", 1.5, 7, 1234.5),
    "scalar_no_step": lambda w: w.add_scalar("loss", np.float32(0.1), walltime=1234.5),
    "scalars": lambda w: w.add_scalars("both/of", {"a": 1, "b": 2}, 3, 1234.5),
    "histogram": lambda w: w.add_histogram("h", np.linspace(-1, 2, 31), 2),
    "histogram_edges": lambda w: w.add_histogram("h", np.array([0.5, 1.5, 1.75]), 2, bins=[0.0, 1.0, 2.0]),
    "histogram_raw": lambda w: w.add_histogram_raw("h", -1.0, 3.0, 6, 4.0, 9.0, [0.0, 1.0, 2.0, 3.5], [0, 4, 0, 2], 2),
    "image": lambda w: w.add_image("i", PIXELS, 4),
    "image_floats": lambda w: w.add_image("i", np.linspace(0, 1, 60, dtype=np.float32).reshape(3, 4, 5), 4),
    "image_hwc": lambda w: w.add_image("i", PIXELS.transpose(1, 2, 0), 4, dataformats="HWC"),
    "image_grey": lambda w: w.add_image("i", PIXELS[0], 4, dataformats="HW"),
    "images": lambda w: w.add_images("i", np.stack([PIXELS, PIXELS // 2]), 4),
    "image_with_boxes": lambda w: w.add_image_with_boxes("i", np.zeros((3, 20, 30), np.uint8), np.array([[4, 3, 20, 15]]), 4),
    "audio": lambda w: w.add_audio("a", SOUND.reshape(1, -1), 5, sample_rate=8000),
    "text": lambda w: w.add_text("note", "a **bold** ø", 6),
    "pr_curve": lambda w: w.add_pr_curve("pr", LABELS, PREDICTIONS, 6, num_thresholds=5),
    "pr_curve_raw": lambda w: w.add_pr_curve_raw("pr", *map(np.array, ROWS), 6, num_thresholds=2),
    "custom_scalars": lambda w: w.add_custom_scalars(CHARTS),
    "multilinechart": lambda w: w.add_custom_scalars_multilinechart(["a", "b"], "c", "t"),
    "marginchart": lambda w: w.add_custom_scalars_marginchart(["a", "b", "c"], "c", "t"),
    "mesh": lambda w: w.add_mesh("m", VERTICES, COLORS, FACES, {"a": 1}, 8),
    "mesh_points": lambda w: w.add_mesh("m", VERTICES, global_step=8),
    "hparams": lambda w: w.add_hparams(SETTINGS, {"acc": 0.5}, **{RUN_NAME[type(w).__module__.split(".")[0]]: "hp"}),
}
#: What the writers call the run of hparams.
RUN_NAME = {"torch": "run_name", "tensorboardX": "name", "tensorplex": "run_name"}


def written_by(cls, directory, name):
    """{run: [fields]} of one call."""
    sound = CALLS[name]
    if name == "audio" and cls.__module__.startswith("tensorboardX"):
        sound = lambda w: w.add_audio("a", SOUND.reshape(-1, 1), 5, sample_rate=8000)  # noqa: E731 (its axes are swapped)
    writer = cls(str(directory))
    sound(writer)
    writer.flush()
    writer.close()
    runs = {}
    for file in sorted(Path(directory).rglob("*tfevents*")):
        found = [fields(event, value) for event, value in values(file)]
        if found:
            runs.setdefault(str(file.parent.relative_to(directory)), []).extend(found)
    return runs


def values(file):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for event in EventFileLoader(str(file)).Load():
        # In the form to which TensorBoard's readers bring it.
        for value in event.summary.value:
            yield event, value


def fields(event, value):
    """Everything that dashboards see of a value: how a tensor is packed is its writer's affair."""
    from tensorboard.util import tensor_util

    plugin = value.metadata.plugin_data
    found = {
        "step": event.step,
        "tag": value.tag,
        "plugin": plugin.plugin_name,
        "class": value.metadata.data_class,
        # A reader that converts an old form calls it by its tag.
        "display_name": "" if value.metadata.display_name == value.tag else value.metadata.display_name,
        "description": value.metadata.summary_description,
    }
    if plugin.plugin_name == "hparams":
        return found | {"content": hparams(plugin.content)}
    array = tensor_util.make_ndarray(value.tensor)
    # Images and sound say in their content that a reader converted them; of the rest of it nothing is shown.
    content = "" if plugin.plugin_name in ("images", "audio") else plugin.content.hex()
    found |= {"content": content, "shape": list(array.shape)}
    if plugin.plugin_name == "images":
        return found | {"items": picture(array)}
    if plugin.plugin_name == "audio":
        return found | {"items": sound(array), "shape": None}
    if plugin.plugin_name == "custom_scalars":
        return found | {"items": layout(array)}
    if array.dtype == object:
        return found | {"items": [item.decode() for item in array.ravel()]}
    if plugin.plugin_name == "histograms":
        # A reader that converts an old form makes 32-bit floats of it.
        array = np.float32(array)
    return found | {"dtype": str(array.dtype), "items": np.float32(array).ravel().tolist()}


def hparams(content):
    from google.protobuf import json_format
    from tensorboard.plugins.hparams import plugin_data_pb2

    found = plugin_data_pb2.HParamsPluginData.FromString(content)
    if found.HasField("session_start_info"):
        found.session_start_info.ClearField("start_time_secs")
    if found.HasField("session_end_info"):
        found.session_end_info.ClearField("end_time_secs")
    return json_format.MessageToDict(found)


def picture(array):
    from PIL import Image

    width, height, file = array
    pixels = Image.open(io.BytesIO(file)).convert("RGB")
    assert pixels.size == (int(width), int(height))
    return np.asarray(pixels).ravel().tolist()


def sound(array):
    with wave.open(io.BytesIO(array.ravel()[0])) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return [file.getframerate(), file.getnchannels(), file.getsampwidth(), *samples.tolist()]


def layout(array):
    from google.protobuf import json_format
    from tensorboard.plugins.custom_scalar import layout_pb2

    return json_format.MessageToDict(layout_pb2.Layout.FromString(array.ravel()[0]))
