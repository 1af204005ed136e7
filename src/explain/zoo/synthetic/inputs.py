"""The inputs of models of the made data: pictures of 32×32 pixels in [0, 1], and 24 token ids."""

from __future__ import annotations

from explain.zoo.model_input import ModelInput
from explain.zoo.synthetic.grounds import SIDE
from explain.zoo.synthetic.motifs import LENGTH, VOCABULARY

PICTURES = ModelInput(
    example_shape={"torch": (3, SIDE, SIDE), "tensorflow": (SIDE, SIDE, 3)},
    layout={"torch": "NCHW", "tensorflow": "NHWC"},
    mean=0.0,
    scale=1.0,
    bounds=(0.0, 1.0),
)
SEQUENCES = ModelInput(
    example_shape={"torch": (LENGTH,), "tensorflow": (LENGTH,)},
    layout={"torch": "NT", "tensorflow": "NT"},
    mean=0.0,
    scale=1.0,
    bounds=(0.0, float(len(VOCABULARY) - 1)),
)
