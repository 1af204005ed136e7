"""Made-up attributions of every kind of input, for the tests of results and of their pictures."""

import re

import numpy as np

from explain.inputs.display import Display
from explain.inputs.text.tokens import Text, tokens_of
from explain.results.attribution import Attribution

CLASSES = ("cat", "dog", "a <very> long name of a class & more than fits on a line", "$x^2$")


def make(values, layout, **fields):
    values = np.asarray(values, np.float32)
    count = values.shape[layout.index("N")]
    display = {"classes": CLASSES, **fields.pop("display", {})}
    defaults = {
        "inputs": np.linspace(0, 1, values.size, dtype=np.float32).reshape(values.shape),
        "method": "integrated_gradients",
        "framework": "torch",
        "model": "Net",
        "scores": np.linspace(-1, 5, count),
        "target": tuple(index % len(CLASSES) for index in range(count)),
        "predicted": np.zeros(count, int),
        "relative_delta": np.linspace(0, 0.1, count),
    }
    return Attribution(values=values, layout=layout, display=Display(**display), **{**defaults, **fields})


def images(count=2, shape=(8, 8, 3), seed=0, **fields):
    values = np.random.default_rng(seed).normal(size=(count, *shape))
    return make(values, "NHWC" if len(shape) == 3 else "NHW", **fields)


def channels_first(attribution):
    moved = {
        name: np.ascontiguousarray(getattr(attribution, name).transpose(0, 3, 1, 2))
        for name in ("values", "inputs")
    }
    return Attribution(**{**vars(attribution), **moved, "layout": "NCHW", "framework": "tensorflow"})


def rows(count=2, length=10, features=6, **fields):
    return make(np.random.default_rng(1).normal(size=(count, length, features)), "NTC", **fields)


def names(words=("Jo", "O'Neal", "<b>"), **fields):
    longest = max(len(word) for word in words)
    mask = np.array([[index < len(word) for index in range(longest)] for word in words])
    values = np.random.default_rng(2).normal(size=(len(words), longest, 5)) * mask[..., np.newaxis]
    display = {"step_names": tuple(tuple(word) for word in words)}
    return make(values, "NTC", **{"mask": mask, "display": display, **fields})


SENTENCES = (
    "The film was unbelievably good: every scene, every line & every cut of its two-hour running time is placed with a "
    "<care> that few directors can afford, and I didn't want it to end.",
    "A dull, overlong film; $5 wasted$.",
)


def texts(sentences=SENTENCES, **fields):
    """Words in pieces of up to five letters, between two special tokens."""
    found = []
    for sentence in sentences:
        spans = [match.span() for match in re.finditer(r"\w{1,5}|[^\w\s]", sentence)]
        names = ["[CLS]", *(sentence[slice(*span)] for span in spans), "[SEP]"]
        kinds = ["special", *["word"] * len(spans), "special"]
        found.append(Text(sentence, tokens_of(sentence, names, [None, *spans, None], kinds)))
    longest = max(len(text.tokens) for text in found)
    mask = np.array([np.arange(longest) < len(text.tokens) for text in found])
    values = np.random.default_rng(4).normal(size=mask.shape) ** 3 * mask
    own = {"mask": mask, "texts": tuple(found), "reduce": "sum"}
    return make(values, "NT", **{**own, **fields})


def table(count=2, features=6, **fields):
    named = {"feature_names": tuple(f"$ feature {index}" for index in range(features))}
    values = np.random.default_rng(3).normal(size=(count, features))
    return make(values, "NC", **{"display": named, **fields})


def volumes(count=2, **fields):
    values = np.zeros((count, 1, 5, 6, 7))
    for example in range(count):
        values[example, 0, 1 + example] = 1
    return make(values, "NCDHW", **fields)


def maximization(count=2, steps=10, **fields):
    history = np.cumsum(np.ones((steps + 1, count)), axis=0)
    return images(count, method="activation_maximization", history=history, relative_delta=None, **fields)


def integral(count, steps=(45, 135, 5), errors=(0.0161, 0.0042, 0.0231), **fields):
    """Fields of an integral with chosen steps; the third error is above the tolerance."""

    def each(values):
        return np.array([values[index % len(values)] for index in range(count)])

    chosen = {"n_steps": "auto", "rule": None, "tolerance": 0.02, "max_steps": 405}
    defaults = {"rule": "midpoint", "batch_size": 64, "options": chosen}
    return {**defaults, "steps": each(steps), "map_error": each(errors), **fields}


EVERY_KIND = {
    "image": lambda: images(1),
    "grey image": lambda: images(1, shape=(6, 9)),
    "many channels": lambda: images(1, shape=(6, 9, 5)),
    "rows": lambda: rows(1),
    "names": names,
    "texts": texts,
    "table": table,
    "volume": lambda: volumes(1),
    "maximization": lambda: maximization(1),
    "integral of images": lambda: images(3, **integral(3)),
    "integral of names": lambda: names(**integral(3, rule="gauss_legendre")),
    "integral of a table": lambda: table(3, **integral(3)),
}
