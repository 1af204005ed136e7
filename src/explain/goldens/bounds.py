"""What a test that holds a metric to a bound shows when it fails: the mean, the worst example and its picture."""

from __future__ import annotations

import re
from pathlib import Path

from explain.goldens.pictures import write_worst
from explain.metrics.results.measurement import Aggregate
from explain.results.names import number

_WORDS = {"<": "below", "<=": "at most", ">": "above", ">=": "at least", "==": "", "!=": "other than"}


def explained_failure(operator: str, mean: Aggregate, bound: object, folder: Path) -> list[str]:
    """Say what a failed comparison of a metric means, line by line.

    Parameters
    ----------
    operator : str
        Of the comparison, such as ``"<"``.
    mean : Aggregate
        Its left side.
    bound : object
        Its right side.
    folder : pathlib.Path
        Where the picture is written.
    """
    one = mean.measurement
    wanted = " ".join(filter(None, ("not", _WORDS.get(operator, operator), repr(bound))))
    interval = "" if mean.low != mean.low else f", 95 % interval {number(mean.low)} to {number(mean.high)}"
    lines = [f"{one.metric} is {number(float(mean))}, {wanted} ({one.count} examples{interval})"]
    if one.left_out:
        lines.append(
            f"left out: {', '.join(f'example {place}: {why}' for place, why in one.left_out.items())}"
        )
    worst = one.worst
    if worst is None:
        return lines
    lines.append(f"worst is example {worst}, {number(float(one.values[worst]))}")
    if mean.attribution is not None:
        name = re.sub(r"[^A-Za-z0-9_.=+-]+", "-", one.metric)
        lines.append(f"its picture: {write_worst(folder, name, mean.attribution[worst])}")
    return lines
