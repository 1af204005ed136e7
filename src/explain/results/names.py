"""Display text of numbers, classes, methods and frameworks; does not import matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from explain.algorithms.catalogue import methods
from explain.results.attribution import Attribution

FRAMEWORK_NAMES = {"torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX", "numpy": "NumPy"}


def number(value: float) -> str:
    """Write a number in three figures, with a real minus sign.

    Examples
    --------
    >>> number(-1.23456), number(0.0), number(12345.6), number(float("nan")), number(float("-inf"))
    ('−1.23', '0', '12346', '–', '−∞')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{value:.0f}" if 1000 <= abs(value) < 1e5 else f"{value:.3g}"
    return text.replace("-", "−")


def percent(fraction: float) -> str:
    """Write a fraction as a percentage; only an exact zero is written as 0.

    Examples
    --------
    >>> percent(0.123), percent(0.00012), percent(1e-7), percent(0.0)
    ('12 %', '0.012 %', '< 0.001 %', '0 %')
    """
    size = 100 * abs(fraction)
    if 0 < size < 1e-3:
        return "< 0.001 %"
    return f"{number(float(f'{size:.2g}'))} %"


def percent_at_most(fraction: float) -> str:
    """Write an upper bound as a percentage of two figures, rounded up.

    Examples
    --------
    >>> percent_at_most(0.0161), percent_at_most(0.07), percent_at_most(0.0), percent_at_most(2e-9)
    ('1.7 %', '7 %', '0 %', '0.001 %')
    """
    size = 100 * abs(fraction)
    if size == 0 or not math.isfinite(size):
        return f"{number(size)} %"
    size = max(size, 1e-3)
    unit = 10.0 ** (math.floor(math.log10(size)) - 1)
    # In floating point, 100 × 0.07 is slightly above 7: without the slack it would be written as 7.1.
    return f"{number(unit * math.ceil(size / unit - 1e-9))} %"


def class_name(attribution: Attribution, target: Any) -> str:
    """Name a target: by the class's name if it is known, else as it was given.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((1, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "saliency", np.ones(1)).with_display(classes=("cat", "dog"))
    >>> class_name(a, 1), class_name(a, 7), class_name(a, (2, 0)), class_name(a, None)
    ('dog', 'class 7', 'output (2, 0)', 'output')
    """
    if target is None:
        return "output"
    if isinstance(target, int | np.integer):
        classes = attribution.display.classes
        return classes[target] if 0 <= target < len(classes) else f"class {target}"
    if isinstance(target, tuple):
        return f"output ({', '.join(map(str, target))})"
    return str(target)


def example_name(attribution: Attribution, index: int) -> str:
    """Name an example: by its name if it is known, such as the file from which it was read, else by its number.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones((2, 2), np.float32)
    >>> a = Attribution(ones, ones, "NC", "saliency", np.ones(2))
    >>> example_name(a, 1), example_name(a.with_display(example_names=("a.png", "b.png")), 1)
    ('example 1', 'b.png')
    """
    names = attribution.display.example_names
    return names[index] if index < len(names) else f"example {index}"


def method_name(method: str) -> str:
    """Give the display name of a method: its title in the catalogue, else its name in plain words.

    Examples
    --------
    >>> method_name("integrated_gradients"), method_name("grad_cam"), method_name("another_one")
    ('Integrated gradients', 'Grad-CAM', 'Another one')
    """
    title = next((row.title for row in methods() if row.name == method), "")
    if title:
        return title
    words = method.replace("_", " ")
    return words[:1].upper() + words[1:]


def framework_name(framework: str) -> str:
    """Give the display name of a framework, spelled as the framework itself spells it.

    Examples
    --------
    >>> framework_name("torch"), framework_name("dense")
    ('PyTorch', 'dense')
    """
    return FRAMEWORK_NAMES.get(framework, framework)


def listed(numbers: Sequence[int], most: int = 8) -> str:
    """Write example numbers, only the first ones if there are many.

    Examples
    --------
    >>> listed([1, 5, 6]), listed([1, 5, 6], most=1)
    ('1, 5, 6', '1 and 2 more')
    """
    shown = ", ".join(str(int(one)) for one in numbers[:most])
    return f"{shown} and {len(numbers) - most} more" if len(numbers) > most else shown


def printable(text: str) -> str:
    """Write a text on one line for a terminal, which would obey control signs: names may come from untrusted files.

    Examples
    --------
    >>> printable("conv\\x1b[2J 1"), printable("two\\nlines")
    ('conv?[2J 1', 'two lines')
    """
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))
