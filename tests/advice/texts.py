"""Strings, their tokenizer, and the token that follows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from advice.advice import Advice
from advice.models import IDS, TENSORFLOW, TORCH, embedded, linear
from models.texts import WORDS, WordTokenizer, classifier, decoder, ids_of, tagger, weights

import explain
from explain.errors import InputError, ScoreError, TargetError, UnsupportedModelError

TEXT = "the film was good"
TEXTS = [TEXT, "a bad film"]
FOLLOWS = explain.Continuation("very good")


def read(kit: Any, x: Any = TEXT, tokenizer: Any = ids_of, **arguments: Any) -> Any:
    """Explain a class of texts."""
    model = arguments.pop("model", None) or classifier(kit)
    return explain.attribute(model, x, "saliency", tokenizer=tokenizer, **{"target": 0, **arguments})


def next_token(kit: Any, target: Any, x: Any = TEXTS, tokenizer: Any = None, **arguments: Any) -> Any:
    """Explain the token that follows, or a continuation."""
    tokenizer = WordTokenizer() if tokenizer is None else tokenizer
    return explain.attribute(decoder(kit), x, "saliency", tokenizer=tokenizer, target=target, **arguments)


def spaced(text: str) -> list[int]:
    """A tokenizer whose words begin with their space: " good" is one token, "good" is two."""
    return [WORDS.index(word.strip()) for word in text.split()] if text.startswith((" ", "the")) else [1, 2]


def of_six(kit: Any) -> Any:
    """A model that takes six ids."""
    keras, own = kit.keras, weights()
    x = keras.Input((6,), dtype="int64")
    vectors = keras.layers.Embedding(*own["words"].shape, mask_zero=True)(x)
    return keras.Model(x, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling1D()(vectors)))


def named(kit: Any) -> Any:
    """With names of its classes."""
    return {"display": {"classes": ("poor", "fair", "great")}}


def of_one_number(kit: Any) -> Any:
    """One number for each text."""
    if kit.name == "torch":

        class Score(kit.torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = classifier(kit, takes_mask=False)

            def forward(self, ids: Any) -> Any:
                return self.inner(ids)[:, 0]

        return Score()

    class Score(kit.keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = classifier(kit, takes_mask=False)

        def call(self, ids: Any) -> Any:
            return self.inner(ids)[:, 0]

    return Score()


def of_ten_positions(kit: Any) -> Any:
    """A model whose configuration says so; its vectors are for as many positions as words."""
    model = classifier(kit)
    model.config = SimpleNamespace(max_position_embeddings=len(WORDS))
    return model


def hiding(kit: Any) -> Any:
    """A tokenizer with a token for a hidden word."""
    tokenizer = WordTokenizer()
    tokenizer.mask_token_id = 1
    return explain.attribute(tagger(kit), "the [MASK] was good", "saliency", tokenizer=tokenizer)


ADVICE = [
    Advice(
        " but tokenizer is not given: give tokenizer= the tokenizer of the model",
        InputError,
        lambda kit: explain.attribute(classifier(kit), TEXT, "saliency", target=0),
        read,
    ),
    Advice(
        "give one string or a list of strings; or token ids, without tokenizer",
        InputError,
        lambda kit: read(kit, IDS),
        lambda kit: [read(kit), explain.attribute(embedded(kit), IDS, "saliency", target=0)],
    ),
    Advice(
        "the tokenizer tells how many tokens each has; leave lengths out",
        InputError,
        lambda kit: read(kit, TEXTS, lengths=[4, 3]),
        lambda kit: read(kit, TEXTS),
    ),
    Advice(
        "give strings alone, one for each example",
        InputError,
        lambda kit: read(kit, [TEXT, 3]),
        lambda kit: read(kit, [TEXT]),
        TORCH,
    ),
    Advice(
        " is no text, but x has strings in it: give one string for each example",
        InputError,
        lambda kit: read(kit, [TEXT.split(), ["a", "film"]]),
        lambda kit: read(kit, [TEXT, "a film"]),
        TORCH,
    ),
    Advice(
        "is a text without a word, so there is nothing to explain: leave it out",
        InputError,
        lambda kit: read(kit, [TEXT, " "]),
        lambda kit: read(kit, [TEXT]),
        TORCH,
    ),
    Advice(
        "leave this text out, or check that the tokenizer is the model's",
        InputError,
        lambda kit: read(kit, [TEXT, "..."], lambda text: [] if text == "..." else ids_of(text)),
        lambda kit: read(kit, [TEXT]),
        TORCH,
    ),
    Advice(
        ": shorten the text, or give a tokenizer that cuts it as in training",
        InputError,
        lambda kit: read(kit, "the film was very very good a", model=of_six(kit)),
        lambda kit: [
            read(kit, model=of_six(kit)),
            read(kit, "the film was very very good a", lambda text: ids_of(text)[:6], model=of_six(kit)),
        ],
        TENSORFLOW,
    ),
    Advice(
        "give a tokenizer of transformers, tokenizers or KerasHub, or a function from a string to a list of ids",
        InputError,
        lambda kit: read(kit, TEXT, {"the": 2}),
        read,
        TORCH,
    ),
    Advice(
        "It gets one string and should give its ids",
        InputError,
        lambda kit: read(kit, TEXT, lambda texts: texts.shape),
        read,
        TORCH,
    ),
    Advice(
        ": for one string it should give the ids, a list of whole numbers of 0 or more",
        InputError,
        lambda kit: read(kit, TEXT, lambda text: text.split()),
        lambda kit: [read(kit), read(kit, TEXT, lambda text: {"input_ids": ids_of(text)})],
        TORCH,
    ),
    Advice(
        " entries of its mask, offsets or tokens: it should give one for each id",
        InputError,
        lambda kit: read(kit, TEXT, lambda text: (ids_of(text), ["the", "film"])),
        lambda kit: read(kit, TEXT, lambda text: (ids_of(text), text.split())),
        TORCH,
    ),
    Advice(
        " has no embedding layer that gives each token a vector: explain a model with one",
        UnsupportedModelError,
        lambda kit: read(kit, model=linear(kit)),
        read,
    ),
    Advice(
        ": give the tokenizer that belongs to this model",
        InputError,
        lambda kit: read(kit, TEXT, lambda text: [900, *ids_of(text)]),
        read,
    ),
    Advice(
        " positions: shorten the text, or explain parts of it.",
        InputError,
        lambda kit: read(kit, "film " * 11, model=of_ten_positions(kit)),
        lambda kit: read(kit, "film " * 10, model=of_ten_positions(kit)),
        TORCH,
    ),
    Advice(
        " changes when that text is padded: give texts of one length together, or a tokenizer that pads as in training",
        InputError,
        lambda kit: read(kit, TEXTS, model=classifier(kit, takes_mask=False)),
        lambda kit: [
            read(kit, ["a good film", "a bad film"], model=classifier(kit, takes_mask=False)),
            read(kit, TEXTS, lambda text: [*ids_of(text), 0, 0][:4], model=classifier(kit, takes_mask=False)),
        ],
    ),
    Advice(
        " is a name, but the names of the model's classes are not known: give ",
        TargetError,
        lambda kit: read(kit, target="great"),
        lambda kit: [read(kit, target=2), read(kit, target="great", **named(kit))],
        TORCH,
    ),
    Advice(
        " is not the name of a class. ",
        TargetError,
        lambda kit: read(kit, target="splendid", **named(kit)),
        lambda kit: [read(kit, target=target, **named(kit)) for target in ("great", 2)],
        TORCH,
    ),
    Advice(
        " is a name, but the model has a single output for each text: leave target out",
        TargetError,
        lambda kit: read(kit, model=of_one_number(kit), target="great"),
        lambda kit: read(kit, model=of_one_number(kit), target=None),
    ),
    Advice(
        " texts: give one for each text, or one for all",
        TargetError,
        lambda kit: next_token(kit, ["good", "bad", "bad"]),
        lambda kit: [next_token(kit, target) for target in (["good", "bad"], "bad")],
        TORCH,
    ),
    Advice(
        ", or a token as a string",
        TargetError,
        lambda kit: next_token(kit, 10),
        lambda kit: [next_token(kit, target) for target in (9, "very")],
        TORCH,
    ),
    Advice(
        " is not a token: give a string or its id, one for each text or one for all",
        TargetError,
        lambda kit: next_token(kit, 1.5),
        lambda kit: [next_token(kit, target) for target in ("bad", 3, ["bad", 3], None)],
        TORCH,
    ),
    Advice(
        "with the space before it, is one token: give that",
        TargetError,
        lambda kit: next_token(kit, "good", TEXT, spaced),
        lambda kit: next_token(kit, " good", TEXT, spaced),
        TORCH,
    ),
    Advice(
        "give the first of them, another token, or target=explain.Continuation(",
        TargetError,
        lambda kit: next_token(kit, "good film"),
        lambda kit: [next_token(kit, "good"), next_token(kit, explain.Continuation("good film"))],
        TORCH,
    ),
    Advice(
        " is not for a continuation, whose score is the logarithm of its probability",
        ScoreError,
        lambda kit: next_token(kit, FOLLOWS, score="output"),
        lambda kit: next_token(kit, FOLLOWS),
        TORCH,
    ),
    Advice(
        ": give ids of this model.",
        TargetError,
        lambda kit: next_token(kit, explain.Continuation([99, 2])),
        lambda kit: next_token(kit, explain.Continuation([9, 2])),
        TORCH,
    ),
    Advice(
        " in a continuation, but the model knows ",
        TargetError,
        lambda kit: next_token(kit, explain.Continuation([2, 99])),
        lambda kit: next_token(kit, explain.Continuation([2, 9])),
        TORCH,
    ),
    Advice(
        "target is a continuation, but the outputs of the model for each token depend on ",
        TargetError,
        lambda kit: read(kit, model=tagger(kit), target=FOLLOWS),
        lambda kit: [next_token(kit, FOLLOWS), read(kit, model=tagger(kit), target=(1, 2))],
    ),
    Advice(
        " for each text, not of the next token at each: give a decoder",
        TargetError,
        lambda kit: read(kit, target=FOLLOWS),
        lambda kit: next_token(kit, FOLLOWS),
    ),
    Advice(
        ": give strings, with tokenizer=; for token ids give target=(place, id).",
        TargetError,
        lambda kit: explain.attribute(decoder(kit), IDS, "saliency", target=FOLLOWS),
        lambda kit: [
            next_token(kit, FOLLOWS),
            explain.attribute(decoder(kit), IDS % 9, "saliency", target=(1, 2)),
        ],
    ),
    Advice(
        " tokens, with padding behind a text: give one token that follows, as a string or ",
        InputError,
        lambda kit: read(kit, model=of_six(kit), target=FOLLOWS),
        lambda kit: next_token(kit, "good"),
        TENSORFLOW,
    ),
    Advice(
        ": give a string, or the ids of its tokens as a list of whole ",
        TargetError,
        lambda kit: next_token(kit, explain.Continuation(3)),
        lambda kit: [next_token(kit, explain.Continuation(one)) for one in ([3], "film")],
        TORCH,
    ),
    Advice(
        " is no explain.Continuation, but others are: give one for each text, or one for ",
        TargetError,
        lambda kit: next_token(kit, [FOLLOWS, "good"]),
        lambda kit: [next_token(kit, [FOLLOWS, explain.Continuation("good")]), next_token(kit, FOLLOWS)],
        TORCH,
    ),
    Advice(
        " continuations for ",
        TargetError,
        lambda kit: next_token(kit, [FOLLOWS] * 3),
        lambda kit: [next_token(kit, [FOLLOWS] * 2), next_token(kit, FOLLOWS)],
        TORCH,
    ),
    Advice(
        ", or leave token out for all together.",
        TargetError,
        lambda kit: next_token(kit, explain.Continuation("good film", token=2)),
        lambda kit: [next_token(kit, explain.Continuation("good film", token=token)) for token in (1, None)],
        TORCH,
    ),
    Advice(
        "of which a word is not in the vocabulary of the tokenizer",
        TargetError,
        lambda kit: next_token(kit, explain.Continuation("good zebra")),
        lambda kit: [next_token(kit, explain.Continuation(one)) for one in ("good film", [5, 3])],
        TORCH,
    ),
    Advice(
        " is not in the vocabulary of the tokenizer: give a token that is, or an id below ",
        TargetError,
        lambda kit: next_token(kit, "zebra"),
        lambda kit: [next_token(kit, target) for target in ("film", 9)],
        TORCH,
    ),
    Advice(
        "Give target=(place, class), the place of a token and the number of its output; or hide one word of each text",
        TargetError,
        lambda kit: explain.attribute(tagger(kit), TEXT, "saliency", tokenizer=ids_of),
        lambda kit: [
            explain.attribute(tagger(kit), TEXT, "saliency", tokenizer=ids_of, target=(1, 3)),
            hiding(kit),
        ],
    ),
]
