"""Golden explanations are the gate, golden images the look: every seed model, framework and method.

``make golden`` writes them anew; look at every one before committing it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images

import explain
from explain.algorithms.catalogue import find_method
from explain.goldens.figures import Tolerances, figures
from explain.goldens.file import read_golden
from explain.inputs.layout import Layout

EXPLANATIONS = Path(__file__).parent / "explanations"
IMAGES = Path(__file__).parent / "golden" / "images"
BATCH_SIZE = 64
# Root mean square of the difference, in colour steps of 0 to 255: far below what an eye sees.
IMAGE_TOLERANCE = 0.2
FRAMEWORKS = ("torch", "tensorflow")
TAKE_REFERENCES = [row.name for row in explain.methods() if row.takes_references]
REFERENCES = 8
# Both sides at the same steps, rule and chunk size.
FIXED = {
    "integrated_gradients": {"n_steps": 50, "rule": "gauss_legendre"},
    "lime": {"n_samples": 256},
    "kernel_shap": {"n_samples": 256},
    "rise": {"n_masks": 128},
    "shapley_value_sampling": {"n_samples": 2},
    "blur_integrated_gradients": {"n_steps": 16},
    "guided_integrated_gradients": {"n_steps": 16},
    "xrai": {"n_steps": 8},
    # A climb of many steps magnifies a last bit that another processor rounds otherwise.
    "activation_maximization": {"n_steps": 16},
    "smoothgrad": {"n_samples": 16},
    "smoothgrad_squared": {"n_samples": 16},
    "vargrad": {"n_samples": 16},
    "expected_gradients": {"n_samples": 40},
    # Back through 28 steps of tanh relevance grows with a smaller one, see docs/decisions.md.
    "lrp": {"epsilon": 0.25},
}
# At which layer a method is asked that is about one; a model that takes one step at a time has none to be reached.
LAYERS = {"cifar_net": "conv2", "cifar_keras": "conv2", "fashion_rnn": "rnn1"}
# Examples that lie on no kink, by their place among the samples: both frameworks are held to one array, which a kink
# would keep one of them from. tests/explanation/test_twins.py names those that lie on one.
EXAMPLES = {
    "cifar_net": [0, 1, 3],
    "cifar_keras": [0, 1, 3],
    "names_rnn": [0, 5, 11],
    "fashion_rnn": [0, 1, 2],
    "names_transformer": [0, 10, 23],
}
# The gallery shows it with these alone; LRP with the rule that is AttnLRP at an attention.
TRANSFORMER = {
    "attention_rollout": {},
    "integrated_gradients": {},
    "deep_lift": {},
    "lrp": {"rule": "epsilon"},
}

CASES = [
    (name, framework, row.name)
    for name in explain.zoo.names()
    for framework in FRAMEWORKS
    for row in explain.methods()
    if (name in LAYERS or "layers" not in row.needs)
    and "attentions" not in row.needs
    and Layout(explain.zoo.samples(name, framework=framework).layout).kind in row.kinds
] + [("names_transformer", framework, method) for framework in FRAMEWORKS for method in TRANSFORMER]


def explained(name, framework, method):
    samples = explain.zoo.samples(name, framework=framework)
    chosen = EXAMPLES[name]
    display = replace(
        samples.display,
        step_names=tuple(samples.display.step_names[row] for row in chosen if samples.display.step_names),
    )
    return explain.attribute(
        explain.zoo.load(name, framework),
        samples.x[chosen],
        method,
        target=[int(label) for label in samples.y[chosen]],
        score="log_probability" if name == "names_rnn" else "logit",
        lengths=None if samples.lengths is None else samples.lengths[chosen],
        batch_size=BATCH_SIZE,
        display=display,
        layer=LAYERS[name] if find_method(method).layer == "must" else None,
        # The first samples of a seed model stand for its training data.
        **({"baseline": samples.x[:REFERENCES]} if method in TAKE_REFERENCES else {}),
        **(FIXED if name != "names_transformer" else FIXED | TRANSFORMER).get(method, {}),
    )


@pytest.fixture(scope="module")
def made():
    """Every attribution, made once."""
    kept = {}

    def get(*case):
        if case not in kept:
            kept[case] = explained(*case)
        return kept[case]

    return get


# Leaves room for another processor's rounding, and none for another method.
TIGHT = {"max_error": 1e-3, "rank_correlation": 0.999, "top_overlap": 0.98}


@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
@pytest.mark.parametrize(("name", "framework", "method"), CASES)
def test_golden_explanation(made, explain_golden, name, framework, method):
    """Both frameworks are held to one file, by the plugin that users have."""
    explain_golden.check_attribution(made(name, framework, method), name=f"{name}-{method}", **TIGHT)


@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
@pytest.mark.mpl_image_compare(
    tolerance=IMAGE_TOLERANCE, savefig_kwargs={"dpi": 100, "metadata": {"Software": None}}
)
@pytest.mark.parametrize(("name", "framework", "method"), CASES)
def test_golden_image(made, name, framework, method):
    return made(name, framework, method).plot()


@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
@pytest.mark.parametrize("name", explain.zoo.names())
def test_the_gates_can_fail(made, name, tmp_path):
    """One percent off must fail the explanation; ten percent off, and a mirrored map, the image."""
    a = made(name, "torch", "integrated_gradients")
    expected = read_golden(EXPLANATIONS / f"{name}-integrated_gradients.npz").values
    signs = np.random.default_rng(0).choice([-1, 1], size=expected.shape)
    assert figures(expected, expected, Tolerances(**TIGHT)).passed.all()
    assert not figures(expected * (1 + 0.01 * signs), expected, Tolerances(**TIGHT)).passed.any()
    signs = Layout(a.layout).from_canonical(signs)

    case = f"test_golden_image_{name}-torch-integrated_gradients.png"

    def differs(values):
        path = tmp_path / case
        figure: Figure = replace(a, values=values.astype(np.float32)).plot()
        figure.savefig(path, dpi=100, metadata={"Software": None})
        return compare_images(str(IMAGES / case), str(path), tol=IMAGE_TOLERANCE) is not None

    assert not differs(a.values)
    assert differs(a.values * (1 + 0.1 * signs))
    # A name is drawn a letter a step; its features are summed and cannot be mirrored.
    assert differs(np.flip(a.values, axis=1 if name == "names_rnn" else -1))
