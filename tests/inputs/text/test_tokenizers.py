"""Tokenizers of every library are read alike."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import ByT5Tokenizer, CanineTokenizer, PreTrainedTokenizerFast

from explain.errors import InputError
from explain.inputs.text.batch import strings_of, texts_of
from explain.inputs.text.recognised import tokenizer_of

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "film",
    "was",
    "un",
    "##believ",
    "##able",
    ".",
    "a",
]


def word_pieces():
    """A tokenizer of `tokenizers` as that of BERT."""
    found = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    found.normalizer, found.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    found.decoder = decoders.WordPiece()
    found.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return found


def of_transformers():
    return PreTrainedTokenizerFast(
        tokenizer_object=word_pieces(),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def of_keras_hub():
    keras_hub = pytest.importorskip("keras_hub")
    return keras_hub.tokenizers.BertTokenizer(vocabulary=WORDS, lowercase=True)


def byte_pairs():
    """A tokenizer of `tokenizers` as that of GPT-2: a space is part of the word after it."""
    vocabulary = {
        name: place for place, name in enumerate(["<unk>", "Ġ", *"Parisfm", "Pa", "ri", "s", "ĠPa"])
    }
    vocabulary = {name: place for place, name in enumerate(dict.fromkeys(vocabulary))}
    merges = [("P", "a"), ("r", "i"), ("Ġ", "Pa")]
    found = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    return found


SENTENCE = "The film was Unbelievable."
PIECES = [("The", 0), ("film", 1), ("was", 2), ("Un", 3), ("believ", 3), ("able", 3), (".", 4)]


def named(texts):
    return [[(token.name, token.word, token.kind) for token in text.tokens] for text in texts.texts]


@pytest.mark.parametrize("made", [word_pieces, of_transformers])
def test_hugging_faces_tokenizers_give_offsets_and_special_tokens(made):
    texts = texts_of([SENTENCE, "A Zürich film"], tokenizer_of(made()))
    own = word_pieces().encode(SENTENCE).ids
    assert texts.ids.tolist() == [own, [2, 12, 1, 6, 3, 0, 0, 0, 0]]
    assert texts.mask.sum(axis=1).tolist() == [9, 5]
    first, second = named(texts)
    assert [(name, word - 1) for name, word, kind in first if kind == "word"] == PIECES
    assert (first[0], first[-1]) == (("[CLS]", 0, "special"), ("[SEP]", 6, "special"))
    # An unknown word is shown as it is in the text.
    assert [name for name, _, _ in second] == ["[CLS]", "A", "Zürich", "film", "[SEP]"]
    assert texts.last == (8, 4)


def test_keras_hubs_tokenizer_gives_names_whose_places_are_searched():
    texts = texts_of([SENTENCE], tokenizer_of(of_keras_hub()))
    assert [(name, word) for name, word, _ in named(texts)[0]] == PIECES


@pytest.mark.parametrize("made", [word_pieces, of_transformers, of_keras_hub])
def test_a_piece_has_its_id_and_its_name(made):
    tokenizer = tokenizer_of(made())
    assert tokenizer.padding == 0
    assert tokenizer.hidden == {4}
    assert tokenizer.pieces("film") == (6,)
    assert tokenizer.pieces("unable") == (8, 10)
    assert tokenizer.named("##able") == 10
    assert tokenizer.named("[SEP]") == 3
    assert tokenizer.named("zebra") is None
    assert tokenizer.shown(6) == "film"


def test_a_hidden_word_is_a_special_token():
    (one,) = named(texts_of(["the [MASK] was"], tokenizer_of(of_transformers())))
    assert [kind for _, _, kind in one] == ["special", "word", "special", "word", "special"]


def test_padding_that_a_tokenizer_was_told_to_add_is_taken_off():
    padded = word_pieces()
    padded.enable_padding(length=12, pad_id=0)
    texts = texts_of(["the film"], tokenizer_of(padded))
    assert texts.ids.tolist() == [[2, 5, 6, 3]]
    assert texts.mask.all()


@pytest.mark.parametrize("made", [byte_pairs, lambda: PreTrainedTokenizerFast(tokenizer_object=byte_pairs())])
def test_the_space_before_a_word_may_be_part_of_its_token(made):
    tokenizer = tokenizer_of(made())
    texts = texts_of(["Paris Paris"], tokenizer)
    assert [(name, word) for name, word, _ in named(texts)[0]] == [
        ("Pa", 0), ("ri", 0), ("s", 0), ("Pa", 1), ("ri", 1), ("s", 1),
    ]  # fmt: skip
    first, second = tokenizer.pieces("Pa"), tokenizer.pieces(" Pa")
    assert first != second
    assert [tokenizer.shown(one) for one in (*first, *second)] == ["Pa", " Pa"]
    assert tokenizer.padding is None


@pytest.mark.parametrize(("made", "ends"), [(ByT5Tokenizer, (0, 1)), (CanineTokenizer, (1, 1))])
def test_slow_tokenizers_tell_no_places_and_these_are_searched(made, ends):
    (one,) = named(texts_of(["a naïve film"], tokenizer_of(made())))
    kinds = [kind for _, _, kind in one]
    start, stop = ends
    assert kinds.count("special") == sum(ends)
    words: dict[int, str] = {}
    for name, word, _ in one[start : len(one) - stop]:
        words[word] = words.get(word, "") + name
    assert [word.strip() for word in words.values() if word.strip()] == ["a", "naïve", "film"]


NUMBERS = {"a": 7, "good": 3, "film": 5}


class WithVocabulary:
    """As a layer of Keras that looks up words."""

    def __call__(self, text):
        return np.array([self.get_vocabulary().index(word) for word in text.lower().split()] + [0, 0])

    def get_vocabulary(self):
        return ["", "[UNK]", "a", "good", "film"]


class TestCallables:
    def test_the_words_of_a_text_are_seen_if_each_alone_has_its_id(self):
        texts = texts_of(["a good film"], tokenizer_of(lambda text: [NUMBERS[one] for one in text.split()]))
        assert texts.ids.tolist() == [[7, 3, 5]]
        assert [name for name, _, _ in named(texts)[0]] == ["a", "good", "film"]

    def test_so_are_its_characters(self):
        texts = texts_of(["ab a"], tokenizer_of(lambda text: [ord(one) for one in text]))
        assert [(name, word) for name, word, _ in named(texts)[0]] == [("a", 0), ("b", 0), (" ", 1), ("a", 2)]

    def test_ids_that_depend_on_the_place_have_no_names(self):
        texts = texts_of(["a a"], tokenizer_of(lambda text: list(range(len(text.split())))))
        assert [name for name, _, _ in named(texts)[0]] == ["#0", "#1"]

    @pytest.mark.parametrize(
        "result",
        [
            ([4, 5], [(0, 1), (2, 6)]),
            ([4, 5], ["a", "film"]),
            {"input_ids": [4, 5], "offset_mapping": [(0, 1), (2, 6)]},
            {"token_ids": np.array([[4, 5, 0]]), "padding_mask": np.array([[1, 1, 0]]), "tokens": [["a", "film", ""]]},
        ],
    )  # fmt: skip
    def test_they_may_give_offsets_or_names(self, result):
        texts = texts_of(["a film"], tokenizer_of(lambda text: result))
        assert texts.ids.tolist() == [[4, 5]]
        assert [name for name, _, _ in named(texts)[0]] == ["a", "film"]

    def test_a_vocabulary_gives_names_and_padding_of_the_tokenizers_own_remains(self):
        tokenizer = tokenizer_of(WithVocabulary())
        texts = texts_of(["A good film"], tokenizer)
        assert texts.ids.tolist() == [[2, 3, 4, 0, 0]]
        assert texts.mask.all()
        assert texts.last == (2,)
        assert [(name, kind) for name, _, kind in named(texts)[0]] == [
            ("A", "word"), ("good", "word"), ("film", "word"), ("", "padding"), ("", "padding"),
        ]  # fmt: skip
        assert tokenizer.pieces("good") == (3,)
        assert (tokenizer.named("film"), tokenizer.named("zebra"), tokenizer.shown(4)) == (4, None, "film")

    def test_a_layer_of_keras_is_one(self):
        layer = keras.layers.TextVectorization(output_sequence_length=5, vocabulary=["a", "good", "film"])
        texts = texts_of(["A good, good film!"], tokenizer_of(layer))
        assert texts.ids.tolist() == [[2, 3, 3, 4, 0]]
        assert [name for name, _, _ in named(texts)[0]] == ["A", "good", "good", "film", ""]


def test_a_model_that_takes_one_length_gets_it():
    tokenizer = tokenizer_of(lambda text: [NUMBERS[one] for one in text.split()])
    texts = texts_of(["a film", "film"], tokenizer, steps=4)
    assert texts.ids.tolist() == [[7, 5, 0, 0], [5, 0, 0, 0]]
    assert texts.mask.all()
    assert texts.last == (1, 0)
    with pytest.raises(InputError, match=r"x\[0\] has 2 tokens, but the model takes 1"):
        texts_of(["a film"], tokenizer, steps=1)


def test_strings_are_told_from_other_inputs():
    assert strings_of(("a", "b")) == ["a", "b"]
    assert strings_of(np.array(["a", "b"])) == ["a", "b"]
    assert strings_of(np.array(["a", "b"], object)) == ["a", "b"]
    for other in (np.zeros((1, 2)), [np.zeros(2)], [], {"a": "b"}, None, [1.0]):
        assert strings_of(other) is None
