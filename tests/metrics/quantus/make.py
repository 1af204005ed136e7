"""Stores what Quantus 0.6 measures on the fixed examples of ``metrics.quantus.stored``.

Quantus needs packages that the tests do without, so this runs in the environment of the benchmarks' peers:

    make benchmarks/.venv-peers/.installed
    PYTHONPATH=src:tests benchmarks/.venv-peers/bin/python -m metrics.quantus.make

It writes ``tests/metrics/quantus/values.json``, the same bytes in every run, and prints how far `explain` is from each.
Random draws are those of `explain`, which Quantus gets through ``perturb_func`` or in the place of its own generator.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from metrics.quantus.stored import CASES, FILE, Fixture, Floats, N, fixture

_ROWS = np.arange(N)[:, np.newaxis]


def measured(name: str, one: Fixture, maps: Any, *, call: Any = None, **options: Any) -> Any:
    """Call a metric of Quantus on maps (N, C, 8, 8), not normalised, since that is by the largest of all examples."""
    # Imported here, since pytest looks into every module for doctests.
    kind = getattr(import_module("quantus"), name)
    metric = kind(**{"normalise": False, "abs": False, **options}, disable_warnings=True)
    given = {"x_batch": one.x.copy(), "y_batch": one.target.copy(), "a_batch": np.array(maps, np.float64)}
    return metric(model=one.model, channel_first=True, **given, **(call or {}))


def deletion(one: Fixture) -> Any:
    """Give the curve of PixelFlipping, from the first features that are removed."""
    return measured(
        "PixelFlipping", one, one.given, features_in_step=2, perturb_baseline=0.0, call={"softmax": True}
    )


def insertion(one: Fixture) -> Any:
    """Give the curve of PixelFlipping, whose features are put into zeros."""
    whole = one.x.reshape(N, -1)
    seen = np.zeros_like(whole)

    def put_in(arr: Any, indices: Any, **_: Any) -> Any:
        seen[_ROWS, indices] = whole[_ROWS, indices]
        return seen.copy()

    return measured(
        "PixelFlipping", one, one.given, features_in_step=2, perturb_func=put_in, call={"softmax": True}
    )


def sparseness(one: Fixture) -> Any:
    """Give the Gini index of the places, far above the 1e-7 that Quantus adds to each."""
    return measured("Sparseness", one, 100 * of_places(one.given), abs=True)


def of_places(maps: Any) -> Floats:
    """Give the value of each place, (N, 1, 8, 8): Quantus counts every channel as a feature of its own."""
    found: Floats = np.asarray(maps, np.float64).sum(axis=1, keepdims=True)
    return found


MAKERS: dict[str, Callable[[Fixture], Any]] = {
    "deletion": deletion,
    "insertion": insertion,
    "sparseness": sparseness,
    "sparseness of several channels": sparseness,
}


def main() -> None:
    """Measure every case and store the values."""
    # Quantus calls it by the name that NumPy 2.4 has no more.
    np.trapz = np.trapezoid  # type: ignore[attr-defined]
    found = {}
    for name, case in CASES.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = np.asarray(MAKERS[name](fixture(case.channels)), np.float64)
        apart = np.abs(case.measured() - values).max()
        print(f"{name}: {values.shape}, explain at most {apart:.1e} apart")
        found[name] = values.tolist()
    versions = {package: version(package) for package in ("quantus", "torch", "numpy")}
    # A line a case, so that a change of one shows as such.
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in found.items())
    FILE.write_text(f'{{\n "versions": {json.dumps(versions)},\n "values": {{\n{lines}\n }}\n}}\n')


if __name__ == "__main__":
    main()
