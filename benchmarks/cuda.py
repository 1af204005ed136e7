"""Checks and measures `explain` on a GPU: `python -m benchmarks.cuda`, which `make test-cuda` runs.

It needs PyTorch, NumPy, SciPy, scikit-image, scikit-learn, Matplotlib, safetensors, psutil and tqdm, and Captum for the
ratios to it. Pure wheels in a folder are unpacked for the run: nothing is installed. The most important parts come
first, the file is written after each, and what no longer fits into the time is named. ``--device cpu --small``
runs the same parts on the CPU in small, by kernels that round otherwise.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
RESULTS, PAGE = "results-cuda.json", "cuda.md"
WHEELS = FOLDER / "wheels"
_LIMIT = 480.0
# What is left for ending: the last part, the page.
_SPARE = 10.0
_TOOLS = ("torch", "numpy", "scipy", "scikit-image", "scikit-learn", "matplotlib", "safetensors", "captum")

Part = Callable[[], dict[str, Any]]


class OutOfTimeError(BaseException):
    """The time for a part is over; no `except Exception` of the part takes it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every part that the time allows; give 1 if one failed, 0 otherwise."""
    given = _arguments(arguments)
    # The parts say what they did; bars between their lines hide it.
    os.environ.setdefault("TQDM_DISABLE", "1")
    with unpacked(sorted(given.wheels.glob("*.whl"))):
        return _run(given)


def _run(given: argparse.Namespace) -> int:
    began = time.monotonic()
    import torch

    if given.device == "cuda" and not torch.cuda.is_available():
        print("PyTorch sees no CUDA device; --device cpu --small tries the script out.", file=sys.stderr)
        return 1
    # TF32 keeps ten bits: the comparison with the CPU is of the same arithmetic.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    results: dict[str, Any] = {
        "quick": given.small,
        "device": _device_name(given.device),
        "versions": _versions(),
        "limit seconds": given.limit_s,
        "parts": {},
        "left out": [],
    }
    for name, part in parts(given.device, small=given.small):
        left = given.limit_s - _SPARE - (time.monotonic() - began)
        if left <= 0:
            results["left out"].append(name)
        else:
            results["parts"][name] = found = run(part, left)
            said = "passed" if found["passed"] else f"FAILED {found.get('error', '')}"
            print(f"{name}: {found['seconds']:.1f} s, {said}", flush=True)
        results["seconds"] = time.monotonic() - began
        _write(given.out, json.dumps(_finite(results), indent=1, allow_nan=False) + "\n")
    if results["left out"]:
        print(f"No time was left for: {', '.join(results['left out'])}")
    write_page(given.out)
    return 0 if all(part["passed"] for part in results["parts"].values()) else 1


def parts(device: str, *, small: bool) -> Iterator[tuple[str, Part]]:
    """Give the parts by name, the most important first."""
    import torch

    from benchmarks.on_device import agreement, memory, ratios
    from benchmarks.on_device.subjects import SUBJECTS

    # Some functions of CUDA's memory take no device without a number.
    place = torch.device(device, torch.cuda.current_device() if device == "cuda" else None)
    count = 2 if small else 4
    for precision in agreement.PRECISIONS:
        for subject in SUBJECTS:
            yield (
                f"{subject}, {precision}",
                partial(
                    _checked,
                    partial(_agreement, SUBJECTS[subject], agreement.PRECISIONS[precision], place, count),
                ),
            )
    yield "out of memory, planted", partial(_checked, partial(memory.planted_error, place, small=small))
    if device == "cuda":
        yield "out of memory, of the device", partial(_checked, partial(memory.exhausted_device, place))
    yield "chunk size", partial(memory.chunk_size, place, small=small)
    cases = ratios.cases(device, small=small)
    for case in cases:
        if case.model in ("cifar_keras", "cifar_net"):
            yield f"saliency of one picture, {case.model}", partial(ratios.saliency, case, small=small)
    for case in cases:
        yield f"integrated gradients, {case.model}", partial(ratios.integrated, case, small=small)
    for examples in (1,) if small else (1, 32):
        yield f"every method, batch of {examples}", partial(ratios.methods, device, examples, small=small)


def run(part: Part, seconds: float) -> dict[str, Any]:
    """Run a part for at most so many seconds; an error, or the end of its time, is what it found."""
    began = time.monotonic()
    try:
        with _at_most(seconds):
            found = part()
    except OutOfTimeError:
        found = {"passed": False, "error": f"not finished after {seconds:.0f} s"}
    except Exception as error:  # A part may raise anything; the others still run.
        found = {
            "passed": False,
            "error": f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exc(limit=-4),
        }
    return {**found, "seconds": time.monotonic() - began}


def write_page(results: Path) -> None:
    """Write the page of a file of results beside it; without the file the page says that nothing was measured."""
    (results.parent / PAGE).write_text(page(results))


def page(results: Path) -> str:
    """Fill in the page."""
    from benchmarks import bar, report

    if not results.exists():
        return report.page("cuda.md.jinja", found=None)
    found = json.loads(results.read_text())
    measured = {name: part for name, part in found["parts"].items() if "ratios" in part}
    kinds: dict[str, dict[str, Any]] = {"overhead": {}, "cases": {}}
    for name, part in measured.items():
        if "Captum" in str([*part["ratios"]]):
            kinds["overhead" if name.startswith("saliency") else "cases"][part["case"]["name"]] = part
    tables = [
        {
            "network": "cifar_net",
            "count": int(name.rpartition(" ")[2]),
            "methods": {method: one for method, one in part["methods"].items() if "ratios" in one},
        }
        for name, part in found["parts"].items()
        if name.startswith("every method") and "methods" in part
    ]
    bars = bar.rows({**kinds, "memory": {}}, {"family": {"tables": tables}})
    return report.page("cuda.md.jinja", found=found, measured=measured, bars=bars)


def _checked(part: Part) -> dict[str, Any]:
    """Run a part that compares the state before and after; the parts that take times have the usual switches."""
    from benchmarks.on_device.state import unusual_switches

    with unusual_switches():
        return part()


def _agreement(subject: Any, precision: Any, device: Any, count: int) -> dict[str, Any]:
    from benchmarks.on_device.agreement import compared

    found = dict(compared(subject, precision, device, count))
    failed = [name for name, one in found.items() if not one["passed"]]
    return {
        "passed": not failed,
        "methods": found,
        **({"error": f"{len(failed)} of {len(found)} methods: {', '.join(failed)}"} if failed else {}),
    }


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise an error in what runs inside when the time is over."""

    def stop(number: int, frame: Any) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda", description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="A short trial run; its ratios mean nothing.")
    parser.add_argument("--limit-s", type=float, default=_LIMIT, help="Seconds for all parts together.")
    parser.add_argument(
        "--wheels", type=Path, default=WHEELS, help="Folder of pure wheels, for what is not installed."
    )
    parser.add_argument("--out", type=Path, help="File of results; its page is written beside it.")
    given = parser.parse_args(arguments)
    if given.out is None:
        in_earnest = given.device == "cuda" and not given.small
        given.out = (FOLDER if in_earnest else FOLDER / "quick") / RESULTS
    given.out.parent.mkdir(parents=True, exist_ok=True)
    return given


@contextmanager
def unpacked(wheels: Sequence[Path]) -> Iterator[None]:
    """Put pure wheels on the path, unpacked for the time of the run, after what is installed."""
    with tempfile.TemporaryDirectory(prefix="explain-wheels-") as folder:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as packed:
                packed.extractall(folder)
        sys.path.append(folder)
        try:
            yield
        finally:
            sys.path.remove(folder)


def _device_name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else f"CPU, {platform.machine()}"


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"Python": platform.python_version()}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _finite(value: Any) -> Any:
    """Give plain data in which numbers that JSON cannot write are None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all: the run may be killed at any time."""
    beside = path.with_name(f".{path.name}")
    beside.write_text(text)
    os.replace(beside, path)


if __name__ == "__main__":
    sys.exit(main())
