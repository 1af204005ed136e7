"""The one table of how a model is shown: how many samples, which score, what to look for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.inputs.layers import LayerLike
from explain.zoo.parameters import Framework
from explain.zoo.pretrained import PRETRAINED

# It decides in which parts sums are formed, and so their last bits. Given, since the fastest size, which `attribute`
# would find, differs by machine.
BATCH_SIZE = 64


@dataclass(frozen=True)
class Exhibit:
    """How one model is shown.

    Parameters
    ----------
    count : int
        How many samples.
    score : str
        Which score is explained, see `explain.attribute`.
    layer : str or Mapping of framework to layer, optional
        The layer at which methods are asked that are about one; None where no layer can be reached.
    remarks : tuple of str
        Paragraphs that say what is seen, for a reader who meets the model for the first time.
    found_score : str
        For activation maximization: which score is climbed.
    found_layout : str, optional
        For activation maximization: the layout, where it is another than that of the samples.
    found_steps : int, optional
        For activation maximization of sequences: their length.
    options : Mapping of str to Mapping
        By method: options that this model needs other than the default.
    found_remark : str
        What is seen in the inputs that were found.
    method_remarks : Mapping of str to str
        By method: what is seen in its maps.
    counts : Mapping of str to int
        By method: how many of the samples, where it takes too long for all.
    found_for : tuple of int
        For activation maximization: the classes; all of them if it is empty.
    batch_size : int
        How many points are in memory at once, in both frameworks.
    """

    count: int = 8
    score: str = "logit"
    layer: str | Mapping[Framework, LayerLike] | None = None
    remarks: tuple[str, ...] = ()
    found_score: str = "logit"
    found_layout: str | None = None
    found_steps: int | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    found_remark: str = ""
    method_remarks: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    found_for: tuple[int, ...] = ()
    batch_size: int = BATCH_SIZE

    def layer_in(self, framework: Framework) -> LayerLike:
        """Give the layer in a framework.

        Examples
        --------
        >>> Exhibit(layer="conv2").layer_in("torch"), Exhibit().layer_in("torch")
        ('conv2', None)
        """
        return self.layer if self.layer is None or isinstance(self.layer, str) else self.layer[framework]


EXHIBITS: Mapping[str, Exhibit] = {
    "cifar_net": Exhibit(
        layer="conv2",
        remarks=(
            "The baseline of integrated gradients is zero, which is mid-grey after this model's "
            "normalisation: what is grey in a picture gets no relevance, whatever the model makes of it.",
        ),
    ),
    "cifar_keras": Exhibit(
        layer="conv2",
        remarks=(
            "Here the pictures lie in [0, 1] and the baseline of zero is black: dark places get little "
            "relevance by construction.",
        ),
    ),
    "names_rnn": Exhibit(
        count=12,
        score="log_probability",
        remarks=(
            "Nothing non-linear lies between the steps of this model: its logits are affine in the input, "
            "and the gradient of a logit is the same for all names of one length. So the log-probability "
            "is explained, in which the languages compete and the pictures differ from name to name. A "
            "letter's relevance is the sum over its 57 inputs; the baseline is a name of no letters.",
            "Of most languages the model has seen few names, so most of these, one a language, are taken for "
            "Russian or English.",
        ),
        found_steps=6,
        # Neighbouring letters need not be alike, so nothing pulls neighbouring steps together; the stronger
        # pull to the middle keeps inputs off their bounds, where the order of a step's letters would be lost.
        options={"activation_maximization": {"tv_weight": 0.0, "l2_weight": 4.0, "jitter": 0}},
        found_remark=(
            "Found from noise, six steps long, for the logit, which keeps its gradient however sure the "
            "model is. It is no name: every letter of every step is a number in [0, 1]. Shown are the three "
            "letters most wanted at each step, the more the darker. The last step names the endings that a "
            "linguist would name, v of Russian, i of Italian, s of Greek; the steps before it ask for rare "
            "letters, of which the model has seen too little to know better: a found input leaves the data."
        ),
    ),
    "fashion_rnn": Exhibit(
        layer="rnn1",
        remarks=(
            "The model reads a picture row by row, so time runs downwards in the maps. Integrated gradients "
            "start from black: the black around a garment gets exactly zero, and its outline stays.",
        ),
        # Its time and features are the rows and columns of a picture: smooth, and shifted, along both. The
        # model knows centred pictures and no shift, so the shift is small; its gradient fades as it climbs, so
        # the pulls against it are weak.
        found_layout="NHW",
        options={
            "activation_maximization": {"jitter": 1, "tv_weight": 0.2, "l2_weight": 0.02},
            # Back through 28 steps of tanh relevance grows a thousandfold with a smaller one.
            "lrp": {"epsilon": 0.25},
        },
        found_remark=(
            "A convolutional network that is asked for a ship draws one; this model draws no shoe. It sees "
            "rows, never a neighbourhood, and what excites it most lies in the rows that it reads last: the "
            "dark legs of a trouser, and little above them. Such pictures lie far from all that it has seen."
        ),
    ),
    "efficientnet_lite0": Exhibit(
        count=2,
        remarks=(
            "The baseline of zero is mid-grey here, 127 of 255: a method that covers a part of a picture covers it "
            "with grey.",
            "Millions of units stand between a picture and its logit, each with two kinks, and for some of them the "
            "last bit decides on which side they are. So in single precision maps of gradients and of LRP are 1e-6 to "
            "1e-2 away from their twins, those of scores, of class activation and of DeepLift 2e-5 and less. In double "
            "precision every map is the same in both frameworks.",
        ),
        layer=PRETRAINED["efficientnet_lite0"].layers,
        # More than four pictures at once, and PyTorch spends its time on fetching memory.
        batch_size=4,
        # A gradient takes a twentieth of a second, a score a fiftieth: what takes thousands of them takes fewer here.
        options={
            "smoothgrad": {"n_samples": 16},
            "smoothgrad_squared": {"n_samples": 16},
            "vargrad": {"n_samples": 16},
            "integrated_gradients": {"max_steps": 135},
            "expected_gradients": {"n_samples": 40},
            "blur_integrated_gradients": {"n_steps": 32},
            "guided_integrated_gradients": {"n_steps": 40},
            "xrai": {"n_steps": 16},
            # After this layer the score is affine, and the trapezoid has both ends of the path among its nodes.
            "conductance": {"n_steps": 2, "rule": "trapezoid"},
            "rise": {"n_masks": 200},
            "shapley_value_sampling": {"n_samples": 3},
            "lime": {"n_samples": 160},
            "kernel_shap": {"n_samples": 160},
        },
        # It runs the model for each of 1280 channels.
        counts={"score_cam": 1},
        method_remarks={
            "guided_integrated_gradients": (
                "At each step the positions with the least gradient move first. Where two gradients are alike up to "
                "their rounding another one moves, and the next gradients differ: the two paths part, and so do the "
                "maps in single precision. In double precision they are one."
            ),
            "deconvolution": (
                "The network has no max pooling, whose switches would let the picture in: what is handed back does not "
                "depend on the picture at all, and shows the strides of the convolutions. A method not to be used here."
            ),
            "conductance": (
                "From this layer on the score is affine, so that two steps are exact: the sum over channels is "
                "what each of its 7 × 7 places gives to the logit."
            ),
        },
        found_for=(22, 990),
        found_remark=(
            "From noise, 128 steps. Beak and eye of an eagle, the brown seed in its opened husk. Each step divides the "
            "gradient by its own size, so that rounding grows until the two frameworks climb different hills "
            "of one height."
        ),
    ),
}


def exhibit(name: str) -> Exhibit:
    """Look up how a model is shown; one that the table does not know is shown in the plain way.

    Examples
    --------
    >>> exhibit("names_rnn").score, exhibit("a new one").score
    ('log_probability', 'logit')
    """
    return EXHIBITS.get(name, Exhibit())


def choose(labels: Sequence[int] | npt.NDArray[Any], count: int) -> list[int]:
    """Choose samples by a rule that looks at no result: the first of each class, in the order of the classes.

    Where there are more classes than places, classes evenly spread over them all are taken; where there are
    fewer, the second of each class follows, and so on.

    Parameters
    ----------
    labels : sequence of int
        The true class of each sample, shape (N,).
    count : int
        How many to choose, at least 1.

    Returns
    -------
    list of int
        Indices into `labels`, at most `count`.

    Examples
    --------
    >>> choose([2, 0, 0, 1], 2), choose([2, 0, 0, 1], 4), choose([0, 1, 2, 3, 4], 3)
    ([1, 0], [1, 3, 0, 2], [0, 2, 4])
    """
    chosen: list[int] = []
    left = [int(label) for label in labels]
    while len(chosen) < min(count, len(left)):
        fresh: dict[int, int] = {}
        for index, label in enumerate(left):
            if index not in chosen:
                fresh.setdefault(label, index)
        found = [fresh[label] for label in sorted(fresh)]
        places = min(count - len(chosen), len(found))
        chosen += [found[place] for place in np.linspace(0, len(found) - 1, places).round().astype(int)]
    return chosen
