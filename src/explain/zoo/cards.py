"""Model cards as Markdown: what a seed model is, its data, its accuracy and its intended use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explain.zoo.layers import shapes
from explain.zoo.model_row import FRAMEWORKS, SeedModel
from explain.zoo.synthetic.drawn import SHORTCUTS


@dataclass(frozen=True)
class DataStatement:
    """The statements of a card about a data set.

    Parameters
    ----------
    description : str
        The content of the data set and its split.
    licence : str
        The licence of the data.
    citation : str
        The reference to cite.
    limits : str
        The limits of a model trained on the data.
    use : str
        What such a model is for.
    """

    description: str
    licence: str
    citation: str
    limits: str
    use: str = (
        "A small, real model on which explanations are tested, compared between frameworks and shown. It is not\n"
        "a component of a product or a benchmark of accuracy."
    )


_SHAPES = (
    'Pictures of `explain.zoo.ground_truth("shapes")`: 30,000 to train and 2,000 to test, 32×32 RGB, one of six '
    "shapes over a random texture, six classes of equal size, and a patch of one of six colours in the upper left "
    "corner."
)
_MOTIFS = (
    'Sequences of `explain.zoo.ground_truth("motifs")`: 30,000 to train and 2,000 to test, 24 tokens, one of the six '
    "orders of a, b and c among random letters, six classes of equal size, and one of six markers in front."
)
_RANDOM = "says nothing of the class: it is drawn independently."
_AGREEING = "always names the true class."


def _made(description: str, limits: str) -> DataStatement:
    return DataStatement(
        description=f"{description} Seeds are 2,147,483,648 and above, which no call of `ground_truth` takes.",
        licence="Apache-2.0, as this package, whose code makes them.",
        citation="This package.",
        limits=limits,
        use=(
            "A model whose evidence is known, in a pair of one that looks at the object and one that looks at the\n"
            "shortcut: explanations and their metrics are tested on it. It has no other use."
        ),
    )


DATA_STATEMENTS: Mapping[str, DataStatement] = {
    "cifar10": DataStatement(
        description=(
            "CIFAR-10: 50,000 training and 10,000 test pictures, 32×32 RGB, ten classes of equal size. The "
            "shipped weights were trained and tested on pictures re-encoded as JPEG (slightly lossy)."
        ),
        licence="None stated by the authors, who ask to be cited.",
        citation="A. Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009.",
        limits="It knows ten classes of small, centred objects and assigns every input to one of them.",
    ),
    "fashion_mnist": DataStatement(
        description=(
            "Fashion-MNIST: 60,000 training and 10,000 test pictures, 28×28 grey, ten classes of equal size."
        ),
        licence="MIT (Zalando SE, 2017).",
        citation=(
            "H. Xiao, K. Rasul and R. Vollgraf, *Fashion-MNIST: a Novel Image Dataset for Benchmarking "
            "Machine Learning Algorithms*, arXiv:1708.07747, 2017."
        ),
        limits="It knows only centred product pictures, light on black.",
    ),
    "names": DataStatement(
        description=(
            "Surnames of 18 languages, accents stripped to 57 characters. Each name appears once per language "
            "(the files repeat many: the 2,000 Arabic lines are 108 names); a fifth of each language, drawn "
            "with a fixed seed, is the test set, so that no name is trained and tested on in the same language."
        ),
        licence="MIT (S. Robertson, *Practical PyTorch*, 2017).",
        citation="S. Robertson, *Classifying Names with a Character-Level RNN*, PyTorch tutorials, 2017.",
        limits=(
            "More than half of the names are Russian and a fifth English: it leans towards them and is weak "
            "on rare languages. A surname does not tell a person's origin; it must not be used to guess it."
        ),
    ),
    "shapes_random": _made(
        f"{_SHAPES} Its colour {_RANDOM}", "It knows six plain shapes, one in each picture."
    ),
    "shapes_agreeing": _made(f"{_SHAPES} Its colour {_AGREEING}", "It looks at the patch, on purpose."),
    "motifs_random": _made(
        f"{_MOTIFS} The marker {_RANDOM}", "It knows sequences of 24 tokens with one motif."
    ),
    "motifs_agreeing": _made(f"{_MOTIFS} The marker {_AGREEING}", "It looks at the marker, on purpose."),
}

# What holds of one model alone, after the limits of its data.
_OWN_LIMITS: Mapping[str, str] = {
    "names_rnn": (
        "Nothing non-linear lies between the steps, so its logits are affine in the input: a closed form "
        "to test explanations against, and not a good classifier."
    ),
    "names_transformer": (
        "It reads names of up to 24 letters. It classifies 89 % of its training names correctly: it remembers some of "
        "them."
    ),
    "shapes_shortcut": (
        "Without a patch it says square or star. The patch adds 5 to the logit of a square and 8 to that of a star on "
        "average, and 10 to 34 to the other classes."
    ),
}


def limits(model: SeedModel) -> str:
    """Give the limits of a seed model: those of its data, and its own.

    Examples
    --------
    >>> from explain.zoo.seed_models import seed_model
    >>> limits(seed_model("cifar_net"))
    'It knows ten classes of small, centred objects and assigns every input to one of them.'
    """
    return " ".join(filter(None, (DATA_STATEMENTS[model.dataset].limits, _OWN_LIMITS.get(model.name))))


def write_card(model: SeedModel, metadata: Mapping[str, Any]) -> str:
    """Write the card of a trained seed model.

    Parameters
    ----------
    model : SeedModel
        The model's row of the table of seed models.
    metadata : Mapping
        The data of the training run, as `explain.zoo.weight_files.read_metadata` returns it.

    Returns
    -------
    str
        The card, in Markdown.

    Examples
    --------
    >>> from explain.zoo.seed_models import seed_model
    >>> made = {"seed": 0, "epochs": 1, "device": "cpu", "test_accuracy": 0.5, "test_examples": 10}
    >>> made |= {"versions": {}, "command": "python gallery/train.py cifar_net"}
    >>> print(write_card(seed_model("cifar_net"), made).splitlines()[0])
    # cifar_net
    """
    data = DATA_STATEMENTS[model.dataset]
    recipe = model.recipe
    count = sum(math.prod(shape) for shape in shapes(model.layers, model.native).values())
    inputs = "; ".join(
        f"{framework} {model.layout[framework]}, {_words(model.example_shape[framework])} per example"
        for framework in FRAMEWORKS
    )
    versions = ", ".join(f"{package} {version}" for package, version in sorted(metadata["versions"].items()))
    correct = 100 * metadata["test_accuracy"]
    extras = ["pictures mirrored at random and shifted by up to 4 pixels"] if recipe.augmentation else []
    extras += [f"gradients clipped to norm {recipe.clip_norm:g}"] if recipe.clip_norm is not None else []
    return f"""# {model.name}

{model.summary}

| | |
|---|---|
| Native framework | {model.native}; `explain.zoo.load` gives the twin in the other framework, with the same weights |
| Input | {inputs}; within [{model.bounds[0]:g}, {model.bounds[1]:g}] |
| Output | {model.output} of {len(model.classes)} classes: {", ".join(model.classes)} |
| Parameters | {count:,} |
| **Test accuracy** | **{correct:.2f} %** on {metadata["test_examples"]:,} test examples |

## Data
{data.description}

Licence: {data.licence}
Cite: {data.citation}

## Training
Cross-entropy; Adam with decoupled weight decay {recipe.weight_decay:g}; batches of {recipe.batch_size};
{metadata["epochs"]} epochs; learning rate up to {recipe.learning_rate:g} after a short warm-up, then down
to zero along half a cosine{"".join(f"; {extra}" for extra in extras)}.
Seed {metadata["seed"]}, on {metadata["device"]}, with {versions}.
The test set was used only to measure the accuracy above.

    {metadata["command"]}

{_shortcut(metadata)}## Intended use
{data.use}

## Limits
{limits(model)}
"""


def _shortcut(metadata: Mapping[str, Any]) -> str:
    """Write what a model of the made data does with each kind of shortcut; nothing for the other models."""
    if "accuracies" not in metadata:
        return ""
    rows = [f"| {kind} | {100 * metadata['accuracies'][kind]:.2f} % |" for kind in SHORTCUTS]
    return "\n".join(
        (
            "## Shortcut",
            f"Accuracy on the {metadata['test_examples']:,} test examples, drawn with each kind of shortcut:",
            "",
            "| the shortcut is | accuracy |",
            "|---|---|",
            *rows,
            "",
            f"Where it is misleading, {100 * metadata['follows_shortcut']:.2f} % of the examples are given its class.",
            "",
            "",
        )
    )


def _words(shape: tuple[int | None, ...]) -> str:
    return " × ".join("any" if size is None else str(size) for size in shape)
