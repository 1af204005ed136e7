"""The two calls, `attribute` and `maximize`: check the arguments, pose the problem, run it, wrap it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

from explain.algorithms.example_warnings import examples_shortened
from explain.explanation.again.call import explained
from explain.explanation.arguments import OWN_ENGINE
from explain.explanation.checked_request import checked_or_kept
from explain.explanation.maximization_start import start_of
from explain.inputs.baseline import BaselineLike
from explain.inputs.display import Display
from explain.inputs.examples import Array
from explain.inputs.layer_calls import LayerLike
from explain.inputs.layout import Layout
from explain.inputs.target import TargetLike
from explain.public_calls.callers_line import at_callers_line, warn_at_callers_line
from explain.public_calls.progress_bar import shown
from explain.results.attribution import Attribution


@overload
def attribute(model: Any, x: str | list[str], method: str = ..., **arguments: Any) -> Attribution: ...
@overload
def attribute(
    model: Any, x: tuple[Any, ...], method: str = ..., *, layer: None = None, **arguments: Any
) -> tuple[Attribution | None, ...]: ...
@overload
def attribute(
    model: Any, x: list[Any], method: str = ..., *, layer: None = None, **arguments: Any
) -> list[Attribution | None]: ...
@overload
def attribute(
    model: Any, x: Mapping[str, Any], method: str = ..., *, layer: None = None, **arguments: Any
) -> dict[str, Attribution | None]: ...
@overload
def attribute(
    model: Any,
    x: tuple[Any, ...] | list[Any] | Mapping[str, Any],
    method: str = ...,
    *,
    layer: LayerLike,
    **arguments: Any,
) -> Any: ...
@overload
def attribute(
    model: Any,
    x: Any,
    method: str = "integrated_gradients",
    *,
    tokenizer: Any = None,
    target: TargetLike = None,
    baseline: BaselineLike = None,
    score: str = "logit",
    output: int | str | None = None,
    layer: LayerLike | None = None,
    layer_layout: str | Layout | None = None,
    neuron: int | tuple[int, ...] | None = None,
    reduce: str | None = None,
    layout: str | Layout | None = None,
    lengths: Sequence[int] | Array | None = None,
    forward_kwargs: Mapping[str, Any] | None = None,
    framework: str | None = None,
    engine: str = OWN_ENGINE,
    batch_size: int | None = None,
    memory_budget: int | None = None,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
    display: Display | Mapping[str, Any] | None = None,
    checks: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> Attribution: ...
@at_callers_line
def attribute(
    model: Any,
    x: Any,
    method: str = "integrated_gradients",
    *,
    tokenizer: Any = None,
    target: TargetLike = None,
    baseline: BaselineLike = None,
    score: str = "logit",
    output: int | str | None = None,
    layer: LayerLike | None = None,
    layer_layout: str | Layout | None = None,
    neuron: int | tuple[int, ...] | None = None,
    reduce: str | None = None,
    layout: str | Layout | None = None,
    lengths: Sequence[int] | Array | None = None,
    forward_kwargs: Mapping[str, Any] | None = None,
    framework: str | None = None,
    engine: str = OWN_ENGINE,
    batch_size: int | None = None,
    memory_budget: int | None = None,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
    display: Display | Mapping[str, Any] | None = None,
    checks: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> Any:
    """Attribute the score of a model to the parts of its input.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, a scikit-learn estimator or a function of tensors or arrays
        The model; it is restored after the call. For a plain function give `framework`. Also a pipeline of
        ``transformers``: its model is explained, with its tokenizer.
    x : numpy.ndarray or a tensor of the model's framework, or a tuple, list or dict of them; or strings
        The input with its batch axis, in the model's own layout, e.g. (N, C, H, W) or (N, H, W, C). For a model with
        an embedding layer also token ids, whole numbers of shape (N, T): each gets one value; or, with `tokenizer`,
        one string or a list of strings. For a Keras model that looks strings up, strings of shape (N,) or (N, T).
        For a model with several inputs: a tuple or list is passed by position, a dict by name; for a Keras model,
        as Keras takes them. All inputs are explained together. None is passed on unchanged. Masks, and whole numbers
        that no embedding reads, stay fixed. `baseline`, `layout`, `lengths`, `bounds`, `display`, and the options
        ``feature_mask``, ``sliding_window_shapes``, ``strides`` and ``grid_size`` may then have the same structure,
        with one entry per input; any other value applies to all inputs.
    method : str
        A name or alias from `explain.methods`, e.g. ``"ig"`` or ``"saliency"``.
    tokenizer : object, optional
        For strings: the tokenizer of the model, from ``transformers``, ``tokenizers`` or KerasHub, or any callable
        that maps one string to a list of ids. A callable may also give a pair of ids and offsets or of ids and names,
        or a dict with ``"input_ids"``. Shorter texts are padded; the model gets an ``attention_mask`` if it takes one.
    target : None, int, str, sequence of int or str, tuple of int, sequence of tuple of int, or callable
        The output to explain. None takes the predicted class of each example. An int applies to all examples; a
        list has one int per example. The name of a class, from ``display.classes`` or from the model where it states
        its classes, stands for its number. A tuple is one index into outputs of higher rank; a list of tuples has one
        index per example. A callable maps the model's output tensor to one scalar per example; where the model has no
        single output that is a tensor, as a detector's list of dicts, it gets all that the model returns. For strings
        also, where a decoder gives outputs for each token, the token that follows the text: a
        string that is one token (``" Paris"`` and ``"Paris"`` may be two), its id, or a list of one for each text; None
        takes the most likely one. Several tokens that follow are an `explain.Continuation`.
    baseline : None, float, array or str
        For methods that compare `x` with a baseline: None (zeros), a number, an array that broadcasts to `x`, or a
        rule, ``"zeros"``, ``"mean"``, ``"blur"`` or ``"uniform"``. For methods that compare with a set of references,
        such as expected gradients: an array of reference examples in the layout of `x`, any number of them. For an
        input of strings the string to put in the place of each, by default the empty one.
    score : str
        ``"logit"`` (a terminal softmax, log-softmax or sigmoid is removed), ``"probability"``,
        ``"log_probability"`` or ``"output"`` (the unchanged output of the model).
    output : int or str, optional
        Which output to explain if the model has several, by position or by key.
    layer : str, (str, int) or a layer, optional
        Explains the output of a layer instead of the input of the model: the layer's name, the pair of its name and
        the index of the call, or the layer itself. For class activation maps: the layer whose map is used, by default
        the last layer with a map through which all of the score's dependence on the input goes.
    layer_layout : str, optional
        One letter per axis of that layer's output, the batch axis N first, for example ``"NHWC"``: for a layer whose
        axes cannot be found by observation.
    neuron : int or tuple of int, optional
        Explains one unit of that layer instead of the model's output: which inputs excite it. An index into the
        layer's output for one example, e.g. (channel, row, column); replaces `target`. For conductance: the unit
        through which the inputs influence the target.
    reduce : str, optional
        For token ids, which are explained at the output of their embedding: how the values at a token's vector become
        one number. ``"norm"`` is the L2 norm, unsigned, and the default of gradients; ``"sum"`` keeps completeness, and
        is the default of other methods; ``"mean"`` is the default of methods that hide a whole token; ``"max"`` is the
        largest absolute value.
    layout : str, optional
        One letter per axis of `x`, where the layout cannot be inferred: N batch, C channels or features, T time,
        D, H, W space, e.g. ``"TNC"``.
    lengths : sequence of int, optional
        The number of real steps of each example of a padded sequence; padding gets exactly zero.
    forward_kwargs : Mapping, optional
        Further arguments of the model besides `x`, by name. An array with N rows counts as one row per example; so do
        the first states of recurrent layers, (N, H) or (layers, N, H), called ``hidden``, ``state``, ``hx`` or ``h``.
    framework : str, optional
        ``"torch"``, ``"tensorflow"``, ``"jax"`` or ``"numpy"``, for functions whose framework cannot be detected.
    engine : str
        ``"explain"``, or a library that computes the same method: ``"captum"``, ``"tf-explain"``.
    batch_size : int, optional
        How many points to keep in memory at once. By default the fastest size for this model, input and device: it
        is measured during the call and cached for the process.
    memory_budget : int, optional
        How many bytes these points may need together. By default a quarter of the free memory.
    bounds : tuple of float, optional
        The least and the greatest valid value of `x`. By default the bounds of `display` or of the model.
    seed : int
        Seed of all random numbers, which NumPy draws.
    display : Display or Mapping, optional
        How to draw `x`: ``mean`` and ``scale`` of its normalisation, names of classes, steps or features.
    checks : bool
        Whether to add the evidence for the map, `Attribution.checks`, from its first eight examples: convergence, how
        much of it a network with shuffled weights gives too, how far other seeds change it, and what deletion and
        insertion gain over a random map. Its `verdict` is drawn and reported. The call then explains twice to four
        times, and the weights are put back bit for bit.
    progress : bool, optional
        Whether to show a bar on standard error while the call runs. By default where it takes over two seconds, and
        standard error is a terminal or of a notebook. `explain.progress` says so for several calls.
    **options
        Options of the method; `explain.methods` lists them.

    Returns
    -------
    Attribution
        Signed float32 values of the shape of `x`, with all data needed to draw, compare and repeat them. For several
        inputs, one result per input in the same structure, or None where the input is None or the method does not
        apply to it. The values of all inputs together then sum to what the values of a single input sum to, and
        `delta` refers to this sum. If the output of a `layer` is explained, there is one result for all inputs.

    Raises
    ------
    explain.errors.ExplainError
        A subclass that names the parameter, the value, what was expected and what to do next.

    Examples
    --------
    >>> import explain
    >>> model = explain.zoo.load("cifar_net", framework="torch")
    >>> x = explain.zoo.samples("cifar_net", framework="torch").x[:2]
    >>> a = explain.attribute(model, x, method="ig", target=3)
    >>> a.values.shape, a.score, bool((a.relative_delta < 0.05).all())
    ((2, 3, 32, 32), 'logit', True)
    """
    request = checked_or_kept(
        model,
        x,
        method,
        tokenizer=tokenizer,
        target=target,
        baseline=baseline,
        score=score,
        output=output,
        layer=layer,
        layer_layout=layer_layout,
        neuron=neuron,
        reduce=reduce,
        layout=layout,
        lengths=lengths,
        forward_kwargs=forward_kwargs,
        framework=framework,
        engine=engine,
        batch_size=batch_size,
        memory_budget=memory_budget,
        bounds=bounds,
        seed=seed,
        display=display,
        options=options,
    )
    if checks is not False:
        # The metrics take as long to import as the first explanation, which few calls check.
        from explain.metrics.checks import checkable, with_checks

        checkable(request, checks)
    with shown(progress, request.method.name):
        result, notes = explained(request)
        if checks:
            given = {
                "tokenizer": tokenizer,
                "target": target,
                "baseline": baseline,
                "output": output,
                "forward_kwargs": forward_kwargs,
                "framework": framework,
                "memory_budget": memory_budget,
                **options,
            }
            result = with_checks(model, result, given)
    if notes:
        warn_at_callers_line((examples_shortened(note), category) for note, category in notes)
    return result


@at_callers_line
def maximize(
    model: Any,
    target: TargetLike = None,
    *,
    shape: Sequence[int] | None = None,
    bounds: tuple[float, float] | None = None,
    like: Any = None,
    layout: str | Layout | None = None,
    seed: int = 0,
    framework: str | None = None,
    display: Display | Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **arguments: Any,
) -> Attribution:
    """Find the input that maximizes a score, starting from seeded noise.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, or a function of tensors
        The model; it is restored after the call.
    target : int, str, sequence of int or str, tuple of int, sequence of tuple of int, or callable
        The score to maximize, as in `attribute`. A list finds one input for each entry. A model with a single output
        needs no target.
    shape : sequence of int, optional
        Shape of one input without the batch axis, e.g. (3, 32, 32). By default the shape that the model states.
    bounds : tuple of float, optional
        Least and greatest valid value, enforced at every step. By default the bounds of `display` or of the model.
    like : array, optional
        A batch of inputs that defines the shape and, where no other argument states them, the bounds.
    layout : str, optional
        One letter per axis, the batch axis N included, where the model does not state the layout.
    seed : int
        Seed of the initial noise and of the jitter.
    framework, display, progress
        As in `attribute`.
    **arguments
        Anything else that `attribute` takes, and the options of activation maximization.

    Returns
    -------
    Attribution
        ``values`` is the input that was found, ``inputs`` the initial noise, ``history`` the score before each step
        and after the last, shape (steps + 1, N).

    Raises
    ------
    explain.errors.InputError
        If the shape is not known.
    explain.errors.OptionError
        If the bounds are not known.

    Examples
    --------
    >>> import explain
    >>> model = explain.zoo.load("cifar_net", framework="torch")
    >>> m = explain.maximize(model, target=3, shape=(3, 32, 32), bounds=(-1, 1), n_steps=8)
    >>> m.values.shape, bool(m.history[-1] > m.history[0])
    ((1, 3, 32, 32), True)
    """
    start = start_of(model, target, shape, bounds, like, layout, seed, framework, display)
    found: Attribution = attribute(
        model,
        start.x,
        method="activation_maximization",
        target=start.target,
        layout=start.layout,
        bounds=start.bounds,
        seed=seed,
        framework=framework,
        display=start.display,
        progress=progress,
        **arguments,
    )
    return found
