"""One record for every dashboard. Run with python examples/python/gallery.py [LOGDIR]; needs matplotlib for one of them.

With TENSORPLEX_URL set to the address of a tensorplex-server they go there.
"""

import sys

import numpy as np

from tensorplex import SummaryWriter


def main(logdir="runs/gallery"):
    with SummaryWriter(logdir) as log:
        log.add_hparams({"lr": 0.1, "warm": True, "model": "small"}, {"best": 0.9}, run_name=".")
        charts = {"both": ["Multiline", ["curve/.*"]], "within": ["Margin", ["curve/mean", "low", "high"]]}
        log.add_custom_scalars({"charts": charts})
        for step in range(50):
            numbers(log, step, step / 10)
        log.add_text("note", "a *gallery*")
        pictures(log, np.abs(wave(64 * 64 * 3)).reshape(64, 64, 3))
        log.add_audio("tone", wave(16_000), sample_rate=16_000)
        log.add_pr_curve("curve", np.arange(100) % 3 == 0, np.abs(wave(100)))
        corners = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
        colors = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]]
        log.add_mesh("mesh", corners, colors, [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
        graph = node("input", "Placeholder") + node("dense/weights", "VariableV2")
        graph += node("dense/product", "MatMul", "input", "dense/weights") + node("dense/output", "Relu", "dense/product")
        log.add_graph(graph + node("loss", "Mean", "dense/output"))  # A GraphDef; or a module of torch, with its input.
        labels = [f"point {n}" for n in range(10)]
        sprites = np.abs(wave(10 * 8 * 8)).reshape(10, 1, 8, 8)
        log.add_embedding(wave(50).reshape(10, 5), labels, sprites, tag="points")
        if not log.flush():
            sys.exit("not everything was written")
    print(f"tensorboard --logdir {logdir}")


def numbers(log, step, x):
    log.add_scalar("curve/mean", np.sin(x), step)
    log.add_scalar("curve/other", np.cos(x), step)
    log.add_scalar("low", np.sin(x) - 0.5, step)
    log.add_scalar("high", np.sin(x) + 0.5, step)
    log.add_scalar("described", np.exp(x), step, display_name="growth", summary_description="how it **grows**")
    log.add_scalars("runs", {"sin": np.sin(x), "cos": np.cos(x)}, step)
    log.add_histogram("weights", wave(100 + step), step)


def pictures(log, picture):
    from matplotlib.figure import Figure

    log.add_image("image", picture, dataformats="HWC")
    log.add_images("grid", np.abs(wave(10 * 16 * 16)).reshape(10, 1, 16, 16))
    log.add_image_with_boxes("boxes", picture, [[8, 8, 40, 56]], dataformats="HWC")
    log.add_video("video", np.abs(wave(8 * 32 * 32)).reshape(1, 8, 1, 32, 32))
    figure = Figure()
    figure.subplots().plot(wave(100))
    log.add_figure("figure", figure)


def node(name, operation, *inputs):
    """A node of a GraphDef, as protobuf: fields of TensorFlow's node_def.proto, each shorter than 128 bytes."""

    def field(key, text):
        return bytes([key, len(text)]) + text

    parts = [field(0x0A, name.encode()), field(0x12, operation.encode())] + [field(0x1A, i.encode()) for i in inputs]
    return field(0x0A, b"".join(parts))


def wave(count):
    return np.sin(np.arange(count) * 0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
