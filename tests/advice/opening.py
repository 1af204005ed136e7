"""Opening a model, calling it, its layers, its token ids, its state."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
from advice.advice import Advice
from advice.models import (
    IDS,
    SERIES,
    TABLE,
    TENSORFLOW,
    TORCH,
    WEIGHT,
    added,
    attribute,
    embedded,
    linear,
    module,
    perceptron,
    picture,
)

import explain
from explain.errors import (
    BaselineError,
    CancellationWarning,
    DependentExamplesError,
    HeldInputWarning,
    InputError,
    LayerError,
    LayoutError,
    ModelCallError,
    ModelNotBuiltError,
    OpaqueModelWarning,
    OptionError,
    ProbabilityScoreWarning,
    ScoreError,
    UnexplainedTokensWarning,
    UnsupportedInputError,
    UnsupportedModelError,
    UnusedInputWarning,
    ZeroGradientWarning,
)

BYTES = np.array([[10, 200, 30, 255], [0, 90, 170, 60]], np.uint8)
WORDS = np.array([[1, 2, 3, 4, 5], [6, 0, 2, 9, 1]])


def plain(kit: Any) -> Any:
    """A function, whose layers cannot be accessed."""
    inner = perceptron(kit)
    return lambda x: inner(x)


def scripted(kit: Any) -> Any:
    return kit.torch.jit.trace(perceptron(kit), kit.tensor(TABLE))


def stepwise(kit: Any, size: bool = True, pair: bool = True) -> Any:
    """Takes one step and a hidden state, as the character RNN of the PyTorch tutorial does."""
    if kit.name == "torch":

        def forward(self: Any, x: Any, hidden: Any) -> Any:
            state = kit.tanh(self.cell(kit.torch.cat([x, hidden], 1)))
            return (state, state) if pair else state

        model = module(kit, forward, cell=kit.torch.nn.Linear(7, 3))
    else:

        def forward(self: Any, x: Any, hidden: Any) -> Any:
            state = kit.tanh(self.cell(kit.tf.concat([x, hidden], 1)))
            return (state, state) if pair else state

        cell = kit.keras.layers.Dense(3)
        cell.build((None, 7))
        model = module(kit, forward, cell=cell)
    if size:
        model.hidden_size = 3
    return kit.randomised(model)


def whole(kit: Any) -> Any:
    """Takes whole sequences and a first state."""
    if kit.name == "torch":

        def forward(self: Any, x: Any, hidden: Any) -> Any:
            outputs, state = self.cell(x, hidden)
            return outputs[:, -1], state

        model = module(kit, forward, cell=kit.torch.nn.GRU(4, 3, batch_first=True))
    else:

        def forward(self: Any, x: Any, hidden: Any) -> Any:
            return tuple(self.cell(x, initial_state=hidden))

        cell = kit.keras.layers.GRU(3, return_state=True)
        cell.build((None, 5, 4))
        model = module(kit, forward, cell=cell)
    return kit.randomised(model)


def unbuilt(kit: Any, build: bool = False) -> Any:
    keras = kit.keras
    model = keras.Sequential([keras.layers.Dense(3)])
    if build:
        model.build((None, 4))
    return model


def never_called(kit: Any, call: bool) -> Any:
    keras = kit.keras

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = keras.layers.Dense(3)

        def call(self, x):
            return self.head(x)

    model = Own()
    if call:
        model(TABLE)
    return model


def lazy(kit: Any, call: bool) -> Any:
    model = kit.torch.nn.LazyLinear(3)
    if call:
        model(kit.tensor(TABLE))
    return model


def on_meta(kit: Any, loaded: bool) -> Any:
    model = linear(kit)
    weights = model.state_dict()
    model = model.to("meta")
    if loaded:
        model = model.to_empty(device="cpu")
        model.load_state_dict(weights)
    return model


def module_without_call(kit: Any) -> Any:
    class Holder(kit.tf.Module):
        def score(self, x: Any) -> Any:
            return kit.matmul(x, WEIGHT)

    return Holder()


def flat(kit: Any) -> Any:
    """Reads all values of an example at once: steps with features, or a picture."""
    if kit.name == "torch":
        nn = kit.torch.nn
        return kit.randomised(nn.Sequential(nn.Flatten(), nn.Linear(20, 3)))
    layers = kit.keras.layers
    return kit.randomised(kit.keras.Sequential([kit.keras.Input((5, 4)), layers.Flatten(), layers.Dense(3)]))


def time_first(kit: Any) -> Any:
    gru = kit.torch.nn.GRU(4, 3)
    return kit.randomised(module(kit, lambda self, x: self.gru(x)[1][0], gru=gru))


def swapping(kit: Any) -> Any:
    gru = kit.torch.nn.GRU(4, 3)
    return kit.randomised(module(kit, lambda self, x: self.gru(x.transpose(0, 1))[1][0], gru=gru))


def recurrent(kit: Any) -> Any:
    gru = kit.torch.nn.GRU(4, 3, batch_first=True)
    return kit.randomised(module(kit, lambda self, x: self.gru(x)[0][:, -1], gru=gru))


def bag(kit: Any) -> Any:
    """The mean of the vectors of a bag, of which no vector is a token's own."""
    nn = kit.torch.nn
    return kit.randomised(
        module(kit, lambda self, ids: self.out(self.bag(ids)), bag=nn.EmbeddingBag(6, 4), out=nn.Linear(4, 3))
    )


def own_table(kit: Any, as_layer: bool = False) -> Any:
    """Looks its vectors up in a table of its own, or in a layer with that table; takes vectors too."""
    nn, table = kit.torch.nn, kit.tensor(np.vstack([WEIGHT, -WEIGHT[:2]]))

    def forward(self: Any, x: Any) -> Any:
        vectors = x if x.is_floating_point() else self.lookup(x) if as_layer else self.table[x]
        return kit.tanh(vectors).mean(1)

    model = module(kit, forward, lookup=nn.Embedding.from_pretrained(table) if as_layer else nn.Identity())
    model.table = nn.Parameter(table)
    return model


def squeezing(kit: Any, axis: int | None = None) -> Any:
    """A single output of shape (N, 1), without its last axis."""
    squeeze = (
        (lambda x: x.squeeze() if axis is None else x.squeeze(axis))
        if kit.name == "torch"
        else (lambda x: kit.tf.squeeze(x, axis))
    )
    return kit.function(lambda x: squeeze(kit.matmul(x, WEIGHT[:, :1])))


def words_first(kit: Any) -> Any:
    """Reads ids (T, N)."""
    nn = kit.torch.nn
    return kit.randomised(
        module(
            kit,
            lambda self, ids: self.gru(self.embedding(ids))[1][0],
            embedding=nn.Embedding(6, 4),
            gru=nn.GRU(4, 3),
        )
    )


def centred(kit: Any, together: bool = False) -> Any:
    """Subtracts the mean of the nodes, the rows of x; `together` takes all nodes as one example, x[None]."""
    mean = (lambda x: x.mean(0)) if kit.name == "torch" else (lambda x: kit.tf.reduce_mean(x, 0))
    if together:
        return kit.function(lambda x: kit.matmul(x[0] - mean(x[0]), WEIGHT)[None])
    return kit.function(lambda x: kit.matmul(x - mean(x), WEIGHT))


def scaled(kit: Any) -> Any:
    """Divides by the largest value of the batch."""
    largest = (
        (lambda x: x.abs().max()) if kit.name == "torch" else (lambda x: kit.tf.reduce_max(kit.tf.abs(x)))
    )
    return kit.function(lambda x: kit.matmul(x / largest(x), WEIGHT))


def of_one_id(kit: Any) -> Any:
    """Takes one id an example, shape (N,)."""
    nn = kit.torch.nn
    return kit.randomised(
        module(
            kit,
            lambda self, ids: kit.tanh(self.out(self.embedding(ids))),
            embedding=nn.Embedding(6, 4),
            out=nn.Linear(4, 3),
        )
    )


def counting(kit: Any, by: str) -> Any:
    """Reads ids by an embedding, and by their sum or a second embedding."""
    nn = kit.torch.nn

    def forward(self: Any, ids: Any) -> Any:
        beside = ids.sum(1, keepdim=True) if by == "sum" else self.beside(ids).sum(1)
        return kit.tanh(self.embedding(ids).mean(1)) + 0.1 * beside

    return kit.randomised(module(kit, forward, embedding=nn.Embedding(6, 4), beside=nn.Embedding(6, 1)))


def wanting(kit: Any) -> Any:
    """Refuses ids without the id 4."""

    def forward(self: Any, ids: Any) -> Any:
        if not (ids == 4).any(1).all():
            raise ValueError("no end of the sentence")
        return self.inner(ids)

    return module(kit, forward, inner=embedded(kit))


def casting(kit: Any) -> Any:
    """Takes ids in floating point too."""
    return module(kit, lambda self, ids: self.inner(ids.long()), inner=embedded(kit))


def with_words(kit: Any) -> Any:
    """A table, and ids that may come in floating point."""
    return module(
        kit,
        lambda self, x, ids: self.head(x)[:, :2] + self.words(ids.long()),
        head=linear(kit),
        words=embedded(kit),
    )


def scaling(kit: Any, how: str) -> Any:
    """Scales bytes itself: in place, which bytes do not take, or only if they are bytes."""

    def forward(self: Any, x: Any) -> Any:
        if how == "in place":
            return self.head(x.clone().div_(255))
        return self.head(x / 1.0 if x.is_floating_point() else x / 255.0)

    return module(kit, forward, head=linear(kit))


def masked(kit: Any) -> Any:
    """Takes a factor for each value beside x."""
    return module(kit, lambda self, x, keep: self.head(x * keep), head=linear(kit))


def around(network: Any) -> Any:
    """A function of arrays with a network inside."""

    class Around:
        def __init__(self) -> None:
            self.network = network

        def __call__(self, x: Any) -> Any:
            return x @ WEIGHT

    return Around()


def asserting(kit: Any) -> Any:
    """Takes booleans only."""
    inner = linear(kit)
    cast = (lambda x: x.float()) if kit.name == "torch" else (lambda x: kit.tf.cast(x, "float32"))

    def call(x: Any) -> Any:
        assert "bool" in str(x.dtype), "x should be boolean"
        return inner(cast(x))

    return kit.function(call)


def positioned(kit: Any) -> Any:
    """Adds an embedding of the positions, whose rows are no examples."""
    nn = kit.torch.nn
    return kit.randomised(
        module(
            kit,
            lambda self, x: self.head((x + self.positions(kit.torch.arange(5))).mean(1)),
            positions=nn.Embedding(5, 4),
            head=nn.Linear(4, 3),
        )
    )


def unbagged(kit: Any) -> Any:
    nn = kit.torch.nn
    model = bag(kit)
    return module(
        kit,
        lambda self, ids: self.out(self.embedding(ids).mean(1)),
        embedding=nn.Embedding.from_pretrained(model.bag.weight),
        out=model.out,
    )


def shared(kit: Any) -> Any:
    """Calls one activation twice."""
    if kit.name == "torch":
        nn = kit.torch.nn
        model = module(
            kit,
            lambda self, x: self.second(self.act(self.first(self.act(x)))),
            first=nn.Linear(4, 3),
            act=nn.Tanh(),
            second=nn.Linear(3, 3),
            idle=nn.Linear(3, 3),
        )
        return kit.randomised(model)
    keras = kit.keras
    act = keras.layers.Activation("tanh", name="act")
    x = keras.Input((4,))
    return kit.randomised(
        keras.Model(x, keras.layers.Dense(3, name="second")(act(keras.layers.Dense(3, name="first")(act(x)))))
    )


def branching(kit: Any) -> Any:
    """Calls one of two layers, by the sign of its input."""

    def forward(self: Any, x: Any) -> Any:
        hidden = self.first(x) if float(x.mean()) > 0 else self.second(x)
        return self.out(hidden)

    nn = kit.torch.nn
    return kit.randomised(
        module(kit, forward, first=nn.Linear(4, 3), second=nn.Linear(4, 3), out=nn.Linear(3, 3))
    )


def deep_maps(kit: Any) -> Any:
    """A layer with five axes an example."""
    return module(
        kit,
        lambda self, x: self.wide(x.reshape(len(x), 2, 2, 1, 1, 1)).sum((2, 3, 4, 5)),
        wide=kit.torch.nn.Tanh(),
    )


def gated(kit: Any) -> Any:
    """Sums values where whole numbers are above zero; no embedding reads these."""
    if kit.name == "torch":
        return module(kit, lambda self, x, keep: kit.sum(x * x * (keep != 0), 1))
    cast = kit.tf.cast
    return module(kit, lambda self, x, keep: kit.sum(x * x * cast(cast(keep, "int64") != 0, x.dtype), 1))


def mixed(kit: Any) -> Any:
    """A picture and a table."""
    return module(kit, lambda self, a, b: self.first(a) + self.second(b), first=kit.cnn(), second=linear(kit))


def views(kit: Any) -> Any:
    """Two pictures, each through layers of its own."""
    return module(kit, lambda self, a, b: self.first(a) + self.second(b), first=kit.cnn(), second=kit.cnn())


def at_first_map(kit: Any) -> Any:
    model = views(kit)
    layer = model.first[0] if kit.name == "torch" else model.first.layers[0]
    return attribute(model, (picture(kit), picture(kit)), "grad_cam", layer=layer)


def reader(kit: Any) -> Any:
    """Token ids whose vectors a normalisation reads."""
    from models.tokens import NormedReader, keras_normed_reader

    twin = NormedReader().eval().double()
    return twin if kit.name == "torch" else keras_normed_reader(twin)


def one_input_at_a_time(kit: Any) -> Any:
    """A backend, as another package may have it, that takes one input."""
    from explain.torch_ext.backend import TorchBackend

    with mock.patch.object(TorchBackend, "takes_several_inputs", False):
        return attribute(added(kit), (TABLE, TABLE))


def deaf(kit: Any) -> Any:
    return module(kit, lambda self, x, unused: x * x)


def listening(kit: Any) -> Any:
    return module(kit, lambda self, x, unused: x * x + unused)


def softmaxed(kit: Any) -> Any:
    return kit.function(lambda x: kit.softmax(kit.matmul(x, WEIGHT)) * 1.0)


def in_softmax_layer(kit: Any) -> Any:
    return kit.dense([(WEIGHT, np.zeros(3))], last="softmax")


def fails(kit: Any) -> Any:
    """Wants an argument beside x."""
    return module(kit, lambda self, x, scale=None: self.head(x) * scale["by"], head=linear(kit))


def infinite(kit: Any) -> Any:
    return kit.function(lambda x: kit.sum(kit.exp(x * 1000.0), 1) + 0 * kit.sum(x, 1))


def on_jax(*inputs: Any, end: Any = None, **arguments: Any) -> Any:
    """A function of JAX arrays, explained."""
    import jax.numpy as jnp

    def function(x: Any, *others: Any) -> Any:
        made = jnp.tanh(x) @ WEIGHT
        return made if end is None else end(made)

    given = inputs if len(inputs) > 1 else inputs[0]
    return attribute(function, given, framework="jax", **arguments)


def with_long_numbers(enabled: bool) -> Any:
    import jax

    with jax.enable_x64(enabled), warnings.catch_warnings():
        warnings.simplefilter("ignore", HeldInputWarning)
        return on_jax(TABLE, np.full(len(TABLE), 2**40))[0]


def ends_otherwise(made: Any) -> Any:
    """A softmax, with whose values it computes where it gets several examples."""
    import jax

    return jax.nn.softmax(made) if len(made) == 1 else jax.nn.softmax(made) * 1.0


ADVICE = [
    # jax_ext/
    Advice(
        ", which needs 64 bits: JAX ",
        InputError,
        lambda kit: with_long_numbers(False),
        lambda kit: with_long_numbers(True),
        TORCH,
    ),
    Advice(
        ". Give score='output', or return logits from the model.",
        ScoreError,
        lambda kit: on_jax(TABLE, end=ends_otherwise),
        lambda kit: on_jax(TABLE, end=ends_otherwise, score="output"),
        TORCH,
    ),
    # backends/discovery.py
    Advice(
        ", which no extension accepts. Accepted are: ",
        UnsupportedModelError,
        lambda kit: attribute(object(), TABLE),
        lambda kit: attribute(linear(kit), TABLE),
    ),
    Advice(
        ", which may take arrays of any kind: say of which ",
        UnsupportedModelError,
        lambda kit: attribute(plain(kit), TABLE),
        lambda kit: attribute(plain(kit), TABLE, framework=kit.name, score="output"),
    ),
    Advice(
        " is no model: give one model, such as ",
        UnsupportedModelError,
        lambda kit: attribute(None, TABLE),
        lambda kit: attribute(linear(kit), TABLE),
    ),
    Advice(
        " is not registered; installed extensions are: ",
        UnsupportedModelError,
        lambda kit: attribute(linear(kit), TABLE, framework="mxnet"),
        lambda kit: attribute(linear(kit), TABLE, framework=kit.name),
        TORCH,
    ),
    Advice(
        ", which is not a model and cannot be called. ",
        UnsupportedModelError,
        lambda kit: attribute(WEIGHT, TABLE, framework=kit.name),
        lambda kit: attribute(plain(kit), TABLE, framework=kit.name, score="output"),
    ),
    # models that have no weights, or cannot be called
    Advice(
        " once, and load the model's weights, which are new and random otherwise.",
        ModelNotBuiltError,
        lambda kit: attribute(unbuilt(kit), TABLE),
        lambda kit: attribute(unbuilt(kit, build=True), TABLE),
        TENSORFLOW,
    ),
    Advice(
        " once, and load the model's weights, which are new and random otherwise.",
        ModelNotBuiltError,
        lambda kit: attribute(never_called(kit, False), TABLE),
        lambda kit: attribute(never_called(kit, True), TABLE),
        TENSORFLOW,
    ),
    Advice(
        " has layers whose shape is not known yet (Lazy modules): call it ",
        ModelNotBuiltError,
        lambda kit: attribute(lazy(kit, False), TABLE),
        lambda kit: attribute(lazy(kit, True), TABLE),
        TORCH,
    ),
    Advice(
        "The model has parameters or buffers on the device 'meta'",
        UnsupportedModelError,
        lambda kit: attribute(on_meta(kit, False), TABLE),
        lambda kit: attribute(on_meta(kit, True), TABLE),
        TORCH,
    ),
    Advice(
        " cannot be called and has no signatures: give a function ",
        UnsupportedModelError,
        lambda kit: attribute(module_without_call(kit), TABLE),
        lambda kit: attribute(
            (lambda holder: lambda x: holder.score(x))(module_without_call(kit)),
            TABLE,
            framework="tensorflow",
            score="output",
        ),
        TENSORFLOW,
    ),
    # one step at a time
    Advice(
        "but does not define its initial ",
        UnsupportedModelError,
        lambda kit: attribute(stepwise(kit, size=False), SERIES),
        lambda kit: attribute(stepwise(kit), SERIES),
    ),
    Advice(
        "but does not define its initial ",
        UnsupportedModelError,
        lambda kit: attribute(whole(kit), SERIES),
        lambda kit: attribute(whole(kit), SERIES, forward_kwargs={"hidden": None}),
    ),
    Advice(
        "A model that takes one step and a hidden state must return (output, hidden)",
        UnsupportedModelError,
        lambda kit: attribute(stepwise(kit, pair=False), SERIES),
        lambda kit: attribute(stepwise(kit), SERIES),
    ),
    Advice(
        " has no time axis T, but the model takes one step of a sequence at a time",
        LayoutError,
        lambda kit: attribute(stepwise(kit), TABLE),
        lambda kit: [attribute(stepwise(kit), SERIES), attribute(stepwise(kit), SERIES, layout="NTC")],
    ),
    # shapes
    Advice(
        ": the output should have one ",
        InputError,
        lambda kit: attribute(kit.function(lambda x: kit.sum(x, 0)), SERIES, target=None),
        lambda kit: attribute(kit.function(lambda x: kit.sum(x, 0)), SERIES, target=None, layout="TNC"),
    ),
    Advice(
        "If the model calls squeeze(), name the axis, for example squeeze(-1)",
        InputError,
        lambda kit: attribute(squeezing(kit), TABLE[:1], target=None),
        lambda kit: attribute(squeezing(kit, axis=-1), TABLE[:1], target=None),
    ),
    Advice(
        ", and the model takes one step at a time: give layout=",
        LayoutError,
        lambda kit: attribute(stepwise(kit), SERIES[:, :1]),
        lambda kit: [attribute(stepwise(kit), SERIES[:, :1], layout=one) for one in ("TNC", "NTC")],
    ),
    Advice(
        ", and what the model reads first fits more than one meaning of its axes, which give different maps: give ",
        LayoutError,
        lambda kit: attribute(flat(kit), SERIES, "occlusion"),
        lambda kit: [attribute(flat(kit), SERIES, "occlusion", layout=one) for one in ("NTC", "NHW")],
    ),
    Advice(
        " of the model would run along the examples instead of the time ",
        LayoutError,
        lambda kit: attribute(words_first(kit), IDS),
        lambda kit: attribute(words_first(kit), IDS.T, layout="TN"),
        TORCH,
    ),
    Advice(
        "If each row is to be explained by itself, without the others, give batch_size=1.",
        DependentExamplesError,
        lambda kit: attribute(centred(kit), TABLE),
        lambda kit: [
            attribute(centred(kit, together=True), TABLE[None], target=(1, 0)),
            attribute(scaled(kit), TABLE, batch_size=1),
        ],
    ),
    Advice(
        ", a single example: add the batch axis, x[None], to make it ",
        InputError,
        lambda kit: attribute(kit.cnn(3), picture(kit, 3)[0]),
        lambda kit: attribute(kit.cnn(3), picture(kit, 3)[0][None]),
    ),
    Advice(
        ", without its batch axis or an axis of channels: add the one that lacks, x[None] or ",
        InputError,
        lambda kit: attribute(kit.cnn(), picture(kit)[0]),
        lambda kit: attribute(kit.cnn(), picture(kit)[0][None]),
        TORCH,
    ),
    Advice(
        " without an axis of channels: add it, x[:, None], to make it ",
        InputError,
        lambda kit: attribute(kit.cnn(), picture(kit)[:, 0]),
        lambda kit: attribute(kit.cnn(), picture(kit)[:, 0][:, None]),
        TORCH,
    ),
    Advice(
        "it in these axes (a table in a file is read so with series=True)",
        InputError,
        lambda kit: attribute(recurrent(kit), SERIES[0][:, :3]),
        lambda kit: attribute(recurrent(kit), SERIES[0][None]),
        TORCH,
    ),
    Advice(
        ": give x in these axes",
        InputError,
        lambda kit: attribute(kit.cnn(), picture(kit)[None]),
        lambda kit: attribute(kit.cnn(), picture(kit)),
        TORCH,
    ),
    Advice(
        "give np.moveaxis(x, -1, 1)",
        LayoutError,
        lambda kit: attribute(kit.cnn(3), np.moveaxis(picture(kit, 3), 1, -1)),
        lambda kit: attribute(kit.cnn(3), np.moveaxis(np.moveaxis(picture(kit, 3), 1, -1), -1, 1)),
        TORCH,
    ),
    Advice(
        " channels on axis 1, ",
        LayoutError,
        lambda kit: attribute(kit.cnn(3), picture(kit, 5)),
        lambda kit: attribute(kit.cnn(3), picture(kit, 3)),
        TORCH,
    ),
    Advice(
        " features on the last axis, x has shape ",
        InputError,
        lambda kit: attribute(recurrent(kit), SERIES[..., :3]),
        lambda kit: attribute(recurrent(kit), SERIES),
        TORCH,
    ),
    Advice(
        " with its channels first, but the model wants channels last, ",
        LayoutError,
        lambda kit: attribute(kit.cnn(3), np.moveaxis(picture(kit, 3), -1, 1)),
        lambda kit: attribute(kit.cnn(3), np.moveaxis(np.moveaxis(picture(kit, 3), -1, 1), 1, -1)),
        TENSORFLOW,
    ),
    Advice(
        "the model wants x of shape ",
        InputError,
        lambda kit: attribute(linear(kit), TABLE[:, :3]),
        lambda kit: attribute(linear(kit), TABLE),
        TENSORFLOW,
    ),
    Advice(
        " takes time first, so the batch axis of x is ",
        LayoutError,
        lambda kit: attribute(time_first(kit), SERIES),
        lambda kit: [
            attribute(time_first(kit), np.swapaxes(SERIES, 0, 1), layout="TNC"),
            attribute(swapping(kit), SERIES, layout="NTC"),
        ],
        TORCH,
    ),
    # the model's own errors
    Advice(
        "Check the shape and dtype; its arguments ",
        ModelCallError,
        lambda kit: attribute(fails(kit), TABLE),
        lambda kit: attribute(fails(kit), TABLE, forward_kwargs={"scale": {"by": 2.0}}),
    ),
    Advice(
        ". Does it take these inputs, in this order or by these names? ",
        ModelCallError,
        lambda kit: attribute(added(kit), {"a": TABLE, "c": TABLE}),
        lambda kit: [
            *attribute(added(kit), {"a": TABLE, "b": TABLE}).values(),
            *attribute(added(kit), (TABLE, TABLE)),
        ],
    ),
    Advice(
        "nothing to explain. Check its weights and that x is scaled as in training.",
        ModelCallError,
        lambda kit: attribute(infinite(kit), TABLE, target=None),
        lambda kit: attribute(infinite(kit), TABLE / 1000, target=None),
    ),
    # scores
    Advice(
        " is not available for a model whose layers cannot be accessed, since the ",
        ScoreError,
        lambda kit: attribute(plain(kit), TABLE, framework=kit.name, score="probability"),
        lambda kit: [
            attribute(plain(kit), TABLE, framework=kit.name, score="output"),
            attribute(perceptron(kit), TABLE, score="probability"),
        ],
    ),
    Advice(
        "The layers of the model cannot be inspected, so a terminal softmax or sigmoid could not be detected",
        OpaqueModelWarning,
        lambda kit: attribute(plain(kit), TABLE, framework=kit.name),
        lambda kit: [
            attribute(plain(kit), TABLE, framework=kit.name, score="output"),
            attribute(perceptron(kit), TABLE),
        ],
    ),
    Advice(
        "The explained score is a ",
        ProbabilityScoreWarning,
        lambda kit: attribute(softmaxed(kit), TABLE),
        lambda kit: [
            attribute(softmaxed(kit), TABLE, score="probability"),
            attribute(in_softmax_layer(kit), TABLE),
            attribute(linear(kit), TABLE),
        ],
    ),
    Advice(
        " cannot be computed: the model's outputs already are ",
        ScoreError,
        lambda kit: attribute(softmaxed(kit), TABLE, score="log_probability"),
        lambda kit: [
            attribute(softmaxed(kit), TABLE, score="probability"),
            attribute(linear(kit), TABLE, score="log_probability"),
        ],
    ),
    # primitives
    Advice(
        " backend does not provide for ",
        UnsupportedModelError,
        lambda kit: attribute(scripted(kit), TABLE, "lrp", score="output"),
        lambda kit: attribute(scripted(kit), TABLE, "saliency", score="output"),
        TORCH,
    ),
    # layers
    Advice(
        "Name another with layer=; it calls: ",
        LayerError,
        lambda kit: attribute(shared(kit), TABLE, layer="frist"),
        lambda kit: [
            attribute(shared(kit), TABLE, layer="first"),
            attribute(shared(kit), TABLE, layer="second"),
        ],
    ),
    Advice(
        ": say which call, for example layer=(",
        LayerError,
        lambda kit: attribute(shared(kit), TABLE, layer="act"),
        lambda kit: attribute(shared(kit), TABLE, layer=("act", 1)),
    ),
    Advice(
        ", so the call should be ",
        LayerError,
        lambda kit: attribute(shared(kit), TABLE, layer=("act", 2)),
        lambda kit: [attribute(shared(kit), TABLE, layer=("act", call)) for call in (0, 1)],
    ),
    Advice(
        " axes per example, more than can be named: take a layer ",
        LayerError,
        lambda kit: attribute(deep_maps(kit), TABLE, layer="wide"),
        lambda kit: attribute(shared(kit), TABLE, layer="first"),
        TORCH,
    ),
    Advice(
        " was not called this time: the model calls other layers for other ",
        LayerError,
        lambda kit: attribute(branching(kit), np.abs(TABLE), "ig", layer="first", baseline=-1.0),
        lambda kit: attribute(branching(kit), np.abs(TABLE), "ig", layer="out", baseline=-1.0),
        TORCH,
    ),
    Advice(
        "all examples at once, has no values of one example.",
        LayerError,
        lambda kit: attribute(positioned(kit), SERIES, layer="positions"),
        lambda kit: attribute(positioned(kit), SERIES, layer="head"),
        TORCH,
    ),
    # token ids
    Advice(
        "token ids, but no embedding of the model gives one vector for each of the ",
        InputError,
        lambda kit: attribute(bag(kit), IDS),
        lambda kit: attribute(unbagged(kit), IDS),
        TORCH,
    ),
    Advice(
        " cannot be used on token ids, which cannot change gradually: take ",
        UnsupportedInputError,
        lambda kit: attribute(embedded(kit), IDS, "activation_maximization"),
        lambda kit: attribute(embedded(kit), IDS, "integrated_gradients"),
    ),
    Advice(
        ", but the model computes in floating point: ",
        InputError,
        lambda kit: explain.check_migration(linear(kit), linear(kit), TABLE > 0),
        lambda kit: explain.check_migration(linear(kit), linear(kit), (TABLE > 0).astype("float32")),
        TORCH,
    ),
    Advice(
        "put its table of vectors into one, or explain a function of the vectors.",
        InputError,
        lambda kit: attribute(own_table(kit), IDS),
        lambda kit: [
            attribute(own_table(kit, as_layer=True), IDS),
            attribute(own_table(kit), own_table(kit).table.detach()[kit.tensor(IDS)], layout="NTC"),
        ],
        TORCH,
    ),
    Advice(
        "the model computes in floating point, and its operations cannot be seen: ",
        InputError,
        lambda kit: attribute(plain(kit), BYTES, framework=kit.name, score="output"),
        lambda kit: attribute(plain(kit), BYTES.astype("float32") / 255, framework=kit.name, score="output"),
        TENSORFLOW,
    ),
    Advice(
        "the model does not scale it: the first operation of ",
        InputError,
        lambda kit: attribute(linear(kit), BYTES),
        lambda kit: attribute(linear(kit), BYTES.astype("float32") / 255),
    ),
    Advice(
        " by position, which come before x: name them, ",
        UnsupportedModelError,
        lambda kit: attribute(partial(masked(kit), kit.tensor(TABLE)), TABLE),
        lambda kit: [
            attribute(partial(masked(kit), keep=kit.tensor(TABLE)), TABLE),
            attribute(masked(kit), TABLE, forward_kwargs={"keep": kit.tensor(TABLE)}),
        ],
    ),
    Advice(
        " Or explain the model inside it, which provides more: ",
        UnsupportedModelError,
        lambda kit: attribute(around(linear(kit)), TABLE, framework="numpy"),
        lambda kit: attribute(around(linear(kit)).network, TABLE),
    ),
    Advice(
        " If these bytes are the quantities themselves, give ",
        InputError,
        lambda kit: attribute(linear(kit), BYTES, "feature_ablation"),
        lambda kit: attribute(linear(kit), BYTES.astype("int32"), "feature_ablation"),
        TENSORFLOW,
    ),
    Advice(
        ", and some methods keep the numbers as they are: method=",
        InputError,
        lambda kit: attribute(asserting(kit), TABLE > 0),
        lambda kit: [
            attribute(asserting(kit), TABLE > 0, row.name) for row in explain.methods() if row.keeps_values
        ],
    ),
    Advice(
        " does not take the same numbers as floats (",
        InputError,
        lambda kit: attribute(asserting(kit), TABLE > 0),
        lambda kit: attribute(asserting(kit), TABLE > 0, "occlusion"),
    ),
    Advice(
        " scales its input, but takes no whole numbers (",
        InputError,
        lambda kit: attribute(scaling(kit, "in place"), BYTES),
        lambda kit: attribute(scaling(kit, "in place"), BYTES.astype("float32")),
        TORCH,
    ),
    Advice(
        " computes something else from whole numbers than from the same numbers as floats (by their type): give ",
        InputError,
        lambda kit: attribute(scaling(kit, "by type"), BYTES),
        lambda kit: attribute(scaling(kit, "by type"), BYTES.astype("float32") / 255),
        TORCH,
    ),
    Advice(
        ", but token ids have the axes N, examples, and T, time steps: give layout=",
        LayoutError,
        lambda kit: attribute(embedded(kit), IDS, layout="NC"),
        lambda kit: [attribute(embedded(kit), IDS, layout="NT"), attribute(embedded(kit), IDS)],
        TORCH,
    ),
    Advice(
        ", token ids without a batch axis: give x[None] for one sequence of ",
        InputError,
        lambda kit: attribute(embedded(kit), IDS[0]),
        lambda kit: [attribute(embedded(kit), IDS[0][None]), attribute(of_one_id(kit), IDS[0], layout="N")],
        TORCH,
    ),
    Advice(
        "first: give one number per token, for one example or for each.",
        OptionError,
        lambda kit: attribute(embedded(kit), IDS, "feature_ablation", feature_mask=np.arange(5)),
        lambda kit: [
            attribute(embedded(kit), IDS, "feature_ablation", feature_mask=one)
            for one in (np.arange(4), np.tile(np.arange(4), (2, 1)))
        ],
        TORCH,
    ),
    Advice(
        "Have every reader of the ids be an embedding layer that is called ",
        UnexplainedTokensWarning,
        lambda kit: attribute(counting(kit, by="sum"), IDS),
        lambda kit: attribute(counting(kit, by="layer"), IDS),
        TORCH,
    ),
    Advice(
        " Give ids that it takes, one for each place, or ",
        BaselineError,
        lambda kit: attribute(wanting(kit), IDS, "ig"),
        lambda kit: [
            attribute(wanting(kit), IDS, "ig", baseline=one) for one in ("zeros", np.array([0, 0, 4, 0]))
        ],
        TORCH,
    ),
    Advice(
        "gradually, give them as whole numbers, as an input of their own, or take a method whose points have only ",
        ModelCallError,
        lambda kit: attribute(casting(kit), IDS.astype("float32"), "smoothgrad", stdevs=9.0),
        lambda kit: [
            attribute(casting(kit), IDS, "smoothgrad"),
            attribute(casting(kit), IDS.astype("float32"), "feature_ablation"),
        ],
        TORCH,
    ),
    Advice(
        " is not a way to make one number of a token's vector: give one of ",
        OptionError,
        lambda kit: attribute(embedded(kit), IDS, reduce="median"),
        lambda kit: [
            attribute(embedded(kit), IDS, reduce=one) for one in ("norm", "sum", "mean", "max", None)
        ],
        TORCH,
    ),
    Advice(
        "token ids (whole numbers that an embedding of the model reads): leave it out.",
        OptionError,
        lambda kit: attribute(linear(kit), TABLE, reduce="norm"),
        lambda kit: attribute(linear(kit), TABLE),
        TORCH,
    ),
    Advice(
        "number that the layer gives: leave out one of the two.",
        OptionError,
        lambda kit: attribute(embedded(kit), IDS, layer="hidden", reduce="norm"),
        lambda kit: [
            attribute(embedded(kit), IDS, layer="hidden"),
            attribute(embedded(kit), IDS, reduce="norm"),
        ],
        TORCH,
    ),
    Advice(
        "each vector. Give reduce='norm', the size of each token's vector, or use method='integrated_gradients'.",
        CancellationWarning,
        lambda kit: attribute(reader(kit), WORDS, reduce="sum"),
        lambda kit: [
            attribute(reader(kit), WORDS, reduce="norm"),
            attribute(reader(kit), WORDS, "integrated_gradients"),
        ],
    ),
    # several inputs
    Advice(
        ", and no reachable embedding gives one vector for each of its numbers: it stayed fixed, ",
        HeldInputWarning,
        lambda kit: attribute(gated(kit), (TABLE, IDS), target=None),
        lambda kit: [
            attribute(gated(kit), (TABLE, IDS > 0), target=None)[0],
            attribute(added(kit), (TABLE, IDS.astype("float32"))),
        ],
    ),
    Advice(
        " does not read this input: name a layer that does, or leave layer out: ",
        HeldInputWarning,
        at_first_map,
        lambda kit: attribute(views(kit), (picture(kit), picture(kit)), "grad_cam"),
    ),
    Advice(
        " backend takes one: give one, and the others in ",
        UnsupportedModelError,
        one_input_at_a_time,
        lambda kit: attribute(added(kit), TABLE, forward_kwargs={"b": TABLE}),
        TORCH,
    ),
    Advice(
        " stays fixed and has no map (None): ",
        HeldInputWarning,
        lambda kit: attribute(mixed(kit), (picture(kit), TABLE), "blur_ig"),
        lambda kit: attribute(mixed(kit), (picture(kit), TABLE), "ig"),
    ),
    Advice(
        "there. If they are token ids or class numbers in floating point, which have no gradient, give them as ",
        ZeroGradientWarning,
        lambda kit: attribute(with_words(kit), (TABLE, IDS.astype("float32"))),
        lambda kit: attribute(with_words(kit), (TABLE, IDS.astype("float32").astype(int))),
        TORCH,
    ),
    Advice(
        " has no effect that was seen: every value of its attribution is zero, and no score changed ",
        UnusedInputWarning,
        lambda kit: attribute(deaf(kit), (TABLE, TABLE)),
        lambda kit: attribute(listening(kit), (TABLE, TABLE)),
    ),
]
