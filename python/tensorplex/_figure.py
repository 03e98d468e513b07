"""What others draw: figures of matplotlib, and frames with labels by Pillow. Neither is imported before it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def render(figure: Any, close: bool) -> np.ndarray:
    """Figures as uint8 (n, height, width, 4)."""
    figures = list(figure) if isinstance(figure, (list, tuple)) else [figure]
    if not figures or not all(hasattr(each, "canvas") for each in figures):
        kinds = [type(each).__name__ for each in figures]
        raise TypeError(f"figure is {kinds}: a figure of matplotlib, or a list of them, is wanted")
    # The canvas of a figure may be one that shows windows; this one draws into memory.
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    drawn = []
    for each in figures:
        canvas = FigureCanvasAgg(each)
        canvas.draw()
        drawn.append(np.array(canvas.buffer_rgba()))
    shapes = {each.shape for each in drawn}
    if len(shapes) > 1:
        raise ValueError(f"figures of shapes {sorted(shapes)}: figures of one size are wanted")
    if close:
        from matplotlib import pyplot

        for each in figures:
            pyplot.close(each)
    return np.stack(drawn)


def draw_boxes(
    found: np.ndarray, axes: str, boxes: list[list[float]], rescale: float, labels: str | Sequence[str] | None
) -> np.ndarray:
    """An image with frames and their labels, larger by a factor."""
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        raise ImportError("labels and rescale need Pillow: pip install pillow") from None
    labels = [labels] if isinstance(labels, str) else list(labels or ())
    if labels and len(labels) != len(boxes):
        raise ValueError(f"{len(labels)} labels for {len(boxes)} boxes: one per box is wanted")
    if not rescale > 0:
        raise ValueError(f"rescale is {rescale}: a number above 0 is wanted")
    image = Image.fromarray(_rgb(found, axes))
    draw = ImageDraw.Draw(image)
    for n, (left, top, right, bottom) in enumerate(boxes):
        edges = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
        draw.rectangle(edges, outline="red", width=2)
        if labels:
            _, _, width, height = draw.textbbox((0, 0), labels[n])
            corner = (edges[0], edges[3] - height - 4)
            draw.rectangle((*corner, corner[0] + width + 4, edges[3]), fill="red")
            draw.text((corner[0] + 2, corner[1] + 2), labels[n], fill="black")
    if rescale != 1:
        image = image.resize((max(1, int(image.width * rescale)), max(1, int(image.height * rescale))))
    return np.asarray(image)


def _rgb(found: np.ndarray, axes: str) -> np.ndarray:
    axes = axes.upper()
    if found.ndim != len(axes) or set(axes) not in ({"H", "W"}, {"H", "W", "C"}):
        raise ValueError(f"img_tensor has shape {found.shape}: one image with axes {axes!r} is wanted")
    found = found[..., None] if "C" not in axes else found
    found = found.transpose([(axes if "C" in axes else axes + "C").index(axis) for axis in "HWC"])
    if found.dtype != np.uint8:
        found = (np.nan_to_num(found).clip(0, 1) * 255).astype(np.uint8)
    if found.shape[2] not in (1, 3, 4):
        raise ValueError(f"img_tensor has {found.shape[2]} channels: 1, 3 or 4 are wanted")
    return np.ascontiguousarray(np.broadcast_to(found[..., :3], (*found.shape[:2], 3)))
