"""Every method on every kind of model in every framework: a correct result, or an error that says what else to do.

What came out is written down in docs/support.md, which the tests compare with what comes out. Written anew by
``PYTHONPATH=tests python tests/explanation/test_support.py``.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from architectures.page import page_with, stored
from models import kinds

import explain
from explain.errors import (
    ExplainError,
    ExplainWarning,
    SurrogateWarning,
    ZeroGradientWarning,
    ZeroMapWarning,
)
from explain.inputs.layout import Layout

KINDS = kinds.KINDS

PAGE = Path(__file__).parents[2] / "docs" / "support.md"
RIGHT = "✓"
TITLES = {"torch": "PyTorch", "tensorflow": "TensorFlow", "numpy": "NumPy"}
INTRODUCTION = """# What works on what

Every method of the catalogue on every kind of model, in both frameworks; black-box methods on functions of arrays too.
`tests/explanation/test_support.py` runs each cell and compares it with this page; run as a script, with
`PYTHONPATH=tests`, it writes the page.

- ✓: correct. The result has the right shape and is finite. The same weights give the same map in both frameworks
  (relative L2 under 1e-5 in float64). Gradients equal finite differences. Values sum to what the method promises. A map
  of zeros comes with a warning.
- A number: refused with an error of `explain.errors`, for the reason with this number below.
- Two marks separated by a slash: PyTorch's, then TensorFlow's.
"""

# Few steps and draws: what is compared is the same in both frameworks at any number of them.
FEW = {
    "integrated_gradients": {"n_steps": 5},
    "conductance": {"n_steps": 5},
    "smoothgrad": {"n_samples": 4},
    "smoothgrad_squared": {"n_samples": 4},
    "vargrad": {"n_samples": 4},
    "expected_gradients": {"n_samples": 4},
    "rise": {"n_masks": 8},
    "shapley_value_sampling": {"n_samples": 2},
    "lime": {"n_samples": 64, "alpha": 1e-6},
    "kernel_shap": {"n_samples": 64},
    "blur_integrated_gradients": {"n_steps": 4},
    "guided_integrated_gradients": {"n_steps": 4},
    "xrai": {"n_steps": 4, "scales": (250,), "bounds": (-2, 2)},
    "activation_maximization": {"n_steps": 3, "bounds": (-1, 1)},
}
# Where they are exact at any number of samples.
SUM_TO_THE_DIFFERENCE = {"deep_lift", "shapley_value_sampling", "kernel_shap"}
SAYS_SO = (ZeroGradientWarning, ZeroMapWarning, SurrogateWarning)

# What an error says, and the reason as the page gives it. Each message names what to use instead.
REASONS = {
    "kind": (
        r"is for .*, but by layout=.* an example is a .*: take another method",
        "The method is for other inputs: XRAI for pictures, blur integrated gradients for inputs with "
        "space or time. Use another method, for example `integrated_gradients`.",
    ),
    "closed rules": (
        r"needs (attentions|backward_rules(, gradients)?(, layers)?), which .* does not provide .* Give method=",
        "The operations of a closed model cannot be reached, so their gradients cannot be replaced; a "
        "function of arrays has no gradient. The error lists the methods that are available.",
    ),
    "gradients": (
        r"needs (path_)?gradients(, layers)?, which the numpy backend does not provide .* Give method=",
        "A function of arrays has no gradients. The error lists the methods that need none.",
    ),
    "no layers": (
        r"needs layers, which .* does not provide .* Give method=",
        "No layer can be reached: the model is closed, takes one step at a time, or is a function of "
        "arrays. The error lists the methods that need none.",
    ),
    "no map": (
        r"No layer of the model gives a map over .* use method=",
        "A class activation map needs a layer whose output has space or time: a table has neither, and a "
        "Keras recurrent layer that returns only its last step has none left. Use `integrated_gradients`.",
    ),
    "one place": (
        r"the score depends on one place only.* use method=",
        "The model reads a single step of the sequence, the last or the target's, and a class activation "
        "map of one place shows nothing. Name an earlier layer, or use `integrated_gradients`.",
    ),
    "layer gives no tensor": (
        r"is never called by the model, or gives no tensor .* Name another with layer=",
        "The layer returns a packed sequence, which has no axis of steps. Name another layer.",
    ),
    "state": (
        r"carries a state from one run to the next: build it with stateful=False, or use integrated_gradients",
        "DeepLift runs the model twice in one pass, and a stateful model would start the second run with "
        "the state of the first. Build it with `stateful=False`, or use `integrated_gradients`.",
    ),
    "several inputs": (
        r"searches for one input, but x contains several: write a function",
        "Activation maximization searches for one input. Wrap the model in a function that fixes the "
        "other inputs.",
    ),
    "token ids": (
        r"cannot be used on token ids, .* take another method, such as integrated_gradients",
        "The method changes values or takes them from other examples, which token ids do not allow. Use "
        "another method, such as `integrated_gradients`.",
    ),
    "attention": (
        r"(attentions of the model do not tell what|tokens of the attentions are at no places) .* Use method='int",
        "The method reads attentions, and the model has none, or has some that do not follow one another over "
        "the tokens of the input. Use `integrated_gradients`.",
    ),
}


def canonical(a):
    return Layout(a.layout).to_canonical(a.values).astype(np.float64)


def run(kind, row, framework, model, x):
    """Run one cell; give the map and what was warned of."""
    more = dict(FEW.get(row.name, {}))
    if row.layer == "must" or (row.layer == "map" and kind.names_its_map):
        more["layer"] = kind.layer(framework)
    if row.takes_references:
        more["baseline"] = kind.inputs(framework, 3, seed=9)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = explain.attribute(model, x, row.name, batch_size=64, **{**kind.arguments(framework), **more})
    return found, [one.category for one in caught if issubclass(one.category, ExplainWarning)]


def reason_of(error):
    """Find the one reason that an error's message gives."""
    found = [name for name, (words, _) in REASONS.items() if re.search(words, str(error), re.DOTALL)]
    assert len(found) == 1, f"{type(error).__name__} gives no known reason, or several ({found}): {error}"
    return found[0]


def pieces(found):
    """The results one by one: of several inputs there are several; one that a method is not for has none."""
    return list(found) if isinstance(found, tuple) else [found]


def check(kind, row, found, told, x):
    """Hold a result by itself: its shape, its values, its sum."""
    what = f"{row.name} on {kind.title}"
    assert np.isfinite(found.values).all(), what
    if row.layer != "must":
        assert found.values.shape == x.shape, what
    dark = ~found.values.reshape(len(found.values), -1).any(axis=1)
    assert not dark.any() or any(issubclass(one, SAYS_SO) for one in told), f"{what}: zero, and nothing said"
    if row.name in SUM_TO_THE_DIFFERENCE and kind.dtype == "float64":
        assert found.relative_delta.max() < 1e-4, what


def check_gradient(kind, framework, model, x, gradient):
    """Hold the gradient to finite differences of the score: each value less a little, one at a time."""
    step = 2**-14
    moved = explain.attribute(
        model,
        x,
        "occlusion",
        baseline=x - step,
        sliding_window_shapes=(1,) * (x.ndim - 1),
        **kind.arguments(framework),
    )
    size = np.abs(gradient.values).max()
    # One-sided differences in float64: curvature times the step.
    np.testing.assert_allclose(moved.values / step, gradient.values, rtol=1e-3, atol=1e-3 * size)


def check_twins(kind, row, maps):
    """Hold the maps of the frameworks to each other."""
    first, second = (canonical(one) for one in maps)
    if first.shape != second.shape:
        # Keras's recurrent layer gives its last step, PyTorch's all of them.
        assert first.shape[0] == second.shape[0]
        assert first.shape[2:] == second.shape[1:]
        if row.name != "activation":
            # What is read past the last step is zero in PyTorch.
            assert not first[:, :-1].any()
        first = first[:, -1]
    first, second = (one.reshape(len(one), -1) for one in (first, second))
    size = np.maximum(np.linalg.norm(first, axis=1), np.finfo(float).tiny)
    apart = (np.linalg.norm(first - second, axis=1) / size).max()
    assert apart < kind.bound, f"{row.name} on {kind.title}: twins are {apart:.2g} apart"


def outcomes(kind):
    """Run all methods on a kind of model; give what came out, by method and framework."""
    models = {framework: kind.model(framework) for framework in kind.frameworks}
    table = {}
    for row in explain.methods():
        maps = []
        for framework, model in models.items():
            x = kind.inputs(framework)
            try:
                found, told = run(kind, row, framework, model, x)
            except ExplainError as error:
                table[row.name, framework] = reason_of(error)
                continue
            explained = [one for one in zip(pieces(found), pieces(x), strict=False) if one[0] is not None]
            assert explained
            for one, given in explained:
                check(kind, row, one, told, given)
            plain = not kind.ids and kind.lengths is None and kind.beside is None
            if row.name == "saliency" and kind.dtype == "float64" and plain:
                check_gradient(kind, framework, model, x, found)
            table[row.name, framework] = RIGHT
            maps.append([one for one, _ in explained])
        if len(maps) == 2:
            for both in zip(*maps, strict=True):
                check_twins(kind, row, both)
    return table


def marks(table, kind, row):
    """Write a cell: one mark where the frameworks agree."""
    numbers = {name: str(number) for number, name in enumerate(REASONS, 1)}
    found = [numbers.get(table[row.name, framework], RIGHT) for framework in kind.frameworks]
    return found[0] if len(set(found)) == 1 else " / ".join(found)


def line(table, kind, rows):
    only = "" if len(kind.frameworks) == 2 else f" ({TITLES[kind.frameworks[0]]} only)"
    return f"| {kind.title}{only} | " + " | ".join(marks(table, kind, row) for row in rows) + " |"


def families():
    """The methods by family, in the order of the catalogue."""
    found = {}
    for row in explain.methods():
        found.setdefault(row.family, []).append(row)
    return found


def titled(family):
    return family[0].upper() + family[1:]


def page(tables):
    """Write the page."""
    parts = [INTRODUCTION]
    for family, rows in families().items():
        head = f"| | {' | '.join(f'`{row.name}`' for row in rows)} |\n|---|{':-:|' * len(rows)}"
        body = "\n".join(line(tables[kind.title], kind, rows) for kind in KINDS)
        parts.append(f"## {titled(family)}\n\n{head}\n{body}\n")
    reasons = "\n".join(f"{number}. {words}" for number, (_, words) in enumerate(REASONS.values(), 1))
    parts.append(f"## Reasons\n\n{reasons}\n")
    return "\n".join(parts)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads cost more than they bring on models so small, above all where others compute too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_every_method_is_right_or_says_what_else_to_do(kind):
    table = outcomes(kind)
    for family, rows in families().items():
        section = PAGE.read_text().split(f"\n## {titled(family)}\n")[1].split("\n## ")[0]
        expected, found = line(table, kind, rows), section.splitlines()
        assert expected in found, (
            f"docs/support.md, {family}, should say {expected}: see the top of this file"
        )


def test_the_page_names_every_method_and_reason():
    text = PAGE.read_text()
    assert text.startswith(INTRODUCTION)
    for row in explain.methods():
        assert f"`{row.name}`" in text
    for number, (_, words) in enumerate(REASONS.values(), 1):
        assert f"{number}. {words}\n" in text
        assert re.search(rf"\| ({number}|{number} / \S+|\S+ / {number}) \|", text), (
            f"reason {number} is never given"
        )


if __name__ == "__main__":
    PAGE.write_text(page_with(page({kind.title: outcomes(kind) for kind in KINDS}), stored()))
