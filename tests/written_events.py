"""What a folder of events holds, read by TensorBoard's own code."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util


def read(folder: Path) -> SimpleNamespace:
    """Scalars, pictures and texts of a run, by tag and step."""
    events = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0, "scalars": 0})
    events.Reload()
    found = SimpleNamespace(scalars={}, images={}, texts={})
    for tag in events.Tags()["scalars"]:
        found.scalars[tag] = {one.step: one.value for one in events.Scalars(tag)}
    for tag in events.Tags()["images"]:
        found.images[tag] = {one.step: _pixels(one.encoded_image_string) for one in events.Images(tag)}
    for tag in events.Tags()["tensors"]:
        plugin = events.SummaryMetadata(tag).plugin_data.plugin_name
        values = {one.step: tensor_util.make_ndarray(one.tensor_proto) for one in events.Tensors(tag)}
        if plugin == "scalars":
            found.scalars[tag] = {step: float(value) for step, value in values.items()}
        elif plugin == "images":
            # The width and the height stand before the files.
            found.images[tag] = {step: _pixels(value[2]) for step, value in values.items()}
        elif plugin == "text":
            found.texts[tag] = {step: value.item().decode() for step, value in values.items()}
    return found


def _pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
