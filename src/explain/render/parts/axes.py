"""The style of axes: ticks, spines, labels of time, and the text over an empty panel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from matplotlib.ticker import MaxNLocator

from explain.render.parts.sheet import INK, MUTED, RULE
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICK_SIZE = 7.0


def quiet_ticks(axes: Axes, axis: Literal["both", "x", "y"] = "both") -> None:
    """Make the ticks small and light."""
    axes.tick_params(axis=axis, labelsize=TICK_SIZE, labelcolor=INK, color=RULE, length=2.5, width=0.6, pad=2)


def label_time(axes: Axes, steps: int, name: str = "time step", unit: float = 1.0) -> None:
    """Label the rows of a map as steps in time, each of so many units, from top to bottom."""
    axes.yaxis.set_visible(True)
    locator = MaxNLocator(6, integer=unit == 1.0, steps=[1, 2, 5, 10], min_n_ticks=1)
    ticks = [
        float(tick) for tick in locator.tick_values(0, (steps - 1) * unit) if 0 <= tick <= (steps - 1) * unit
    ]
    axes.set_yticks([tick / unit for tick in ticks], labels=[number(tick) for tick in ticks])
    axes.set_ylim(steps - 0.5, -0.5)
    quiet_ticks(axes, "y")
    axes.set_ylabel(name, fontsize=TICK_SIZE, color=MUTED, labelpad=2)


def say_all_zero(axes: Axes) -> None:
    """Write "all zero" over a panel: without it an empty panel looks like a failure."""
    axes.text(
        0.5,
        0.5,
        "all zero",
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=8,
        color=INK,
        bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": RULE, "linewidth": 0.5},
    )


def quiet_axes(axes: Axes, keep: tuple[str, ...]) -> None:
    """Hide all spines except the given ones; make these and the ticks light."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in keep)
        spine.set_color(RULE)
        spine.set_linewidth(0.6)
    quiet_ticks(axes)


def frame_panel(axes: Axes) -> None:
    """Give a panel a hair-line border and no ticks."""
    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(RULE)
        spine.set_linewidth(0.5)
