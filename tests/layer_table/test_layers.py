"""The table of a model's layers: against the twin, against `attribute`, and against the frameworks' own counts."""

from __future__ import annotations

import json

import numpy as np
import pytest

import explain
from explain.errors import InputError, LayerError, UnsupportedModelError
from explain.layer_table.table import LayerRow, LayerTable

X = np.random.default_rng(0).normal(size=(2, 3, 9, 9)).astype(np.float32)


def twice():
    """A layer that is called twice, a list of layers, and one that is never called."""
    import torch
    from torch import nn

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3)
            self.relu = nn.ReLU()
            self.heads = nn.ModuleList([nn.Linear(5, 4), nn.Linear(4, 2)])
            self.unused = nn.Linear(3, 3)

        def forward(self, x):
            x = self.relu(self.second(self.relu(self.first(x)))).mean((2, 3))
            for head in self.heads:
                x = head(x)
            return x

    torch.manual_seed(0)
    return Twice()


@pytest.mark.parametrize("name", ["cifar_net", "cifar_keras", "fashion_rnn"])
def test_twins_have_the_same_table(name):
    one, other = (explain.layers(explain.zoo.load(name, framework)) for framework in ("torch", "tensorflow"))
    assert one.names == other.names
    assert [row.is_default for row in one] == [row.is_default for row in other]
    if name == "fashion_rnn":
        # The recurrent layers of PyTorch have a second bias, and the last one gives all steps.
        assert one[0].shape == other[0].shape == (28, 128)
        return
    assert [row.has_map for row in one] == [row.has_map for row in other]
    assert [(row.axes, row.shape, row.parameters) for row in one] == [
        (row.axes, row.shape, row.parameters) for row in other
    ]


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_every_row_is_what_attribute_accepts(framework):
    model = explain.zoo.load("cifar_net", framework)
    x = explain.zoo.samples("cifar_net", framework).x[:1]
    table = explain.layers(model, x)
    default = explain.attribute(model, x, "grad_cam")
    assert [row.layer for row in table if row.is_default] == [default.layer]
    for row in table:
        assert row.can_be_layer
        # The shape is that of the layer's own attribution, in canonical axes.
        a = explain.attribute(model, x, "saliency", layer=row.layer, target=1)
        assert sorted(a.values.shape[1:]) == sorted(row.shape)
        if row.has_map:
            assert (
                explain.attribute(model, x, "grad_cam", layer=row.layer, target=1).values.shape
                == default.values.shape
            )
        else:
            with pytest.raises(LayerError, match="not a map"):
                explain.attribute(model, x, "grad_cam", layer=row.layer, target=1)


def test_calls_lists_and_layers_that_are_not_called():
    table = explain.layers(twice(), X)
    assert [row.layer for row in table] == [
        "first",
        ("relu", 0),
        "second",
        ("relu", 1),
        "heads.0",
        "heads.1",
        "unused",
    ]
    assert [row.shape for row in table] == [(7, 7, 6), (7, 7, 6), (5, 5, 5), (5, 5, 5), (4,), (2,), ()]
    assert [row.parameters for row in table] == [168, 0, 275, 0, 24, 10, 12]
    assert table.parameters == sum(one.numel() for one in twice().parameters())
    unused = table[-1]
    assert (unused.n_calls, unused.can_be_layer, unused.has_map) == (0, False, False)
    assert "not called" in str(table)
    for row in table[:4]:
        assert explain.attribute(twice(), X, "grad_cam", layer=row.layer, target=0) is not None


def test_parameters_are_those_that_training_changes():
    import keras
    import torch

    layers = keras.layers
    net = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization()])
    net.layers[0].trainable = False
    twin = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    counts = [row.parameters for row in explain.layers(net)]
    assert counts == [row.parameters for row in explain.layers(twin, X)] == [112, 8]


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_a_model_of_several_outputs_and_inputs(framework):
    table_input = np.ones((2, 5), np.float32)
    if framework == "torch":
        from torch import nn

        class Two(nn.Module):
            def __init__(self):
                super().__init__()
                self.image, self.table, self.scores = nn.Conv2d(3, 6, 3), nn.Linear(5, 6), nn.Linear(6, 2)

            def forward(self, image, table):
                return self.scores(
                    self.image(image).mean((2, 3)) + self.table(table)
                ), self.scores.weight.sum() * table

        model, x = Two(), (X, table_input)
    else:
        import keras

        layers = keras.layers
        image, rows = keras.Input((9, 9, 3)), keras.Input((5,))
        seen = layers.GlobalAveragePooling2D(name="mean")(layers.Conv2D(6, 3, name="image")(image))
        joined = layers.Add(name="add")([seen, layers.Dense(6, name="table")(rows)])
        model = keras.Model([image, rows], [layers.Dense(2, name="scores")(joined), joined])
        x = (np.moveaxis(X, 1, -1).copy(), table_input)
    for table in (explain.layers(model, x), explain.layers(model, x, output=0)):
        rows = {row.name: row for row in table}
        assert rows["image"].shape == (7, 7, 6)
        assert rows["image"].has_map
        assert (rows["table"].shape, rows["table"].has_map) == ((6,), False)
        assert "several" in table.note


def test_token_ids_and_sequences():
    from torch import nn

    class Texts(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.rnn = nn.Embedding(20, 8), nn.LSTM(8, 6, batch_first=True)
            self.scores = nn.Linear(6, 1)

        def forward(self, ids):
            return self.scores(self.rnn(self.embedding(ids))[0][:, -1])

    table = explain.layers(Texts(), np.random.default_rng(0).integers(0, 20, (2, 7)))
    assert [(row.name, row.axes, row.shape) for row in table] == [
        ("embedding", "NTC", (7, 8)),
        ("rnn", "NTC", (7, 6)),
        ("scores", "NC", (1,)),
    ]


def test_an_output_of_any_rank_has_a_table():
    from torch import nn

    table = explain.layers(nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 1)), X)
    assert [(row.shape, row.has_map) for row in table] == [((7, 7, 6), True), ((7, 7, 4), True)]
    assert "no default layer" in table.note


def test_the_model_is_restored():
    model = twice().train()
    explain.layers(model, X)
    assert model.training
    assert not any(len(one._forward_hooks) for one in model.modules())


def stepwise():
    return explain.zoo.load("names_rnn")


@pytest.mark.parametrize(
    ("model", "x", "error", "words"),
    [
        (twice, None, InputError, r"x is not given, .* give explain\.layers\(model, x\) a batch"),
        (lambda: np.add, X, UnsupportedModelError, "no extension accepts"),
        (stepwise, np.zeros((1, 4, 57), np.float32), UnsupportedModelError, "layers cannot be accessed"),
    ],
)
def test_what_is_refused(model, x, error, words):
    with pytest.raises(error, match=words):
        explain.layers(model(), x)


@pytest.mark.parametrize("vocabulary", [None, 20])
def test_the_advice_for_an_open_size_works(vocabulary):
    keras = pytest.importorskip("keras")
    first = (
        [keras.Input((None, 3))]
        if vocabulary is None
        else [keras.Input((None,), dtype="int32"), keras.layers.Embedding(vocabulary, 3)]
    )
    model = keras.Sequential([*first, keras.layers.LSTM(4), keras.layers.Dense(2)])
    with pytest.raises(InputError, match="leaves a size open") as caught:
        explain.layers(model)
    call = str(caught.value).partition("for example ")[2].removesuffix(".")
    table = eval(call, {"explain": explain, "model": model, "np": np})
    assert [row.kind for row in table][-2:] == ["LSTM", "Dense"]


class TestHowItIsShown:
    table = LayerTable(
        tuple(
            LayerRow(f"block.{index}.<b>", 0, 1, "Conv2d", "NHWC", (8, 8, 3), 1000, True, None)
            for index in range(200)
        ),
        "Net",
        "torch",
        200_000,
        "(N, 3, 8, 8), NCHW",
        "A <note>.",
    )

    def test_it_fits_a_screen(self):
        for text in (str(self.table), repr(self.table)):
            assert len(text.splitlines()) < 50
            assert max(map(len, text.splitlines())) <= 120
            assert "160 more rows: table.text() shows them all" in text
        assert len(self.table.text().splitlines()) == 203

    def test_html_is_escaped(self):
        page = self.table._repr_html_()
        assert "<b>" not in page
        assert "&lt;b&gt;" in page
        assert "&lt;note&gt;" in page

    def test_json_and_data_frame_have_every_row(self):
        read = json.loads(json.dumps(self.table.to_json()))
        assert read["model_name"] == "Net"
        assert len(read["rows"]) == 200
        assert read["rows"][3]["layer"] == "block.3.<b>"
        frame = self.table.to_dataframe()
        assert frame.shape[0] == 200
        assert frame["parameters"].sum() == 200_000

    def test_it_is_a_sequence(self):
        assert len(self.table[:3]) == 3
        assert self.table[-1] in self.table
        assert next(row.name for row in self.table) == "block.0.<b>"
