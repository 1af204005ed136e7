"""Every method on a device and on the CPU: the same values, and the state of the model as it was."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

import explain
from benchmarks.on_device.state import changes, planted, state_of
from benchmarks.on_device.subjects import Subject
from explain.algorithms.catalogue import find_method
from explain.inputs.layout import Layout

Array = npt.NDArray[Any]

# How many, whatever they are of, so that every method is quick.
_FEW: Mapping[str, Any] = {"n_samples": 16, "n_steps": 8, "n_masks": 16, "scales": (250,)}
# Methods that take one of several ways by which of two numbers is larger: features in order, segments, the parts of a
# lasso, the pixels of a blurred, nearly constant picture in a pool, steps uphill. Where two numbers are closer than
# rounding, the device takes another way.
_CHOOSE = frozenset(
    {"xrai", "guided_integrated_gradients", "blur_integrated_gradients", "lime", "activation_maximization"}
)


@dataclass(frozen=True)
class Precision:
    """How the model runs on the device, and how far its maps may then be from those of the CPU.

    Distances are relative, in L2, of an example's map.

    Parameters
    ----------
    dtype : str
        Of model and input, on the device and on the CPU.
    autocast : bool
        Whether the device runs it in bfloat16, by autocast; the CPU never does.
    median : float
        Most that the median example may be away.
    subtracted : float
        The same of methods whose values are differences of scores, which may be nearly equal.
    chosen : float
        The same of methods that take a way by which of two numbers is larger.
    most : float
        Most that any example may be away, where no kink of the model and no choice of the method lies within rounding.
    """

    dtype: str
    autocast: bool
    median: float
    subtracted: float
    chosen: float
    most: float


PRECISIONS: Mapping[str, Precision] = {
    # Kernels sum in other orders: a few times 2⁻²⁴ a layer, a hundred times that after a subtraction.
    "float32": Precision("float32", False, 1e-4, 1e-4, 5e-2, 1e-3),
    # bfloat16 has eight bits: 2⁻⁹ a rounding, dozens of roundings in a row, and kinks. On a CPU the median example is
    # 0.002 to 0.1 away, 0.34 where single features hardly change a score: there `explain` warns of cancellation. The
    # map of another example or target would be 1.4 away.
    "bfloat16 autocast": Precision("float32", True, 0.25, 0.6, 0.6, np.inf),
    # No kink lies within a rounding, and no choice depends on one.
    "float64": Precision("float64", False, 1e-6, 1e-6, 1e-6, 1e-5),
}


def method_names(subject: Subject) -> list[str]:
    """Name the methods that explain an input of this kind, maximization included."""
    kind = Layout("NCHW" if subject.samples == "cifar_net" else "NTC").kind
    return [row.name for row in explain.methods() if kind in row.kinds]


def compared(
    subject: Subject, precision: Precision, device: torch.device, count: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run every method on the CPU and on the device.

    Parameters
    ----------
    subject : Subject
        The model and its examples.
    precision : Precision
        How the model runs on the device.
    device : torch.device
        The device; for the CPU itself the second run is without oneDNN, by other kernels.
    count : int
        The number of examples.

    Yields
    ------
    str, dict
        A method and what was found: its distances, what it changed, and whether it ``passed``.
    """
    x, target = subject.examples(count)
    dtype = getattr(torch, precision.dtype)
    on_cpu = planted(subject.build().to(dtype))
    on_device = planted(subject.build().to(dtype).to(device))
    x = x.astype(precision.dtype)
    for name in method_names(subject):
        call = _Call(name, subject, x, target)
        began = time.perf_counter()
        expected = _outcome(call, on_cpu)
        with _running(precision, device):
            before = state_of(on_device, device)
            found = _outcome(call, on_device)
            changed = changes(before, state_of(on_device, device))
        yield (
            name,
            {
                **_verdict(name, subject, precision, expected, found, changed),
                "seconds": time.perf_counter() - began,
            },
        )


class _Call:
    """A call of one method, the same for any model."""

    def __init__(self, name: str, subject: Subject, x: Array, target: list[int]) -> None:
        row = find_method(name)
        self._maximizes = row.drawn == "input"
        self._arguments: dict[str, Any] = {
            option.name: _FEW[option.name] for option in row.options if option.name in _FEW
        }
        self._x, self._target, self._name = x, target, name
        if row.takes_references:
            self._arguments["baseline"] = x[:4]
        if row.layer == "must":
            self._arguments["layer"] = subject.layer

    def __call__(self, model: nn.Module) -> Array:
        with warnings.catch_warnings():
            # With so few steps and samples little has converged.
            warnings.simplefilter("ignore", explain.errors.ExplainWarning)
            if self._maximizes:
                return explain.maximize(
                    model, self._target, like=self._x, bounds=(0.0, 1.0), **self._arguments
                ).values
            found = explain.attribute(model, self._x, self._name, target=self._target, **self._arguments)
        return found.values


def _outcome(call: _Call, model: nn.Module) -> Array | Exception:
    try:
        return call(model)
    except Exception as error:  # Any error is a finding, and says so on the page.
        return error


def _running(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    if precision.autocast:
        return torch.autocast(device.type, torch.bfloat16)
    return _other_kernels() if device.type == "cpu" else nullcontext()


@contextmanager
def _other_kernels() -> Iterator[None]:
    """Switch oneDNN off, so that the CPU rounds otherwise than in its first run."""
    enabled = torch.backends.mkldnn.enabled
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)


def _verdict(
    name: str,
    subject: Subject,
    precision: Precision,
    expected: Array | Exception,
    found: Array | Exception,
    changed: list[str],
) -> dict[str, Any]:
    """Tell how the two runs agree; a refusal on both sides, in the same words, is agreement."""
    verdict: dict[str, Any] = {"changed": changed}
    if isinstance(found, Exception):
        both = isinstance(expected, type(found)) and isinstance(found, explain.errors.ExplainError)
        stated = name in subject.refused and isinstance(found, explain.errors.UnsupportedModelError)
        return verdict | {
            "refused": f"{type(found).__name__}: {found}",
            "passed": not changed and (both or stated),
        }
    if isinstance(expected, Exception):
        return verdict | {"refused": f"on the CPU alone: {expected}", "passed": False}
    distances = distances_of(found, expected)
    median, most = float(np.median(distances)), float(distances.max())
    chooses = name in _CHOOSE
    only_scores = find_method(name).needs == {"outputs"}
    bound = precision.chosen if chooses else precision.subtracted if only_scores else precision.median
    near = median <= bound
    if precision.dtype == "float64" or (subject.smooth and not chooses):
        near = near and most <= precision.most
    return verdict | {
        "median": median,
        "most": most,
        "cosine": float(np.median(_cosines(found, expected))),
        "passed": not changed and bool(np.isfinite(found).all()) and near,
    }


def distances_of(found: Array, expected: Array) -> Array:
    """Give the relative L2 distance of each example's map; zero where both maps are zero."""
    rows = _rows(found, expected)
    apart, length = np.linalg.norm(rows[0] - rows[1], axis=1), np.linalg.norm(rows[1], axis=1)
    return np.where(apart == 0, 0.0, apart / np.maximum(length, 1e-30))


def _cosines(found: Array, expected: Array) -> Array:
    rows = _rows(found, expected)
    lengths = np.linalg.norm(rows[0], axis=1) * np.linalg.norm(rows[1], axis=1)
    return np.where(lengths == 0, 1.0, (rows[0] * rows[1]).sum(1) / np.maximum(lengths, 1e-30))


def _rows(*maps: Array) -> list[Array]:
    return [one.reshape(len(one), -1).astype(np.float64) for one in maps]
