"""Stores what Quantus 0.6 measures on the fixed examples of ``metrics.quantus.stored``.

Quantus needs packages that the tests do without, so this runs in the environment of the benchmarks' peers:

    make benchmarks/.venv-peers/.installed
    PYTHONPATH=src:tests benchmarks/.venv-peers/bin/python -m metrics.quantus.make

It writes ``tests/metrics/quantus/values.json``, the same bytes in every run, and prints how far `explain` is from each.
With names of cases as arguments it measures these alone. Draws are those of `explain`, which Quantus gets through
``perturb_func`` or in the place of its own generator.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version

import numpy as np
from metrics.quantus import faithfulness, others
from metrics.quantus.stored import CASES, FILE, fixture, stored

_MAKERS = faithfulness.MAKERS | others.MAKERS


def main() -> None:
    """Measure every case and store the values."""
    # Quantus calls it by the name that NumPy 2.4 has no more.
    np.trapz = np.trapezoid  # type: ignore[attr-defined]
    only = sys.argv[1:] or list(CASES)
    found = stored()["values"] if sys.argv[1:] else {}
    for name in only:
        case = CASES[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = np.asarray(_MAKERS[name](fixture(case.channels)), np.float64)
        apart = np.abs(case.measured() - values).max()
        print(f"{name}: {values.shape}, explain at most {apart:.1e} apart")
        found[name] = values.tolist()
    versions = {package: version(package) for package in ("quantus", "torch", "numpy")}
    # A line a case, so that a change of one shows as such.
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(found[name])}" for name in CASES if name in found)
    FILE.write_text(f'{{\n "versions": {json.dumps(versions)},\n "values": {{\n{lines}\n }}\n}}\n')


if __name__ == "__main__":
    main()
