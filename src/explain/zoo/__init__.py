"""The seed models: four small networks, trained on real data, each with a twin in the other framework.

The zoo also has data whose evidence is known, made by `ground_truth`, and two pairs of networks trained on them: one
that looks at the object, and one that learnt a shortcut. And it has a network of realistic size, `efficientnet_lite0`,
which needs an optional extra. `load` and `samples` accept their names too; `names` does not list them.

Importing this package imports no framework; `load` imports the framework that its argument names.

Examples
--------
>>> from explain import zoo
>>> zoo.names()
('cifar_net', 'cifar_keras', 'names_rnn', 'fashion_rnn')
>>> zoo.samples("cifar_net", framework="torch").x.shape
(20, 3, 32, 32)
"""

from __future__ import annotations

from functools import partial
from typing import Any

from explain.errors import DataError, ZooError
from explain.public_calls.callers_line import at_callers_line
from explain.zoo.checked_names import checked_framework, one_of
from explain.zoo.extensions import extension
from explain.zoo.model_row import SeedModel
from explain.zoo.pretrained import PRETRAINED, PretrainedModel, load_pretrained, pretrained_samples
from explain.zoo.sample_inputs import Samples, read_samples
from explain.zoo.seed_models import SEED_MODELS, seed_model
from explain.zoo.synthetic.ground_truth import GroundTruth, ground_truth
from explain.zoo.weight_files import shipped, weights_for

__all__ = [
    "GroundTruth",
    "Samples",
    "SeedModel",
    "card",
    "ground_truth",
    "load",
    "names",
    "samples",
    "seed_model",
]

_PRECISIONS = ("float32", "float64")


def names() -> tuple[str, ...]:
    """Give the names of the seed models on which every method is shown.

    Beside them, `load`, `samples` and `card` know ``"names_transformer"``, which takes token ids, and the models of
    `ground_truth`: ``"shapes_honest"``, ``"shapes_shortcut"``, ``"motifs_honest"`` and ``"motifs_shortcut"``.

    Examples
    --------
    >>> names()
    ('cifar_net', 'cifar_keras', 'names_rnn', 'fashion_rnn')
    """
    return tuple(SEED_MODELS)


@at_callers_line
def load(name: str, framework: str = "torch", dtype: str = "float32") -> Any:
    """Load a seed model, or a pretrained network, with its trained weights.

    The weights are the same numbers in both frameworks, so the twins give the same outputs up to rounding.

    Parameters
    ----------
    name : str
        One of `names()`, ``"names_transformer"``, ``"shapes_honest"``, ``"shapes_shortcut"``, ``"motifs_honest"``,
        ``"motifs_shortcut"``, or ``"efficientnet_lite0"``, which needs the extra ``efficientnet``.
    framework : {"torch", "tensorflow"}
        The framework of the model.
    dtype : {"float32", "float64"}
        Precision of the model; the weights were trained in float32 and are cast.

    Returns
    -------
    torch.nn.Module or keras.Model
        The PyTorch model in evaluation mode, on the CPU; the Keras model built.

    Raises
    ------
    ZooError
        If the name, the framework or the dtype is unknown.
    FrameworkNotInstalledError
        If the framework cannot be imported.
    DataError
        If the weight file is missing or damaged, or the package that holds it is not installed.

    Examples
    --------
    >>> type(load("fashion_rnn", framework="torch")).__name__
    'FashionRNN'
    """
    model = _model(name)
    chosen = checked_framework(framework)
    if dtype not in _PRECISIONS:
        raise ZooError(one_of("dtype", dtype, _PRECISIONS, "the precisions"))
    if isinstance(model, SeedModel):
        build = partial(extension(chosen, "seed_models").build, name)
        loaded = extension(chosen, "weights").load(build, weights_for(model, chosen), dtype)
    else:
        loaded = load_pretrained(model, chosen, dtype)
    # Attributes of the model, where `explain.maximize` and `explain.preprocessing` look for them. A Keras model has an
    # input shape already.
    loaded.input_bounds = model.bounds
    if model.layout[chosen] in ("NCHW", "NHWC"):
        loaded.preprocessing = model.preprocessing(chosen)
    if chosen == "torch":
        loaded.input_shape = model.example_shape[chosen]
    return loaded


@at_callers_line
def samples(name: str, framework: str = "torch") -> Samples:
    """Give small inputs for a model of the zoo, preprocessed for the model: real ones, or made by `ground_truth`.

    Parameters
    ----------
    name : str
        One of `names()`, ``"names_transformer"``, ``"shapes_honest"``, ``"shapes_shortcut"``, ``"motifs_honest"``,
        ``"motifs_shortcut"``, or ``"efficientnet_lite0"``, which needs the extra ``efficientnet``.
    framework : {"torch", "tensorflow"}
        The framework whose layout to use; it need not be installed.

    Returns
    -------
    Samples
        Inputs, labels, and the data needed to draw them. No input was in the model's training set.

    Raises
    ------
    ZooError
        If the name or the framework is unknown.
    DataError
        If the files are missing from the package, or the package that holds them is not installed.

    Examples
    --------
    >>> pictures = samples("cifar_keras", framework="tensorflow")
    >>> pictures.x.shape, pictures.layout, pictures.classes[pictures.y[0]]
    ((20, 32, 32, 3), 'NHWC', 'cat')
    """
    model, chosen = _model(name), checked_framework(framework)
    return read_samples(model, chosen) if isinstance(model, SeedModel) else pretrained_samples(model, chosen)


def card(name: str) -> str:
    """Give the model card of a seed model as Markdown: architecture, data, test accuracy, intended use.

    Parameters
    ----------
    name : str
        One of `names()`, ``"names_transformer"``, ``"shapes_honest"``, ``"shapes_shortcut"``, ``"motifs_honest"``, or
        ``"motifs_shortcut"``.

    Returns
    -------
    str
        The card, in Markdown.

    Raises
    ------
    ZooError
        If the name is unknown.
    DataError
        If the card is missing from the package.

    Examples
    --------
    >>> card("names_rnn").splitlines()[0]
    '# names_rnn'
    """
    source = shipped(seed_model(name), ".md")
    try:
        return source.read_text(encoding="utf-8")
    except FileNotFoundError as cause:
        raise DataError(f"{source} is missing. Install explain-toolkit again.") from cause


def _model(name: str) -> SeedModel | PretrainedModel:
    """Look up a model of the zoo."""
    return PRETRAINED[name] if name in PRETRAINED else seed_model(name)
