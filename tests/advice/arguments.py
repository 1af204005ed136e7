"""The arguments of a call: the input and its companions, target, baseline, layout, options."""

from __future__ import annotations

from typing import Any

import numpy as np
from advice.advice import Advice
from advice.models import (
    IDS,
    SERIES,
    TABLE,
    TORCH,
    added,
    attribute,
    embedded,
    linear,
    module,
    picture,
    summed,
)

import explain
from explain.errors import (
    BaselineError,
    ClassNamesWarning,
    EngineError,
    InputError,
    LayoutError,
    MethodError,
    OptionError,
    ScoreError,
    TargetError,
    UnsupportedInputError,
)

WHOLE = np.array([[1, -2, 3, 4], [2, 1, -1, 5]])
SIX_AXES = np.arange(1, 65, dtype=np.float32).reshape(2, 2, 2, 2, 2, 2)
NAN = np.where(TABLE == 2.0, np.nan, TABLE).astype(np.float32)


def packed(kit: Any, *, padded: bool = False) -> Any:
    rnn, steps = kit.torch.nn.utils.rnn, kit.tensor(SERIES)
    sequence = rnn.pack_padded_sequence(steps, [5, 3], batch_first=True)
    return rnn.pad_packed_sequence(sequence, batch_first=True)[0] if padded else sequence


def over_time(kit: Any) -> Any:
    """A linear score of series."""
    return kit.function(lambda x: kit.sum(kit.sum(x * x, 2), 1))


def masked(kit: Any) -> Any:
    """Sums the squares of the values that a mask keeps."""
    return module(kit, lambda self, x, mask: kit.sum(x * x * mask, 1))


def bags(kit: Any) -> Any:
    """Classifies sequences that stand one after another in one row, with the places at which they begin."""
    nn = kit.torch.nn
    kit.torch.manual_seed(0)
    bag, out = nn.EmbeddingBag(8, 4), nn.Linear(4, 3)
    return module(kit, lambda self, ids, starts: self.out(self.bag(ids, starts)), bag=bag, out=out)


def in_rows(kit: Any) -> Any:
    """The same for sequences of one length, in the words of the message."""
    torch = kit.torch

    def forward(self: Any, ids: Any) -> Any:
        return self.model(ids.reshape(-1), torch.arange(len(ids)) * ids.shape[1])

    return module(kit, forward, model=bags(kit))


def total(kit: Any) -> Any:
    """The sum of the squares, of whole numbers too."""
    return kit.function(lambda x: kit.sum(x * x, 1))


def squares(kit: Any) -> Any:
    return kit.function(lambda x: x * x)


def of(kit: Any, *arguments: Any, **options: Any) -> Any:
    return attribute(linear(kit), TABLE, *arguments, **options)


def both(kit: Any, x: Any, *arguments: Any, **options: Any) -> Any:
    return attribute(added(kit), x, *arguments, **options)


ADVICE = [
    # explanation/arguments.py, checked_request.py
    Advice(
        " does not exist for a ",
        EngineError,
        lambda kit: of(kit, engine="zennit"),
        lambda kit: [of(kit, engine="explain"), of(kit, engine="captum")],
        TORCH,
    ),
    Advice(
        " cannot be used for ",
        EngineError,
        lambda kit: of(kit, "smoothgrad", engine="captum"),
        lambda kit: of(kit, "smoothgrad", engine="explain"),
        TORCH,
    ),
    Advice(
        "neuron is not used by ",
        OptionError,
        lambda kit: of(kit, "occlusion", layer=None, neuron=0, sliding_window_shapes=(1,)),
        lambda kit: [
            of(kit, "occlusion", sliding_window_shapes=(1,)),
            of(kit, "saliency", target=None, layer="0", neuron=0),
        ],
        TORCH,
    ),
    Advice(
        "neuron is given without layer",
        OptionError,
        lambda kit: of(kit, target=None, neuron=0),
        lambda kit: of(kit, target=None, neuron=0, layer="0"),
        TORCH,
    ),
    Advice(
        "target and neuron are both given",
        OptionError,
        lambda kit: of(kit, neuron=0, layer="0"),
        lambda kit: of(kit, target=None, neuron=0, layer="0"),
        TORCH,
    ),
    Advice(
        " is not a kind of score",
        ScoreError,
        lambda kit: of(kit, score="softmax"),
        lambda kit: of(kit, score="probability"),
        TORCH,
    ),
    Advice(
        " is out of range: give a whole number of at least 1, or None.",
        OptionError,
        lambda kit: of(kit, batch_size=0),
        lambda kit: of(kit, batch_size=1),
        TORCH,
    ),
    Advice(
        " is out of range: give a whole number of at least 0.",
        OptionError,
        lambda kit: of(kit, seed=-1),
        lambda kit: of(kit, seed=0),
        TORCH,
    ),
    Advice(
        "take another method; or, if x is one of these all the same",
        UnsupportedInputError,
        lambda kit: attribute(over_time(kit), SERIES, "xrai", target=None, bounds=(0, 3)),
        lambda kit: [
            attribute(over_time(kit), SERIES, "ig", target=None),
            attribute(over_time(kit), picture(kit)[:, 0], "xrai", target=None, layout="NHW", bounds=(0, 1)),
        ],
        TORCH,
    ),
    Advice(
        "baseline is not used by ",
        OptionError,
        lambda kit: of(kit, baseline=0.0),
        lambda kit: of(kit),
        TORCH,
    ),
    Advice(
        "layer is not used by ",
        OptionError,
        lambda kit: of(kit, "occlusion", layer="0", sliding_window_shapes=(1,)),
        lambda kit: of(kit, "occlusion", sliding_window_shapes=(1,)),
        TORCH,
    ),
    Advice(
        "layer is not given, but ",
        OptionError,
        lambda kit: of(kit, "conductance"),
        lambda kit: of(kit, "conductance", layer="0"),
        TORCH,
    ),
    Advice(
        " is not in the catalogue.",
        MethodError,
        lambda kit: of(kit, "salency"),
        lambda kit: of(kit, "saliency"),
        TORCH,
    ),
    Advice(
        " is not an option of ",
        OptionError,
        lambda kit: of(kit, "ig", steps=3),
        lambda kit: of(kit, "ig", n_steps=3),
        TORCH,
    ),
    Advice(
        " is out of range for ",
        OptionError,
        lambda kit: of(kit, "ig", n_steps=0),
        lambda kit: of(kit, "ig", n_steps=1),
        TORCH,
    ),
    # explanation/given_inputs.py, inputs/structure.py
    Advice(
        "The inputs of x differ in their numbers of examples",
        InputError,
        lambda kit: both(kit, (TABLE, TABLE[:1])),
        lambda kit: [
            *both(kit, (TABLE, TABLE)),
            both(kit, TABLE, forward_kwargs={"b": kit.tensor(TABLE[:1])}),
        ],
        TORCH,
    ),
    Advice(
        " looks like the places in ",
        InputError,
        lambda kit: attribute(bags(kit), (IDS.ravel(), np.array([0, 3, 5]))),
        lambda kit: [
            attribute(in_rows(kit), IDS, method, baseline=0)
            for method in ("feature_ablation", "occlusion", "kernel_shap")
        ],
        TORCH,
    ),
    Advice(
        "x has an input of shape ",
        LayoutError,
        lambda kit: both(kit, (TABLE, IDS.reshape(1, 1, 2, 1, 2, 2))),
        lambda kit: attribute(
            kit.function(lambda x, b: kit.sum(x * x, 1)),
            {"x": TABLE, "b": np.ones((2, 1, 1, 1, 1, 1), bool)},
            layout={"b": "NCTDHW"},
            target=None,
        )["x"],
        TORCH,
    ),
    Advice(
        "a dict of inputs goes to the model by name, so give strings.",
        InputError,
        lambda kit: both(kit, {0: TABLE, 1: TABLE}),
        lambda kit: both(kit, {"a": TABLE, "b": TABLE}),
        TORCH,
    ),
    Advice(
        " without an array in it: give at least one input.",
        InputError,
        lambda kit: both(kit, (None, None)),
        lambda kit: both(kit, (TABLE, TABLE)),
        TORCH,
    ),
    Advice(
        "structure as x, with one entry per input (",
        OptionError,
        lambda kit: both(kit, (TABLE, TABLE), "ig", bounds={"a": (0, 1)}),
        lambda kit: [
            *both(kit, (TABLE, TABLE), "ig", bounds=((0, 1), None)),
            *both(kit, (TABLE, TABLE), "ig", bounds=(0, 1)),
        ],
        TORCH,
    ),
    Advice(
        ", which is not an input of x: its inputs are ",
        BaselineError,
        lambda kit: both(kit, {"a": TABLE, "b": TABLE}, "ig", baseline={"c": 0.0}),
        lambda kit: both(kit, {"a": TABLE, "b": TABLE}, "ig", baseline={"b": 0.0}),
        TORCH,
    ),
    Advice(
        " inputs: give one per input (None ",
        LayoutError,
        lambda kit: both(kit, (TABLE, TABLE), layout=("NC",)),
        lambda kit: [
            *both(kit, (TABLE, TABLE), layout=("NC", None)),
            *both(kit, (TABLE, TABLE), layout="NC"),
        ],
        TORCH,
    ),
    # explanation/maximization_start.py
    Advice(
        "bounds are not known: give bounds=(least, greatest) of a valid input",
        OptionError,
        lambda kit: explain.maximize(linear(kit), 0, shape=(4,)),
        lambda kit: [
            explain.maximize(linear(kit), 0, shape=(4,), bounds=(0, 1), n_steps=2),
            explain.maximize(linear(kit), 0, like=TABLE, n_steps=2),
        ],
        TORCH,
    ),
    Advice(
        "target is an empty list",
        TargetError,
        lambda kit: explain.maximize(linear(kit), [], shape=(4,), bounds=(0, 1)),
        lambda kit: explain.maximize(linear(kit), [1], shape=(4,), bounds=(0, 1), n_steps=2),
        TORCH,
    ),
    Advice(
        "shape is not known: the model ",
        InputError,
        lambda kit: explain.maximize(linear(kit), 0, bounds=(0, 1)),
        lambda kit: [
            explain.maximize(linear(kit), 0, shape=(4,), bounds=(0, 1), n_steps=2),
            explain.maximize(linear(kit), 0, like=TABLE, bounds=(0, 1), n_steps=2),
        ],
        TORCH,
    ),
    # explanation/several_inputs.py
    Advice(
        " searches for one input, but x contains several",
        UnsupportedInputError,
        lambda kit: both(kit, (TABLE, TABLE), "activation_maximization", bounds=(0, 1)),
        lambda kit: both(
            kit, TABLE, "activation_maximization", bounds=(0, 1), n_steps=2, forward_kwargs={"b": TABLE}
        ),
        TORCH,
    ),
    Advice(
        "x contains whole numbers and masks only",
        InputError,
        lambda kit: both(kit, (IDS, IDS)),
        lambda kit: both(kit, (IDS.astype("float32"), IDS.astype("float32"))),
        TORCH,
    ),
    Advice(
        ", which stays fixed: give None there, or give the ",
        BaselineError,
        lambda kit: attribute(masked(kit), (TABLE, TABLE > 0), "ig", target=None, baseline=(None, 0.0)),
        lambda kit: [
            attribute(masked(kit), (TABLE, TABLE > 0), "ig", target=None, baseline=(None, None))[0],
            *attribute(
                masked(kit), (TABLE, (TABLE > 0).astype("float32")), "ig", target=None, baseline=(1.0, 0.0)
            ),
        ],
        TORCH,
    ),
    Advice(
        "For the input ",
        BaselineError,
        lambda kit: both(kit, (TABLE, TABLE), "ig", baseline=(np.ones(5), None)),
        lambda kit: both(kit, (TABLE, TABLE), "ig", baseline=(np.ones(4), None)),
        TORCH,
    ),
    Advice(
        " reference examples for the inputs: a ",
        BaselineError,
        lambda kit: both(kit, (TABLE, TABLE), "expected_gradients", baseline=(-TABLE, -TABLE[:1])),
        lambda kit: both(kit, (TABLE, TABLE), "expected_gradients", baseline=(-TABLE, -TABLE)),
        TORCH,
    ),
    # inputs/arrays.py
    Advice(
        " is a PackedSequence, which has no axes for a map",
        InputError,
        lambda kit: attribute(over_time(kit), packed(kit), target=None),
        lambda kit: attribute(over_time(kit), packed(kit, padded=True), target=None, lengths=[5, 3]),
        TORCH,
    ),
    Advice(
        ", which contains no example: give at least one, with a batch axis.",
        InputError,
        lambda kit: attribute(linear(kit), TABLE[:0]),
        lambda kit: attribute(linear(kit), TABLE[:1]),
        TORCH,
    ),
    Advice(
        "which there is no number to explain: give at least one example with numbers.",
        InputError,
        lambda kit: attribute(added(kit), (TABLE[:, :0], TABLE[:, :0]), target=None),
        lambda kit: attribute(
            module(kit, lambda self, a, b: kit.sum(a * a, 1) + kit.sum(b, 1)),
            (TABLE, TABLE[:, :0]),
            target=None,
        )[0],
        TORCH,
    ),
    Advice(
        ", which x has and the model gets: give ",
        BaselineError,
        lambda kit: attribute(total(kit), WHOLE, "feature_ablation", target=None, baseline=0.5),
        lambda kit: [
            attribute(total(kit), WHOLE, "feature_ablation", target=None, baseline=1),
            attribute(total(kit), WHOLE.astype("float32"), "feature_ablation", target=None, baseline=0.5),
        ],
        TORCH,
    ),
    Advice(
        " on: they should be 0 or more.",
        InputError,
        lambda kit: attribute(embedded(kit), IDS - 1),
        lambda kit: attribute(embedded(kit), IDS),
        TORCH,
    ),
    Advice(
        ": give real floating-point numbers.",
        InputError,
        lambda kit: attribute(linear(kit), TABLE.astype(np.complex64)),
        lambda kit: attribute(linear(kit), TABLE.astype(np.complex64).real),
        TORCH,
    ),
    Advice(
        " NaN or infinite, the first at index ",
        InputError,
        lambda kit: attribute(linear(kit), NAN),
        lambda kit: attribute(linear(kit), np.nan_to_num(NAN)),
        TORCH,
    ),
    Advice(
        " is given in x and in forward_kwargs: give it once.",
        InputError,
        lambda kit: both(kit, {"a": TABLE, "b": TABLE}, forward_kwargs={"b": TABLE}),
        lambda kit: both(kit, {"a": TABLE, "b": TABLE}),
        TORCH,
    ),
    # inputs/baseline.py
    Advice(
        " is not a rule: the rules are ",
        BaselineError,
        lambda kit: of(kit, "ig", baseline="median"),
        lambda kit: [of(kit, "ig", baseline=rule) for rule in ("mean", 0.5, TABLE[:1] * 0)],
        TORCH,
    ),
    Advice(
        "baseline is not given: this method compares the input with a set of reference examples.",
        BaselineError,
        lambda kit: of(kit, "expected_gradients"),
        lambda kit: of(kit, "expected_gradients", baseline=-TABLE[:64]),
        TORCH,
    ),
    Advice(
        " is not a set of references: give ",
        BaselineError,
        lambda kit: of(kit, "expected_gradients", baseline="zeros"),
        lambda kit: of(kit, "expected_gradients", baseline=np.zeros((1, 4), np.float32)),
        TORCH,
    ),
    Advice(
        "; they are not broadcast.",
        BaselineError,
        lambda kit: of(kit, "expected_gradients", baseline=np.zeros(4, np.float32)),
        lambda kit: of(kit, "expected_gradients", baseline=np.zeros(4, np.float32)[None]),
        TORCH,
    ),
    Advice(
        "baseline contains NaN or infinity: give finite values.",
        BaselineError,
        lambda kit: of(kit, "ig", baseline=NAN),
        lambda kit: of(kit, "ig", baseline=0 * np.nan_to_num(NAN)),
        TORCH,
    ),
    Advice(
        " is not a baseline: give ",
        BaselineError,
        lambda kit: of(kit, "ig", baseline=object()),
        lambda kit: [of(kit, "ig", baseline=one) for one in (None, 0.0, 0 * TABLE, "zeros")],
        TORCH,
    ),
    Advice(
        ", which does not broadcast to the input's ",
        BaselineError,
        lambda kit: of(kit, "ig", baseline=np.zeros(5)),
        lambda kit: [of(kit, "ig", baseline=one) for one in (0 * TABLE, 0 * TABLE[0], 0)],
        TORCH,
    ),
    Advice(
        'baseline="blur" needs an axis of space or time',
        BaselineError,
        lambda kit: of(kit, "ig", baseline="blur"),
        lambda kit: [of(kit, "ig", baseline=one) for one in ("mean", "zeros", 0 * TABLE)],
        TORCH,
    ),
    Advice(
        'baseline="uniform" draws within bounds, which are not known',
        BaselineError,
        lambda kit: of(kit, "ig", baseline="uniform"),
        lambda kit: of(kit, "ig", baseline="uniform", bounds=(0, 1)),
        TORCH,
    ),
    Advice(
        " token ids: give one token for all positions, or one for each.",
        BaselineError,
        lambda kit: attribute(embedded(kit), IDS, "ig", baseline=np.array([1, 2])),
        lambda kit: [attribute(embedded(kit), IDS, "ig", baseline=one) for one in (5, np.full(4, 5))],
        TORCH,
    ),
    # inputs/bounds.py, display.py, features.py
    Advice(
        " is not a range: give (least, greatest)",
        OptionError,
        lambda kit: of(kit, "ig", bounds=(1, 0)),
        lambda kit: of(kit, "ig", bounds=(0, 1)),
        TORCH,
    ),
    Advice(
        " is not a sequence of names: give all names in order",
        OptionError,
        lambda kit: of(kit, display=explain.Display(classes="cat")),
        lambda kit: of(kit, display=explain.Display(classes=("cat", "dog", "bird"))),
        TORCH,
    ),
    Advice(
        " whose numbers do not count from 0 to ",
        OptionError,
        lambda kit: of(kit, display=explain.Display(classes={1: "cat", 2: "dog"})),
        lambda kit: of(kit, display=explain.Display(classes={0: "cat", 1: "dog", 2: "bird"})),
        TORCH,
    ),
    Advice(
        ", which is not a name: give a str for each, in order.",
        OptionError,
        lambda kit: of(kit, display=explain.Display(classes=("cat", None))),
        lambda kit: of(kit, display=explain.Display(classes=("cat", "", "bird"))),
        TORCH,
    ),
    Advice(
        " is not a sequence of names for each example: give",
        OptionError,
        lambda kit: of(kit, display=explain.Display(step_names="film")),
        lambda kit: of(kit, display=explain.Display(step_names=(("a", "film"), ("the", "end")))),
        TORCH,
    ),
    Advice(
        " has to be a number, or one for each channel: give ",
        OptionError,
        lambda kit: of(kit, display=explain.Display(mean="half")),
        lambda kit: of(kit, display=explain.Display(mean=0.5)),
        TORCH,
    ),
    Advice(
        " is not a positive number: give the steps per second",
        OptionError,
        lambda kit: of(kit, display=explain.Display(sampling_rate=0)),
        lambda kit: of(kit, display=explain.Display(sampling_rate=100)),
        TORCH,
    ),
    Advice(
        " is not known: give 'rgb' or 'bgr'.",
        OptionError,
        lambda kit: of(kit, display=explain.Display(color="red")),
        lambda kit: of(kit, display=explain.Display(color="bgr")),
        TORCH,
    ),
    Advice(
        " is not understood: give an explain.Display or a dict of ",
        OptionError,
        lambda kit: of(kit, display={"average": 1}),
        lambda kit: [of(kit, display={"mean": 0.5}), of(kit, display=explain.Display(mean=0.5))],
        TORCH,
    ),
    Advice(
        "feature_mask needs an axis of space or time",
        OptionError,
        lambda kit: of(kit, "feature_ablation", feature_mask="grid"),
        lambda kit: [of(kit, "feature_ablation", feature_mask=one) for one in ("elements", np.arange(4))],
        TORCH,
    ),
    Advice(
        "feature_mask='superpixels' needs a picture",
        OptionError,
        lambda kit: attribute(
            over_time(kit), SERIES, "feature_ablation", target=None, feature_mask="superpixels"
        ),
        lambda kit: [
            attribute(over_time(kit), SERIES, "feature_ablation", target=None, feature_mask=one)
            for one in ("positions", "grid", "elements", np.arange(5)[:, None])
        ],
        TORCH,
    ),
    Advice(
        ", batch first: give one number per position, for one example or for each.",
        OptionError,
        lambda kit: of(kit, "feature_ablation", feature_mask=np.arange(5)),
        lambda kit: [
            of(kit, "feature_ablation", feature_mask=one)
            for one in (np.arange(4), np.tile(np.arange(4), (2, 1)))
        ],
        TORCH,
    ),
    # inputs/layout.py, masking.py
    Advice(
        ", for which there is no default layout (they are ",
        LayoutError,
        lambda kit: attribute(kit.function(lambda x: kit.sum(x, (1, 2, 3, 4, 5))), SIX_AXES, target=None),
        lambda kit: attribute(
            kit.function(lambda x: kit.sum(x * x, (1, 2, 3, 4, 5))), SIX_AXES, target=None, layout="NCTDHW"
        ),
        TORCH,
    ),
    Advice(
        " is not a layout: give one letter per axis, for example layout=",
        OptionError,
        lambda kit: of(kit, layout=4),
        lambda kit: of(kit, layout="NC"),
        TORCH,
    ),
    Advice(
        "), each at most once and N among them",
        LayoutError,
        lambda kit: of(kit, layout="CC"),
        lambda kit: of(kit, layout="NC"),
        TORCH,
    ),
    Advice(
        " axes). Give one letter per axis.",
        LayoutError,
        lambda kit: of(kit, layout="NCHW"),
        lambda kit: of(kit, layout="NC"),
        TORCH,
    ),
    Advice(
        "lengths is for sequences, but layout=",
        InputError,
        lambda kit: attribute(over_time(kit), SERIES, target=None, layout="NHW", lengths=[5, 3]),
        lambda kit: [
            attribute(over_time(kit), SERIES, target=None, layout="NHW"),
            attribute(over_time(kit), SERIES, target=None, layout="NTC", lengths=[5, 3]),
        ],
        TORCH,
    ),
    Advice(
        ": give one int per example, shape (",
        InputError,
        lambda kit: attribute(over_time(kit), SERIES, target=None, lengths=[5]),
        lambda kit: attribute(over_time(kit), SERIES, target=None, lengths=[5, 3]),
        TORCH,
    ),
    Advice(
        ": they should be from 1 to ",
        InputError,
        lambda kit: attribute(over_time(kit), SERIES, target=None, lengths=[5, 0]),
        lambda kit: attribute(over_time(kit), SERIES, target=None, lengths=[5, 1]),
        TORCH,
    ),
    # inputs/target.py
    Advice(
        "give None (the predicted class), an int, a list with one int an example",
        TargetError,
        lambda kit: of(kit, target={"cat": 1}),
        lambda kit: [
            of(kit, target=one)
            for one in (None, 1, [0, 1], (1,), [(0,), (1,)], lambda outputs: outputs[:, 0])
        ],
        TORCH,
    ),
    # public_calls/progress_bar.py
    Advice(
        ": give True for a bar, False for none, or None for a bar where a call takes over two seconds.",
        OptionError,
        lambda kit: of(kit, progress="yes"),
        lambda kit: [of(kit, progress=one) for one in (True, False, None)],
        TORCH,
    ),
    # explanation/wrap_up.py
    Advice(
        " names, but the model has ",
        ClassNamesWarning,
        lambda kit: of(kit, display=explain.Display(classes=("cat", "dog"))),
        lambda kit: [of(kit, display=explain.Display(classes=("cat", "dog", "bird"))), of(kit)],
    ),
    # inputs/naming/class_names.py
    Advice(
        " is the name of the classes ",
        TargetError,
        lambda kit: of(kit, target="crane", display={"classes": ("crane", "cat", "crane")}),
        lambda kit: of(kit, target=0, display={"classes": ("crane", "cat", "crane")}),
        TORCH,
    ),
    Advice(
        " classes have names, but the outputs of one example have shape ",
        TargetError,
        lambda kit: of(kit, target="cat", display={"classes": ("cat", "dog")}),
        lambda kit: [
            of(kit, target=0),
            of(kit, target="cat", display=explain.Display(classes=("cat", "dog", "bird"))),
        ],
        TORCH,
    ),
    Advice(
        " is the name of a class, but the model has a single output per example, the same for every class: leave ",
        TargetError,
        lambda kit: attribute(summed(kit), TABLE, target="yes", display={"classes": ("no", "yes")}),
        lambda kit: attribute(summed(kit), TABLE, target=None),
        TORCH,
    ),
    Advice(
        ", but the model has a single output per example (outputs have shape ",
        TargetError,
        lambda kit: attribute(summed(kit), TABLE, target=1),
        lambda kit: attribute(summed(kit), TABLE, target=None),
        TORCH,
    ),
    Advice(
        "target=None takes the predicted class, but the outputs of one example have shape ",
        TargetError,
        lambda kit: attribute(squares(kit), SERIES, target=None),
        lambda kit: [
            attribute(squares(kit), SERIES, target=(0, 0)),
            attribute(squares(kit), SERIES, target=lambda outputs: kit.sum(kit.sum(outputs, 2), 1)),
        ],
        TORCH,
    ),
    Advice(
        " per example, but the outputs of one example have shape ",
        TargetError,
        lambda kit: attribute(squares(kit), SERIES, target=1),
        lambda kit: attribute(squares(kit), SERIES, target=(0, 0)),
        TORCH,
    ),
    Advice(
        " is out of range: the outputs of one example have shape ",
        TargetError,
        lambda kit: of(kit, target=3),
        lambda kit: [of(kit, target=one) for one in (0, 2)],
        TORCH,
    ),
    Advice(
        " entries for a batch of ",
        TargetError,
        lambda kit: of(kit, target=[0, 1, 2]),
        lambda kit: [of(kit, target=one) for one in ([0, 1], 0)],
        TORCH,
    ),
]
