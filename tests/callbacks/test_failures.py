"""What fails during training is said at each epoch, and training goes on; what is wrong before it ends it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from short_training import network, pictures, train, train_keras
from written_events import read

import explain
from explain.callbacks.torch import AttributionHook
from explain.errors import (
    CallbackWarning,
    InputError,
    MethodError,
    OptionError,
    PackageNotInstalledError,
    UnsupportedModelError,
)


def callback_of(kit, model, x, *arguments, **named):
    """A callback, with the arguments that are checked when training begins checked."""
    if kit.name == "torch":
        return AttributionHook(model, x, *arguments, **named)
    from explain.callbacks.keras import AttributionCallback

    callback = AttributionCallback(x, *arguments, **named)
    callback.set_model(model)
    callback.on_train_begin()
    return callback


def test_an_epoch_that_cannot_be_explained_is_said_and_training_goes_on(kit, tmp_path):
    """A target that the model does not have shows only when the model runs."""
    x, y = pictures(kit)
    plain = train(kit, network(kit), x, y)
    log, maps = tmp_path / "log", tmp_path / "maps"
    with pytest.warns(CallbackWarning) as seen:
        failed = train(
            kit, network(kit), x, y, explained=x[:2], method="saliency", target=7, log_dir=log, folder=maps
        )
    said = [str(one.message) for one in seen if one.category is CallbackWarning]
    assert len(said) == 3
    for epoch, text in enumerate(said):
        assert text.startswith(
            f"The explanation of epoch {epoch} failed, and training goes on without it. TargetError:"
        )
        assert "7" in text
    assert failed.losses == plain.losses
    assert all((one == other).all() for one, other in zip(failed.arrays, plain.arrays, strict=True))
    assert sorted(path.name for path in maps.iterdir()) == [
        f"epoch-000{epoch}-failed.txt" for epoch in range(3)
    ]
    written = (maps / "epoch-0001-failed.txt").read_text()
    assert written.startswith("The explanation of epoch 1 failed: TargetError: ")
    found = read(log)
    assert not found.images
    assert found.texts["saliency/failed/text_summary"][1] == written


def test_an_epoch_after_a_failed_one_is_explained(torch_kit, tmp_path):
    model, (x, _) = network(torch_kit), pictures(torch_kit, 2)
    sound = [one.detach().clone() for one in model[0].parameters()]
    hook = AttributionHook(model, x, "saliency", log_dir=tmp_path / "log", folder=tmp_path / "maps", target=0)
    with hook, torch_kit.torch.no_grad():
        first = hook(0)
        # As where the learning rate was too large.
        model[0].weight.fill_(float("nan"))
        with pytest.warns(CallbackWarning, match="epoch 1 failed"):
            assert hook(1) is None
        for parameter, value in zip(model[0].parameters(), sound, strict=True):
            parameter.copy_(value)
        assert hook(2) == first
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == [
        "epoch-0000.npz",
        "epoch-0001-failed.txt",
        "epoch-0002.npz",
    ]
    assert read(tmp_path / "log").scalars["saliency/relative_l2/since_previous"] == {2: 0.0}


def test_a_folder_that_cannot_be_written_does_not_end_training(kit, tmp_path):
    x, y = pictures(kit)
    (tmp_path / "file").write_text("not a folder")
    plain = train(kit, network(kit), x, y, 2)
    with (
        pytest.warns(CallbackWarning, match=r"epoch 0 failed.*Error: "),
        pytest.warns(CallbackWarning, match=r"epoch 1 failed.*Error: "),
    ):
        failed = train(
            kit,
            network(kit),
            x,
            y,
            2,
            explained=x[:2],
            method="saliency",
            target=0,
            folder=tmp_path / "file" / "maps",
        )
    assert failed.losses == plain.losses


def test_a_name_in_place_of_a_writer(torch_kit, tmp_path):
    with pytest.raises(OptionError, match=r"writer='runs' is no SummaryWriter.*log_dir="):
        AttributionHook(network(torch_kit), pictures(torch_kit, 2)[0], writer="runs")


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"method": "sailency"}, MethodError, "saliency"),
        ({"every": 0}, OptionError, "every=0 is out of range"),
        ({"every": True}, OptionError, "every=True is out of range"),
        ({"folder": None}, OptionError, "nothing would be written"),
        ({"folder": 3}, OptionError, "folder=3 is no name of a folder"),
        ({"names": "ab"}, OptionError, "names='ab' is not a sequence of names"),
        ({"names": ["a", ""]}, OptionError, "is not a sequence of names"),
        ({"names": ["a"]}, OptionError, "has 1 names but x has 2 examples"),
        ({"tag": "/"}, OptionError, "tag='/' is no beginning of a tag"),
        ({"n_stepz": 3}, OptionError, "n_stepz"),
        ({"score": "logits"}, explain.errors.ScoreError, "logits"),
        ({"x": np.full((2, 3), np.nan, np.float32)}, InputError, "NaN"),
    ],
)
def test_what_is_wrong_before_training_is_an_error(kit, arguments, error, says, tmp_path):
    model = network(kit)
    given = {"x": pictures(kit, 2)[0], "folder": tmp_path, "target": 0, **arguments}
    with pytest.raises(error, match=says.replace("(", r"\(")):
        callback_of(kit, model, given.pop("x"), **given)
    assert not list(tmp_path.iterdir())


def test_a_writer_and_a_folder_for_one_are_refused(torch_kit, tmp_path):
    class Writer:
        add_image = None

    with pytest.raises(OptionError, match="are both given"):
        AttributionHook(network(torch_kit), pictures(torch_kit, 2)[0], writer=Writer(), log_dir=tmp_path)


def test_an_epoch_is_a_number(torch_kit, tmp_path):
    hook = AttributionHook(
        network(torch_kit), pictures(torch_kit, 2)[0], "saliency", folder=tmp_path, target=0
    )
    with pytest.raises(OptionError, match=r"epoch=-1 is out of range"):
        hook(-1)
    assert hook(np.int64(3)) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0003.npz"]


def test_a_model_that_is_none(tmp_path):
    with pytest.raises(UnsupportedModelError, match="model=None"):
        AttributionHook(None, np.ones((2, 3), np.float32), folder=tmp_path)


def test_without_tensorboard_files_are_written(kit, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    x, y = pictures(kit)
    with pytest.raises(PackageNotInstalledError, match=r'pip install "explain-toolkit\[tensorboard\]"'):
        callback_of(kit, network(kit), x, log_dir=tmp_path)
    train(kit, network(kit), x, y, 1, explained=x[:2], method="saliency", target=0, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch-0000.npz"]


def test_a_keras_model_that_its_first_batch_builds(tensorflow_kit, tmp_path):
    from explain.callbacks.keras import AttributionCallback

    keras = tensorflow_kit.keras
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])
    x, y = pictures(tensorflow_kit)
    train_keras(
        tensorflow_kit, model, x, y, 1, [AttributionCallback(x[:2], "saliency", folder=tmp_path, target=0)]
    )
    found = explain.load(tmp_path / "epoch-0000")
    # The gradient of a linear model is its weights.
    np.testing.assert_allclose(found.values[0].ravel(), model.get_weights()[0][:, 0], rtol=1e-6)


def test_a_loop_of_ones_own_in_keras_may_call_the_end_of_epochs_alone(tensorflow_kit, tmp_path):
    from explain.callbacks.keras import AttributionCallback

    callback = AttributionCallback(pictures(tensorflow_kit, 2)[0], "saliency", log_dir=tmp_path, target=0)
    callback.set_model(network(tensorflow_kit))
    for epoch in range(2):
        callback.on_epoch_end(epoch)
    callback.on_train_end()
    found = read(tmp_path)
    assert set(found.images["saliency/example-1"]) == {0, 1}
    assert found.scalars["saliency/relative_l2/since_first"] == {1: 0.0}


def test_a_second_training_is_compared_with_itself_alone(tensorflow_kit, tmp_path):
    from explain.callbacks.keras import AttributionCallback

    x, y = pictures(tensorflow_kit)
    for run in ("a", "b"):
        callback = AttributionCallback(x[:2], "saliency", log_dir=tmp_path / run, target=0)
        if run == "a":
            train_keras(tensorflow_kit, network(tensorflow_kit), x, y, 2, [callback])
            callback._log_dir = tmp_path / "a-again"
        train_keras(tensorflow_kit, network(tensorflow_kit), x, y, 2, [callback])
    assert read(tmp_path / "a-again").scalars == read(tmp_path / "b").scalars
