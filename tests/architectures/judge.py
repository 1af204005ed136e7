"""One cell: a method on an architecture, as a user calls it, held to its reference."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from architectures.architecture import Architecture
from architectures.frozen import not_applicable
from architectures.passes import Array, Passes
from architectures.references import (
    OPTIONS,
    REFERENCES,
    depends_on_others,
    feature_masks,
    grid_of,
    layout_of,
    reference_examples,
    windows,
)

import explain
from explain.errors import ExplainError, ExplainWarning

RIGHT, REMARKED, REFUSED, NOT_APPLICABLE = "right", "right, with a remark", "refused", "not applicable"
UNCOMPARED, SILENT, CRASH = "answered, not compared", "silent wrong", "crash"

NO_LAYER = "no single layer carries all of the score, so there is none to name"

# As much of an error as names its reason.
LONGEST = 160

# Relative L2 of each example, of single precision through networks with kinks; sums for the sake of completeness.
CLOSE, COMPLETE = 2e-3, 1e-2

# What says nothing of a number that is not what the method promises.
BESIDE_THE_POINT = {"ConvergenceWarning", "HeldInputWarning", "PlainGradientWarning"}


@dataclass(frozen=True)
class Verdict:
    """What came of a cell, and why."""

    kind: str
    why: str = ""


def passes_of(architecture: Architecture) -> Passes:
    """The plain passes of an architecture, in its framework."""
    if architecture.framework == "torch":
        from architectures.passes_torch import TorchPasses

        return TorchPasses(architecture)
    from architectures.passes_tensorflow import TensorFlowPasses

    return TensorFlowPasses(architecture)


def options_of(passes: Passes, method: str) -> dict[str, Any]:
    """What a user gives besides, so that both compute the same."""
    options = dict(OPTIONS.get(method, {}))
    grid = grid_of(passes)
    if method in ("activation", "conductance") and grid is not None:
        options["layer"] = grid.operation or (grid.layer, grid.call)
    if method in ("feature_ablation", "kernel_shap"):
        options["feature_mask"] = structured(passes, {k: v[None] for k, v in feature_masks(passes).items()})
    if (
        method == "occlusion"
        and len(passes.parts) == 1
        and passes.parts[0].embedding is None
        and passes.architecture.domain != "video"
    ):
        options["strides"] = windows(passes, 0)[1]
    if method == "expected_gradients":
        options["baseline"] = structured(passes, {p.key: reference_examples(p.start) for p in passes.parts})
    return options


def structured(passes: Passes, by_key: dict[Any, Array]) -> Any:
    """One entry an input, in the input's own structure."""
    if isinstance(passes.x, dict):
        return {key: by_key.get(key) for key in passes.x}
    return tuple(by_key.values()) if isinstance(passes.x, tuple) else by_key[None]


def judged(passes: Passes, method: str, reference: Any) -> Verdict:
    """Explain as a user does, and compare."""
    architecture: Architecture = passes.architecture
    reason = not_applicable(architecture, method)
    if reason is not None:
        return Verdict(NOT_APPLICABLE, reason)
    if method in ("activation", "conductance") and grid_of(passes) is None:
        return Verdict(NOT_APPLICABLE, NO_LAYER)
    options = options_of(passes, method)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = explain.attribute(
                passes.model,
                passes.x,
                method,
                target=architecture.target,
                **passes.given_arguments(),
                **options,
            )
        except ExplainError as error:
            return Verdict(REFUSED, f"{type(error).__name__}: {error}"[:LONGEST])
        except Exception as error:  # of whatever kind: no user may see one
            return Verdict(CRASH, f"{type(error).__name__}: {error}"[:LONGEST])
    told = sorted({one.category.__name__ for one in caught if issubclass(one.category, ExplainWarning)})
    if depends_on_others(passes):
        said = [one for one in told if "Depend" in one or "Batch" in one]
        return (
            Verdict(REMARKED, ", ".join(said)) if said else Verdict(SILENT, "examples depend on each other")
        )
    problem = difference(passes, method, found, reference)
    if problem is None:
        return Verdict(REMARKED, ", ".join(told)) if told else Verdict(RIGHT)
    if problem == UNCOMPARED:
        return Verdict(UNCOMPARED, ", ".join(told))
    warned = [one for one in told if one not in BESIDE_THE_POINT]
    if warned:
        return Verdict(REMARKED, f"{', '.join(warned)}; {problem}")
    return Verdict(SILENT, problem)


def by_key(passes: Passes, found: Any) -> dict[Any, Any]:
    if isinstance(found, dict):
        return found
    return dict(enumerate(found)) if isinstance(found, tuple) else {None: found}


def values_of(passes: Passes, found: Any) -> Array:
    """The values, batch first."""
    values = found.values.astype(np.float64)
    return np.moveaxis(values, 1, 0) if passes.time_first else values


def difference(passes: Passes, method: str, found: Any, reference: Any) -> str | None:
    """Say how a result differs from its reference; None where it does not."""
    if method == "deep_lift":
        total = sum(
            values_of(passes, one).reshape(passes.count, -1).sum(1)
            for one in by_key(passes, found).values()
            if one is not None
        )
        size = np.maximum(np.abs(reference), 0.05 * np.abs(reference).max())
        off = float((np.abs(total - reference) / size).max())
        return None if off < COMPLETE else f"sums to {off:.2g} beside the score's difference"
    if method == "lrp" and reference is None:
        return UNCOMPARED
    if reference is None:
        return "a map, where no activation carries all of the score"
    if method in ("activation", "conductance"):
        # A layer's own axes say which is the batch's.
        axis = found.layout.index("N")
        return apart(np.moveaxis(found.values.astype(np.float64), axis, 0), [reference["layer"]], "layer")
    results = by_key(passes, found)
    # An input whose values are below a hundredth of the largest input's is held to that: it may be rounding alone.
    sizes = [norms(one[0] if isinstance(one, list) else one).max() for one in reference.values()]
    largest = max(sizes) if len(sizes) > 1 else 0.0
    for key, expected in reference.items():
        one = results.get(key)
        if one is None:
            return f"nothing for input {key!r}"
        values = values_of(passes, one)
        if method in ("grad_cam", "layer_cam"):
            values = placed(passes, values)
        candidates = expected if isinstance(expected, list) else [expected]
        problem = apart(values, candidates, key, largest)
        if problem is not None:
            return problem if one.layer == "" else f"{problem} at layer {one.layer!r}"
    return None


def placed(passes: Passes, values: Array) -> Array:
    """A class activation map: the sum over channels, one number a place."""
    if passes.parts[0].embedding is not None:
        return values
    if passes.architecture.name in ("Audio Spectrogram Transformer", "PatchTST"):
        return values
    letters = layout_of(passes)
    return values.sum(letters.index("C")) if "C" in letters else values


def norms(array: Array) -> Array:
    """The L2 norm of each example."""
    return np.linalg.norm(array.reshape(len(array), -1).astype(np.float64), axis=1)


def apart(values: Array, candidates: list[Array], key: Any, largest: float = 0.0) -> str | None:
    """The least distance to one of the right answers, if it is too large."""
    if values.shape != candidates[0].shape:
        return f"shape {values.shape} where {candidates[0].shape} is right"
    offs = []
    for expected in candidates:
        size = norms(expected)
        size = np.maximum(size, max(1e-3 * size.max(), 1e-2 * largest, np.finfo(float).tiny))
        offs.append(float((norms(values - expected) / size).max()))
    off = min(offs)
    return (
        None if off < CLOSE else f"off by {off:.2g} (relative L2)" + ("" if key is None else f" at {key!r}")
    )


def reference_of(passes: Passes, method: str) -> Any:
    """The right answer, or several where the draws of a layout are as good as another's."""
    if depends_on_others(passes) or not_applicable(passes.architecture, method) is not None:
        return None
    if method == "smoothgrad":
        from architectures.references import smoothgrad

        # Of a video, the channels may be the second axis.
        found = [smoothgrad(passes, channels) for channels in (-1, 0, 1)]
        return {key: [one[key] for one in found] for key in found[0]}
    return REFERENCES[method](passes)
