"""The table of how each model is shown: how many samples, which score, which remarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.inputs.layer_calls import LayerLike
from explain.zoo.layers import Framework
from explain.zoo.pretrained import PRETRAINED

# A white horse before a dark forest: its shape is seen in every map.
_HORSE = 13

# The last bits of sums depend on the batch size, so it is fixed here: the fastest size, which `attribute` would choose,
# differs between machines.
BATCH_SIZE = 64


@dataclass(frozen=True)
class Exhibit:
    """How one model is shown.

    Parameters
    ----------
    count : int
        The number of samples.
    score : str
        Which score is explained, see `explain.attribute`.
    layer : str or Mapping of framework to layer, optional
        The layer for methods that explain a layer; None if no layer is reachable.
    remarks : tuple of str
        Paragraphs on what the maps show, for a reader who does not know the model.
    found_score : str
        For activation maximization: which score is maximized.
    found_layout : str, optional
        For activation maximization: the layout, if it differs from the samples' layout.
    found_steps : int, optional
        For activation maximization of sequences: their length.
    options : Mapping of str to Mapping
        By method: options other than the default that this model needs.
    found_remark : str
        What the inputs that were found show.
    method_remarks : Mapping of str to str
        By method: what its maps show.
    counts : Mapping of str to int
        By method: the number of samples, if all would take too long.
    found_for : tuple of int
        For activation maximization: the classes; all of them if it is empty.
    methods : tuple of str
        The methods that it is shown with unless others are named, in order; the whole catalogue if it is empty.
    side_by_side : bool
        Whether the methods are columns, for maps as small as a word.
    batch_size : int
        How many points are in memory at once, in both frameworks.
    front : int, optional
        The sample that the first page shows, if it is among those chosen; else the first of them.
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
    methods: tuple[str, ...] = ()
    side_by_side: bool = False
    batch_size: int = BATCH_SIZE
    front: int | None = None

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
        front=_HORSE,
        remarks=(
            "The baseline of integrated gradients is zero, which is mid-grey after this model's "
            "normalisation: grey places get no relevance, however the model uses them.",
        ),
    ),
    "cifar_keras": Exhibit(
        layer="conv2",
        front=_HORSE,
        remarks=(
            "Here the pictures lie in [0, 1] and the baseline of zero is black: dark places get little "
            "relevance by construction.",
        ),
    ),
    "names_rnn": Exhibit(
        count=12,
        score="log_probability",
        remarks=(
            "There is no non-linearity between the steps of this model: its logits are affine in the input, "
            "and the gradient of a logit is the same for all names of one length. So the log-probability "
            "is explained, which depends on all languages and gives each name its own picture. A "
            "letter's relevance is the sum over its 57 inputs; the baseline is a name of no letters.",
            "The model was trained on few names of most languages, so it predicts Russian or English for most of "
            "these, one a language.",
        ),
        found_steps=6,
        # Neighbouring letters need not be similar: no penalty on their difference. The stronger penalty on size keeps
        # values away from the bounds: at a bound, several letters of a step would have the same value.
        options={"activation_maximization": {"tv_weight": 0.0, "l2_weight": 4.0, "jitter": 0}},
        found_remark=(
            "Found from noise, six steps long, for the logit, whose gradient does not vanish when the model is "
            "certain. It is not a name: every letter of every step is a number in [0, 1]. Shown are the three "
            "strongest letters of each step, darker for greater values. The last step has endings that a "
            "linguist would expect, v for Russian, i for Italian, s for Greek; the steps before it have rare "
            "letters, of which the training data has few examples: a found input lies outside the data."
        ),
    ),
    "fashion_rnn": Exhibit(
        layer="rnn1",
        remarks=(
            "The model reads a picture row by row, so time runs downwards in the maps. Integrated gradients "
            "start from black: the black around a garment gets exactly zero, which leaves its outline.",
        ),
        # Its time and features are the rows and columns of a picture: smoothed and shifted along both. The model was
        # trained on centred pictures, so the shift is small; its gradient shrinks as the score grows, so the
        # penalties are weak.
        found_layout="NHW",
        options={
            "activation_maximization": {"jitter": 1, "tv_weight": 0.2, "l2_weight": 0.02},
            # With a smaller epsilon, relevance grows a thousandfold in the backward pass through 28 steps of tanh.
            "lrp": {"epsilon": 0.25},
        },
        found_remark=(
            "The inputs found for a convolutional network resemble their class; these do not. This model reads "
            "rows, never a neighbourhood, and the rows that it reads last raise its score most: the dark legs of "
            "a trouser, and little above them. Such pictures are far from all the training data."
        ),
    ),
    "names_transformer": Exhibit(
        count=3,
        methods=("attention_rollout", "lrp", "integrated_gradients", "deep_lift"),
        side_by_side=True,
        layer="norm",
        remarks=(
            "The same names by four methods that see a transformer in different ways. Rollout multiplies the "
            "attentions: where the model looked, whatever the class. The three others explain the logit and have "
            "signs; a letter’s value is the sum over the 48 numbers of its vector. Integrated gradients and DeepLift "
            "compare with a name of the same length whose letters have no vector, the padding’s, and their values sum "
            "to the difference of the two logits.",
            "So they colour Cham blue: to this model, four letters without vectors are English by a logit of 8.4, and "
            "those of Cham lower it to 5.5. LRP knows no baseline: it shares out the 5.5, most of which goes to "
            "positions and biases.",
        ),
        options={
            "lrp": {"rule": "epsilon"},
            # Which axis of a layer is time is not seen from token ids.
            "activation": {"layer_layout": "NTC"},
            "conductance": {"layer_layout": "NTC"},
        },
        method_remarks={
            "attention_rollout": "The mean over the letters’ rows, since the model classifies by their mean.",
            "lrp": "With the rule epsilon it is AttnLRP at an attention (Achtibat et al. 2024, arXiv:2402.05602).",
        },
    ),
    "efficientnet_lite0": Exhibit(
        count=2,
        remarks=(
            "The baseline of zero is mid-grey here, 127 of 255: a method that covers a part of a picture makes it "
            "grey.",
            "There are millions of units between a picture and its logit, each with two kinks, and for some of them "
            "the last bit decides on which side they are. So in single precision maps of gradients and of LRP are 1e-6 "
            "to 1e-2 away from their twins, those of scores, of class activation and of DeepLift 2e-5 and less. In "
            "double precision every map is the same in both frameworks.",
        ),
        layer=PRETRAINED["efficientnet_lite0"].layers,
        # With more than four pictures at once, PyTorch spends most of its time on memory transfers.
        batch_size=4,
        # A gradient takes 0.05 s, a score 0.02 s: methods that take thousands of them take fewer here.
        options={
            "smoothgrad": {"n_samples": 16},
            "smoothgrad_squared": {"n_samples": 16},
            "vargrad": {"n_samples": 16},
            "integrated_gradients": {"max_steps": 135},
            "expected_gradients": {"n_samples": 40},
            "blur_integrated_gradients": {"n_steps": 32},
            "guided_integrated_gradients": {"n_steps": 40},
            "xrai": {"n_steps": 16},
            # After this layer the score is affine: the trapezoid rule, whose nodes include both ends of the path, is
            # exact.
            "conductance": {"n_steps": 2, "rule": "trapezoid"},
            "rise": {"n_masks": 200},
            "shapley_value_sampling": {"n_samples": 3},
            "lime": {"n_samples": 160},
            "kernel_shap": {"n_samples": 160},
        },
        # The method runs the model once for each of 1280 channels.
        counts={"score_cam": 1},
        method_remarks={
            "guided_integrated_gradients": (
                "At each step the positions with the least gradient move first. Where two gradients differ by less "
                "than rounding, the frameworks move different positions, and then their gradients differ: the paths "
                "diverge, and so do the maps in single precision. In double precision they are equal."
            ),
            "deconvolution": (
                "The network has no max pooling, whose switches depend on the picture: the result does not depend on "
                "the picture at all, and shows the strides of the convolutions. Do not use this method here."
            ),
            "conductance": (
                "From this layer on the score is affine, so two steps are exact: the sum over channels is the "
                "contribution of each of its 7 × 7 places to the logit."
            ),
        },
        found_for=(22, 990),
        found_remark=(
            "From noise, 128 steps: beak and eye of an eagle, a brown seed in its open husk. Each step divides the "
            "gradient by its own size, so rounding grows until the two frameworks reach different maxima of the "
            "same height."
        ),
    ),
}


def exhibit(name: str) -> Exhibit:
    """Look up how a model is shown; a model that is not in the table is shown with the defaults.

    Examples
    --------
    >>> exhibit("names_rnn").score, exhibit("a new one").score
    ('log_probability', 'logit')
    """
    return EXHIBITS.get(name, Exhibit())


def choose(labels: Sequence[int] | npt.NDArray[Any], count: int) -> list[int]:
    """Choose samples independently of the results: the first of each class, in the order of the classes.

    If there are more classes than `count`, take classes that are evenly spaced over all of them; if there are fewer,
    continue with the second sample of each class, and so on.

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
