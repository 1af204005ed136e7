"""Draws docs/images/porting.png and migration.png: what the pages of the guides' ports show, right and broken.

python docs/images/migration.py
"""

from __future__ import annotations

import io
from pathlib import Path

import keras
from PIL import Image

import explain
from explain.files.atomic_write import replace_file
from explain.migration.presentation.layer_chart import plot_layers
from explain.migration.presentation.page import least_similar
from explain.render import figure_png, plot_pair, plot_scatter

BROKEN = Path(__file__).with_suffix(".png")
RIGHT = Path(__file__).with_name("porting.png")
_SHOWN = 2


def checked_port(*, broken: bool) -> explain.MigrationReport:
    """Check the port of the guides, as it is or broken as it is there."""
    torch_net = explain.zoo.load("cifar_net", "torch")
    samples = explain.zoo.samples("cifar_net", "torch")
    layers = keras.layers
    keras_net = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(6, 5, activation="relu", name="conv1"),
            layers.MaxPooling2D(name="pool1"),
            layers.Conv2D(16, 5, activation="relu", name="conv2"),
            layers.MaxPooling2D(name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(120, activation="relu", name="fc1"),
            layers.Dense(84, activation="relu", name="fc2"),
            layers.Dense(10, name="fc3"),
        ]
    )
    explain.port(torch_net, keras_net)
    if broken:
        weight, bias = (parameter.detach().numpy() for parameter in torch_net.fc1.parameters())
        keras_net.get_layer("fc1").set_weights([weight.T, bias])
    found: explain.MigrationReport = explain.check_migration(
        torch_net, keras_net, samples.x, methods="saliency", display=samples.display
    )
    return found


def draw_right(report: explain.MigrationReport) -> bytes:
    """Draw the least similar maps of a right port in pairs, as a PNG."""
    a, b = report.attributions["saliency"]
    shown = least_similar(explain.compare(a, b))[:_SHOWN]
    return figure_png(plot_pair(a, b, examples=shown, difference=True))


def draw_broken(report: explain.MigrationReport) -> bytes:
    """Put the chart of the layers beside value against value, and the maps in pairs under both, as a PNG."""
    a, b = report.attributions["saliency"]
    shown = least_similar(explain.compare(a, b))[:_SHOWN]
    drawn = (
        plot_layers(report),
        plot_scatter(a, b, examples=shown),
        plot_pair(a, b, examples=shown, difference=True),
    )
    chart, scatter, maps = (Image.open(io.BytesIO(figure_png(one))) for one in drawn if one is not None)
    above = max(chart.height, scatter.height)
    width = max(chart.width + scatter.width, maps.width)
    whole = Image.new("RGB", (width, above + maps.height), "white")
    whole.paste(chart, (0, (above - chart.height) // 2))
    whole.paste(scatter, (width - scatter.width, 0))
    whole.paste(maps, (0, above))
    stream = io.BytesIO()
    whole.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


if __name__ == "__main__":
    replace_file(RIGHT, draw_right(checked_port(broken=False)))
    replace_file(BROKEN, draw_broken(checked_port(broken=True)))
    print(RIGHT, BROKEN, sep="\n")
