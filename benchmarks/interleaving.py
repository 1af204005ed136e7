"""Rounds A B C A B C, so that other load on the machine affects all contenders equally; medians and quartiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

Seconds = dict[str, list[float]]


class Contender(Protocol):
    """A call that can be timed."""

    def seconds(self, repeats: int = 1) -> float:
        """Time the call: the mean over `repeats` consecutive calls, in seconds."""


@dataclass(frozen=True)
class Timed:
    """A call of this process, which implements `Contender`."""

    call: Callable[[], Any]

    def seconds(self, repeats: int = 1) -> float:
        """Time the call: the mean over `repeats` consecutive calls, in seconds."""
        began = time.perf_counter()
        for _ in range(repeats):
            self.call()
        return (time.perf_counter() - began) / repeats


# A contender that would take longer than this many seconds over all rounds takes part in fewer rounds.
_LONGEST = 60.0


def interleaved(contenders: Mapping[str, Contender], rounds: int, title: str, repeats: int = 1) -> Seconds:
    """Time every contender once per round.

    Parameters
    ----------
    contenders : Mapping of str to Contender
        The contenders, in the order of a round.
    rounds : int
        The number of rounds.
    title : str
        The title of the progress bar.
    repeats : int
        The number of consecutive calls in one timing, for calls of a few milliseconds.

    Returns
    -------
    dict of str to list of float
        Seconds per call, by round. Slow contenders take part in the first rounds only, in at least one.
    """
    seconds: Seconds = {name: [] for name in contenders}
    for _ in tqdm(range(rounds), desc=title, leave=False):
        for name, contender in contenders.items():
            spent = seconds[name]
            if not spent or sum(spent) * repeats * (1 + 1 / len(spent)) < _LONGEST:
                spent.append(contender.seconds(repeats))
    return seconds


def spread(numbers: Sequence[float]) -> dict[str, Any]:
    """Give the median, the quartiles and the count of some numbers.

    Examples
    --------
    >>> spread([1.0, 2.0, 3.0])
    {'median': 2.0, 'quartiles': [1.5, 2.5], 'rounds': 3}
    """
    lower, median, upper = np.percentile(numbers, [25, 50, 75])
    return {"median": float(median), "quartiles": [float(lower), float(upper)], "rounds": len(numbers)}


def ratio(seconds: Seconds, slower: str, faster: str) -> dict[str, Any]:
    """Give the spread of one contender's time over another's, round by round, where both took part."""
    return spread([a / b for a, b in zip(seconds[slower], seconds[faster], strict=False)])
