"""Training with a callback goes on as without it, and explains each epoch as `explain.attribute` would."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest
from short_training import network, pictures, train, train_keras, train_torch
from written_events import read

import explain
from explain.callbacks.torch import AttributionHook
from explain.errors import CallbackWarning


@pytest.mark.parametrize("method", ["saliency", "ig", "occlusion", "smoothgrad"])
def test_training_is_the_same_to_the_bit(kit, method, tmp_path):
    x, y = pictures(kit)
    plain = train(kit, network(kit), x, y)
    options = {"sliding_window_shapes": kit.picture_shape(1, 4, 4)} if method == "occlusion" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error", CallbackWarning)
        explained = train(
            kit, network(kit), x, y, explained=x[:4], method=method, target=y[:4].tolist(), log_dir=tmp_path / "log",
            folder=tmp_path / "maps", **options,
        )  # fmt: skip
    assert len(list((tmp_path / "maps").iterdir())) == 3
    assert explained.losses == plain.losses
    assert len(explained.arrays) == len(plain.arrays)
    for one, other in zip(explained.arrays, plain.arrays, strict=True):
        np.testing.assert_array_equal(one, other)


def test_random_states_and_mode_are_the_same_after_each_epoch(torch_kit, tmp_path):
    torch, model = torch_kit.torch, network(torch_kit)
    model[1].eval()
    modes = [part.training for part in model.modules()]
    x, _ = pictures(torch_kit, 2)
    hook = AttributionHook(model, x, "smoothgrad", log_dir=tmp_path, folder=tmp_path, target=1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert hook(0) is not None
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    assert [part.training for part in model.modules()] == modes
    assert all(one.grad is None for one in model.parameters())
    hook.close()


def test_the_file_of_the_last_epoch_is_the_explanation_of_the_trained_model(kit, tmp_path):
    x, y = pictures(kit)
    model = network(kit)
    train(kit, model, x, y, explained=x[:4], folder=tmp_path, target=y[:4].tolist())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "epoch-0000.npz",
        "epoch-0001.npz",
        "epoch-0002.npz",
    ]
    found = explain.load(tmp_path / "epoch-0002.npz")
    wanted = explain.attribute(model, x[:4], "ig", target=y[:4].tolist())
    np.testing.assert_array_equal(found.values, wanted.values)
    assert found == wanted


def test_every_third_epoch(kit, tmp_path):
    x, y = pictures(kit)
    train(kit, network(kit), x, y, 5, explained=x[:2], method="saliency", every=3, folder=tmp_path, target=0)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["epoch-0000", "epoch-0003"]


def test_how_far_the_maps_moved_is_what_compare_says_of_the_files(kit, tmp_path):
    x, y = pictures(kit)
    log, maps = tmp_path / "log", tmp_path / "maps"
    train(
        kit,
        network(kit),
        x,
        y,
        explained=x[:4],
        method="saliency",
        target=y[:4].tolist(),
        log_dir=log,
        folder=maps,
    )
    found = read(log)
    epochs = [explain.load(maps / f"epoch-{epoch:04d}.npz") for epoch in range(3)]
    for since, earlier in (("first", {1: 0, 2: 0}), ("previous", {1: 0, 2: 1})):
        for figure in ("relative_l2", "pearson", "spearman", "top_overlap", "ssim"):
            values = found.scalars[f"saliency/{figure}/since_{since}"]
            wanted = {
                now: explain.compare(epochs[then], epochs[now]).mean[figure] for now, then in earlier.items()
            }
            assert values == pytest.approx(wanted, rel=1e-6)
        assert found.scalars[f"saliency/same_target/since_{since}"] == {1: 1.0, 2: 1.0}
    assert 0.01 < found.scalars["saliency/relative_l2/since_first"][2] < 2


@pytest.mark.filterwarnings("ignore::explain.errors.ZeroGradientWarning")
def test_examples_whose_predicted_class_changed_are_left_out(torch_kit, tmp_path):
    """By hand: of four examples two change their class between the epochs, as the biases say."""
    torch = torch_kit.torch
    model = torch.nn.Linear(2, 2)
    x = np.array([[1, 0], [2, 0], [3, 0], [4, 0]], np.float32)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 0.5], [0.0, 0.0]]))
        model.bias.copy_(torch.tensor([0.0, 2.5]))
    with AttributionHook(model, x, "saliency", log_dir=tmp_path) as hook:
        assert hook(0).target == (1, 1, 0, 0)
        with torch.no_grad():
            model.weight.mul_(torch.tensor([[3.0], [1.0]]))
            model.bias.copy_(torch.tensor([0.0, 100.0]))
        assert hook(1).target == (1, 1, 1, 1)
        with torch.no_grad():
            model.bias.zero_()
        assert hook(2).target == (0, 0, 0, 0)
    found = read(tmp_path).scalars
    assert found["saliency/same_target/since_first"] == {1: 0.5, 2: 0.5}
    assert found["saliency/same_target/since_previous"] == {1: 0.5, 2: 0.0}
    # Two zero maps of the class without weights; then ‖3w − w‖ / ‖3w‖. Nothing is compared where all changed.
    assert found["saliency/relative_l2/since_first"] == pytest.approx({1: 0.0, 2: 2 / 3})
    assert found["saliency/relative_l2/since_previous"] == {1: 0.0}


def test_a_picture_has_the_input_its_map_and_the_overlay(kit, tmp_path):
    """Read back from the middle of each of 8×8 squares: grey levels of the input, and the sign of each value."""
    x, y = pictures(kit)
    names = ["red panda", "owl/night", "owl/night"]
    train(
        kit, network(kit), x, y, 2, explained=x[:3], method="saliency", target=0, log_dir=tmp_path / "log",
        folder=tmp_path / "maps", names=names, tag="/mine/",
    )  # fmt: skip
    found = read(tmp_path / "log")
    assert set(found.images) == {"mine/red panda", "mine/owl/night", "mine/owl/night-2"}
    for epoch in (0, 1):
        a = explain.load(tmp_path / "maps" / f"epoch-{epoch:04d}.npz")
        pixels = found.images["mine/owl/night-2"][epoch].astype(int)
        assert pixels.shape[1] == 900
        middles = np.arange(8) * 37 + 18
        grey, colour, mixed = (
            pixels[-296:, left : left + 296][middles][:, middles] for left in (0, 302, 604)
        )
        given, values = a.inputs[2].reshape(8, 8), a.values[2].reshape(8, 8)
        assert np.corrcoef(grey[..., 0].ravel(), given.ravel())[0, 1] > 0.999
        strong = np.abs(values) > 0.3 * np.abs(values).max()
        for panel in (colour, mixed):
            assert (np.sign(panel[..., 0] - panel[..., 2]) == np.sign(values))[strong].all()


def test_what_is_no_picture_is_drawn_as_plot_draws_it(torch_kit, tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")
    model = torch_kit.randomised(torch_kit.torch.nn.Linear(5, 3))
    with AttributionHook(model, x, "input_x_gradient", target=1, log_dir=tmp_path) as hook:
        a = hook(4)
    figure = a.plot(examples=1, title="Epoch 4")
    figure.set_dpi(100)
    figure.canvas.draw()
    wanted = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    np.testing.assert_array_equal(read(tmp_path).images["input_x_gradient/example-1"][4], wanted)


def test_names_of_the_display_are_tags(torch_kit, tmp_path):
    x, _ = pictures(torch_kit, 2)
    display = explain.Display(example_names=("a.png", "b.png"))
    with AttributionHook(
        network(torch_kit), x, "saliency", log_dir=tmp_path, target=0, display=display
    ) as hook:
        hook(0)
    assert set(read(tmp_path).images) == {"saliency/a.png", "saliency/b.png"}


def test_several_inputs_have_tags_and_files_of_their_own(torch_kit, tmp_path):
    torch = torch_kit.torch

    class Both(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.of_image, self.of_table = torch.nn.Linear(16, 2), torch.nn.Linear(3, 2)

        def forward(self, image, table):
            return self.of_image(image.flatten(1)) + self.of_table(table)

    x = {"image": np.ones((2, 1, 4, 4), np.float32), "table": np.ones((2, 3), np.float32)}
    hook = AttributionHook(
        Both(), x, "saliency", log_dir=tmp_path / "log", folder=tmp_path / "maps", target=1, names=["a", "b"]
    )
    with hook:
        first, second = hook(0), hook(1)
    assert set(first) == set(second) == {"image", "table"}
    stems = sorted(path.stem for path in (tmp_path / "maps").iterdir())
    assert stems == ["epoch-0000-image", "epoch-0000-table", "epoch-0001-image", "epoch-0001-table"]
    assert explain.load(tmp_path / "maps" / "epoch-0001-table") == second["table"]
    found = read(tmp_path / "log")
    root = "saliency"
    assert set(found.images) == {f"{root}/{name}/{one}" for name in ("image", "table") for one in "ab"}
    assert found.scalars[f"{root}/table/relative_l2/since_first"] == {1: 0.0}


def test_one_folder_for_keras_and_for_the_callback(tensorflow_kit, tmp_path):
    from explain.callbacks.keras import AttributionCallback

    x, y = pictures(tensorflow_kit)
    own = AttributionCallback(x[:2], "saliency", target=0, log_dir=tmp_path)
    train_keras(
        tensorflow_kit,
        network(tensorflow_kit),
        x,
        y,
        2,
        [tensorflow_kit.keras.callbacks.TensorBoard(tmp_path), own],
    )
    assert set(read(tmp_path).images["saliency/example-0"]) == {0, 1}
    assert set(read(tmp_path / "train").scalars["epoch_loss"]) == {0, 1}


def test_a_writer_of_the_training_stays_open(torch_kit, tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    x, y = pictures(torch_kit)
    writer, model = SummaryWriter(str(tmp_path)), network(torch_kit)
    with AttributionHook(model, x[:2], "saliency", writer=writer, target=0) as hook:
        train_torch(torch_kit, model, x, y, 2, hook)
    writer.add_scalar("loss", 0.25, 2)
    writer.close()
    found = read(tmp_path)
    assert found.scalars["loss"] == {2: 0.25}
    assert set(found.images["saliency/example-1"]) == {0, 1}
    assert len(list(tmp_path.iterdir())) == 1
