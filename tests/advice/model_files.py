"""Files of models: what is refused, and the same read as the message says."""

from __future__ import annotations

import io
import json
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from advice.advice import Advice
from advice.models import TABLE, TENSORFLOW, TORCH
from models.kits_on_disk import keras_dense, onnx_file, reading_module, tflite_file, torch_dense

import explain
from explain.backends.discovery import extension_for
from explain.errors import (
    FrameworkNotInstalledError,
    InputError,
    MissingFileError,
    ModelFileError,
    UnsupportedModelError,
)

Write = Callable[[Path], Any]


def read(write: Write, name: str, **arguments: Any) -> Any:
    """Write a file, and read a model from it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return explain.load_model(path, **arguments)


def content(data: bytes) -> Write:
    return lambda path: path.write_bytes(data)


def state(**changes: Any) -> Write:
    def write(path: Path) -> None:
        import torch

        torch.save({**torch_dense().state_dict(), **changes}, path)

    return write


def tensors(**changes: Any) -> Write:
    def write(path: Path) -> None:
        from safetensors.torch import save_file

        save_file({**torch_dense().state_dict(), **changes}, path)

    return write


def paths(**changes: Any) -> Write:
    """A safetensors file of a Keras model."""

    def write(path: Path) -> None:
        from safetensors.numpy import save_file

        own = {one.path.partition("/")[2]: np.asarray(one) for one in keras_dense().weights}
        save_file(own | {key.replace("__", "/"): value for key, value in changes.items()}, path)

    return write


def any_object(path: Path) -> None:
    import torch

    torch.save(Path("a"), path)


def exported(path: Path, *, change: Callable[[Any], Any] = lambda program: program) -> None:
    import torch

    stream = io.BytesIO()
    torch.export.save(torch.export.export(torch_dense(), (torch.tensor(TABLE[:1]),)), stream)
    with zipfile.ZipFile(stream) as good, zipfile.ZipFile(path, "w") as new:
        for name in good.namelist():
            data = good.read(name)
            is_program = name.endswith("models/model.json")
            new.writestr(name, json.dumps(change(json.loads(data))) if is_program else data)


def of_another_operation(program: Any) -> Any:
    program["graph_module"]["graph"]["nodes"][0]["target"] = "torch.os.system"
    return program


def scripted(path: Path) -> None:
    import torch

    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        torch.jit.save(torch.jit.script(torch_dense()), path)


def damaged_script(path: Path) -> None:
    scripted(path)
    with zipfile.ZipFile(path) as good:
        contents = {name: good.read(name) for name in good.namelist()}
    with zipfile.ZipFile(path, "w") as bad:
        for name, data in contents.items():
            bad.writestr(name, b"nothing" if name.endswith("data.pkl") else data)


def with_array(**options: Any) -> Write:
    """A file of Keras with one array more."""

    def write(path: Path) -> None:
        import h5py

        keras_dense().save(path)
        (path.parent / "other").write_bytes(bytes(40))
        with h5py.File(path, "a") as file:
            file["model_weights"].create_dataset("more", dtype="float32", **options)

    return write


def of_one_path() -> Any:
    """A Keras model of two weights with one path."""
    import keras

    inner = [keras.layers.Dense(4, name="dense"), keras.layers.Dense(4, name="dense")]

    class Both(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="both")
            self.own = inner

        def call(self, x: Any) -> Any:
            return self.own[1](self.own[0](x))

    net = Both()
    net(np.ones((1, 4), np.float32))
    return net


def unbuilt() -> Any:
    import keras

    return keras.Sequential([keras.layers.Dense(3)])


def with_lambda() -> Any:
    import keras

    return keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: 2 * x), keras.layers.Dense(3)])


def module(kind: str = "", **signatures: str) -> Write:
    """A SavedModel of a function that reads a file, or of several functions."""

    def write(path: Path) -> None:
        import tensorflow as tf

        made = reading_module(kind)
        named = {name: getattr(made, function) for name, function in signatures.items()}
        tf.saved_model.save(made, str(path), **({"signatures": named} if named else {}))

    return write


def spoiled(data: bytes) -> Write:
    def write(path: Path) -> None:
        module("plain")(path)
        (path / "saved_model.pb").write_bytes(data)

    return write


def without(package: str, call: Callable[[], Any]) -> Any:
    with mock.patch.dict(sys.modules, {package: None}):
        return call()


def row(
    says: str,
    refused: Callable[[], Any],
    followed: Callable[[], Any],
    on: tuple[str, ...],
    error: type[Exception] = ModelFileError,
) -> Advice:
    return Advice(says, error, lambda kit: refused(), lambda kit: followed(), on)


def torch_row(says: str, write: Write, good: Write, name: str = "w.pt", **arguments: Any) -> Advice:
    """A file of weights that is refused, and one that is read."""
    factory = {"factory": torch_dense, **arguments}
    return row(
        says, lambda: read(write, name, **factory), lambda: read(good, name, factory=torch_dense), TORCH
    )


def keras_row(says: str, write: Write, name: str, good: Write | None = None, **arguments: Any) -> Advice:
    return row(
        says,
        lambda: read(write, name, **arguments),
        lambda: read(good or (lambda path: keras_dense().save(path)), name),
        TENSORFLOW,
    )


def other_keras() -> Any:
    import keras

    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(7, name="scores")])


def save_keras(path: Path) -> None:
    keras_dense().save(path)


def save_keras_weights(path: Path) -> None:
    keras_dense().save_weights(path)


def saved_elsewhere(path: Path) -> None:
    keras_dense().save(path.with_suffix(".keras"))
    path.with_suffix(".keras").rename(path)


def jax_device() -> Any:
    from explain.jax_ext import model_files

    return model_files._device("nowhere")


def jax_cpu() -> Any:
    from explain.jax_ext import model_files

    return model_files._device("cpu")


def np_tensor(count: int) -> Any:
    import torch

    return torch.zeros(count)


def other_state(path: Path) -> None:
    import torch

    torch.save(torch.nn.Sequential(torch_dense()).state_dict(), path)


def exported_program() -> Any:
    import torch

    return torch.export.export(torch_dense(), (torch.tensor(TABLE[:1]),))


def swapped_weights(path: Path) -> None:
    """The weights of a model with the same shapes in layers of another kind."""
    import keras

    keras.Sequential(
        [keras.Input((4,)), keras.layers.EinsumDense("nc,cd->nd", 3, bias_axes="d", name="a")]
    ).save_weights(path)


ADVICE = [
    Advice(
        ", the name of a model: load it first, model = explain.load_model(",
        UnsupportedModelError,
        lambda kit: explain.attribute("cifar_net", TABLE),
        lambda kit: explain.load_model(f"zoo:cifar_net@{kit.name}"),
    ),
    row(" is none that JAX has here: give one of ", jax_device, jax_cpu, TENSORFLOW, InputError),
    keras_row(
        " whose values are in another file, which no model of Keras has: get the model from its source again.",
        with_array(shape=(10,), external=[("other", 0, 40)]),
        "net.h5",
    ),
    keras_row(
        ": it would fill the memory. Get the model from its source again.",
        with_array(shape=(10**12,), chunks=(1000,), compression="gzip"),
        "net.h5",
    ),
    keras_row("): copy or save the model again.", content(b"\x89HDF\r\n\x1a\nnothing"), "net.h5"),
    row(
        ", two of whose weights have the same path: name its layers apart.",
        lambda: read(paths(), "w.safetensors", factory=of_one_path),
        lambda: read(paths(), "w.safetensors", factory=keras_dense),
        TENSORFLOW,
    ),
    row(
        ". For Keras the names of the tensors must be the paths of the variables, ",
        lambda: read(paths(more=np.zeros(2, np.float32)), "w.safetensors", factory=keras_dense),
        lambda: read(paths(), "w.safetensors", factory=keras_dense),
        TENSORFLOW,
    ),
    row(
        " is a damaged safetensors file (",
        lambda: read(content(b"\x04" + bytes(7) + b"{abcdef"), "w.safetensors", factory=keras_dense),
        lambda: read(paths(), "w.safetensors", factory=keras_dense),
        TENSORFLOW,
    ),
    row(
        ": build the model exactly as it was when the file was saved.",
        lambda: read(paths(scores__bias=np.zeros(9, np.float32)), "w.safetensors", factory=keras_dense),
        lambda: read(paths(), "w.safetensors", factory=keras_dense),
        TENSORFLOW,
    ),
    row(
        " holds weights and no model around them: give factory='package.module:function', a function that builds",
        lambda: read(save_keras_weights, "net.weights.h5"),
        lambda: read(save_keras_weights, "net.weights.h5", factory=keras_dense),
        TENSORFLOW,
    ),
    row(
        ". Build the model exactly as it was when the file was saved.",
        lambda: read(save_keras_weights, "net.weights.h5", factory=other_keras),
        lambda: read(save_keras_weights, "net.weights.h5", factory=keras_dense),
        TENSORFLOW,
    ),
    row(
        "): its layers must be of the same kinds as those of the model that was saved.",
        lambda: read(swapped_weights, "net.weights.h5", factory=keras_dense),
        lambda: read(save_keras_weights, "net.weights.h5", factory=keras_dense),
        TENSORFLOW,
    ),
    row(
        ", which has no weights yet: begin it with keras.Input(shape), or call it once on a batch before the factory",
        lambda: read(save_keras_weights, "net.weights.h5", factory=unbuilt),
        lambda: read(save_keras_weights, "net.weights.h5", factory=keras_dense),
        TENSORFLOW,
    ),
    keras_row(" alone: rename it to ", saved_elsewhere, "net.model", lambda path: scripted(path)),
    row(
        " cannot be read in Keras's safe mode (",
        lambda: read(lambda path: with_lambda().save(path), "net.keras"),
        lambda: read(lambda path: with_lambda().save(path), "net.keras", factory=with_lambda),
        TENSORFLOW,
    ),
    row(
        ", whose weights cannot be accessed: give the model itself, with its weights.",
        lambda: extension_for(np.add, "numpy").load_weights(np.add, Path("w.npz"), "torch_pickle"),
        lambda: explain.attribute(lambda x: x, TABLE, "feature_ablation", framework="numpy", score="output"),
        TORCH,
    ),
    row(
        ": check the name.",
        lambda: explain.attribute("none.tflite", TABLE, "feature_ablation"),
        lambda: read(tflite_file, "net.tflite"),
        TENSORFLOW,
        MissingFileError,
    ),
    row(
        " is none that ONNX Runtime has here: give one of ",
        lambda: read(onnx_file, "net.onnx", device="tpu"),
        lambda: read(onnx_file, "net.onnx", device="cpu"),
        TORCH,
        InputError,
    ),
    row(
        ": TFLite models run on the CPU; leave device out.",
        lambda: read(tflite_file, "net.tflite", device="cuda"),
        lambda: read(tflite_file, "net.tflite"),
        TENSORFLOW,
        InputError,
    ),
    row(
        "): pip install onnxruntime.",
        lambda: without("onnxruntime", lambda: read(onnx_file, "net.onnx")),
        lambda: read(onnx_file, "net.onnx"),
        TORCH,
        FrameworkNotInstalledError,
    ),
    row(
        "): export it again, and copy the files of its weights with it if it has such.",
        lambda: read(content(b"\x08\x07\x12\x03abc\x01"), "net.onnx"),
        lambda: read(onnx_file, "net.onnx"),
        TORCH,
    ),
    row(
        "): convert or copy it again.",
        lambda: read(content(b"\x1c\x00\x00\x00TFL3" + bytes(40)), "net.tflite"),
        lambda: read(tflite_file, "net.tflite"),
        TENSORFLOW,
    ),
    row(
        " is none that TensorFlow has here: give one of ",
        lambda: read(save_keras, "net.keras", device="gpu:9"),
        lambda: read(save_keras, "net.keras", device="cpu"),
        TENSORFLOW,
        InputError,
    ),
    keras_row(
        "): copy the whole folder, with variables/ in it, or export the model again.",
        spoiled(b"no"),
        "s",
        module("plain"),
    ),
    keras_row(
        " has a saved_model.pb without a model in it: save it again.", spoiled(b""), "s", module("plain")
    ),
    keras_row(" is a SavedModel whose graph runs ", module("read"), "s", module("plain")),
    keras_row(
        " and no function of the model itself, so which one is the model cannot be told: save it with a signature ",
        module("", one="one", other="other"),
        "s",
        module("", serving_default="one", other="other"),
    ),
    row(
        "): export the model again with this version.",
        lambda: read(lambda path: exported(path, change=lambda program: {}), "n.pt2"),
        lambda: read(exported, "n.pt2"),
        TORCH,
    ),
    row(
        ", which PyTorch would read by running code of the file, or which is not known to be harmless: export the ",
        lambda: read(lambda path: exported(path, change=of_another_operation), "n.pt2"),
        lambda: read(exported, "n.pt2"),
        TORCH,
    ),
    row(
        " is not a readable TorchScript file (",
        lambda: read(damaged_script, "net.pt"),
        lambda: read(scripted, "net.pt"),
        TORCH,
    ),
    torch_row("), so which weights are meant cannot be told: save them alone, ", state(epoch=3), state()),
    row(
        ": build the Keras model, and copy its weights to the PyTorch model by explain.port.",
        lambda: read(save_keras_weights, "net.weights.h5", factory=torch_dense),
        lambda: explain.port(
            read(save_keras_weights, "net.weights.h5", factory=keras_dense), torch_dense(), x=TABLE
        ),
        TENSORFLOW,
    ),
    torch_row(
        " holds weights for a torch.nn.Module, and factory builds a ",
        state(),
        state(),
        factory=exported_program,
    ),
    torch_row(". Build the model exactly as it was when the file was saved.", other_state, state()),
    torch_row(
        ": build the model exactly as it was when the file was saved.",
        lambda path: state(bias=np_tensor(9))(path),
        state(),
    ),
    torch_row(
        ", so its numbers mean something else: give the layers of the model the types of numbers ",
        lambda path: state(bias=np_tensor(3).int())(path),
        state(),
    ),
    torch_row(
        " is a damaged safetensors file (",
        content(b"\x04" + bytes(7) + b"{abcdef"),
        tensors(),
        "w.safetensors",
    ),
    torch_row("): reading it would run code of the file. Save the weights alone, ", any_object, state()),
    row(
        "): leave device out, or give another.",
        lambda: read(scripted, "net.pt", device="nowhere"),
        lambda: read(scripted, "net.pt"),
        TORCH,
        InputError,
    ),
]
