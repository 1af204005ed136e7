"""Strings in, words out: with the tokenizer of a model, in both frameworks."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from models.texts import WORDS, WordTokenizer, classifier, decoder, ids_of, tagger, weights

import explain
from explain.errors import InputError, TargetError

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

TEXTS = ["the film was very good", "a bad film"]


def hidden(ids):
    """The hidden vectors of ids, in NumPy."""
    return np.tanh(weights()["words"].astype(float)[ids] @ weights()["hidden"].astype(float))


def logits(ids):
    """The logits of the classes of one text."""
    return hidden(ids).mean(axis=0) @ weights()["classes"]


def next_logits(ids):
    """The logits of the token after one text."""
    return hidden(ids).mean(axis=0) @ weights()["tokens"]


def ablated(score, ids):
    """The fall of a score when each token in turn is replaced by padding."""
    ids = np.array(ids)
    return [score(ids) - score(np.where(np.arange(len(ids)) == place, 0, ids)) for place in range(len(ids))]


def test_each_text_is_explained_as_it_is_alone(kit):
    a = explain.attribute(classifier(kit), TEXTS, "feature_ablation", tokenizer=ids_of, target=1)
    for row, text in enumerate(TEXTS):
        ids = ids_of(text)
        expected = ablated(lambda ids: logits(ids)[1], ids)
        np.testing.assert_allclose(a.values[row, : len(ids)], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(a.scores[row], logits(ids)[1], rtol=1e-5)
    assert not a.values[1, 3:].any()
    assert a.mask.tolist() == [[True] * 5, [True] * 3 + [False] * 2]
    assert a.inputs.tolist() == [ids_of(TEXTS[0]), [*ids_of(TEXTS[1]), 0, 0]]
    assert [text.text for text in a.texts] == TEXTS
    assert [name for name, _ in a.tokens(0)] == TEXTS[0].split()
    assert a.tokens(1) == [*zip(TEXTS[1].split(), a.values[1, :3].tolist(), strict=True)]


@pytest.mark.parametrize("method", ["ig", "saliency", "input_x_gradient", "occlusion", "kernel_shap"])
def test_a_batch_gives_what_each_text_alone_gives(kit, method):
    model = classifier(kit)
    options = {"occlusion": {"sliding_window_shapes": (1,)}, "ig": {"n_steps": 20}}.get(method, {})
    call = {"method": method, "tokenizer": ids_of, "target": 2, **options}
    both = explain.attribute(model, TEXTS, **call)
    for row, text in enumerate(TEXTS if method != "kernel_shap" else TEXTS[:1]):
        alone = explain.attribute(model, text, **call)
        own = both.values[row, : len(alone.values[0])]
        np.testing.assert_allclose(own, alone.values[0], rtol=1e-4, atol=1e-6)


def test_strings_give_what_their_ids_give(kit):
    model = classifier(kit, takes_mask=False)
    ids = np.array([ids_of(TEXTS[0])])
    by_ids, by_text = (
        explain.attribute(model, x, "ig", target=0, n_steps=12, **more)
        for x, more in ((ids, {}), (TEXTS[0], {"tokenizer": ids_of}))
    )
    assert by_ids.values.tolist() == by_text.values.tolist()
    assert by_ids.baseline_rule == by_text.baseline_rule
    assert by_ids.texts == ()


def test_both_frameworks_give_one_map(torch_kit, tensorflow_kit):
    for made, target in ((classifier, 1), (decoder, "good")):
        a, b = (
            explain.attribute(made(kit), TEXTS, "ig", tokenizer=ids_of, target=target, n_steps=20)
            for kit in (torch_kit, tensorflow_kit)
        )
        np.testing.assert_allclose(a.values, b.values, rtol=1e-5, atol=1e-7)
        assert a.texts == b.texts


def test_a_result_with_texts_is_saved_and_loaded(kit, tmp_path):
    a = explain.attribute(decoder(kit), TEXTS, "saliency", tokenizer=WordTokenizer())
    b = explain.load(a.save(tmp_path / "a.npz"))
    assert b.texts == a.texts
    assert b.by_word().tokens(1) == a.by_word().tokens(1)


class TestNextToken:
    def test_the_most_likely_one_is_explained(self, kit):
        a = explain.attribute(decoder(kit), TEXTS, "feature_ablation", tokenizer=WordTokenizer())
        for row, text in enumerate(TEXTS):
            ids = [*ids_of(text), WORDS.index("[END]")]
            likely = int(next_logits(ids).argmax())
            assert a.target[row] == (len(ids) - 1, likely)
            assert a.predicted[row] == likely
            assert (a.texts[row].target, a.texts[row].predicted) == (WORDS[likely],) * 2
            np.testing.assert_allclose(a.scores[row], next_logits(ids).max(), rtol=1e-5)
            expected = ablated(lambda ids, token=likely: next_logits(ids)[token], ids)
            np.testing.assert_allclose(a.values[row, : len(ids)], expected, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("target", ["bad", 6, ["bad", "bad"], ["bad", 6], np.array([6, 6])])
    def test_a_token_is_named_or_given_by_its_id(self, kit, target):
        a = explain.attribute(decoder(kit), TEXTS, "saliency", tokenizer=WordTokenizer(), target=target)
        assert a.target == ((5, 6), (3, 6))
        assert [text.target for text in a.texts] == ["bad", "bad"]
        expected = [next_logits([*ids_of(text), 8])[6] for text in TEXTS]
        np.testing.assert_allclose(a.scores, expected, rtol=1e-5)

    @pytest.mark.parametrize("target", ["zebra", "good film"])
    @pytest.mark.parametrize("tokenizer", [WordTokenizer(), ids_of])
    def test_what_is_no_single_token_is_refused(self, torch_kit, tokenizer, target):
        with pytest.raises(TargetError, match=r"is not in the vocabulary|is 2 tokens"):
            explain.attribute(decoder(torch_kit), TEXTS, "saliency", tokenizer=tokenizer, target=target)

    def test_any_other_output_is_given_by_its_index(self, kit):
        a = explain.attribute(decoder(kit), TEXTS, "saliency", tokenizer=WordTokenizer(), target=(1, 3))
        expected = [next_logits(ids_of(text)[:2])[3] for text in TEXTS]
        np.testing.assert_allclose(a.scores, expected, rtol=1e-5)
        assert not a.values[:, 2:].any()
        assert a.texts[0].target == ""

    def test_a_text_of_one_token_has_a_next_one(self, kit):
        a = explain.attribute(decoder(kit), "film", "input_x_gradient", tokenizer=ids_of, target=3)
        assert a.target == ((0, 3),)

    def test_a_special_token_is_named_as_in_the_vocabulary(self, kit):
        a = explain.attribute(decoder(kit), TEXTS, "saliency", tokenizer=WordTokenizer(), target="[END]")
        assert a.target == ((5, 8), (3, 8))

    def test_outputs_that_depend_on_later_tokens_are_not_of_the_next(self, kit):
        with pytest.raises(TargetError, match="which depend on later tokens"):
            explain.attribute(tagger(kit), TEXTS[0], "saliency", tokenizer=ids_of)
        a = explain.attribute(tagger(kit), TEXTS[0], "saliency", tokenizer=ids_of, target=(0, 2))
        assert a.values[0].all()

    def test_the_token_of_a_hidden_word_is_explained(self, kit):
        tokenizer = WordTokenizer()
        tokenizer.mask_token_id = 1
        a = explain.attribute(
            tagger(kit), ["the zebra was good"], "saliency", tokenizer=tokenizer, target="film"
        )
        assert a.target == ((1, 3),)
        assert [token.kind for token in a.texts[0].tokens] == ["word", "special", "word", "word", "special"]


class TestClasses:
    def test_a_class_may_be_named(self, kit):
        display = {"classes": ("poor", "fair", "great")}
        call = {"tokenizer": ids_of, "display": display}
        for target, expected in (
            ("great", (2, 2)),
            (["poor", "great"], (0, 2)),
            (["poor", 1], (0, 1)),
            (1, (1, 1)),
        ):
            a = explain.attribute(classifier(kit), TEXTS, "saliency", target=target, **call)
            assert a.target == expected

    def test_the_configuration_of_a_model_names_them(self, torch_kit):
        model = classifier(torch_kit)
        model.config = SimpleNamespace(id2label={0: "poor", 1: "fair", 2: "great"})
        a = explain.attribute(model, TEXTS, "saliency", tokenizer=ids_of, target="fair")
        assert a.target == (1, 1)
        assert a.display.classes == ("poor", "fair", "great")


class TestPadding:
    def test_a_model_that_reads_padding_takes_texts_of_one_length(self, kit):
        model = classifier(kit, takes_mask=False)
        with pytest.raises(InputError, match="its output for x\\[1\\] changes when that text is padded"):
            explain.attribute(model, TEXTS, "saliency", tokenizer=ids_of, target=0)
        a = explain.attribute(model, ["a good film", "a bad film"], "saliency", tokenizer=ids_of, target=0)
        assert a.mask is None

    def test_a_decoder_reads_none(self, kit):
        a = explain.attribute(decoder(kit), TEXTS, "feature_ablation", tokenizer=ids_of, target=3)
        expected = ablated(lambda ids: next_logits(ids)[3], ids_of(TEXTS[1]))
        np.testing.assert_allclose(a.values[1, :3], expected, rtol=1e-5, atol=1e-6)

    def test_padding_of_the_tokenizers_own_is_part_of_the_input(self, kit):
        def padded(text):
            return [*ids_of(text), 0, 0, 0, 0][:6]

        tokenizer = WordTokenizer()
        tokenizer.__class__ = type("Padded", (WordTokenizer,), {"__call__": lambda self, text: padded(text)})
        a = explain.attribute(
            classifier(kit, takes_mask=False), TEXTS, "saliency", tokenizer=tokenizer, target=0
        )
        assert a.mask is None
        assert a.values.shape == (2, 6)
        assert [name for name, _ in a.tokens(1)] == TEXTS[1].split()

    def test_keras_model_with_a_fixed_length_is_padded_to_it(self, tensorflow_kit):
        keras, own = tensorflow_kit.keras, weights()
        x = keras.Input((7,), dtype="int64")
        words = keras.layers.Embedding(*own["words"].shape, mask_zero=True)
        mean = keras.layers.GlobalAveragePooling1D()(words(x))
        head = keras.layers.Dense(3)
        model = keras.Model(x, head(mean))
        words.set_weights([own["words"]])
        a = explain.attribute(model, TEXTS, "feature_ablation", tokenizer=ids_of, target=1)
        assert a.values.shape == (2, 7)
        kernel, bias = (value.numpy() for value in head.weights)

        def score(ids):
            return own["words"][ids[: len(ids)]].mean(axis=0) @ kernel[:, 1] + bias[1]

        for row, text in enumerate(TEXTS):
            np.testing.assert_allclose(a.scores[row], score(ids_of(text)), rtol=1e-5)
            assert [name for name, _ in a.tokens(row)] == text.split()


def test_a_model_that_takes_time_first_gets_it_so(torch_kit):
    class TimeFirst(torch_kit.torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = classifier(torch_kit)

        def forward(self, ids, attention_mask=None):
            return self.inner(ids.T, attention_mask)

    a, b = (
        explain.attribute(model, TEXTS, "ig", tokenizer=ids_of, target=1, n_steps=8, **layout)
        for model, layout in ((TimeFirst(), {"layout": "TN"}), (classifier(torch_kit), {}))
    )
    assert a.values.shape == (5, 2)
    np.testing.assert_allclose(a.values.T, b.values, rtol=1e-6)
    assert a.by_word().tokens(1) == b.by_word().tokens(1)
    a.plot()


class TestWords:
    @pytest.fixture
    def pieces(self, torch_kit):
        """Words in two pieces each, as the characters of two-letter words."""

        def tokenizer(text):
            spans = [(place, place + 1) for place, letter in enumerate(text) if letter != " "]
            return [3 + place % 4 for place, _ in enumerate(spans)], spans

        return classifier(torch_kit), ["ab cd ef", "gh"], tokenizer

    @pytest.mark.parametrize(
        ("reduce", "joined"),
        [
            ("sum", lambda both: both.sum(axis=-1)),
            ("mean", lambda both: both.mean(axis=-1)),
            ("norm", lambda both: np.sqrt((both**2).sum(axis=-1))),
            ("max", lambda both: both.max(axis=-1)),
        ],
    )
    def test_a_word_has_what_the_reduction_gives_for_all_its_vectors(self, pieces, reduce, joined):
        model, texts, tokenizer = pieces
        a = explain.attribute(model, texts, "ig", tokenizer=tokenizer, target=0, reduce=reduce, n_steps=10)
        words = a.by_word()
        assert [name for name, _ in words.tokens(0)] == ["ab", "cd", "ef"]
        assert words.values.shape == (2, 3)
        assert words.mask.tolist() == [[True] * 3, [True, False, False]]
        np.testing.assert_allclose(words.values[0], joined(a.values[0].reshape(3, 2)), rtol=1e-6)
        np.testing.assert_allclose(words.values[1, 0], joined(a.values[1, :2]), rtol=1e-6)

    def test_words_keep_completeness(self, pieces):
        model, texts, tokenizer = pieces
        a = explain.attribute(model, texts, "ig", tokenizer=tokenizer, target=0)
        np.testing.assert_allclose(a.by_word().values.sum(axis=1), a.values.sum(axis=1), rtol=1e-5)

    def test_only_texts_have_words(self):
        ones = np.ones((1, 2), np.float32)
        a = explain.Attribution(ones, ones, "NT", "saliency", np.ones(1))
        for call in (a.by_word, a.tokens):
            with pytest.raises(InputError, match="no strings were explained"):
                call()
        assert a._repr_html_() is None


def test_a_layer_of_a_text_has_no_words(kit):
    model = classifier(kit)
    a = explain.attribute(model, TEXTS, "ig", tokenizer=ids_of, target=1, layer="words", n_steps=5)
    assert a.values.shape == (2, 5, 4)
    assert a.texts == ()


def test_the_keywords_of_the_caller_come_first(kit):
    model = classifier(kit)
    half = np.array([[1, 1, 0, 0, 0]])
    a = explain.attribute(
        model, TEXTS[0], "ig", tokenizer=ids_of, target=1, forward_kwargs={"attention_mask": half}
    )
    np.testing.assert_allclose(a.scores, [logits(ids_of(TEXTS[0])[:2])[1]], rtol=1e-5)
    assert not a.values[0, 2:].any()


def test_a_text_is_drawn_again_from_a_changed_result(torch_kit):
    a = explain.attribute(classifier(torch_kit), TEXTS, "saliency", tokenizer=ids_of, target=1)
    assert replace(a, method="ig").by_word().texts == a.by_word().texts


class TestKerasHub:
    """Its models take their inputs by name; its tokenizers and preprocessors are callables."""

    @pytest.fixture
    def hub(self):
        return pytest.importorskip("keras_hub")

    @pytest.fixture
    def words(self):
        pieces = ("un", "##believ", "##able")
        return [
            "[PAD]",
            "[UNK]",
            "[CLS]",
            "[SEP]",
            "[MASK]",
            "the",
            "film",
            "was",
            *pieces,
            "good",
            "bad",
            ".",
            "a",
        ]

    SIZES: ClassVar = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32}

    @pytest.mark.parametrize("method", ["ig", "occlusion"])
    def test_a_classifier_with_its_preprocessor(self, hub, words, method):
        import keras

        keras.utils.set_random_seed(0)
        own = hub.tokenizers.BertTokenizer(vocabulary=words, lowercase=True)
        before = hub.models.BertTextClassifierPreprocessor(own, sequence_length=8)
        backbone = hub.models.BertBackbone(vocabulary_size=len(words), max_sequence_length=12, **self.SIZES)
        model = hub.models.BertTextClassifier(backbone=backbone, num_classes=2, preprocessor=before)
        texts = ["The film was unbelievable", "a bad film"]
        options = {"sliding_window_shapes": (1,)} if method == "occlusion" else {"n_steps": 10}
        a = explain.attribute(model, texts, method, tokenizer=before, target=1, **options)
        assert [name for name, _ in a.by_word().tokens(0)] == [
            "[CLS]", "The", "film", "was", "unbelievable", "[SEP]",
        ]  # fmt: skip
        ids = np.array([[2, 5, 6, 7, 8, 9, 10, 3], [2, 14, 12, 6, 3, 0, 0, 0]])
        inputs = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": ids != 0}
        np.testing.assert_allclose(a.scores, model(inputs).numpy()[:, 1], rtol=1e-5)
        alone = explain.attribute(model, texts[1], method, tokenizer=before, target=1, **options)
        np.testing.assert_allclose(a.values[1, :5], alone.values[0], rtol=1e-4, atol=1e-6)
        assert not a.values[1, 5:].any()
        if method == "occlusion":
            # Each token in turn is replaced by padding.
            for place in range(8):
                other = {**inputs, "token_ids": np.where(np.arange(8) == place, 0, ids)}
                fall = a.scores[0] - model(other).numpy()[0, 1]
                np.testing.assert_allclose(a.values[0, place], fall, rtol=1e-4, atol=1e-6)

    def test_a_decoder_with_a_tokenizer(self, hub, words):
        import keras

        keras.utils.set_random_seed(0)
        own = hub.tokenizers.BertTokenizer(vocabulary=words, lowercase=True)
        backbone = hub.models.GPT2Backbone(vocabulary_size=len(words), max_sequence_length=12, **self.SIZES)
        model = hub.models.GPT2CausalLM(backbone=backbone, preprocessor=None)
        texts = ["the film was", "a film"]
        a = explain.attribute(model, texts, "saliency", tokenizer=own, target="good")
        assert a.target == ((2, 11), (1, 11))
        ids = np.array([[5, 6, 7], [14, 6, 0]])
        outputs = model({"token_ids": ids, "padding_mask": ids != 0}).numpy()
        np.testing.assert_allclose(a.scores, [outputs[0, 2, 11], outputs[1, 1, 11]], rtol=1e-5)
        assert a.texts[0].predicted == words[int(outputs[0, 2].argmax())]
