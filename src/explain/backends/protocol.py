"""The narrow waist: what a framework must answer, and how the extension for a model is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from explain.backends.observation import Observation
from explain.errors import UnsupportedModelError
from explain.inputs.examples import Array, Examples
from explain.inputs.layers import LayerCall
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring
from explain.parameters.canonical import ParameterLayer

if TYPE_CHECKING:
    from explain.running.execution import Executor
    from explain.running.problem import Found, Problem

ENTRY_POINT_GROUP = "explain.backends"

ScoreKind = Literal["logit", "probability", "log_probability", "output"]
SCORE_KINDS: tuple[str, ...] = get_args(ScoreKind)

Primitive = Literal["outputs", "gradients", "path_gradients", "layers", "backward_rules"]

Rule = Literal["guided", "deconvolution", "rescale", "epsilon", "epsilon_plus"]
"""What some operations hand on in a backward pass, instead of their gradient."""


@dataclass(frozen=True)
class Question:
    """What is asked of a model, the same for every example.

    Parameters
    ----------
    layout : Layout
        The axes of the first input as the model wants them.
    score : str
        The kind of scalar that the caller wants explained.
    output : int or str, optional
        Which of several outputs.
    forward_kwargs : Mapping
        Keyword arguments of the model that are the same for every example.
    wiring : Wiring, optional
        Of a model that is given several inputs: where each comes from.
    """

    layout: Layout
    score: ScoreKind = "logit"
    output: int | str | None = None
    forward_kwargs: Mapping[str, Any] = field(default_factory=dict)
    wiring: Wiring | None = None


@dataclass(frozen=True)
class Finding:
    """What a backend found out about the score when it first called the model.

    Parameters
    ----------
    score : str
        The kind of scalar that is really explained.
    reason : str
        Why it is not the one that was asked for; empty if it is.
    opaque : bool
        True if the model's inside could not be searched for a terminal activation.
    transformed : bool
        True if the output was taken for logits and a softmax or sigmoid was put on it.
    """

    score: ScoreKind
    reason: str = ""
    opaque: bool = False
    transformed: bool = False


class Backend(Protocol):
    """One model, opened: everything that a method may ask of a framework.

    All arrays are host NumPy arrays with the batch axis first. Calls are made inside `session`.
    """

    name: str
    """Name of the extension, e.g. ``"torch"``."""

    provides: frozenset[Primitive]
    """The primitives that this model can answer."""

    dtype: np.dtype[Any]
    """Precision in which points are formed: float32 or float64."""

    fixed_batch_size: int | None
    """The only batch size that the model takes, None if any."""

    takes_several_inputs: bool
    """Whether it heeds `Question.wiring` and `Examples.unmoved`; one that does not say so is given one input."""

    model_name: str
    """Class name of the model."""

    device_name: str
    """The device that computes, e.g. ``"cpu"``."""

    def session(self) -> AbstractContextManager[None]:
        """Hold the model in inference mode; on any exit it, and all random states, are again as they came."""

    def hold(self, examples: Examples) -> Examples:
        """Fill in `Examples.held`: what must stay as it is at the examples themselves."""

    def outputs(self, examples: Examples, *, with_gradients: bool = False) -> tuple[Array, Finding]:
        """Give the explained output of each example, shape (N, ...), and what kind of score it is.

        `with_gradients` says that `gradients` of the same examples will be asked for next, so that a backend may
        take both from one forward pass. Their target, if it has neither indices nor a function, will be the
        predicted class.
        """

    def reseeded(self) -> AbstractContextManager[None]:
        """Let random layers draw otherwise, inside, than they have drawn, so that they can be told."""

    def scores(self, examples: Examples) -> Array:
        """Give one number an example, shape (N,): the output at its target."""

    def gradients(self, examples: Examples) -> tuple[tuple[Array, ...], Array]:
        """Give the gradient of every example's score to every input, and the scores, shape (N,)."""

    def path_gradients(
        self,
        examples: Examples,
        baselines: tuple[Array, ...],
        alphas: Array,
        weights: Array,
        executor: Executor,
    ) -> tuple[Array, ...]:
        """Give weighted sums of the gradients at ``baseline + alphas[k] * (input - baseline)``.

        `alphas` has shape (K,), `weights` (M, K), both in the backend's dtype: M sums over the same K
        gradients. One array an input, of shape (M, N, ...). `executor` cuts the work into chunks.
        """

    def rule_gradients(
        self, examples: Examples, rule: Rule, baselines: tuple[Array, ...] | None = None, epsilon: float = 0.0
    ) -> tuple[tuple[Array, ...], int]:
        """Give what a backward pass brings to the inputs in which some operations hand on no gradient.

        And to how many operations the rule applied. ``"guided"``: every ReLU hands on the positive part of its
        gradient. ``"deconvolution"``: the positive part of what arrives. ``"rescale"``: every non-linear operation
        hands on what arrives times the slope between `baselines` and the input; one for which that is not known is
        refused. ``"epsilon"`` and ``"epsilon_plus"``: relevance goes backward, of which a tensor has what arrives times
        its value. A sum z shares out z / (z + `epsilon` · sign z) of its own, a convolution, by ``"epsilon_plus"``, to
        what raises it alone.
        """

    def has_kinks(self, examples: Examples) -> bool:
        """Tell whether gradients may jump along a path: False only if every operation is known to be smooth."""

    def bytes_per_point(self, examples: Examples) -> int:
        """Estimate the memory that one more example needs while its gradient is taken, in bytes."""

    def free_memory(self) -> int:
        """Give the free memory of the device that computes, in bytes."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Tell whether an error, of the framework or of Python, says that memory ran out."""

    def synchronize(self) -> None:
        """Wait until the device has done what it was given."""


class LayeredBackend(Backend, Protocol):
    """A backend whose layers can be reached: what a backend with the primitive ``"layers"`` answers besides.

    `at` gives the same model seen from a layer's output: again such a backend, whose `Examples.inputs` are what the
    layer gives and whose `Examples.outer` are the model's own inputs. The model is run on these, and the inputs are put
    in the place of what the layer would have given.
    """

    def layer_calls(self, examples: Examples) -> tuple[LayerCall, ...]:
        """Give every call of a layer, in the order in which they end."""

    @property
    def named_layers(self) -> Mapping[str, Any]:
        """The layers of the model by name."""

    def layer_names(self) -> Mapping[int, str]:
        """Give the names of the layers by the identity of the layer."""

    def activations(self, call: LayerCall, examples: Examples) -> Array:
        """Give what a layer gives at a call for each example, shape (N, ...)."""

    def units_and_gradients(self, call: LayerCall, examples: Examples) -> tuple[Array, Array]:
        """Give what `activations` gives, and the gradient of every example's score to it, from one run."""

    def at(self, call: LayerCall) -> LayeredBackend:
        """Give the same model seen from what a layer gives at a call, in the same session."""

    def reading(self, calls: Mapping[int, LayerCall]) -> LayeredBackend:
        """Give the same model with some of its moved inputs, by their places, put in the place of what a call gives."""

    def until(self, call: LayerCall) -> LayeredBackend:
        """Give the model up to what a layer gives at a call, which is then its output, in the same session."""


class Extension(Protocol):
    """What an entry point of the group ``explain.backends`` gives: a recogniser that imports no framework."""

    name: str
    """Name of the framework, as in ``framework=``."""

    accepts: str
    """The models it takes, in words, for error messages."""

    reference_engine: str | None
    """Name of the library that ``engine=`` can choose for this framework, None without one."""

    model_suffixes: tuple[str, ...]
    """Endings of the files from which it reads whole models, none of which runs code of the file."""

    def recognises(self, model: object) -> bool:
        """Tell from the class alone whether `model` belongs to this framework."""

    def is_tensor(self, value: object) -> bool:
        """Tell whether `value` is a tensor of this framework."""

    def to_numpy(self, tensor: Any) -> npt.NDArray[Any]:
        """Copy a tensor of this framework, on any device, to a host array."""

    def version(self) -> str:
        """Give the version of the framework."""

    def default_layout(self, model: Any, ndim: int) -> Layout:
        """Give the layout of a first input of rank `ndim`, or raise `LayoutError` if it cannot be known."""

    def stated_input_shape(self, model: Any) -> tuple[int | None, ...] | None:
        """Give the shape of one example, without the batch axis, where the model states it."""

    def reads_token_ids(self, model: Any) -> bool:
        """Tell whether a layer of the model turns whole numbers into vectors; asked of an input of whole numbers."""

    def stated_bounds(self, model: Any) -> tuple[float, float] | None:
        """Give the least and greatest valid input value where the model states them."""

    def open(self, model: Any, question: Question, like: Any) -> Backend:
        """Open a model; `like` is the first input as the user gave it (its dtype and device may matter)."""

    def run_reference_engine(self, problem: Problem) -> Found:
        """Run the problem in the reference engine; raise `EngineError` where its numbers are not right."""

    def load_model(self, path: Path) -> Any:
        """Read a model from a file with one of `model_suffixes`; raise `UnsupportedModelError` if it holds none."""

    def parameters(self, model: Any, x: Any = None) -> tuple[ParameterLayer, ...]:
        """Give the layers that hold parameters, in the order in which they are defined; raise `PortError` if unseen.

        With a batch that the model takes, in the order in which they are called.
        """

    def observe(
        self,
        model: Any,
        inputs: Sequence[Array | None],
        layout: Layout,
        wiring: Wiring | None = None,
        *,
        layers: bool = True,
    ) -> Observation | None:
        """Run a model as it is given, in its own mode, and give what it and its layers gave; None if it cannot be seen.

        `inputs` are as the model takes them, `layout` is that of the first. Without `layers` only what the model gave
        is noted.
        """

    def write_parameters(self, model: Any, layers: Sequence[ParameterLayer]) -> None:
        """Give a model's own layers the tensors of `layers`, found by name and part, in place: all or none."""


@cache
def extensions() -> tuple[Extension, ...]:
    """Load every registered extension, ours and third parties', sorted by name."""
    found = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
    return tuple(point.load() for point in found)


def extension_for(model: object, framework: str | None = None) -> Extension:
    """Find the extension for a model from the model's own class, or by name.

    Raises
    ------
    UnsupportedModelError
        If no extension takes the model or none has that name; the message says what is accepted.

    Examples
    --------
    >>> extension_for(3)
    Traceback (most recent call last):
    explain.errors.UnsupportedModelError: model is of type int, which no extension takes. Accepted are: ...
    """
    registered = extensions()
    if framework is not None:
        for extension in registered:
            if extension.name == framework:
                if not (callable(model) or extension.recognises(model)):
                    raise UnsupportedModelError(
                        f"model is of type {type(model).__name__}, which is no model and cannot be called. "
                        f"{framework} accepts {extension.accepts}."
                    )
                return extension
        names = ", ".join(repr(extension.name) for extension in registered)
        raise UnsupportedModelError(
            f"framework={framework!r} is not registered; installed extensions are: {names}. "
            f"A further one registers itself in the entry point group {ENTRY_POINT_GROUP!r}."
        )
    for extension in registered:
        if extension.recognises(model):
            return extension
    accepted = "; ".join(f"{extension.name}: {extension.accepts}" for extension in registered)
    kind = type(model)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    plain = callable(model) and not isinstance(model, type)
    remedy = (
        " For a plain function say what it takes: "
        f"framework={' or '.join(repr(extension.name) for extension in registered)}."
        if plain and registered
        else ""
    )
    raise UnsupportedModelError(
        f"model is of type {name}, which no extension takes. Accepted are: {accepted}.{remedy}"
    )
