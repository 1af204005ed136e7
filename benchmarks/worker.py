"""A worker process of one environment and one framework, which handles one request of the driver at a time.

A request and its answer are one line of JSON each, on standard input and output. Arrays go in ``.npy`` files.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Case
from benchmarks.resident_memory import growth_during

_TOOLS = ("numpy", "captum", "shap", "xplique", "tf-explain", "tf-keras-vis")


class Worker:
    """The prepared calls, by number, and the requests that the driver can make.

    Parameters
    ----------
    framework : {"torch", "tensorflow"}
        The framework of the contenders; the other framework is never imported.
    folder : pathlib.Path
        The folder with the driver's examples, to which arrays are written.
    """

    def __init__(self, framework: str, folder: Path) -> None:
        self._contenders = importlib.import_module(f"benchmarks.contenders_{framework}")
        self._folder = folder
        self._calls: dict[int, Callable[[], tuple[Any, dict[str, Any]]]] = {}
        self._last = 0

    def versions(self) -> dict[str, Any]:
        """Give the versions of the installed tools."""
        installed = {name: version(name) for name in _TOOLS if find_spec(name.replace("-", "_"))}
        return {**self._contenders.versions(), **installed}

    def predict(self, case: dict[str, Any]) -> dict[str, Any]:
        """Write the predicted class of every example of a case, which all contenders explain."""
        one = Case.from_json(case)
        np.save(
            self._folder / f"{one.name}-targets.npy", self._contenders.predicted(one, self._examples(one))
        )
        return {}

    def make(
        self, contender: str, case: dict[str, Any], settings: dict[str, Any], warm: bool = True
    ) -> dict[str, Any]:
        """Prepare a call and, with `warm`, run it once, so that timings exclude traces, probes and caches.

        Write the map of this first call for the driver.
        """
        one = Case.from_json(case)
        targets = np.load(self._folder / f"{one.name}-targets.npy", allow_pickle=False)
        call = self._contenders.call(contender, one, self._examples(one), targets, settings)
        self._last += 1
        self._calls[self._last] = call
        if not warm:
            return {"number": self._last, "facts": {}, "seconds": None}
        start = time.perf_counter()
        found, facts = call()
        seconds = time.perf_counter() - start
        np.save(self._folder / "values.npy", found)
        return {"number": self._last, "facts": facts, "seconds": seconds}

    def time(self, number: int, repeats: int = 1) -> dict[str, Any]:
        """Time a call, in seconds: the mean over `repeats` consecutive calls."""
        call = self._calls[number]
        gc.collect()
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        return {"seconds": (time.perf_counter() - start) / repeats}

    def peak(self, number: int) -> dict[str, Any]:
        """Measure the peak growth of the resident set during a call, in bytes."""
        gc.collect()
        grown, (_, facts) = growth_during(self._calls[number])
        return {"bytes": grown, "facts": facts}

    def profile(self, number: int) -> dict[str, Any]:
        """Count the arithmetic of a call, and give the time of each operation."""
        found: dict[str, Any] = self._contenders.profile(self._calls[number])
        return found

    def peak_rate(self, device: str) -> dict[str, Any]:
        """Measure the arithmetic throughput of this machine, in operations per second."""
        return {"flops per second": self._contenders.peak_rate(device)}

    def drop(self, number: int) -> dict[str, Any]:
        """Delete a call and its model."""
        del self._calls[number]
        return {}

    def _examples(self, case: Case) -> Any:
        return np.load(self._folder / f"{case.name}-examples.npy", allow_pickle=False)


def main() -> None:
    """Answer requests until the driver closes the pipe."""
    # Redirect the output of libraries to standard error, so that it does not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(sys.argv[1], Path(sys.argv[2]))
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception:  # A contender may raise anything; report it to the driver.
            answer = {"error": traceback.format_exc(limit=-4)}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
