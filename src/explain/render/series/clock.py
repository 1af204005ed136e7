"""The axis of a series: seconds where the sampling rate is known, else steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from explain.inputs.display import Display
from explain.render.parts.axes import TICK_SIZE, quiet_ticks
from explain.render.parts.sheet import MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Units of time: name, seconds, and the shortest duration in seconds that is told in it.
_UNITS = (
    ("d", 86400.0, 4 * 86400.0),
    ("h", 3600.0, 7200.0),
    ("min", 60.0, 600.0),
    ("s", 1.0, 0.5),
    ("ms", 1e-3, 0.0),
)


@dataclass(frozen=True)
class Clock:
    """The values along the axis of a series: ``step * unit``, from 0.

    Attributes
    ----------
    name : str
        The label of the axis, e.g. ``"time (s)"``.
    unit : float
        The length of a step.
    """

    name: str = "time step"
    unit: float = 1.0

    def ends(self, steps: int) -> tuple[float, float]:
        """Give the ends of the axis: each step has a width of its own, with its value in the middle."""
        return -0.5 * self.unit, (steps - 0.5) * self.unit

    def label(self, axes: Axes, steps: int) -> None:
        """Set the limits, the ticks and the label of the horizontal axis."""
        axes.set_xlim(*self.ends(steps))
        axes.xaxis.set_visible(True)
        whole = self.unit == 1.0
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=whole, steps=[1, 2, 5, 10], min_n_ticks=1))
        quiet_ticks(axes, "x")
        axes.set_xlabel(self.name, fontsize=TICK_SIZE, color=MUTED, labelpad=2)


def clock_of(display: Display, layout: str, steps: int) -> Clock:
    """Give the axis of a series of so many steps.

    Parameters
    ----------
    display : Display
        Its sampling rate, in steps per second, makes the axis one of time, in a unit that suits the duration.
    layout : str
        Tells time from a spatial axis, which has positions.
    steps : int
        The number of steps.

    Examples
    --------
    >>> clock_of(Display(sampling_rate=500.0), "NTC", 5000)
    Clock(name='time (s)', unit=0.002)
    >>> clock_of(Display(), "NTC", 5000).name, clock_of(Display(), "NCW", 5000).name
    ('time step', 'position')
    """
    rate = display.sampling_rate
    if rate is None:
        return Clock("time step" if "T" in layout else "position")
    duration = steps / float(rate)
    name, seconds, _ = next(unit for unit in _UNITS if duration >= unit[2])
    return Clock(f"time ({name})", 1.0 / (float(rate) * seconds))
