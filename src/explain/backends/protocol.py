"""The interface between methods and frameworks: the protocols that a framework implements."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from explain.backends.chunks import ChunkRunner
from explain.backends.found import Found, RuleGradients
from explain.backends.observation import Observation
from explain.backends.operations.attention_rows import Attentions
from explain.backends.question import Finding, Question
from explain.inputs.arrays import TensorReader
from explain.inputs.examples import Array, Arrays, Examples
from explain.inputs.layer_calls import LayerCall
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring
from explain.parameters.canonical import ParameterLayer

Primitive = Literal["outputs", "gradients", "path_gradients", "layers", "backward_rules", "attentions"]

Rule = Literal["guided", "deconvolution", "rescale", "epsilon", "epsilon_plus"]
"""The rule by which some operations replace their gradient in a backward pass."""

Ahead = Literal["gradients"] | Rule | LayerCall
"""A call that is announced: `Backend.gradients`, `Backend.rule_gradients` with a rule, or
`LayeredBackend.units_and_gradients` at a call of a layer."""


@dataclass(frozen=True)
class UnitsOf:
    """The layer at which a method will ask for `LayeredBackend.units_and_gradients`, before its calls are known.

    Parameters
    ----------
    layer : str
        The name as the caller gave it.
    """

    layer: str


class Backend(Protocol):
    """One model, opened: everything that a method may call of a framework.

    All arrays are host NumPy arrays with the batch axis first. Calls are made inside `session`.
    """

    name: str
    """Name of the extension, e.g. ``"torch"``."""

    provides: frozenset[Primitive]
    """The primitives that this model supports."""

    dtype: np.dtype[Any]
    """Precision in which points are formed: float32 or float64."""

    fixed_batch_size: int | None
    """The only batch size that the model takes, None if any."""

    takes_several_inputs: bool
    """Whether it uses `Question.wiring` and `Examples.unmoved`; a backend without this attribute gets one input."""

    model_name: str
    """Class name of the model."""

    device_name: str
    """The device that computes, e.g. ``"cpu"``."""

    def session(self) -> AbstractContextManager[None]:
        """Lock the model and put it in inference mode; on any exit restore it and all random states."""

    def hold(self, examples: Examples) -> Examples:
        """Fill in `Examples.held`: tensors computed from the examples that stay fixed for all their points."""

    def outputs(self, examples: Examples, *, ahead: Ahead | None = None) -> tuple[Array, Finding]:
        """Give the explained output of each example, shape (N, ...), and what kind of score it is.

        `ahead` announces what the backend is asked of the same examples next, so that it may take both from one
        forward pass. If their target has neither indices nor a function, it will be the predicted class.
        """

    def reseeded(self) -> AbstractContextManager[None]:
        """Make random layers draw other numbers inside the block, so that they can be detected."""

    def scores(self, examples: Examples) -> Array:
        """Give one number per example, shape (N,): the output at its target."""

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""

    def path_gradients(
        self, examples: Examples, baselines: Arrays, alphas: Array, weights: Array, executor: ChunkRunner
    ) -> Arrays:
        """Give weighted sums of the gradients at ``baseline + alphas[k] * (input - baseline)``.

        `alphas` has shape (K,), `weights` (M, K), both in the backend's dtype: M sums over the same K
        gradients. Returns one array per input, of shape (M, N, ...). `executor` cuts the work into chunks.
        """

    def rule_gradients(
        self, examples: Examples, rule: Rule, baselines: tuple[Array, ...] | None = None, epsilon: float = 0.0
    ) -> RuleGradients:
        """Give the result of a backward pass at the inputs in which some operations do not propagate their gradient.

        ``"guided"``: every ReLU propagates the positive part of its gradient. ``"deconvolution"``: every ReLU
        propagates the positive part of the incoming gradient. ``"rescale"``: every non-linear operation propagates the
        incoming gradient times the slope between `baselines` and the input; an operation without a known slope raises
        an error; the result also has the scores at `baselines`.
        ``"epsilon"`` and ``"epsilon_plus"``: relevance is propagated; the relevance of a tensor is the incoming
        gradient times its value. A sum z propagates the share z / (z + `epsilon` · sign z) of its relevance; by
        ``"epsilon_plus"`` a convolution propagates it only to positive contributions.
        """

    def attentions(self, examples: Examples) -> Attentions:
        """Give the weights of every attention on the way to the scores, and the gradients of the scores to them.

        Raise `UnsupportedModelError` if there is none, or if they do not follow one another over the same tokens.
        """

    def has_kinks(self, examples: Examples) -> bool:
        """Tell whether gradients may jump along a path: False only if every operation is known to be smooth."""

    def bytes_per_point(self, examples: Examples) -> int:
        """Estimate the memory that one more example needs while its gradient is computed, in bytes."""

    def free_memory(self) -> int:
        """Give the free memory of the device that computes, in bytes."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Tell whether an error, of the framework or of Python, says that memory ran out."""

    def synchronize(self) -> None:
        """Wait until the device has finished all its work."""


class LayeredBackend(Backend, Protocol):
    """A backend with accessible layers: what a backend with the primitive ``"layers"`` also provides.

    `at` gives the same model with a layer's output as its input: again a layered backend, whose `Examples.inputs` are
    outputs of the layer and whose `Examples.outer` are the model's own inputs. The model runs on these, and the inputs
    replace the output of the layer.
    """

    def layer_calls(
        self, examples: Examples, *, until_failure: bool = False, operations: bool = False
    ) -> tuple[LayerCall, ...]:
        """Give every call of a layer, in the order in which the calls end.

        With `operations`, also the operations that the model's code calls between its layers, if they can be seen.
        """

    def kept_state(self) -> tuple[str, ...]:
        """Name where the model keeps a state that the last call changed."""

    @property
    def structure_token(self) -> Hashable:
        """A value that stays the same as long as the layers of the model and their settings do."""

    @property
    def named_layers(self) -> Mapping[str, Any]:
        """The layers of the model by name."""

    def layer_names(self) -> Mapping[int, str]:
        """Give the names of the layers by the identity of the layer."""

    def activations(self, call: LayerCall, examples: Examples) -> Array:
        """Give the output of a layer at a call for each example, shape (N, ...)."""

    def received(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give what layers at some calls receive, their first argument, batch first, from one run of the model.

        Shape (N, 0) for a call that the model does not make for these examples.
        """

    def keeps_order(self, call: LayerCall, examples: Examples) -> bool:
        """Tell whether the rows of a call are known to be in the order of the examples, without another run."""

    def units_and_gradients(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give the result of `activations`, and the gradient of every example's score to it, from one run."""

    @property
    def observed(self) -> dict[Hashable, Any]:
        """What was observed of the model, by what was observed: cached as long as its structure stays the same."""

    def recorded(self, calls: Sequence[LayerCall], examples: Examples) -> tuple[Array, ...]:
        """Give the outputs of layers at some calls from one run, each with as many rows as it has."""

    def gradients_without(self, calls: Sequence[LayerCall | None], examples: Examples) -> tuple[Array, ...]:
        """Give the gradients of the scores to the inputs, if in each row the output of one call were a constant.

        The row of None, and of a call whose output does not have one row per example, has the whole gradient.
        """

    def at(self, call: LayerCall) -> LayeredBackend:
        """Give the same model with the output of a layer at a call as its input, in the same session.

        The call may be a `TokenCalls`, which stands for several.
        """

    def reading(self, calls: Mapping[int, LayerCall]) -> LayeredBackend:
        """Give the same model with some of its moved inputs, by position, put in place of the output of a call."""

    def until(self, call: LayerCall) -> LayeredBackend:
        """Give the model up to the output of a layer at a call, in the same session."""


class PosedProblem(Protocol):
    """The part of a problem that a reference engine reads."""

    @property
    def method(self) -> str:
        """Canonical name of the method."""

    @property
    def backend(self) -> Backend:
        """The opened model, inside its session."""

    @property
    def examples(self) -> Examples:
        """The examples to explain, batch first."""

    @property
    def scores(self) -> Array:
        """The score of each example, shape (N,)."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The method's options, defaults filled in."""

    @property
    def baselines(self) -> tuple[Array, ...] | None:
        """The baseline of each input, for methods that compare."""

    @property
    def executor(self) -> ChunkRunner:
        """Cuts the work into chunks."""


class Extension(TensorReader, Protocol):
    """The object of an entry point in the group ``explain.backends``: it recognises models and imports no framework."""

    name: str
    """Name of the framework, as in ``framework=``."""

    accepts: str
    """The models that it accepts, for error messages."""

    reference_engine: str | None
    """Name of the library that ``engine=`` can choose for this framework, None if there is none."""

    model_suffixes: tuple[str, ...]
    """Suffixes of its own model files, in formats that `explain.models` does not tell by their contents."""

    weight_formats: tuple[str, ...]
    """The formats, of those in `explain.models.formats`, from which it writes weights to a model."""

    @property
    def model_formats(self) -> tuple[str, ...]:
        """The formats from which it reads whole models."""

    def recognises(self, model: object) -> bool:
        """Tell from the class alone whether `model` belongs to this framework."""

    def version(self) -> str:
        """Give the version of the framework."""

    def default_layout(self, model: Any, ndim: int) -> Layout:
        """Give the layout of a first input of rank `ndim`, or raise `LayoutError` if it is unknown."""

    def stated_input_shape(self, model: Any) -> tuple[int | None, ...] | None:
        """Give the shape of one example, without the batch axis, if the model states it."""

    def stated_bounds(self, model: Any) -> tuple[float, float] | None:
        """Give the least and greatest valid input value if the model states them."""

    def open(self, model: Any, question: Question, like: Any) -> Backend:
        """Open a model; `like` is the first input as the user gave it (its dtype and device may matter)."""

    def run_reference_engine(self, problem: PosedProblem) -> Found:
        """Run the problem in the reference engine; raise `EngineError` if its numbers would be wrong."""

    def load_model(self, path: Path, file_format: str = "", device: str | None = None) -> Any:
        """Read a whole model and run no code of the file, or raise `ModelFileError`; an own suffix has no format."""

    def load_weights(self, model: Any, path: Path, file_format: str) -> Any:
        """Give a model with all of its weights from a file, or raise `ModelFileError` if names or shapes differ."""

    def parameters(self, model: Any, x: Any = None) -> tuple[ParameterLayer, ...]:
        """Give the layers with parameters as defined, with a batch `x` as they are called; or `PortError`."""

    def observe(
        self,
        model: Any,
        inputs: Sequence[Array | None],
        layout: Layout,
        wiring: Wiring | None = None,
        *,
        layers: bool = True,
    ) -> Observation | None:
        """Run a model unchanged, in its own mode, and give the outputs of it and its layers; None if it is opaque.

        `inputs` are as the model takes them, `layout` is that of the first. Without `layers` only outputs are recorded.
        """

    def write_parameters(self, model: Any, layers: Sequence[ParameterLayer]) -> None:
        """Write the tensors of `layers` to a model's own layers of the same name and part, in place: all or none."""

    def raw_parameters(self, model: Any) -> tuple[ParameterLayer, ...]:
        """Give what training changes, as the framework stores it, in layers of kind ``"weights"``; or `PortError`."""

    def write_raw_parameters(self, model: Any, layers: Sequence[ParameterLayer]) -> None:
        """Write the tensors of `layers`, of those that `raw_parameters` gives, in place: all or none."""

    def copied(self, model: Any) -> Any | None:
        """Give a copy of a model with weights of its own; None where no copy is sure to compute the same."""

    def preserved_weights(self, model: Any) -> AbstractContextManager[None]:
        """Put all weights and buffers of a model back on any exit, bit for bit."""
