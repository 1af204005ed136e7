"""The maps beside each other: every method on the same pictures of both models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from explain.algorithms.catalogue import find_method
from explain.benchmark_page.computation import RANDOM_MAP, ModelResults
from explain.inputs.layout import Layout
from explain.metrics.places import places_of
from explain.render import draw_colorbar, draw_heatmap, draw_picture, picture, shared_scale
from explain.render.parts.sheet import INK, MUTED
from explain.results.names import method_name

# How many pictures of each model are shown: one line of maps fits on a slide.
SHOWN = 3

_CELL, _GAP, _BETWEEN, _LABEL, _TOP, _FOOT = 0.72, 0.06, 0.3, 2.0, 0.62, 0.75


def draw_maps(models: Sequence[ModelResults], titles: Sequence[str]) -> Figure:
    """Draw a row for each method, with the maps of the first pictures of each model, each on a scale of its own.

    Parameters
    ----------
    models : sequence of ModelResults
        Models of pictures, of the same methods.
    titles : sequence of str
        What stands over the maps of each.

    Returns
    -------
    matplotlib.figure.Figure
    """
    methods = [name for name in models[0].attributions if name != RANDOM_MAP]
    rows, block = len(methods) + 1, SHOWN * (_CELL + _GAP) - _GAP
    width = _LABEL + len(models) * block + (len(models) - 1) * _BETWEEN + 0.1
    height = _TOP + rows * (_CELL + _GAP) + _FOOT
    figure = Figure(figsize=(width, height))

    def place(row: int, model: int, column: int) -> tuple[float, float, float, float]:
        left = _LABEL + model * (block + _BETWEEN) + column * (_CELL + _GAP)
        bottom = height - _TOP - row * (_CELL + _GAP) - _CELL
        return left / width, bottom / height, _CELL / width, _CELL / height

    def label(row: int, text: str, color: str = INK) -> None:
        middle = height - _TOP - row * (_CELL + _GAP) - _CELL / 2
        figure.text(
            (_LABEL - 0.12) / width, middle / height, text, ha="right", va="center", fontsize=8, color=color
        )

    for number, (one, title) in enumerate(zip(models, titles, strict=True)):
        left = _LABEL + number * (block + _BETWEEN)
        figure.text(left / width, (height - 0.16) / height, title, ha="left", va="top", fontsize=9, color=INK)
        inputs = Layout(one.data.layout).to_canonical(one.data.x[:SHOWN])
        for column in range(SHOWN):
            axes = figure.add_axes(place(0, number, column))
            draw_picture(axes, picture(inputs[column], one.data.display))
            axes.set_title(one.data.classes[int(one.data.y[column])], fontsize=7, color=MUTED, pad=2)
    label(0, "picture", MUTED)
    for row, name in enumerate(methods, 1):
        label(row, method_name(name))
        is_signed = find_method(name).drawn == "signed"
        for number, one in enumerate(models):
            found = one.attributions.get(name)
            if found is None:
                continue
            places = places_of(found[:SHOWN])
            for column in range(SHOWN):
                heatmap = places.values[column].reshape(places.shape)
                axes = figure.add_axes(place(row, number, column))
                draw_heatmap(axes, heatmap, shared_scale(heatmap, signed=is_signed))
    words = ("share of the map's 99th percentile, signed", "the same, unsigned")
    for number, (is_signed, text) in enumerate(zip((True, False), words, strict=True)):
        left = _LABEL + number * (block + _BETWEEN)
        bar = figure.add_axes((left / width, (_FOOT - 0.28) / height, block / width, 0.1 / height))
        draw_colorbar(bar, shared_scale(np.array([1.0]), signed=is_signed), label=text)
    return figure
