"""The differences between two attributions: those that prevent a comparison, and those that are permitted."""

from __future__ import annotations

import numpy as np

from explain.errors import ComparisonError
from explain.results.attribution import Attribution
from explain.results.canonical_axes import canonical
from explain.results.heatmap import Floats
from explain.results.integration_text import CHOICE_OPTIONS, integration_differences
from explain.results.names import class_name, listed, number
from explain.results.view import drawn_as

# Inputs count as equal if they differ by no more than float32 rounding in a preprocessing.
INPUT_TOLERANCE = 1e-5


def check_same_question(a: Attribution, b: Attribution) -> None:
    """Raise `ComparisonError` if two attributions explain different things; the message lists every difference."""
    inputs = canonical(a, a.inputs), canonical(b, b.inputs)
    found = []
    if len(a) != len(b):
        found.append(f"the number of examples: {len(a)} and {len(b)}")
    elif inputs[0].shape != inputs[1].shape:
        found.append(
            f"the inputs' shape, batch first and channels last: {inputs[0].shape} and {inputs[1].shape}"
        )
    else:
        found += _input_difference(*inputs)
        found += _target_difference(a, b)
        masks = [
            np.ones(inputs[0].shape[:2], bool) if one.mask is None else np.asarray(one.mask) for one in (a, b)
        ]
        if a.mask is not None or b.mask is not None:
            differing = np.flatnonzero((masks[0] != masks[1]).any(axis=1))
            if differing.size:
                found.append(f"the padding (mask) of examples {listed(list(differing))}")
    if a.score != b.score:
        found.append(f"the kind of score: {a.score!r} and {b.score!r}")
    if (drawn_as(a) == "input") != (drawn_as(b) == "input"):
        found.append(
            f"the kind of result: an input that was found, and an attribution ({a.method}, {b.method})"
        )
    if found:
        raise ComparisonError(
            "a and b explain different things and cannot be compared. They differ in "
            + "; ".join(found)
            + ". Explain the same x with the same target= and score= for both."
        )


def _input_difference(a: Floats, b: Floats) -> list[str]:
    """Describe in which examples the inputs differ by more than rounding, and by how much."""
    gap = np.abs(a - b).reshape(len(a), -1).max(axis=1, initial=0.0)
    size = np.maximum(np.abs(a), np.abs(b)).reshape(len(a), -1).max(axis=1, initial=0.0)
    # The comparison is negated so that NaN in an input counts as a difference.
    differing = np.flatnonzero(~(gap <= INPUT_TOLERANCE * np.maximum(size, 1e-30)))
    if not differing.size:
        return []
    return [
        f"the inputs of examples {listed(list(differing))}, by up to {number(float(gap[differing].max()))}"
    ]


def _target_difference(a: Attribution, b: Attribution) -> list[str]:
    """Describe in which examples the targets differ."""
    if a.target == b.target:
        return []
    if len(a.target) != len(b.target):
        return [f"the targets: {a.target} and {b.target}"]
    differing = [
        index for index, pair in enumerate(zip(a.target, b.target, strict=True)) if pair[0] != pair[1]
    ]
    first = differing[0]
    names = [class_name(one, one.target[first]) for one in (a, b)]
    return [
        f"the targets of examples {listed(list(differing))} (example {first}: {names[0]} and {names[1]}; two "
        "models may predict different classes, so give target= to both)"
    ]


def permitted_differences(a: Attribution, b: Attribution) -> list[str]:
    """List the permitted differences between two attributions that are compared."""
    plain = ("framework", "model", "layer", "method", "reduce", "engine", "layout", "seed")
    found = [
        f"{name}: {getattr(a, name)} | {getattr(b, name)}"
        for name in plain
        if getattr(a, name) != getattr(b, name)
    ]
    for one in integration_differences(a, b):
        found.append(f"{one.name}: {one.one} | {one.other}" + (f" ({one.where})" if one.where else ""))
    # If the steps of both integrals are known, they are compared above; the options that choose them do not matter.
    covered = CHOICE_OPTIONS if a.steps is not None and b.steps is not None else ()
    for option in sorted((set(a.options) | set(b.options)) - set(covered)):
        mine, theirs = (options.get(option, "–") for options in (a.options, b.options))
        if not np.array_equal(np.asarray(mine, object), np.asarray(theirs, object)):
            found.append(f"option {option}: {mine} | {theirs}")
    return found + _baseline_difference(a, b) + _score_difference(a, b)


def _baseline_difference(a: Attribution, b: Attribution) -> list[str]:
    """Describe how the baselines differ, or that only one exists; sets of references are compared by their number."""
    kinds = [_baseline_kind(one) for one in (a, b)]
    if any("references" in kind for kind in kinds):
        return [f"baseline: {kinds[0]} | {kinds[1]}"] if kinds[0] != kinds[1] else []
    named = [one.baseline_rule.get("string", one.baseline_rule.get("id")) for one in (a, b)]
    if named[0] != named[1]:
        return [f"baseline: {named[0]!r} | {named[1]!r}"]
    if (a.baseline is None) != (b.baseline is None):
        return ["baseline: only " + ("a" if b.baseline is None else "b") + " has one"]
    if a.baseline is None or b.baseline is None:
        return []
    gap = np.abs(canonical(a, a.baseline) - canonical(b, b.baseline))
    differing = np.flatnonzero(gap.reshape(len(gap), -1).max(axis=1, initial=0.0) > INPUT_TOLERANCE)
    if not differing.size:
        return []
    rules = [str(one.baseline_rule.get("rule", "given")) for one in (a, b)]
    where = f"examples {listed(list(differing))}, by up to {number(float(gap.max()))}"
    return [f"baseline: {rules[0]} | {rules[1]} ({where})"]


def _baseline_kind(a: Attribution) -> str:
    if a.baseline_rule.get("rule") == "references":
        return f"{a.baseline_rule['count']} references"
    return "none" if a.baseline is None else "one an example"


def _score_difference(a: Attribution, b: Attribution) -> list[str]:
    """Describe how far apart the explained scores are, if that is more than rounding."""
    one, other = (np.asarray(x.scores, np.float64) for x in (a, b))
    gap = np.abs(one - other).max(initial=0.0)
    size = max(np.abs(one).max(initial=0.0), np.abs(other).max(initial=0.0))
    return [f"scores: by up to {number(float(gap))}"] if gap > 1e-3 * size else []
