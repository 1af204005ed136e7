"""The text around a map: target, score, prediction, steps, error, convergence; and the head of a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from explain.errors import RenderError
from explain.inputs.text.tokens import Text
from explain.render.parts.lines import CAPTION_WIDTH, SEPARATOR, Line
from explain.render.parts.sheet import ALERT, INK, MUTED, text_width
from explain.render.parts.steps import quoted
from explain.results.attribution import Attribution
from explain.results.heatmap import Floats
from explain.results.integration_text import differences_text, map_error_text, misses_tolerance, steps_text
from explain.results.names import class_name, framework_name, method_name, number, percent

# Above this relative convergence delta, `explain` warns and the caption is coloured.
HIGH_DELTA = 0.05


def target_of(attribution: Attribution, example: int) -> Any:
    """Give the target of one example, or None."""
    return attribution.target[example] if example < len(attribution.target) else None


def target_text(attribution: Attribution, example: int) -> str:
    """Name the target of one example, for the reader of a figure or page.

    Examples
    --------
    >>> ones = np.ones((1, 2), np.float32)
    >>> target_text(Attribution(ones, ones, "NC", "saliency", np.ones(1), target=(3,)), 0)
    'class 3'
    """
    if attribution.texts and attribution.texts[example].target:
        return f"token {quoted(attribution.texts[example].target)}"
    return class_name(attribution, target_of(attribution, example))


def title_line(attribution: Attribution, example: int) -> Line:
    """Write the target of one example, as the title of its caption."""
    return Line(target_text(attribution, example), 9.5, "bold", INK)


def score_text(attribution: Attribution, example: int) -> str:
    """Write the kind and the value of the explained score.

    Examples
    --------
    >>> ones = np.ones((1, 2), np.float32)
    >>> score_text(Attribution(ones, ones, "NC", "saliency", np.array([2.5]), score="log_probability"), 0)
    'log-probability 2.5'
    """
    return f"{attribution.score.replace('_', '-')} {number(float(attribution.scores[example]))}"


def delta_line(attribution: Attribution, example: int, words: str = "convergence delta") -> Line | None:
    """Write the convergence delta, coloured where the integral has not converged; None without one."""
    if len(attribution.together) > 1:
        # The values of all inputs together, not of this input alone, sum to the difference of the scores.
        words = "joint delta"
    if attribution.relative_delta is not None:
        relative = float(attribution.relative_delta[example])
        return Line(f"{words} {percent(relative)}", color=ALERT if abs(relative) > HIGH_DELTA else MUTED)
    if attribution.delta is not None:
        return Line(f"{words} {number(float(attribution.delta[example]))}")
    return None


def steps_line(attribution: Attribution, example: int) -> Line | None:
    """Write the steps of an integral and their rule; None where nothing was integrated."""
    text = steps_text(attribution, example)
    return None if text is None else Line(text)


def map_error_line(attribution: Attribution, example: int) -> Line | None:
    """Write the estimated error of the map, coloured where it is above the tolerance; None without one."""
    text = map_error_text(attribution, example)
    if text is None:
        return None
    return Line(text, color=ALERT if misses_tolerance(attribution, example) else MUTED)


def predicted_text(attribution: Attribution, example: int) -> str | None:
    """Write the predicted class; None where the model has no classes."""
    if attribution.texts and attribution.texts[example].predicted:
        return f"predicted {quoted(attribution.texts[example].predicted)}"
    if attribution.predicted is None or np.ndim(attribution.predicted[example]) != 0:
        return None
    return f"predicted {class_name(attribution, int(attribution.predicted[example]))}"


def padding_text(text: Text, relevance: Floats) -> str:
    """Say what the padding of a tokenizer's own, which is not drawn, has of the attribution; empty if nothing.

    Examples
    --------
    >>> from explain.inputs.text.tokens import Token
    >>> padding_text(Text("a", (Token("a", 0), Token("", 1, "padding"))), np.array([1.0, 0.5]))
    '1 token of padding, not drawn: sum 0.5'
    """
    kinds = [token.kind for token in text.tokens]
    values = [value for kind, value in zip(kinds, relevance, strict=False) if kind == "padding"]
    if not any(values):
        return ""
    plural = "s" if len(values) > 1 else ""
    return f"{len(values)} token{plural} of padding, not drawn: sum {number(float(sum(values)))}"


def example_text(attribution: Attribution, example: int) -> str:
    """Name one example by its index, and by its name where the display has names.

    Raises
    ------
    RenderError
        If there are names, but not one for each example.

    Examples
    --------
    >>> ones = np.ones((1, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "saliency", np.ones(1))
    >>> example_text(a, 0), example_text(a.with_display(example_names=("cat.png",)), 0)
    ('example 0', 'cat.png (example 0)')
    """
    names = attribution.display.example_names
    if not names:
        return f"example {example}"
    if len(names) != len(attribution):
        raise RenderError(
            f"display.example_names has {len(names)} names but there are {len(attribution)} examples: give one name "
            "for each, or none."
        )
    return f"{_fitting(' '.join(str(names[example]).split()))} (example {example})"


def _fitting(name: str) -> str:
    """Shorten a name in its middle until it fits on a line: both ends of a file's name tell it from others."""
    kept, shown = len(name), name
    while text_width(shown, Line("").size) > CAPTION_WIDTH and kept > 2:
        kept -= 1
        shown = f"{name[: kept // 2]}…{name[-(kept - kept // 2) :]}"
    return shown


def example_lines(attribution: Attribution, example: int, *extra: str) -> list[Line]:
    """Give the caption of one example: target, score, prediction, steps of the integral, index of the example.

    Examples
    --------
    >>> ones = np.ones((1, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "ig", np.array([2.5]), steps=np.array([45]), rule="midpoint")
    >>> [line.text for line in example_lines(a, 0)]
    ['output', 'logit 2.5', '45 midpoint steps', 'example 0']
    """
    lines = [title_line(attribution, example), Line(score_text(attribution, example), color=INK)]
    predicted = predicted_text(attribution, example)
    if predicted is not None:
        lines.append(Line(predicted))
    integral = (line(attribution, example) for line in (steps_line, map_error_line, delta_line))
    lines += [line for line in integral if line is not None]
    return [*lines, Line(example_text(attribution, example)), *(Line(text) for text in extra)]


def head(attributions: Sequence[Attribution], shown: int, title: str = "") -> list[Line]:
    """Give the head of a figure: the method, then the model, the framework and the number of examples shown.

    A title of the caller stands first, and the method before the model.

    Of an attribution with checks, a line says what they found.

    If the two of a pair differ in steps, rule or chunk size, a third line states it: their maps then differ for
    another reason besides the models.

    Examples
    --------
    >>> ones = np.ones((3, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "saliency", np.ones(3), framework="torch", model="Net")
    >>> [line.text for line in head([a], 2)]
    ['Saliency', 'Net  ·  PyTorch  ·  2 of 3 examples']
    """

    def either(names: Iterable[str]) -> str:
        return " and ".join(dict.fromkeys(name for name in names if name))

    method = either(method_name(one.method) for one in attributions)
    parts = [
        method if title else "",
        either(one.model for one in attributions),
        either(framework_name(one.framework) for one in attributions),
        either(f"layer {one.layer}{_neuron_text(one)}" for one in attributions if one.layer),
        either(f"input {one.input_name}" for one in attributions if one.input_name),
        either(f"computed by {one.engine}" for one in attributions if one.engine != "explain"),
        f"{shown} of {len(attributions[0])} examples" if shown < len(attributions[0]) else "",
    ]
    lines = [
        *(Line(text, 12.5, "bold", INK) for text in (title or method).splitlines()),
        Line(SEPARATOR.join(part for part in parts if part), 8.5),
    ]
    for one in attributions:
        if one.verdict:
            color = ALERT if any(check["doubtful"] for check in one.checks) else MUTED
            lines.append(Line(f"Checks: {one.verdict}", 8.5, color=color))
    differences = differences_text(*attributions) if len(attributions) == 2 else ""
    return [*lines, Line(differences, 8.5)] if differences else lines


def _neuron_text(attribution: Attribution) -> str:
    """Name the neuron of the layer, if one was explained and it is the same for all examples."""
    neurons = set(attribution.neuron)
    return f", neuron {next(iter(neurons))}" if len(neurons) == 1 else ", neurons" if neurons else ""
