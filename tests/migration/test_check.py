"""`check_migration`: what it is given, what it compares, what it leaves as it was, and the causes that are not porting
mistakes of the corpus."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from models.recurrent import TokenReader, keras_last_step
from models.replaceable import network, ported
from torch import nn

import explain
from explain.errors import (
    ExplainError,
    InputError,
    LayoutError,
    MethodError,
    MigrationError,
    OptionError,
    TargetError,
)
from explain.migration.check import METHODS
from explain.migration.diagnosis.first_divergence import first_leap
from explain.migration.presentation.page import as_html

layers = keras.layers


def pictures(count: int = 6, size: tuple[int, int] = (8, 6), channels: int = 3) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(count, channels, *size)).astype(np.float32)


def check(a, b, x, x_b=None, *, methods="saliency", **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return explain.check_migration(a, b, x, x_b, methods=methods, **arguments)


class TestWhatIsCompared:
    def test_a_right_port_passes_every_stage(self):
        report = check(*ported(), pictures(), methods=None)
        assert report.passed
        assert report.cause is None
        assert report.first_divergence is None
        assert [row.stage for row in report.rows] == [
            "outputs",
            "classes",
            *["layers"] * 6,
            *["attributions"] * len(METHODS),
        ]
        assert all(row.passed for row in report.rows)
        assert list(report.attributions) == list(METHODS)

    def test_figures_are_those_of_the_two_forward_passes(self):
        a, b = ported(epsilon=1e-2)
        x = pictures()
        report = check(a, b, x)
        with torch.no_grad():
            one = a(torch.from_numpy(x)).numpy()
        other = b(np.moveaxis(x, 1, -1)).numpy()
        (outputs,) = report.of_stage("outputs")
        norm = max(np.linalg.norm(one), np.linalg.norm(other))
        assert outputs.error == pytest.approx(np.linalg.norm(one - other) / norm, rel=1e-4)
        assert outputs.figures["greatest difference"] == pytest.approx(np.abs(one - other).max(), rel=1e-4)
        (classes,) = report.of_stage("classes")
        assert classes.error == np.mean(one.argmax(1) != other.argmax(1))
        assert (report.first_divergence.layer_a, report.cause) == ("1", "epsilon")
        inner = keras.Model(b.inputs, b.layers[1].output)(np.moveaxis(x, 1, -1)).numpy()
        with torch.no_grad():
            expected = np.moveaxis(a[:2](torch.from_numpy(x)).numpy(), 1, -1)
        norm = max(np.linalg.norm(expected), np.linalg.norm(inner))
        row = next(row for row in report.of_stage("layers") if row.a == "1")
        assert row.error == pytest.approx(np.linalg.norm(expected - inner) / norm, rel=1e-4)

    def test_maps_are_those_of_attribute(self):
        a, b = ported(epsilon=1e-2)
        x = pictures()
        report = check(a, b, x, target=2)
        one = explain.attribute(a, x, "saliency", target=2)
        other = explain.attribute(b, np.moveaxis(x, 1, -1), "saliency", target=2)
        found = explain.compare(one, other)
        (row,) = report.of_stage("attributions")
        assert row.error == np.median(found.relative_l2)
        assert row.figures["rank correlation"] == pytest.approx(found.mean["spearman"])
        assert row.figures["top 10 %"] == pytest.approx(found.mean["top_overlap"])

    def test_only_the_first_examples_are_explained(self):
        a, b = ported()
        report = check(a, b, pictures(10), n_explained=3)
        assert report.count == 10
        assert [len(one) for one in report.attributions["saliency"]] == [3, 3]

    def test_outputs_are_of_all_examples_however_they_are_cut(self):
        a, b = ported(epsilon=1e-2)
        x = pictures(10)
        whole, cut = check(a, b, x), check(a, b, x, batch_size=3)
        assert whole.of_stage("outputs")[0].error == pytest.approx(cut.of_stage("outputs")[0].error, rel=1e-5)

    def test_either_direction(self):
        a, b = ported(epsilon=1e-2)
        report = check(b, a, np.moveaxis(pictures(), 1, -1))
        assert (report.first_divergence.layer_b, report.cause) == ("1", "epsilon")
        assert report.model_a == "Sequential (TensorFlow)"
        assert report.model_b == "Sequential (PyTorch)"

    def test_one_framework(self):
        a, changed = network(), network()
        with torch.no_grad():
            changed[4].weight.mul_(1.05)
        assert check(a, network(), pictures()).passed
        report = check(a, changed, pictures())
        assert (report.first_divergence.layer_a, report.cause) == ("4", "weights")
        assert "b = 1.05 · a" in report.evidence

    def test_tolerances_decide(self):
        a, b = ported(epsilon=1e-2)
        wide = {"outputs": 1, "classes": 1, "layers": 1, "attributions": 1}
        assert not check(a, b, pictures()).passed
        report = check(a, b, pictures(), tolerances=wide)
        assert report.passed
        assert report.tolerances.layers == 1
        assert any("epsilon" in note or "variance" in note for note in report.notes), (
            "a setting that differs is told"
        )

    @pytest.mark.parametrize("stage", ["layers", "outputs"])
    def test_beyond_a_tolerance_for_rounding_is_rounding(self, stage):
        report = check(*ported(), pictures(), tolerances={stage: 1e-9})
        assert not report.passed
        assert report.cause == "precision"
        assert "without a jump" in report.evidence
        assert report.first_divergence.error < 1e-5

    @pytest.mark.parametrize(
        ("end", "word"), [("softmax", "softmax"), ("log_softmax", "log-softmax"), ("sigmoid", "sigmoid")]
    )
    def test_an_end_that_only_one_has_is_no_divergence(self, end, word):
        report = check(*ported(end=end), pictures())
        assert report.passed
        assert report.notes == (f"The outputs: b ends in a {word} and a does not; compared after it.",)

    def test_a_tie_is_no_other_class(self):
        a, b = ported()
        with torch.no_grad():
            a[7].weight[1] = a[7].weight[0]
            a[7].bias[1] = a[7].bias[0]
            a[7].bias[:2] += 20
        explain.port(a, b)
        b.layers[-1].bias.assign(b.layers[-1].bias.numpy() + np.array([0, 1e-5, 0, 0, 0], np.float32))
        (row,) = check(a, b, pictures()).of_stage("classes")
        assert row.passed
        assert row.error == 0
        assert "tied" in row.note

    def test_every_output_is_compared(self):
        class Two(nn.Module):
            def __init__(self, shift: float) -> None:
                super().__init__()
                torch.manual_seed(0)
                self.one, self.other, self.shift = nn.Linear(4, 3), nn.Linear(4, 2), shift

            def forward(self, x):
                return {"b": self.other(x) + self.shift, "a": self.one(x)}

        x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
        assert check(Two(0), Two(0), x, output="a").passed
        report = check(Two(0), Two(1), x, output="a")
        second, first = report.of_stage("outputs")
        assert (second.a, first.a) == ("b", "a")
        assert first.passed
        assert not second.passed
        assert (report.first_divergence.layer_a, report.cause) == ("output", "unknown")

    def test_outputs_of_other_number_or_shape_differ(self):
        two = nn.Linear(3, 2)
        x = np.ones((4, 3), np.float32)
        report = check(two, nn.Linear(3, 4), x)
        assert report.of_stage("outputs")[0].error == np.inf
        assert not report.passed
        assert report.cause == "architecture"

    @pytest.mark.parametrize("by_name", [False, True])
    def test_several_inputs(self, by_name):
        class Both(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                torch.manual_seed(0)
                self.conv, self.table, self.head = nn.Conv2d(3, 4, 3), nn.Linear(5, 6), nn.Linear(10, 3)

            def forward(self, image, table):
                h = torch.relu(self.conv(image)).mean((2, 3))
                return self.head(torch.cat([h, torch.relu(self.table(table))], 1))

        image, table = keras.Input((8, 6, 3), name="image"), keras.Input((5,), name="table")
        h = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu", name="conv")(image))
        h = layers.Concatenate()([h, layers.Dense(6, activation="relu", name="table_dense")(table)])
        given = {"image": image, "table": table} if by_name else [image, table]
        a, b = Both().eval(), keras.Model(given, layers.Dense(3, name="head")(h))
        explain.port(a, b)
        x = {"image": pictures(), "table": np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)}
        x = x if by_name else tuple(x.values())
        report = check(a, b, x)
        assert report.passed
        assert [row.a for row in report.of_stage("layers")] == ["conv", "table", "head"]
        names = ("image", "table") if by_name else ("0", "1")
        assert list(report.attributions) == [f"saliency of {name}" for name in names]
        assert f"Saliency of {names[0]}" in str(report)
        assert f"Saliency of {names[0]}" in as_html(report)
        b.get_layer("table_dense").kernel.assign(1.2 * b.get_layer("table_dense").kernel.numpy())
        report = check(a, b, x)
        assert (report.first_divergence.layer_a, report.cause) == ("table", "weights")
        back = check(
            b,
            a,
            {k: np.moveaxis(v, 1, -1) if v.ndim > 2 else v for k, v in x.items()}
            if by_name
            else (np.moveaxis(x[0], 1, -1), x[1]),
        )
        assert back.first_divergence.layer_a == "table_dense"

    def test_a_map_of_outputs_and_an_index_into_it(self):
        torch.manual_seed(0)
        a = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))
        b = keras.Sequential(
            [
                keras.Input((8, 6, 3)),
                layers.Conv2D(4, 3, padding="same", activation="relu"),
                layers.Conv2D(3, 1, activation="softmax"),
            ]
        )
        explain.port(a, b)
        report = check(a, b, pictures(), target=(2, 5, 1))
        assert report.passed
        assert report.of_stage("classes")[0].note == "288 of 288 the same"
        other = explain.attribute(b, np.moveaxis(pictures(), 1, -1), "saliency", target=(5, 1, 2))
        np.testing.assert_array_equal(report.attributions["saliency"][1].values, other.values)
        assert check(b, a, np.moveaxis(pictures(), 1, -1), target=(5, 1, 2)).passed

    @pytest.mark.parametrize("which", ["a", "b", "ab"])
    def test_what_is_no_number_is_no_agreement(self, which):
        models = {"a": nn.Linear(3, 2), "b": nn.Linear(3, 2)}
        models["b"].load_state_dict(models["a"].state_dict())
        for name in which:
            models[name].weight.data[0, 0] = np.nan
        report = check(models["a"], models["b"], np.ones((4, 3), np.float32), methods=())
        assert not report.passed
        assert report.of_stage("outputs")[0].note == f"NaN or infinite in {' and '.join(which)}"

    def test_token_ids(self):
        torch.manual_seed(0)

        a = TokenReader(nn.Embedding(9, 4), nn.LSTM(4, 5, batch_first=True), 5, 3).eval()
        b = keras.Sequential(
            [keras.Input((6,), dtype="int32"), layers.Embedding(9, 4), layers.LSTM(5), layers.Dense(3)]
        )
        explain.port(a, b)
        ids = np.random.default_rng(0).integers(0, 9, size=(4, 6))
        report = check(a, b, ids, methods="integrated_gradients")
        assert report.passed
        assert [row.b for row in report.of_stage("layers")] == [layer.name for layer in b.layers]

    def test_a_model_whose_layers_cannot_be_seen(self):
        from sklearn.linear_model import LogisticRegression

        x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
        y = (x @ np.array([1, -1, 2, 0]) > 0).astype(int)
        a = LogisticRegression().fit(x, y)
        b = keras.Sequential([keras.Input((4,)), layers.Dense(2), layers.Softmax()])
        kernel = np.concatenate([np.zeros((4, 1)), a.coef_.T], axis=1)
        b.set_weights([kernel, np.array([0, a.intercept_[0]])])
        report = explain.check_migration(a, b, x)
        assert report.passed
        assert not report.of_stage("layers")
        assert any("explain the outputs as they are" in note for note in report.notes)
        assert any("No layers were compared" in note for note in report.notes)
        assert report.of_stage("attributions")[0].passed is None, (
            "saliency needs gradients: not compared, and told"
        )
        assert "not compared" in report.of_stage("attributions")[0].note
        b.set_weights([1.1 * kernel, np.array([0, a.intercept_[0]])])
        assert not explain.check_migration(a, b, x).passed

    def test_a_stepwise_model(self):
        a, b = (explain.zoo.load("names_rnn", framework) for framework in ("torch", "tensorflow"))
        samples = explain.zoo.samples("names_rnn", "torch")
        assert check(a, b, samples.x[:3]).passed

    def test_a_folded_batch_normalisation_is_no_divergence(self):
        a, b = network(), network()
        fused = torch.nn.utils.fuse_conv_bn_eval(b[0], b[1])
        folded = nn.Sequential(fused, *list(b)[2:])
        assert check(a, folded, pictures()).passed
        missing = nn.Sequential(b[0], *list(b)[2:])
        assert not check(a, missing, pictures()).passed

    def test_a_bias_moved_into_the_next_layer_is_made_good(self):
        a, b = network(), network()
        with torch.no_grad():
            b[1].running_mean.sub_(b[0].bias)
            b[0].bias.zero_()
        report = check(a, b, pictures())
        assert report.passed
        assert [row.a for row in report.of_stage("layers") if row.passed is None] == ["0"]
        assert report.notes[0].startswith("The output of 0 differs, and the next layers compensate it")
        assert "made good" in str(report)
        with torch.no_grad():
            b[7].bias.add_(0.1)
        assert not check(a, b, pictures()).passed, "only where nothing else differs"


class TestCauses:
    """Those that the corpus of planted mistakes does not plant."""

    def found(self, a, b, x=None, **arguments):
        report = check(a, b, pictures() if x is None else x, **arguments)
        assert not report.passed
        assert report.evidence
        assert report.remedy == explain.migration.CAUSES[report.cause]
        return report.cause, report.first_divergence.layer_a

    @pytest.mark.parametrize(
        "other", [nn.Identity(), nn.Tanh(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.GELU(), nn.SiLU()]
    )
    def test_another_activation(self, other):
        a, b = network(), network(activation=other)
        with torch.no_grad():
            for model in (a, b):
                model[0].weight.mul_(12)
        cause, layer = self.found(a, b)
        assert cause == "activation"
        assert layer in ("2", "3", "4")

    def test_an_activation_set_otherwise(self):
        assert self.found(network(nn.GELU()), network(nn.GELU("tanh"))) == ("activation", "2")

    def test_a_normalisation_that_is_missing(self):
        a = network()
        b = nn.Sequential(*(layer for layer in a if not isinstance(layer, nn.BatchNorm2d)))
        cause, layer = self.found(a, b)
        assert (cause, layer) == ("architecture", "2")

    def test_another_pool(self):
        cause, layer = self.found(network(), network(pool=nn.AvgPool2d(2)))
        assert (cause, layer) == ("pooling", "4")
        a, b = ported(pool=layers.AveragePooling2D(2))
        assert self.found(a, b)[0] == "pooling"

    def test_a_pool_that_pads(self):
        a = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Flatten(1), nn.Linear(24, 2))
        b = keras.Sequential(
            [
                keras.Input((9, 6, 3)),
                layers.Conv2D(4, 3),
                layers.MaxPool2D(2, padding="same"),
                layers.GlobalMaxPool2D(),
                layers.Dense(2),
            ]
        )
        explain_only = [w.detach().numpy() for w in a[0].parameters()]
        b.layers[0].set_weights([explain_only[0].transpose(2, 3, 1, 0), explain_only[1]])
        assert self.found(a, b, pictures(size=(9, 6))) == ("padding", "1")

    @pytest.mark.parametrize(("dtype", "word"), [(torch.float16, "float16"), (torch.bfloat16, "bfloat16")])
    def test_rounded_weights(self, dtype, word):
        a, b = network(), network()
        with torch.no_grad():
            b[4].weight.copy_(b[4].weight.to(dtype).float())
        report = check(a, b, pictures(), tolerances={"layers": 1e-6})
        assert report.cause == "precision"
        assert word in report.evidence
        assert report.first_divergence.layer_a == "4"

    def test_weights_of_eight_bits(self):
        a, b = network(width=32), network(width=32)
        with torch.no_grad():
            scale = b[4].weight.abs().max() / 63
            b[4].weight.copy_((b[4].weight / scale).round() * scale)
        report = check(a, b, pictures())
        assert (report.cause, report.first_divergence.layer_a) == ("precision", "4")

    def test_a_model_of_half_precision(self):
        report = check(network(), network().to(torch.bfloat16), pictures())
        assert report.cause == "precision"

    def test_dropout_in_training_mode(self):
        def model(training: bool) -> nn.Module:
            torch.manual_seed(0)
            found = nn.Sequential(nn.Linear(6, 40), nn.Dropout(0.4), nn.Linear(40, 3)).eval()
            return found.train(training)

        x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
        assert self.found(model(False), model(True), x) == ("training mode", "1")

    def test_steps_from_last_to_first(self):
        def model(**how: object) -> keras.Model:
            keras.utils.set_random_seed(0)
            return keras_last_step(keras, layers.GRU(5, **how), (7, 4), "float32")

        x = np.random.default_rng(0).normal(size=(5, 7, 4)).astype(np.float32)
        a, b = model(), model(go_backwards=True)
        b.set_weights(a.get_weights())
        assert self.found(a, b, x)[0] == "time order"
        assert self.found(a, a, x, x_b=x[:, ::-1]) == ("time order", "input")

    def test_the_activation_of_a_recurrent_layer(self):
        torch.manual_seed(0)
        a = nn.RNN(4, 5, batch_first=True)
        b = nn.RNN(4, 5, batch_first=True, nonlinearity="relu")
        b.load_state_dict(a.state_dict())
        x = np.random.default_rng(0).normal(size=(5, 7, 4)).astype(np.float32)

        class Last(nn.Module):
            def __init__(self, rnn: nn.Module) -> None:
                super().__init__()
                self.rnn = rnn

            def forward(self, x):
                return self.rnn(x)[0][:, -1]

        assert self.found(Last(a), Last(b), x) == ("activation", "rnn")

    def test_a_gradient_that_is_stopped(self):
        class Through(nn.Module):
            def __init__(self, stopped: bool) -> None:
                super().__init__()
                torch.manual_seed(0)
                self.fc, self.stopped = nn.Linear(6, 3), stopped

            def forward(self, x):
                squared = x**2
                return self.fc(x + (squared.detach() if self.stopped else squared))

        x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
        assert self.found(Through(False), Through(True), x) == ("gradient", "output")

    def test_an_input_that_is_another_one(self):
        a, x = network(), pictures()
        other = np.random.default_rng(8).normal(size=x.shape).astype(np.float32)
        assert self.found(a, a, x, x_b=other) == ("preprocessing", "input")

    def test_normalised_by_channel(self):
        a, x = network(), pictures()
        mean, scale = np.array([0.4, 0.5, 0.3]), np.array([0.2, 0.25, 0.3])
        x_b = ((x - mean[:, None, None]) / scale[:, None, None]).astype(np.float32)
        assert self.found(a, a, x, x_b=x_b) == ("value range", "input")

    def test_flattened_pictures_of_a_perceptron(self):
        torch.manual_seed(0)
        a = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 6, 12), nn.ReLU(), nn.Linear(12, 2))
        b = keras.Sequential(
            [keras.Input((8, 6, 3)), layers.Flatten(), layers.Dense(12, activation="relu"), layers.Dense(2)]
        )
        explain.port(a, b)
        assert check(a, b, pictures()).passed
        weights = b.get_weights()
        weights[0] = a[1].weight.detach().numpy().T
        b.set_weights(weights)
        assert self.found(a, b) == ("flatten order", "1")

    def test_a_normalisation_of_a_flattened_map(self):
        torch.manual_seed(0)
        a = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.Flatten(), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 2)
        ).eval()
        with torch.no_grad():
            a[2].running_mean.normal_()
            a[2].running_var.uniform_(0.5, 2)
        normed = layers.BatchNormalization(epsilon=1e-5)
        b = keras.Sequential(
            [
                keras.Input((8, 6, 3)),
                layers.Conv2D(4, 3),
                layers.Flatten(),
                normed,
                layers.ReLU(),
                layers.Dense(2),
            ]
        )
        explain.port(a, b)
        assert check(a, b, pictures()).passed
        normed.moving_mean.assign(a[2].running_mean.numpy())
        normed.moving_variance.assign(a[2].running_var.numpy())
        assert self.found(a, b) == ("flatten order", "2")

    def test_rounding_that_grows_is_no_leap(self):
        class Pair:
            def __init__(self, error: float) -> None:
                self.error = error

        growing = [Pair(1e-7 * 2**place) for place in range(12)]
        assert first_leap(growing) is None
        assert first_leap([*growing[:6], Pair(3e-3), Pair(0.5)]) == 6
        assert first_leap([Pair(float("inf"))]) == 0


class TestLeftAsTheyCame:
    def test_a_model_in_training_mode_is_compared_in_it_and_kept_whole(self):
        a, b = network(), network().train()
        before = {name: value.clone() for name, value in b.state_dict().items()}
        state = torch.get_rng_state()
        report = check(a, b, pictures())
        assert (report.cause, report.first_divergence.layer_a) == ("training mode", "1")
        assert b.training
        assert all(module.training for module in b.modules())
        for name, value in b.state_dict().items():
            assert torch.equal(value, before[name]), name
        assert torch.equal(torch.get_rng_state(), state)
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in b.modules())

    def test_a_keras_model_that_trains_when_called_is_kept_whole(self):
        inputs = keras.Input((8, 6, 3))
        h = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3)(inputs), training=True)
        b = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(h)))
        before = [np.copy(one) for one in b.get_weights()]
        calls = [vars(layer).get("call") for layer in b.layers]
        x = np.moveaxis(pictures(), 1, -1)
        check(b, b, x)
        for one, other in zip(before, b.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
        assert [vars(layer).get("call") for layer in b.layers] == calls

    def test_after_an_error(self):
        class Failing(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.norm = nn.BatchNorm1d(3)

            def forward(self, x):
                self.norm(x)
                raise RuntimeError("no")

        model = Failing().train()
        with pytest.raises(ExplainError, match="no"):
            check(nn.Linear(3, 2), model, np.ones((4, 3), np.float32))
        assert model.norm.num_batches_tracked == 0
        assert not model.norm._forward_hooks
        assert model.training

    def test_inputs_are_not_written_to(self):
        x = pictures()
        x.flags.writeable = False
        a = network(nn.ReLU(inplace=True))
        report = check(a, network(), x)
        assert report.passed
        assert report.of_stage("layers")[1].error == 0, "noted before it was changed in place"


class TestWrongArguments:
    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            (
                {"tolerances": {"output": 1}},
                OptionError,
                "none of 'outputs', 'classes', 'layers', 'attributions'",
            ),
            ({"tolerances": {"layers": -1}}, OptionError, "at least 0"),
            ({"tolerances": {"layers": "1"}}, OptionError, "at least 0"),
            ({"methods": "salience"}, MethodError, "saliency"),
            ({"n_explained": 0}, OptionError, "n_explained"),
            ({"target": 99, "methods": None}, TargetError, "99"),
            ({"batch_size": 2.5}, OptionError, "batch_size"),
            ({"layout": "NCWX"}, LayoutError, "layout"),
            ({"layout_b": "NC"}, InputError, "layout_b"),
            ({"x_b": np.ones((2, 8, 6, 3), np.float32)}, InputError, "x_b has 2 examples and x 6"),
        ],
    )
    def test_each_is_named(self, arguments, error, words):
        a, b = ported()
        with pytest.raises(error, match=words):
            check(a, b, pictures(), **arguments)

    def test_a_model_that_is_none(self):
        with pytest.raises(MigrationError, match="model_b: model=3 of type int is no model"):
            check(network(), 3, pictures())
        with pytest.raises(
            MigrationError, match=r"model_a: model is 'a', the name of a model: load it first"
        ):
            check("a", network(), pictures())

    def test_a_method_that_was_named_and_cannot_be_had(self):
        torch.manual_seed(0)
        a = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        with pytest.raises(ExplainError, match="class activation map"):
            check(a, a, np.ones((4, 3), np.float32), methods=["saliency", "grad_cam"])

    def test_an_example_without_its_batch_axis(self):
        b = keras.Sequential([keras.Input((7, 4)), layers.Flatten()])
        with pytest.raises(InputError, match="a single example: add the batch axis"):
            check(b, nn.Flatten(), np.ones((7, 4), np.float32))

    def test_nothing_to_compare(self):
        with pytest.raises(ExplainError, match="x"):
            check(network(), network(), pictures(0))


def test_a_tensor_of_either_framework_is_taken():
    a, b = ported()
    assert check(a, b, torch.from_numpy(pictures())).passed
    assert check(b, a, tf.constant(np.moveaxis(pictures(), 1, -1))).passed
