"""The plots of a run. Colours are those of Okabe and Ito, which suit colour-blind readers; markers differ too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

_BLUE, _ORANGE, _GREEN, _PINK, _GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#777777"
_LIGHT_BLUE, _VERMILION = "#56B4E9", "#D55E00"
_COLOURS = {"explain": _BLUE, "Captum": _ORANGE, "Xplique": _VERMILION, "SHAP": _PINK, "bare loop": _GREY}
_LINES = ((_BLUE, "o"), (_VERMILION, "s"), (_GREEN, "^"))
_AXES = {
    "steps": "steps of a path",
    "examples": "examples in a call",
    "side": "side of a picture, pixels",
    "width": "channels of the first layer",
}
RULES = {"midpoint": "midpoint", "gauss_legendre": "Gauss–Legendre"}
_COLUMNS = 3


def draw(section: Mapping[str, Any], folder: Path, device: str) -> dict[str, str]:
    """Draw the plots of one device's section and give the names of their files.

    Parameters
    ----------
    section : Mapping
        A section of ``results.json``.
    folder : pathlib.Path
        The folder for the PNG files.
    device : str
        The device, part of the file names.
    """
    drawn = {"times": _times(section["cases"]), "growth": _growth(section["growth"])}
    searched = {name: case for name, case in section["cases"].items() if case["search"]}
    if searched:
        drawn["errors"] = _errors(searched)
    files = {}
    for name, figure in drawn.items():
        files[name] = f"{name}-{device}.png"
        figure.savefig(folder / files[name], dpi=110, metadata={"Software": None})
        plt.close(figure)
    return files


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """Lay out panels in rows; hide the unused panels of the last row."""
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.7 * columns, height * rows), squeeze=False, layout="constrained"
    )
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.set_axis_off()
    return figure, flat[:count]


def _times(cases: Mapping[str, Any]) -> Figure:
    """Draw the time of every contender of every case, medians as bars, quartiles as whiskers."""
    figure, panels = _panels(len(cases), 2.7)
    for axes, (name, case) in zip(panels, cases.items(), strict=True):
        labels = list(case["contenders"])
        spreads = [case["contenders"][label]["seconds"] for label in labels]
        medians = [1e3 * spread["median"] for spread in spreads]
        whiskers = [
            [1e3 * abs(spread["quartiles"][end] - spread["median"]) for spread in spreads] for end in (0, 1)
        ]
        colours = [
            next(colour for tool, colour in _COLOURS.items() if label.startswith(tool)) for label in labels
        ]
        axes.barh(labels, medians, color=colours, xerr=whiskers, error_kw={"elinewidth": 1, "capsize": 2})
        for row, median in enumerate(medians):
            end = median + whiskers[1][row]
            axes.annotate(
                f"{median:.3g}" if median < 1000 else f"{median:.0f}",
                (end, row),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        axes.invert_yaxis()
        axes.set_xlim(0, 1.2 * max(median + more for median, more in zip(medians, whiskers[1], strict=True)))
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("milliseconds a call, less is better", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _errors(cases: Mapping[str, Any]) -> Figure:
    """Draw our median map error against steps, and the peer's error with its defaults."""
    figure, panels = _panels(len(cases), 2.9)
    for axes, (name, case) in zip(panels, cases.items(), strict=True):
        search = case["search"]
        steps = [int(n_steps) for n_steps in search["tried"]]
        axes.plot(
            steps,
            list(search["tried"].values()),
            "o-",
            color=_BLUE,
            ms=3.5,
            lw=1.2,
            label=f"explain, {RULES[search['rule']]}",
        )
        peer = next(label for label in case["errors"] if label.startswith(("Captum", "Xplique")))
        axes.axhline(
            search["bound"], color=_VERMILION, ls="--", lw=1.5, label=f"{peer}, {case['case']['steps']} steps"
        )
        axes.set_yscale("log")
        least, most = (
            min(*search["tried"].values(), search["bound"]),
            max(*search["tried"].values(), search["bound"]),
        )
        axes.set_ylim(least / 1.6, most * 1.6)
        _label_decades(axes, lambda value: f"{100 * value:.3g} %")
        axes.set_title(f"{name}: equal at {search['steps']} steps", fontsize=10)
        axes.set_xlabel("steps", fontsize=9)
        axes.set_ylabel("median map error", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _growth(growth: Mapping[str, Any]) -> Figure:
    """Draw time against each axis of growth, both logarithmic, with the quartiles as bars."""
    figure, grid = plt.subplots(2, 2, figsize=(10, 7.4), layout="constrained")
    for axes, (axis, found) in zip(grid.flat, growth.items(), strict=True):
        for (label, spreads), (colour, marker) in zip(found["seconds"].items(), _LINES, strict=True):
            medians = [1e3 * spread["median"] for spread in spreads]
            bars = [
                [1e3 * abs(spread["quartiles"][end] - spread["median"]) for spread in spreads]
                for end in (0, 1)
            ]
            axes.errorbar(
                found["values"],
                medians,
                yerr=bars,
                color=colour,
                marker=marker,
                ms=5,
                lw=1.5,
                capsize=2,
                label=label,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(found["values"], [str(value) for value in found["values"]])
        axes.xaxis.set_minor_formatter(NullFormatter())
        _label_decades(axes, lambda value: f"{value:g}")
        axes.set_xlabel(_AXES[axis])
        axes.set_ylabel("milliseconds a call")
        axes.grid(alpha=0.25, which="both")
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _label_decades(axes: Axes, text: Callable[[float], str]) -> None:
    """Label 1, 2 and 5 of every decade of a logarithmic axis, so that even a short axis has labels."""
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
