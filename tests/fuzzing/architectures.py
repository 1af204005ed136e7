"""Random models: from a seed to a model, an input, and what the definitions of the tests need to know of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fuzzing.parts import ACTIVATIONS, Parts
from fuzzing.program import Program, Value

N_TOKENS = 7
_NORMS = ("batch", "batch", "layer", "group", "instance", "rms")


@dataclass
class Case:
    """A model, an input, and the operations that the model consists of.

    Parameters
    ----------
    seed : int
        The seed that all of it was drawn from.
    kind : str
        Of the input: ``"image"``, ``"table"``, ``"two images"``…
    framework, dtype : str
        The framework and the precision of the model.
    model : object
        The model as its framework takes it.
    inputs : tuple of numpy.ndarray
        What the model reads, batch first.
    layouts : tuple of str
        Their axes.
    program : Program
        The operations.
    moved : tuple of tuple of int
        For each input the results that a path moves: the input itself, or the outputs of the embeddings that read it.
    output : int
        The operation whose result is explained.
    logits : int or None
        The operation that gives the logits; None where they are no result of the model.
    end : str
        What the model ends in.
    class_axis : int
        The axis of the classes.
    arguments : dict
        What `explain.attribute` has to be told of the model and the input.
    depends : bool
        Whether an example's output depends on the other examples.
    pieces : list of str
        What the model is made of, for reports.
    time_first : bool
        Whether the model takes the axis of time before that of the examples; `inputs` have the examples first.
    """

    seed: int
    kind: str
    framework: str
    dtype: str
    model: Any = None
    inputs: tuple[np.ndarray, ...] = ()
    layouts: tuple[str, ...] = ()
    program: Program = field(default_factory=Program)
    passes: Any = None
    moved: tuple[tuple[int, ...], ...] = ()
    output: int = 0
    logits: int | None = None
    end: str = "none"
    class_axis: int = 1
    arguments: dict[str, Any] = field(default_factory=dict)
    depends: bool = False
    pieces: list[str] = field(default_factory=list)
    time_first: bool = False

    @property
    def x(self) -> Any:
        """The input as a user gives it."""
        if self.time_first:
            return np.ascontiguousarray(self.inputs[0].swapaxes(0, 1))
        return self.inputs[0] if len(self.inputs) == 1 else self.inputs

    def layer_calls(self) -> list[int]:
        """Give the operations that are the only call of a named layer and depend on an input."""
        names = [one.layer for one in self.program.operations if one is not None]
        end = self.output if self.logits is None else self.logits
        found = []
        for index, operation in enumerate(self.program.operations):
            if operation is None or not operation.layer or names.count(operation.layer) != 1:
                continue
            # The score may be a logit, which does not go through the activation after it.
            if index != self.output and index in self.program.between(0, end):
                found.append(index)
        return found


def framework_of(seed: int) -> str:
    """Give the framework of a seed: every sixth has a Keras model, which takes thirty times as long as PyTorch's."""
    return "tensorflow" if seed % 6 == 5 else "torch"


def drawn(seed: int, framework: str | None = None, dtype: str | None = None) -> Case:
    """Draw a case from a seed.

    Parameters
    ----------
    seed : int
        Of everything that is drawn.
    framework, dtype : str, optional
        Instead of the framework and the precision of the seed.
    """
    rng = np.random.default_rng(seed)
    own = "float32" if rng.random() < 0.3 else "float64"
    case = Case(seed, "", framework or framework_of(seed), dtype or own)
    kinds, weights = zip(*_KINDS, strict=True)
    shares = np.array([weight for _, weight in weights], float)
    case.kind = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
    if case.kind == "volume" and case.framework == "tensorflow":
        case.dtype = "float32"  # TensorFlow has no 3-D pools in double precision on a CPU.
    with _precision(case):
        parts = _parts(case, rng)
        _Drawing(case, parts, rng).draw(dict(_KINDS)[case.kind][0])
    return case


def _parts(case: Case, rng: np.random.Generator) -> Parts:
    if case.framework == "torch":
        import torch
        from fuzzing.torch_parts import TorchParts, TorchPasses

        torch.manual_seed(case.seed)
        case.passes = TorchPasses(case.program, case.dtype)
        parts: Parts = TorchParts(rng, case.dtype)
    else:
        from fuzzing.keras_parts import KerasParts, KerasPasses

        case.passes = KerasPasses(case.program, case.dtype)
        parts = KerasParts(rng, case.dtype)
    parts.program = case.program
    return parts


class _precision:  # noqa: N801 - used as a statement's word
    """Let Keras build layers in the precision of a case."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def __enter__(self) -> None:
        if self.case.framework == "tensorflow":
            import keras

            keras.backend.clear_session()
            keras.config.set_floatx(self.case.dtype)
            keras.config.set_dtype_policy(self.case.dtype)

    def __exit__(self, *_: Any) -> None:
        if self.case.framework == "tensorflow":
            import keras

            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")


class _Drawing:
    """Draws the parts of one model."""

    def __init__(self, case: Case, parts: Parts, rng: np.random.Generator) -> None:
        self.case, self.parts, self.rng = case, parts, rng
        self.chance, self.one_of = parts.chance, parts.one_of
        self.n_examples = int(self.one_of((1, 2, 2, 3)))
        # Every fifth model consists of operations that DeepLift and LRP have rules for.
        self.plain = case.seed % 5 == 4

    def draw(self, body: Callable[[_Drawing], Value]) -> None:
        """Draw a model around a body, which gives a vector for each example, or the output itself."""
        case, parts = self.case, self.parts
        hidden = body(self)
        heads = 2 if hidden.layout == "vector" and self.chance(0.12) else 1
        ends = [self.end(hidden) for _ in range(heads)]
        case.program.outputs = [output for output, _, _ in ends]
        chosen = int(self.rng.integers(heads))
        case.output, case.logits, case.end = ends[chosen]
        form = self.one_of(("sequential", "functional", "own") if heads == 1 else ("functional", "dict"))
        if heads > 1:
            self.piece("heads")
            case.arguments["output"] = f"head{chosen}" if form == "dict" else chosen
        self.piece(form)
        case.model = parts.built(case.program, form)

    def piece(self, name: str) -> None:
        self.case.pieces.append(name)

    # --- inputs -------------------------------------------------------------------------------------------

    def numbers(self, shape: tuple[int, ...], axes: str, layout: Any) -> Value:
        """Add an input of floats; `axes` are those of a framework whose channels come first."""
        array = self.rng.normal(size=(self.n_examples, *shape)).astype(self.case.dtype)
        return self.add_input(array, axes, layout)

    def add_input(self, array: np.ndarray, axes: str, layout: Any) -> Value:
        if layout == "grid" and self.case.framework == "tensorflow":
            place = axes.index("C")
            array = np.moveaxis(array, place, -1)
            axes = axes.replace("C", "") + "C"
        value = self.parts.given(np.ascontiguousarray(array), layout)
        case = self.case
        case.inputs += (np.ascontiguousarray(array),)
        case.layouts += (axes,)
        case.moved += ((value.index,),)
        return value

    def tokens(self, length: int | None) -> Value:
        """Add an input of token ids."""
        shape = (self.n_examples,) if length is None else (self.n_examples, length)
        array = self.rng.integers(1, N_TOKENS, size=shape)
        value = self.parts.given(array, "ids")
        case = self.case
        case.inputs += (array,)
        case.layouts += ("N" if length is None else "NT",)
        case.moved += ((),)
        return value

    def embedded(self, ids: Value, width: int) -> tuple[Value, Any]:
        value, layer = self.parts.embedding(ids, N_TOKENS, width)
        moved = list(self.case.moved)
        place = ids.index if ids.index < len(moved) else 0
        moved[place] = (*moved[place], value.index)
        self.case.moved = tuple(moved)
        return value, layer

    # --- pieces -------------------------------------------------------------------------------------------

    def act(self, value: Value, alone: bool = True) -> Value:
        kind = self.one_of(("relu", "relu", "relu", *ACTIVATIONS))
        return self.parts.act(value, kind, alone)

    def norm(self, value: Value) -> Value:
        kind = "batch" if self.plain else self.one_of(_NORMS)
        if value.layout == "grid" and kind == "instance" and min(value.shape[1:]) < 2:
            kind = "layer"
        self.piece(f"{kind} norm")
        return self.parts.norm(value, kind)

    def conv(self, value: Value, channels: int, keeps: bool = False) -> Value:
        """A convolution, mostly with a norm and an activation; `keeps` keeps the sides."""
        kernel = int(self.one_of((1, 3, 3)))
        stride = 2 if not keeps and min(self.parts.sides(value)) >= 6 and self.chance(0.2) else 1
        groups = 2 if self.parts.channels(value) % 2 == 0 and channels % 2 == 0 and self.chance(0.15) else 1
        sides = self.parts.sides(value)
        found = self.parts.conv(value, channels, kernel, stride, groups)
        while keeps and self.parts.sides(found) != sides:
            found = self.parts.conv(value, channels, 1)
        if self.chance(0.5):
            found = self.norm(found)
        return self.act(found) if self.chance(0.85) else found

    def pool(self, value: Value) -> Value:
        sides = self.parts.sides(value)
        if min(sides) < 4:
            return value
        kind = self.one_of(("max", "max", "mean", "mean", "mean" if self.plain else "power"))
        size, stride, padding = self.one_of(((2, 2, 0), (2, 2, 0), (3, 2, 1), (3, 2, 0), (3, 1, 1)))
        if kind == "power":
            value, padding = self.parts.act(value, "softplus"), 0
        self.piece(f"{kind} pool {size}/{stride}")
        return self.parts.pool(value, kind, size, stride, padding)

    def grid_block(self, value: Value) -> Value:
        """Some block of a convolutional network."""
        parts, channels = self.parts, self.parts.channels(value)
        kind = self.one_of(
            ("conv", "residual", "concat", "branches", "shared", "separable")
            if self.plain
            else (
                "conv",
                "conv",
                "residual",
                "residual",
                "concat",
                "gate",
                "squeeze",
                "branches",
                "shared",
                "attention",
                "separable",
                "split",
                "upsample",
                "product",
                "normalised",
                "transposed",
                "greater",
            )
        )
        self.piece(kind)
        if kind == "residual":
            inner = parts.conv(self.conv(value, channels, keeps=True), channels, 1)
            if self.chance(0.5):
                inner = self.norm(inner)
            found = parts.add(inner, value) if inner.shape == value.shape else inner
            return self.act(found) if self.chance(0.6) else found
        if kind == "concat":
            return parts.concatenate([value, self.conv(value, int(self.one_of((2, 4))), keeps=True)])
        if kind == "gate":
            gate = parts.act(parts.conv(value, channels, 1), "sigmoid")
            signal = self.conv(value, channels, keeps=True)
            return parts.gate(signal, gate) if signal.shape == gate.shape else signal
        if kind == "squeeze":
            squeezed = self.act(parts.linear(parts.global_pool(value, "mean"), 3))
            gate = parts.act(parts.linear(squeezed, channels), "sigmoid")
            return parts.gate_of_places(value, gate)
        if kind == "branches":
            one, other = self.conv(value, 4, keeps=True), self.conv(value, 4, keeps=True)
            return parts.add(one, other) if self.chance(0.5) else parts.concatenate([one, other])
        if kind == "shared":
            return self.shared(value)
        if kind == "attention" and int(np.prod(parts.sides(value))) <= 64:
            sides = parts.sides(value)
            read = parts.attention(self.norm_of_steps(parts.to_steps(value)))
            return parts.add(parts.to_grid(read, sides), value)
        if kind == "separable":
            return self.conv(self.act(parts.conv(value, channels, 3, 1, channels)), channels)
        if kind == "split" and channels % 2 == 0:
            one, other = parts.split(value, 2)
            return parts.concatenate([self.conv(one, 2, keeps=True), other])
        if kind == "upsample" and max(parts.sides(value)) <= 4:
            return parts.upsample(value)
        if kind == "product":
            one, other = self.conv(value, 3, keeps=True), self.conv(value, 3, keeps=True)
            return parts.product(one, other)
        if kind == "normalised":
            return parts.normalised(value)
        if kind == "transposed" and max(parts.sides(value)) <= 4:
            return parts.transposed_conv(value, 3)
        if kind == "greater":
            return parts.greater(self.conv(value, 3, keeps=True), self.conv(value, 3, keeps=True))
        return self.conv(value, int(self.one_of((2, 4, 6))))

    def shared(self, value: Value) -> Value:
        """One layer, called twice."""
        parts = self.parts
        first = (
            parts.conv(value, parts.channels(value), 1)
            if value.layout == "grid"
            else parts.linear(value, parts.channels(value))
        )
        operation = parts.program.operations[first.index]
        assert operation is not None
        again = self.act(first, alone=False)
        return parts.add_operation(
            operation.call,
            (again,),
            operation.sort,
            first.layout,
            layer=parts.layers[operation.layer],
            activation=operation.activation,
            run_with=operation.run_with,
        )

    def norm_of_steps(self, value: Value) -> Value:
        if self.plain or self.chance(0.3):
            return value
        kind = self.one_of(("layer", "rms"))
        self.piece(f"{kind} norm of steps")
        return self.parts.norm(value, kind)

    def steps_block(self, value: Value) -> Value:
        """Some block of a network over steps."""
        parts, channels = self.parts, self.parts.channels(value)
        kind = self.one_of(
            (
                "attention",
                "attention",
                "recurrent",
                "recurrent",
                "dense",
                "conv",
                "shared",
                "gate",
                "spectrum",
            )
        )
        self.piece(f"{kind} over steps")
        if kind == "attention":
            read = parts.attention(self.norm_of_steps(value))
            found = parts.add(read, value)
            if self.chance(0.5):
                inner = parts.linear(self.act(parts.linear(self.norm_of_steps(found), 5)), channels)
                found = parts.add(inner, found)
            return self.norm_of_steps(found) if self.chance(0.5) else found
        if kind == "spectrum":
            return parts.spectrum(value)
        if kind == "recurrent":
            return parts.recurrent(value, int(self.one_of((3, 4))))
        if kind == "conv":
            (length,) = parts.sides(value)
            grid = self.conv(parts.to_grid(value, (length,)), 4)
            return parts.to_steps(grid)
        if kind == "shared":
            return self.shared(value)
        if kind == "gate":
            gate = parts.act(parts.linear(value, channels), "sigmoid")
            return parts.gate(parts.linear(value, channels), gate)
        return self.act(parts.linear(value, int(self.one_of((3, 4)))))

    def vector_block(self, value: Value) -> Value:
        """Some block of a network over the columns of a table."""
        parts, channels = self.parts, self.parts.channels(value)
        kind = self.one_of(
            ("dense", "dense", "residual", "concat", "gate", "norm", "shared", "product", "branches")
        )
        self.piece(f"{kind} of vectors")
        if kind == "residual":
            return parts.add(parts.linear(self.act(parts.linear(value, 5)), channels), value)
        if kind == "concat":
            return parts.concatenate([value, self.act(parts.linear(value, 3))])
        if kind == "gate":
            gate = parts.act(parts.linear(value, channels), "sigmoid")
            return parts.gate(value, gate)
        if kind == "norm":
            return parts.norm(parts.linear(value, 5), self.one_of(("batch", "layer", "rms")))
        if kind == "shared":
            return self.shared(value)
        if kind == "product":
            return parts.product(parts.linear(value, 4), self.act(parts.linear(value, 4)))
        if kind == "branches":
            return parts.add(self.act(parts.linear(value, 4)), self.act(parts.linear(value, 4)))
        found = self.act(parts.linear(value, int(self.one_of((4, 6)))))
        return parts.dropout(found) if self.chance(0.2) else found

    # --- bodies -------------------------------------------------------------------------------------------

    def grid_body(self, value: Value, blocks: int) -> Value:
        for _ in range(blocks):
            value = self.grid_block(value)
            if self.chance(0.4):
                value = self.pool(value)
        return value

    def pooled(self, value: Value) -> Value:
        """A grid to a vector."""
        kind = self.one_of(
            ("mean", "flatten") if self.plain else ("mean", "mean", "max", "flatten", "attention")
        )
        self.piece(f"end: {kind}")
        if kind == "flatten":
            return self.parts.flatten(value)
        if kind == "attention":
            return self.parts.weighted_steps(self.parts.to_steps(value))
        return self.parts.global_pool(value, kind)

    def image(self) -> Value:
        shape = self.one_of(((1, 8, 8), (3, 8, 8), (3, 6, 8), (2, 7, 5)))
        if self.chance(0.07):
            return self.hidden(self.pooled(self.grid_body(self.bytes_of_picture(shape), 2)))
        if self.chance(0.06):
            self.piece("no channel axis")
            value = self.parts.with_channel(self.numbers(shape[1:], "NHW", "vector"))
        else:
            value = self.numbers(shape, "NCHW", "grid")
        value = self.parts.conv(value, int(self.one_of((3, 4))), 3)
        value = self.grid_body(self.act(value) if self.chance(0.7) else value, int(self.one_of((1, 2, 3))))
        if self.chance(0.1):
            self.piece("places stay")
            return value
        return self.hidden(self.pooled(value))

    def bytes_of_picture(self, shape: tuple[int, ...]) -> Value:
        self.piece("uint8")
        array = self.rng.integers(0, 256, size=(self.n_examples, *shape)).astype(np.uint8)
        given = self.add_input(array, "NCHW", "grid")
        dtype, framework = self.case.dtype, self.case.framework

        def as_floats(x: Any) -> Any:
            if framework == "torch":
                import torch

                return x.to(getattr(torch, dtype)) / 255
            import keras

            return keras.ops.cast(x, dtype) / 255

        return self.conv(self.parts.add_operation(as_floats, (given,), "affine", "grid"), 4)

    def hidden(self, value: Value) -> Value:
        if self.chance(0.4):
            value = self.act(self.parts.linear(value, 5))
            if self.chance(0.3):
                value = (
                    self.norm(value) if self.case.framework == "torch" else self.parts.norm(value, "layer")
                )
        if self.case.kind != "two images" and self.n_examples > 1 and self.chance(0.03):
            self.case.depends = True
            self.piece("depends on the batch")
            value = self.parts.dependent(value)
        return value

    def volume(self) -> Value:
        value = self.parts.conv(self.numbers((1, 4, 5, 4), "NCDHW", "grid"), 3, 3)
        value = self.act(value)
        if self.chance(0.6):
            value = self.pool(value)
        return self.hidden(self.pooled(self.conv(value, 4)))

    def frames(self) -> Value:
        channels, n_frames = int(self.one_of((1, 3))), 3
        array = self.rng.normal(size=(self.n_examples, n_frames, channels, 6, 6)).astype(self.case.dtype)
        value, count = self.parts.folded(self.add_input(array, "NTCHW", "grid"))
        value = self.grid_body(self.conv(value, 4), 1)
        steps = self.parts.unfolded(self.parts.global_pool(value, self.one_of(("mean", "max"))), count)
        return self.hidden(self.over_steps(steps, 1))

    def views(self) -> Value:
        stacked = self.chance(0.5)
        self.piece("stacked views" if stacked else "concatenated views")
        value, _ = self.parts.views(self.numbers((2, 6, 6), "NCHW", "grid"), stacked)
        found = self.parts.linear(self.pooled(self.grid_body(self.conv(value, 4), 1)), 4)
        return self.parts.mean_of_views(found, stacked)

    def over_steps(self, value: Value, blocks: int) -> Value:
        """Steps to a vector."""
        for _ in range(blocks):
            value = self.steps_block(value)
        kind = self.one_of(
            ("last", "mean", "flatten")
            if self.plain
            else ("last", "mean", "mean", "max", "attention", "flatten")
        )
        self.piece(f"steps end: {kind}")
        if kind == "last":
            return self.parts.last_step(value)
        if kind == "attention":
            return self.parts.weighted_steps(value)
        if kind == "flatten":
            return self.parts.flatten(value)
        return self.parts.global_pool(value, kind)

    def series(self) -> Value:
        length, channels = int(self.one_of((4, 6))), int(self.one_of((1, 3)))
        if self.chance(0.4):
            array = self.rng.normal(size=(self.n_examples, channels, length)).astype(self.case.dtype)
            value = self.add_input(array, "NCT", "grid")
            value = self.grid_body(self.conv(value, 4), int(self.one_of((1, 2))))
            return self.hidden(self.pooled(value))
        value = self.in_time(self.numbers((length, channels), "NTC", "steps"))
        if self.chance(0.1):
            self.piece("a label a step")
            return self.steps_block(value)
        return self.hidden(self.over_steps(value, int(self.one_of((1, 2)))))

    def in_time(self, value: Value) -> Value:
        """Let the model take the axis of time first, now and then."""
        if self.case.framework == "tensorflow" or not self.chance(0.1):
            return value
        self.piece("time first")
        self.case.time_first = True
        return self.parts.time_first(value)

    def table(self) -> Value:
        value = self.numbers((int(self.one_of((3, 5))),), "NC", "vector")
        for _ in range(int(self.one_of((1, 2, 3)))):
            value = self.vector_block(value)
        return value

    def ids(self) -> Value:
        ids = self.in_time(self.tokens(int(self.one_of((4, 5)))))
        value, embedding = self.embedded(ids, 4)
        if self.chance(0.4):
            self.piece("positions")
            value = self.parts.positions(value)
        if self.chance(0.5):
            value = self.norm_of_steps(value)
        if self.chance(0.12):
            self.piece("two embeddings of the same ids")
            second, _ = self.embedded(ids, 4)
            value = self.parts.add(value, second)
        found = self.over_steps(value, int(self.one_of((0, 1, 2))))
        if self.chance(0.15):
            self.piece("tied embedding")
            return self.parts.tied(self.parts.linear(found, 4), embedding)
        return self.hidden(found)

    def factors(self) -> Value:
        """A user and an item, an id each, and their biases."""
        ids = [self.tokens(None), self.tokens(None)]
        user, item = (self.embedded(one, 3)[0] for one in ids)
        if self.chance(0.5):
            return self.hidden(self.parts.concatenate([user, item]))
        return self.hidden(self.parts.product(user, item))

    def two_images(self) -> Value:
        shape = (2, 6, 6)
        one, other = self.numbers(shape, "NCHW", "grid"), self.numbers(shape, "NCHW", "grid")
        if self.chance(0.5):
            self.piece("meet as vectors")
            vectors = [self.pooled(self.grid_body(self.conv(image, 4), 1)) for image in (one, other)]
            return self.hidden(self.parts.concatenate(vectors))
        self.piece("meet as maps")
        maps = [self.conv(image, 3, keeps=True) for image in (one, other)]
        return self.hidden(self.pooled(self.conv(self.parts.concatenate(maps), 4)))

    def image_and_table(self) -> Value:
        image = self.numbers((2, 6, 6), "NCHW", "grid")
        row = self.numbers((3,), "NC", "vector")
        seen = self.parts.linear(self.pooled(self.grid_body(self.conv(image, 4), 1)), 4)
        read = self.parts.linear(row, 4)
        if self.chance(0.5):
            return self.hidden(self.parts.add(seen, read))
        return self.hidden(self.parts.concatenate([seen, read]))

    def ids_and_table(self) -> Value:
        ids, row = self.tokens(4), self.numbers((3,), "NC", "vector")
        value, _ = self.embedded(ids, 4)
        return self.hidden(self.parts.concatenate([self.over_steps(value, 1), self.parts.linear(row, 4)]))

    # --- ends ---------------------------------------------------------------------------------------------

    def end(self, hidden: Value) -> tuple[int, int | None, str]:
        """Add the last operations; give the numbers of the output and of the logits, and what the end is."""
        parts = self.parts
        classes = 1 if self.chance(0.12) else int(self.one_of((2, 3, 4)))
        tied = "tied embedding" in self.case.pieces
        if hidden.layout != "vector":
            activation = "softmax" if classes > 1 else "sigmoid"
            ends: tuple[str, ...] = ("none", "none", f"{activation} layer", f"{activation} function")
        elif tied:
            ends = ("none", "softmax layer", "log-softmax function")
        elif classes == 1:
            ends = ("none", "sigmoid layer", "sigmoid function", "dense sigmoid")
        else:
            ends = _ENDS[:5] if self.plain else _ENDS
        end = self.one_of(ends)
        self.piece(f"ends in {end}")
        if end.startswith("dense"):
            output, logits = parts.dense_with_end(
                hidden, classes, end.removeprefix("dense ").replace("-", "_")
            )
            return self._ended(output, logits, end)
        if end == "two sigmoid heads":
            heads = [parts.dense_with_end(hidden, width, "sigmoid") for width in (classes, 1)]
            logits = parts.concatenate([logit for _, logit in heads])
            return self._ended(parts.concatenate([output for output, _ in heads]), logits, end)
        if hidden.layout == "grid":
            logits = parts.conv(hidden, classes, 1, plain=True)
        else:
            logits = hidden if tied else parts.linear(hidden, classes, plain=True)
        if classes == 1 and hidden.layout == "vector" and not tied and self.chance(0.3):
            self.piece("squeezed")
            logits = parts.squeezed(logits)
        if end == "none":
            return self._ended(logits, logits, end)
        if end.startswith("sigmoid"):
            return self._ended(parts.sigmoid(logits, end.endswith("layer")), logits, end)
        if end == "mean of softmaxes":
            other, _ = parts.dense_with_end(hidden, classes, "softmax")
            both = parts.add(parts.softmax(logits, False, True), other)
            return self._ended(parts.scaled(both, 0.5, 0.0), None, end)
        if end == "stacked softmax":
            logits = parts.softmax(logits, False, True)
            return self._ended(parts.softmax(logits, False, True), logits, end)
        return self._ended(parts.softmax(logits, end.startswith("log"), end.endswith("layer")), logits, end)

    def _ended(self, output: Value, logits: Value | None, end: str) -> tuple[int, int | None, str]:
        self.case.class_axis = self.parts.channel_axis(output) if len(output.shape) > 1 else 0
        return output.index, None if logits is None else logits.index, end


_ENDS = (
    "none",
    "none",
    "none",
    "softmax layer",
    "softmax function",
    "log-softmax layer",
    "log-softmax function",
    "sigmoid layer",
    "dense softmax",
    "dense sigmoid",
    "mean of softmaxes",
    "two sigmoid heads",
    "stacked softmax",
)

_KINDS: tuple[tuple[str, tuple[Callable[[_Drawing], Value], float]], ...] = (
    ("image", (_Drawing.image, 34)),
    ("series", (_Drawing.series, 16)),
    ("table", (_Drawing.table, 11)),
    ("ids", (_Drawing.ids, 15)),
    ("volume", (_Drawing.volume, 3)),
    ("frames", (_Drawing.frames, 6)),
    ("views", (_Drawing.views, 5)),
    ("two images", (_Drawing.two_images, 4)),
    ("image and table", (_Drawing.image_and_table, 3)),
    ("ids and table", (_Drawing.ids_and_table, 3)),
    ("factors", (_Drawing.factors, 2)),
)
