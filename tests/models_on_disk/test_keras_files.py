"""Files of Keras and SavedModels."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import warnings
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from models.kits_on_disk import PICTURES, keras_net, reading_module, same_values, trained_keras_net

import explain
from explain.errors import InputError, ModelFileError

X = np.moveaxis(PICTURES, 1, -1).copy()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(name, words, **arguments):
    with pytest.raises(ModelFileError, match=words) as caught:
        explain.load_model(name, **arguments)
    assert not Path("harm").exists()
    assert not re.search("weights_only=False|safe_mode|enable_unsafe|allow_pickle", str(caught.value))


def with_lambda():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Lambda(lambda x: 2 * x),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )


class Doubled(keras.layers.Layer):
    """A class that is not registered with Keras."""

    def call(self, x):
        return 2 * x


def with_own_class():
    return keras.Sequential(
        [keras.Input((8, 8, 3)), Doubled(), keras.layers.Flatten(), keras.layers.Dense(3)]
    )


class TestKerasFiles:
    @pytest.mark.parametrize("name", ["net.keras", "net.h5", "net.hdf5"])
    def test_a_whole_model(self, here, name):
        net = trained_keras_net()
        net.save(name)
        for loaded in (explain.load_model(name), explain.load_model(Path(name), device="CPU:0")):
            same_values(loaded, net, X)

    @pytest.mark.parametrize("name", ["net.weights.h5", "net.keras", "net.h5"])
    def test_a_factory_and_weights(self, here, name):
        net = trained_keras_net()
        (net.save_weights if "weights" in name else net.save)(name)
        same_values(explain.load_model(name, factory=keras_net), net, X)

    def test_a_factory_and_safetensors_by_the_paths_of_variables(self, here):
        from safetensors.numpy import save_file

        def named():
            layer = keras.layers
            return keras.Sequential(
                [
                    keras.Input((8, 8, 3)),
                    layer.Conv2D(2, 3, name="conv"),
                    layer.Flatten(),
                    layer.Dense(3, name="scores"),
                ]
            )

        net = named()
        stored = {one.path: np.asarray(one) for one in net.weights}
        short = {name.partition("/")[2]: one for name, one in stored.items()}
        assert sorted(short) == ["conv/bias", "conv/kernel", "scores/bias", "scores/kernel"]
        for names in (stored, short):
            save_file(names, "w.safetensors")
            same_values(explain.load_model("w.safetensors", factory=named), net, X)
        save_file(short | {"conv/bias": np.zeros(9, np.float32)}, "w.safetensors")
        refused("w.safetensors", r"conv/bias of shape \(9,\)", factory=named)
        save_file({"other": np.zeros(3)}, "w.safetensors")
        refused(
            "w.safetensors", "the model has no place for other.*paths of the variables", factory=keras_net
        )

    @pytest.mark.parametrize("name", ["net.keras", "net.h5"])
    @pytest.mark.parametrize("build", [with_lambda, with_own_class])
    def test_layers_that_need_code_are_refused_and_read_with_a_factory(self, here, name, build):
        net = build()
        net.save(name)
        refused(name, "cannot be read in Keras's safe mode.*factory=")
        same_values(explain.load_model(name, factory=build), net, X)

    def test_a_lambda_of_marshalled_code_leaves_nothing_behind(self, here):
        # Bytecode that an attacker may have put there, in both formats.
        code = """
            import keras
            model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(
                lambda x: (__import__("pathlib").Path("harm").touch(), x)[1]), keras.layers.Dense(1)])
            model.save("net.keras"); model.save("net.h5")
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True)
        Path("harm").unlink(missing_ok=True)
        for name in ("net.keras", "net.h5"):
            refused(name, "cannot be read in Keras's safe mode")

    @pytest.mark.parametrize("name", ["net.weights.h5", "weights.h5"])
    def test_weights_alone_ask_for_a_factory(self, here, name):
        trained_keras_net().save_weights("net.weights.h5")
        os.replace("net.weights.h5", name)
        refused(name, r"holds weights and no model .* give factory='package\.module:function'")

    def test_weights_of_another_model(self, here):
        trained_keras_net().save_weights("net.weights.h5")

        def smaller():
            return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])

        def larger():
            return keras.Sequential([keras.Input((8, 8, 3)), *keras_net().layers, keras.layers.Dense(7)])

        def unbuilt():
            return keras.Sequential([keras.layers.Dense(7)])

        refused("net.weights.h5", "the model has no place for", factory=smaller)
        refused("net.weights.h5", r"it lacks .*\(7,\)", factory=larger)
        refused("net.weights.h5", "which has no weights yet", factory=unbuilt)

    def test_a_wrong_suffix(self, here):
        trained_keras_net().save("net.keras")
        os.replace("net.keras", "net.zip")
        refused("net.zip", r"rename it to net\.keras")

    @pytest.mark.parametrize("name", ["net.keras", "net.h5"])
    def test_a_file_that_is_cut_off(self, here, name):
        trained_keras_net().save(name)
        whole = Path(name).read_bytes()
        for length in (0, 3, 100, len(whole) // 2, len(whole) - 10):
            Path(name).write_bytes(whole[:length])
            refused(name, "copy or save")

    def test_arrays_of_other_files(self, here):
        trained_keras_net().save("net.h5")
        Path("secret.bin").write_bytes(bytes(400))
        with h5py.File("net.h5", "a") as file:
            group = file["model_weights"]
            name = next(iter(group))
            group[name].create_dataset("outside", (100,), "float32", external=[("secret.bin", 0, 400)])
        refused("net.h5", "values are in another file")
        trained_keras_net().save("net.h5")
        with h5py.File("net.h5", "a") as file:
            file["model_weights/link"] = h5py.ExternalLink("/etc/other.h5", "/")
        refused("net.h5", "values are in another file")

    def test_arrays_of_absurd_sizes(self, here):
        trained_keras_net().save("net.h5")
        with h5py.File("net.h5", "a") as file:
            file.create_dataset(
                "model_weights/bomb", (10**12,), "float32", chunks=(1000,), compression="gzip"
            )
        refused("net.h5", "it would fill the memory")

    def test_an_archive_of_absurd_sizes(self, here):
        trained_keras_net().save("net.keras")
        with zipfile.ZipFile("net.keras", "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("assets/more", bytes(400_000_000))
        refused("net.keras", "it would fill the memory")

    def test_a_device_that_is_not_there(self, here):
        trained_keras_net().save("net.keras")
        with pytest.raises(InputError, match="device='cuda' is none that TensorFlow has here"):
            explain.load_model("net.keras", device="cuda")


class Plain(tf.Module):
    """A module with a function, which a SavedModel keeps."""

    def __init__(self):
        self.net = trained_keras_net()

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 3), tf.float32)])
    def __call__(self, x):
        return self.net(x, training=False)


class TestSavedModels:
    @pytest.mark.parametrize("how", ["export", "save", "module", "signature"])
    @pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "occlusion"])
    def test_every_way_to_write_one(self, here, how, method):
        net = trained_keras_net()
        if how == "export":
            net.export("saved", verbose=False)
        elif how == "save":
            tf.saved_model.save(net, "saved")
        else:
            module = Plain()
            signature = {"signatures": module.__call__} if how == "signature" else {}
            tf.saved_model.save(module, "saved", **signature)
        options = {"sliding_window_shapes": (4, 4, 3)} if method == "occlusion" else {}
        if method == "integrated_gradients":
            # Without layers no affine prefix is skipped, so that the nodes are others: the sums hold.
            with warnings.catch_warnings(action="ignore", category=explain.errors.OpaqueModelWarning):
                own = explain.attribute(explain.load_model("saved"), X, method, target=1, n_steps=500)
            np.testing.assert_allclose(
                own.values.sum(axis=(1, 2, 3)),
                np.asarray(net(X) - net(np.zeros_like(X)))[:, 1],
                rtol=0.002,
                atol=0.001,
            )
            return
        same_values(explain.load_model("saved"), net, X, method, **options)

    @pytest.mark.parametrize("kind", ["read", "write", "python", "in a branch", "restore"])
    def test_operations_that_reach_outside_are_refused(self, here, kind):
        tf.saved_model.save(reading_module(kind), "saved")
        refused("saved", "may reach files, the network or Python")

    def test_a_table_whose_words_are_in_a_file_beside_it(self, here):
        Path("words.txt").write_text("a\nb\nc\n")

        class Looking(tf.Module):
            def __init__(self):
                index = tf.lookup.TextFileIndex
                words = tf.lookup.TextFileInitializer(
                    "words.txt", tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
                )
                self.table = tf.lookup.StaticHashTable(words, -1)

            @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32)])
            def __call__(self, x):
                return x * tf.cast(self.table.lookup(tf.constant("c")), tf.float32)

        tf.saved_model.save(Looking(), "saved")
        x = np.ones((2, 3), np.float32)
        a = explain.attribute(explain.load_model("saved"), x, "saliency", target=1, score="output")
        np.testing.assert_array_equal(a.values, [[0, 2, 0]] * 2)

    @pytest.mark.parametrize("writes", [False, True])
    def test_a_model_of_tensorflow_1(self, here, writes):
        old = tf.compat.v1
        with tf.Graph().as_default(), old.Session() as session:
            x = old.placeholder(tf.float32, (None, 3))
            y = x @ old.get_variable("w", initializer=tf.reshape(tf.range(6.0), (3, 2)))
            if writes:
                with tf.control_dependencies([tf.io.write_file("harm", "x")]):
                    y = tf.identity(y)
            session.run(old.global_variables_initializer())
            old.saved_model.simple_save(session, "saved", {"x": x}, {"y": y})
        if writes:
            refused("saved", "whose graph runs WriteFile")
            return
        a = explain.attribute(
            explain.load_model("saved"), np.ones((2, 3), np.float32), "saliency", target=1, score="output"
        )
        np.testing.assert_array_equal(a.values, [[1, 3, 5]] * 2)

    def test_functions_none_of_which_is_the_model(self, here):
        module = reading_module("")
        tf.saved_model.save(module, "saved", signatures={"one": module.one, "other": module.other})
        refused("saved", "the signatures 'one', 'other' and no function of the model itself")
        tf.saved_model.save(module, "saved_one", signatures={"one": module.one})
        x = np.ones((2, 3), np.float32)
        a = explain.attribute(explain.load_model("saved_one"), x, "saliency", target=1, score="output")
        np.testing.assert_array_equal(a.values, [[0, 1, 0]] * 2)

    def test_a_damaged_folder(self, here):
        tf.saved_model.save(Plain(), "saved")
        pb = Path("saved/saved_model.pb")
        whole = pb.read_bytes()
        for content in (b"", b"nothing", whole[: len(whole) // 2]):
            pb.write_bytes(content)
            refused("saved", "save it again|damaged or incomplete")
        pb.write_bytes(whole)
        for one in Path("saved/variables").iterdir():
            one.unlink()
        refused("saved", "damaged or incomplete")
        pb.unlink()
        refused("saved", "a folder without saved_model.pb")

    def test_a_folder_around_one_names_it(self, here):
        tf.saved_model.save(Plain(), "out/1")
        refused("out", r"give out/1")


def test_an_h5_file_of_a_model_with_operators_says_what_keeps_them(tmp_path):
    given = keras.Input((6,))
    model = keras.Model(given, keras.layers.Dense(2)(given[:, 1:]))
    model.save(tmp_path / "net.h5")
    with pytest.raises(
        ModelFileError, match=r"do not survive in \.h5: save a model that has them as \.keras"
    ):
        explain.load_model(tmp_path / "net.h5")
    model.save(tmp_path / "net.keras")
    x = np.ones((1, 6), np.float32)
    assert np.array_equal(explain.load_model(tmp_path / "net.keras")(x), model(x))
