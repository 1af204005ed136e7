"""Readers of texts, for classes and for the next token, with the same weights in both frameworks; their tokenizer."""

from __future__ import annotations

from typing import Any

import numpy as np

WORDS = ("[PAD]", "[UNK]", "the", "film", "was", "good", "bad", "a", "[END]", "very")
CLASSES = 3
WIDTH = 4


def ids_of(text: str) -> list[int]:
    """The tokenizer: one id a word, without special tokens."""
    return [WORDS.index(word) if word in WORDS else 1 for word in text.split()]


class WordTokenizer:
    """The same with names, and a special token at the end."""

    end_token_id = WORDS.index("[END]")
    pad_token_id = 0

    def __call__(self, text: str) -> list[int]:
        return [*ids_of(text), self.end_token_id]

    def id_to_token(self, token: int) -> str:
        return WORDS[token]

    def token_to_id(self, word: str) -> int:
        return WORDS.index(word)


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """The table of vectors, a hidden layer, and the weights of classes and of the next token."""
    generator = np.random.default_rng(seed)
    sizes = {
        "words": (len(WORDS), WIDTH),
        "hidden": (WIDTH, 5),
        "classes": (5, CLASSES),
        "tokens": (5, len(WORDS)),
    }
    return {name: generator.normal(size=size).astype(np.float32) for name, size in sizes.items()}


def classifier(kit: Any, *, takes_mask: bool = True) -> Any:
    """The mean of the hidden vectors of the tokens, those of padding left out if the model takes a mask."""
    return _torch(kit, "classes", takes_mask) if kit.name == "torch" else _keras(kit, "classes", takes_mask)


def decoder(kit: Any) -> Any:
    """For each token, the logits of the next: from the mean of the hidden vectors up to it."""
    return _torch(kit, "tokens", False) if kit.name == "torch" else _keras(kit, "tokens", False)


def tagger(kit: Any) -> Any:
    """For each token, logits that depend on the tokens after it too."""
    return _torch(kit, "both", False) if kit.name == "torch" else _keras(kit, "both", False)


def _torch(kit: Any, what: str, takes_mask: bool) -> Any:
    torch, own = kit.torch, {name: kit.torch.tensor(value) for name, value in weights().items()}

    class Base(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = torch.nn.Embedding.from_pretrained(own["words"].clone(), freeze=False)

        def hidden(self, ids: Any) -> Any:
            return torch.tanh(self.words(ids) @ own["hidden"])

    class Masked(Base):
        def forward(self, ids: Any, attention_mask: Any = None) -> Any:
            real = attention_mask[..., None].to(torch.float32)
            return ((self.hidden(ids) * real).sum(1) / real.sum(1)) @ own["classes"]

    class Plain(Base):
        def forward(self, ids: Any) -> Any:
            hidden = self.hidden(ids)
            if what == "classes":
                return hidden.mean(1) @ own["classes"]
            counts = torch.arange(1, ids.shape[1] + 1)[:, None]
            if what == "both":
                return (hidden + hidden.mean(1, keepdim=True)) @ own["tokens"]
            return (hidden.cumsum(1) / counts) @ own["tokens"]

    return (Masked if takes_mask else Plain)().eval()


def _keras(kit: Any, what: str, takes_mask: bool) -> Any:
    keras, tf, own = kit.keras, kit.tf, weights()

    class Base(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.words = keras.layers.Embedding(len(WORDS), WIDTH, name="words")
            self.words.build((None, None))
            self.words.set_weights([own["words"]])

        def hidden(self, ids: Any) -> Any:
            return tf.tanh(tf.einsum("ntc,cd->ntd", self.words(ids), own["hidden"]))

    class Masked(Base):
        def call(self, ids: Any, attention_mask: Any = None) -> Any:
            real = tf.cast(attention_mask[..., None], tf.float32)
            hidden = tf.reduce_sum(self.hidden(ids) * real, 1) / tf.reduce_sum(real, 1)
            return tf.matmul(hidden, own["classes"])

    class Plain(Base):
        def call(self, ids: Any) -> Any:
            hidden = self.hidden(ids)
            if what == "classes":
                return tf.matmul(tf.reduce_mean(hidden, 1), own["classes"])
            if what == "both":
                hidden = hidden + tf.reduce_mean(hidden, 1, keepdims=True)
            else:
                counts = tf.cast(tf.range(1, tf.shape(ids)[1] + 1), tf.float32)[:, None]
                hidden = tf.cumsum(hidden, 1) / counts
            return tf.einsum("ntd,dv->ntv", hidden, own["tokens"])

    return (Masked if takes_mask else Plain)()
