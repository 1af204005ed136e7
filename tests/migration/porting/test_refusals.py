"""What does not carry over is refused with its reason, and nothing is changed then."""

from __future__ import annotations

import itertools
from unittest import mock

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.backends.discovery import extension_for
from explain.errors import ModelNotBuiltError, PortError, UnsupportedModelError
from explain.migration.porting.setting_differences import setting_differences
from explain.parameters.canonical import ParameterLayer
from explain.parameters.padding import same_padding

layers = keras.layers


def sequential(shape, *parts):
    return keras.Sequential([keras.Input(shape), *parts])


def bytes_of(model):
    held = model.state_dict().values() if isinstance(model, nn.Module) else model.weights
    return [
        (one.detach().numpy() if isinstance(model, nn.Module) else np.asarray(one)).tobytes() for one in held
    ]


PICTURE, SEQUENCE = (8, 8, 4), (9, 4)

REFUSED = {
    "padding": (
        lambda: nn.Conv2d(4, 3, 3),
        lambda: sequential(PICTURE, layers.Conv2D(3, 3, padding="same")),
        r"padding: The input is padded with nothing in one and 1 before and 1 after zeros in the other",
    ),
    "padding with strides": (
        lambda: nn.Conv2d(4, 3, 3, stride=2, padding=1),
        lambda: sequential(PICTURE, layers.Conv2D(3, 3, strides=2, padding="same")),
        r"1 before and 1 after zeros in one and 0 before and 1 after zeros in the other.*odd zero.*ZeroPadding",
    ),
    "padding of an unknown size": (
        lambda: nn.Conv2d(4, 3, 3, stride=2, padding=1),
        lambda: sequential((None, None, 4), layers.Conv2D(3, 3, strides=2, padding="same")),
        r"depends on the input's size, which the model does not state",
    ),
    "padding mode": (
        lambda: nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"),
        lambda: sequential(PICTURE, layers.Conv2D(3, 3, padding="same")),
        r"reflect in one and zeros in the other",
    ),
    "padding of a transposed convolution": (
        lambda: nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1),
        lambda: sequential(PICTURE, layers.Conv2DTranspose(3, 3, strides=2, padding="same")),
        r"1 before and 0 after in one and 0 before and 1 after in the other",
    ),
    "strides": (
        lambda: nn.Conv2d(4, 3, 3, stride=2),
        lambda: sequential(PICTURE, layers.Conv2D(3, 3)),
        r"strides: The kernel moves by \(2, 2\) in one and by \(1, 1\)",
    ),
    "dilation": (
        lambda: nn.Conv1d(4, 3, 3, dilation=2),
        lambda: sequential(SEQUENCE, layers.Conv1D(3, 3)),
        r"dilation: The kernel is dilated by \(2,\)",
    ),
    "epsilon": (
        lambda: nn.BatchNorm2d(4),
        lambda: sequential(PICTURE, layers.BatchNormalization()),
        r"epsilon: .* 1e-05 in one and 0.001 in the other: create the target with epsilon=1e-05",
    ),
    "epsilon of a layer norm": (
        lambda: nn.LayerNorm(4),
        lambda: sequential(SEQUENCE, layers.LayerNormalization()),
        r"epsilon: .* 1e-05 in one and 0.001",
    ),
    "epsilon of a norm without tensors": (
        lambda: nn.Sequential(nn.LayerNorm(4, elementwise_affine=False), nn.Linear(4, 2)),
        lambda: sequential(SEQUENCE, layers.LayerNormalization(center=False, scale=False), layers.Dense(2)),
        r"epsilon: .* 1e-05 in one and 0.001",
    ),
    "groups of a group norm": (
        lambda: nn.GroupNorm(4, 4),
        lambda: sequential(PICTURE, layers.GroupNormalization(2, epsilon=1e-5)),
        r"groups: The channels form 4 groups in one and 2",
    ),
    "batch statistics": (
        lambda: nn.Sequential(nn.BatchNorm2d(4, track_running_stats=False)),
        lambda: sequential(PICTURE, layers.BatchNormalization(epsilon=1e-5)),
        r"has no running statistics and normalises by the batch",
    ),
    "mean taken away": (
        lambda: nn.RMSNorm(4, eps=1e-5),
        lambda: sequential(SEQUENCE, layers.LayerNormalization(center=False, epsilon=1e-5)),
        r"LayerNorm and RMSNorm are different layers",
    ),
    "activation": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)),
        lambda: sequential((4,), layers.Dense(3, activation="tanh"), layers.Dense(2)),
        r"activation: The activation is relu in one and tanh in the other",
    ),
    "activation that is a layer": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.GELU(), nn.Linear(3, 2)),
        lambda: sequential((4,), layers.Dense(3), layers.LeakyReLU(), layers.Dense(2)),
        r"is gelu in one and leaky_relu\(0.3\) in the other",
    ),
    "probabilities inside": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)),
        lambda: sequential((4,), layers.Dense(3, activation="softmax"), layers.Dense(2)),
        r"is none in one and softmax in the other.*logits",
    ),
    "activation of an LSTM": (
        lambda: nn.LSTM(4, 3),
        lambda: sequential(SEQUENCE, layers.LSTM(3, activation="relu")),
        r"is tanh in one and relu in the other: LSTM and GRU of PyTorch use tanh",
    ),
    "gates": (
        lambda: nn.LSTM(4, 3),
        lambda: sequential(SEQUENCE, layers.LSTM(3, recurrent_activation="hard_sigmoid")),
        r"The gates use sigmoid in one and hard_sigmoid in the other",
    ),
    "nonlinearity": (
        lambda: nn.RNN(4, 3, nonlinearity="relu"),
        lambda: sequential(SEQUENCE, layers.SimpleRNN(3)),
        r"is relu in one and tanh in the other",
    ),
    "reset_after": (
        lambda: nn.GRU(4, 3),
        lambda: sequential(SEQUENCE, layers.GRU(3, reset_after=False)),
        r"needs one of Keras with reset_after=True",
    ),
    "direction": (
        lambda: nn.GRU(4, 3),
        lambda: sequential(SEQUENCE, layers.GRU(3, go_backwards=True)),
        r"reads its steps from last to first",
    ),
    "merged otherwise": (
        lambda: nn.GRU(4, 3, bidirectional=True),
        lambda: sequential(SEQUENCE, layers.Bidirectional(layers.GRU(3), merge_mode="sum")),
        r"'concat' in one and by 'sum' in the other",
    ),
    "projected states": (
        lambda: nn.LSTM(4, 3, proj_size=2),
        lambda: sequential(SEQUENCE, layers.LSTM(3)),
        r"proj_size=2 projects its state",
    ),
    "zeros beside": (
        lambda: nn.MultiheadAttention(8, 2, add_zero_attn=True),
        lambda: keras.Model(
            one := keras.Input((5, 8)), layers.MultiHeadAttention(2, 4)(one, one)
        ),
        r"also attends to zeros",
    ),
    "vectors shortened": (
        lambda: nn.Embedding(7, 4, max_norm=1.0),
        lambda: sequential((5,), layers.Embedding(7, 4)),
        r"limits the norm of vectors by max_norm=1.0",
    ),
    "bags": (
        lambda: nn.EmbeddingBag(7, 4),
        lambda: sequential((5,), layers.Embedding(7, 4)),
        r"adds up the vectors of a bag",
    ),
    "another shape": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)),
        lambda: sequential((4,), layers.Dense(3), layers.Dense(5)),
        r"No layer of the target is of the kind and shape of '1' \(dense.*No layer of the source",
    ),
    "a layer too many": (
        lambda: nn.Sequential(nn.Linear(4, 4)),
        lambda: sequential((4,), layers.Dense(4), layers.Dense(4)),
        r"1 layers? of one kind and shape in the source \(0\), and 2 in the target",
    ),
    "a value that is not finite": (
        lambda: nn.utils.vector_to_parameters(torch.full((15,), torch.nan), (m := nn.Linear(4, 3)).parameters()) or m,
        lambda: sequential((4,), layers.Dense(3)),
        r"has values that are not finite",
    ),
    "a value that is too large": (
        lambda: nn.utils.vector_to_parameters(
            torch.full((15,), 1e300, dtype=torch.float64), (m := nn.Linear(4, 3).double()).parameters()
        )
        or m,
        lambda: sequential((4,), layers.Dense(3)),
        r"float32, in which some of the values given are infinite",
    ),
    "a hook that works the weight out": (
        lambda: nn.utils.spectral_norm(nn.Linear(4, 3)),
        lambda: sequential((4,), layers.Dense(3)),
        r"a hook computes.*remove_spectral_norm",
    ),
    "spectral norm in Keras": (
        lambda: nn.Linear(4, 3),
        lambda: sequential((4,), layers.SpectralNormalization(layers.Dense(3))),
        r"SpectralNormalization.*recomputes its layer's kernel",
    ),
    "LoRA": (
        lambda: nn.Linear(4, 3),
        lambda: with_lora(),
        r"LoRA weights beside its kernel",
    ),
    "a scripted model": (
        lambda: torch.jit.script(nn.Sequential(nn.Linear(4, 3))),
        lambda: sequential((4,), layers.Dense(3)),
        r"whose layers cannot be distinguished: give the torch.nn.Module",
    ),
}  # fmt: skip


def with_lora():
    model = sequential((4,), layers.Dense(3))
    model.layers[0].enable_lora(2)
    return model


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("way", ["to Keras", "to PyTorch"])
def test_what_does_not_carry_over_is_refused_both_ways(name, way):
    make_torch, make_keras, message = REFUSED[name]
    torch_model, keras_model = make_torch(), make_keras()
    source, target = (torch_model, keras_model) if way == "to Keras" else (keras_model, torch_model)
    if way == "to PyTorch" and name in ("a value that is not finite", "a value that is too large"):
        values = np.nan if name.endswith("finite") else 1e39
        source = keras.Sequential([keras.Input((4,), dtype="float64"), layers.Dense(3, dtype="float64")])
        source.layers[0].kernel.assign(np.full((4, 3), values))
        target = nn.Linear(4, 3)
    before = bytes_of(target)
    with pytest.raises(PortError) as caught:
        explain.port(source, target)
    assert bytes_of(target) == before
    if way == "to Keras":
        caught.match(f"(?s){message}")


def test_the_message_has_every_problem_and_the_table():
    source = nn.Sequential(nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(108, 5))
    target = sequential(
        PICTURE,
        layers.Conv2D(3, 3, padding="same", name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.Flatten(),
        layers.Dense(5, name="fc"),
    )
    with pytest.raises(PortError) as caught:
        explain.port(source, target)
    message = str(caught.value)
    assert message.startswith("Nothing was ported: 4 things do not carry over.\n")
    assert "- 0 → conv, padding: " in message
    assert "- 1 → norm, epsilon: " in message
    table = [
        line.split("  ") for line in message.partition("What matched and what did not:\n")[2].splitlines()
    ]
    rows = {row[0]: [cell.strip() for cell in row if cell.strip()] for row in table}
    assert rows["source"] == ["source", "target", "kind", "tensors, channels last", "paired by"]
    assert rows["0"] == ["0", "conv", "convolution", "kernel 3×3×4×3, bias 3", "does not carry over"]
    assert rows["3"] == ["3", "—", "dense", "kernel 108×5, bias 5", "no partner"]
    assert rows["—"] == ["—", "fc", "dense", "kernel 192×5, bias 5", "no partner"]


def test_models_that_are_not_ready_or_none():
    torch_model = nn.Linear(4, 3)
    with pytest.raises(ModelNotBuiltError, match="is not built"):
        explain.port(torch_model, keras.Sequential([layers.Dense(3)]))
    with pytest.raises(ModelNotBuiltError, match="lazy module"):
        explain.port(nn.LazyLinear(3), torch_model)
    with pytest.raises(UnsupportedModelError):
        explain.port(torch_model, 3)
    with pytest.raises(PortError, match="Neither model has layers that hold parameters"):
        explain.port(nn.ReLU(), nn.ReLU())
    estimator = pytest.importorskip("sklearn.linear_model").LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    with pytest.raises(PortError, match="LinearRegression, whose layers cannot be accessed"):
        explain.port(estimator, torch_model)


def test_an_extension_that_reads_no_layers_is_told_so(monkeypatch):
    class Elsewhere:
        name = "elsewhere"

    model = nn.Linear(4, 3)
    monkeypatch.setattr("explain.migration.porting.transfer.extension_for", lambda one: Elsewhere())
    with pytest.raises(PortError, match=r"'elsewhere' does not read the layers.*parameters"):
        explain.port(model, model)


class BrokenError(Exception):
    """What a failing write raises here."""


def failing_at(function, count):
    """Do as the function does, and fail at one of its calls."""
    calls = itertools.count(1)

    def call(*arguments, **keywords):
        if next(calls) == count:
            raise BrokenError
        return function(*arguments, **keywords)

    return call


def models():
    torch_model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    return torch_model, sequential((4,), layers.Dense(3, activation="relu"), layers.Dense(2))


@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_write_that_fails_in_the_middle_is_put_back(count):
    torch_model, keras_model = models()
    before = bytes_of(keras_model)
    variable = type(keras_model.weights[0])
    with (
        mock.patch.object(variable, "assign", failing_at(variable.assign, count)),
        pytest.raises(BrokenError),
    ):
        explain.port(torch_model, keras_model)
    assert bytes_of(keras_model) == before
    before = bytes_of(torch_model)
    with (
        mock.patch.object(torch.Tensor, "copy_", failing_at(torch.Tensor.copy_, count)),
        pytest.raises(BrokenError),
    ):
        explain.port(keras_model, torch_model)
    assert bytes_of(torch_model) == before
    # And whole, if nothing fails: the tests above would pass if nothing were written.
    explain.port(keras_model, torch_model)
    assert bytes_of(torch_model) != before


def test_tensors_stay_the_objects_that_an_optimiser_knows():
    torch_model, keras_model = models()
    torch_model[0].weight.requires_grad_(False)
    keras_model.layers[1].trainable = False
    parameters, weights = list(torch_model.parameters()), list(keras_model.weights)
    pointers = [one.data_ptr() for one in parameters]
    optimiser = torch.optim.SGD(torch_model[2].parameters(), lr=0.1)
    explain.port(keras_model, torch_model)
    assert [id(one) for one in torch_model.parameters()] == [id(one) for one in parameters]
    assert [one.data_ptr() for one in torch_model.parameters()] == pointers
    assert [one.requires_grad for one in parameters] == [False, True, True, True]
    torch_model(torch.ones(1, 4)).sum().backward()
    before = torch_model[2].bias.clone()
    optimiser.step()
    assert not torch.equal(before, torch_model[2].bias)
    explain.port(torch_model, keras_model)
    assert [id(one) for one in keras_model.weights] == [id(one) for one in weights]
    assert not keras_model.layers[1].trainable


def test_what_is_read_does_not_change_with_the_model():
    model = nn.Linear(4, 3)
    (read,) = extension_for(model).parameters(model)
    before = read.tensors["kernel"].copy()
    with torch.no_grad():
        model.weight.fill_(0)
    assert np.array_equal(read.tensors["kernel"], before)
    target = nn.Linear(4, 3)
    explain.port(model, target)
    with torch.no_grad():
        model.weight.fill_(1)
    assert not target.weight.any()


def test_tied_tensors_are_written_once_and_held_to_one_value():
    def tied():
        model = nn.ModuleDict({"embedding": nn.Embedding(7, 4), "head": nn.Linear(4, 7, bias=False)})
        model["head"].weight = model["embedding"].weight
        return model

    source, target = tied(), tied()
    explain.port(source, target)
    assert torch.equal(source["head"].weight, target["head"].weight)
    assert target["head"].weight is target["embedding"].weight
    untied = nn.ModuleDict({"embedding": nn.Embedding(7, 4), "head": nn.Linear(4, 7, bias=False)})
    before = bytes_of(target)
    with pytest.raises(PortError, match=r"is the same tensor as.*tied"):
        explain.port(untied, target)
    assert bytes_of(target) == before
    explain.port(target, untied)
    assert torch.equal(untied["embedding"].weight, untied["head"].weight)


def test_variables_that_two_layers_of_keras_share_are_held_to_one_value():
    class Tied(layers.Layer):
        def __init__(self, other):
            super().__init__()
            self.other = other

        def build(self, shape):
            self.kernel = self.other.kernel

        def call(self, x):
            return x @ self.kernel

    first = layers.Dense(4, use_bias=False)
    target = sequential((4,), first, Tied(first))

    class Untied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 4, bias=False)
            self.kernel = nn.Parameter(torch.zeros(4, 4))

    source, before = Untied(), bytes_of(target)
    mapping = {"(model)": target.layers[1].name, "first": target.layers[0].name}
    with pytest.raises(PortError, match="is the same tensor as"):
        explain.port(source, target, mapping)
    assert bytes_of(target) == before
    with torch.no_grad():
        source.kernel.copy_(source.first.weight.T)
    explain.port(source, target, mapping)
    assert np.array_equal(np.asarray(first.kernel), source.kernel.detach().numpy())


def test_a_parametrized_source_is_read_as_it_acts_and_no_target():
    source = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)).train()
    before = {name: value.clone() for name, value in source.state_dict().items()}
    target = sequential((4,), layers.Dense(3))
    explain.port(source, target)
    assert all(torch.equal(before[name], value) for name, value in source.state_dict().items())
    assert source.parametrizations.weight[0].training
    np.testing.assert_allclose(
        np.asarray(target.layers[0].kernel), source.eval().weight.detach().numpy().T, rtol=1e-6
    )
    with pytest.raises(PortError, match=r"has a parametrization.*remove_parametrizations"):
        explain.port(target, source)


def test_a_compiled_model_is_looked_into():
    source = nn.Sequential(nn.Linear(4, 3))
    target = sequential((4,), layers.Dense(3))
    for x in (None, torch.zeros(1, 4)):
        with torch.no_grad():
            source[0].weight.add_(1)
        explain.port(torch.compile(source), target, x=x)
        assert np.array_equal(np.asarray(target.layers[0].kernel), source[0].weight.detach().numpy().T)


def test_parameters_of_a_modules_own_go_by_name_and_shape():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.places = nn.Parameter(torch.randn(5, 4))
            self.token = nn.Parameter(torch.randn(4))
            self.register_buffer("scale", torch.tensor(2.0))
            self.register_buffer("passing", torch.ones(3), persistent=False)

    @keras.saving.register_keras_serializable()
    class KerasOwn(layers.Layer):
        def build(self, shape):
            self.token = self.add_weight(shape=(4,), name="token")
            self.where = self.add_weight(shape=(5, 4), name="where")
            self.scale = self.add_weight(shape=(), name="scale", trainable=False)

        def call(self, x):
            return x

    source, target = Own(), sequential((5, 4), KerasOwn())
    explain.port(source, target)
    for ours, theirs in (("places", "where"), ("token", "token"), ("scale", "scale")):
        assert np.array_equal(
            getattr(source, ours).detach().numpy(), np.asarray(getattr(target.layers[0], theirs))
        )


def test_a_normalization_layer_works_with_what_it_was_given():
    data = np.random.default_rng(0).normal(2, 3, size=(50, 4))

    def model():
        return sequential((4,), layers.Normalization(), layers.Dense(3))

    source, target = model(), model()
    source.layers[0].adapt(data)
    explain.port(source, target)
    x = data[:3].astype(np.float32)
    np.testing.assert_allclose(np.asarray(target(x)), np.asarray(source(x)), rtol=1e-6)
    # From PyTorch, which has none, it stays as it is when the mapping says so.
    plain = nn.Linear(4, 3)
    with pytest.raises(PortError, match="No layer of the source is of the kind and shape of 'normalization"):
        explain.port(plain, target)
    ported = explain.port(plain, target, {target.layers[0].name: None})
    assert ported.set_aside == (target.layers[0].name,)
    assert np.array_equal(np.asarray(target.layers[1].kernel), plain.weight.detach().numpy().T)


@pytest.mark.parametrize("size", [7, 8, 9])
@pytest.mark.parametrize(
    ("side", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (2, 3, 1), (5, 2, 1), (4, 1, 2)]
)
def test_same_padding_is_that_of_tensorflow(size, side, stride, dilation):
    x = np.random.default_rng(0).normal(size=(1, size, 1))
    layer = layers.Conv1D(1, side, strides=stride, dilation_rate=dilation, padding="same", dtype="float64")
    expected = np.asarray(layer(x))
    before, after = same_padding(size, side, stride, dilation)
    kernel = torch.from_numpy(np.asarray(layer.kernel)).permute(2, 1, 0)
    padded = nn.functional.pad(torch.from_numpy(x).movedim(-1, 1), (before, after))
    found = nn.functional.conv1d(padded, kernel, stride=stride, dilation=dilation).movedim(1, -1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_training_mode_is_a_difference_and_no_obstacle():
    one = ParameterLayer("a", "batch_normalization", {}, {"epsilon": 1e-5, "training": True})
    other = ParameterLayer("b", "batch_normalization", {}, {"epsilon": 1e-5, "training": False})
    (difference,) = setting_differences(one, other)
    assert difference[:3] == ("training", True, False)
    assert not setting_differences(other, other)
    source = nn.BatchNorm2d(4).train()
    explain.port(source, sequential(PICTURE, layers.BatchNormalization(epsilon=1e-5)))


def test_what_is_not_known_is_no_difference():
    torch_model = nn.ModuleDict({"fc": nn.Linear(4, 3)})
    explain.port(torch_model, sequential((4,), layers.Dense(3, activation="relu")))
    # A function of the user's own may be the same.
    model = nn.Sequential(nn.Linear(4, 3), nn.GELU(approximate="tanh"))
    explain.port(
        model, sequential((4,), layers.Dense(3, activation=lambda x: keras.activations.gelu(x, True)))
    )
    explain.port(nn.Conv2d(4, 3, 3, padding_mode="reflect"), sequential(PICTURE, layers.Conv2D(3, 3)))


def padded_by_code(zeros):
    class Padded(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 3, 3, stride=2)

        def forward(self, x):
            return self.conv(nn.functional.pad(x, zeros))

    return Padded().eval()


def test_zeros_that_code_puts_around_are_seen_on_x():
    x = np.random.default_rng(0).normal(size=(2, 4, 8, 8)).astype(np.float32)
    source = padded_by_code((0, 1, 0, 1))
    for shape in (PICTURE, (None, None, 4)):
        target = sequential(shape, layers.Conv2D(3, 3, strides=2, padding="same"))
        with pytest.raises(PortError, match="seen on x"):
            explain.port(source, target)
        explain.port(source, target, x=x)
        with torch.no_grad():
            expected = source(torch.from_numpy(x)).movedim(1, -1).numpy()
        np.testing.assert_allclose(np.asarray(target(np.moveaxis(x, 1, -1))), expected, atol=1e-5)
    # As many zeros as the other: not too few, nor, though what comes out has one shape, too many.
    for zeros in ((0, 0, 0, 0), (1, 1, 1, 1)):
        with pytest.raises(PortError, match="padding"):
            explain.port(padded_by_code(zeros), target, x=x)
    # Half of them on either side is what the layer itself says.
    with pytest.raises(PortError, match="odd zero"):
        explain.port(nn.Conv2d(4, 3, 3, stride=2, padding=1), target, x=x)


def test_a_gated_attention_is_read_layer_by_layer():
    def model():
        given = keras.Input((5, 8))
        return keras.Model(given, layers.MultiHeadAttention(2, 4, use_gate=True)(given, given))

    source, target = model(), model()
    explain.port(source, target)
    assert bytes_of(target) == bytes_of(source)


def test_constants_that_only_one_model_holds_are_left_out_when_asked():
    source = nn.Sequential(nn.Linear(4, 3))
    source.register_buffer("mean", torch.ones(4))
    target = sequential((4,), layers.Dense(3))
    with pytest.raises(PortError, match=r"Constants are left out by mapping=\{'\(model\)': None\}"):
        explain.port(source, target)
    explain.port(source, target, {"(model)": None})
    assert np.array_equal(np.asarray(target.layers[0].kernel), source[0].weight.detach().numpy().T)
