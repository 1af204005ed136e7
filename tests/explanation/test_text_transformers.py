"""Strings into models of `transformers`, beside Captum; their pipelines, their outputs and their masks."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

import explain
from explain.errors import HeldInputWarning, InputError, ScoreError

pytestmark = [
    pytest.mark.filterwarnings("error::explain.errors.ExplainWarning"),
    pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning"),
]

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
    "good",
    "bad",
    ".",
    "a",
    "paris",
]
TEXTS = ["The film was unbelievable.", "a bad film"]
SIZES = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    # So large that the scores of a random model differ between texts.
    "initializer_range": 0.5,
}


def tokenizer(ends=True):
    found = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    found.normalizer, found.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    found.decoder = decoders.WordPiece()
    found.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]" if ends else "[CLS] $A", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {name: f"[{name[:-6].upper()}]" for name in ("pad_token", "cls_token", "sep_token", "mask_token")}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=found, unk_token="[UNK]", **names)


def built(kind, config, **more):
    torch.manual_seed(0)
    return kind(config(**{**SIZES, **more})).double().eval()


def bert(**more):
    return built(
        transformers.BertForSequenceClassification,
        transformers.BertConfig,
        id2label={0: "bad", 1: "fair", 2: "good"},
        **more,
    )


def distilbert():
    names = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "num_labels": 3}
    return built(transformers.DistilBertForSequenceClassification, transformers.DistilBertConfig, **names)


def gpt():
    names = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}
    return built(transformers.GPT2LMHeadModel, transformers.GPT2Config, **names)


def llama():
    return built(transformers.LlamaForCausalLM, transformers.LlamaConfig)


def t5():
    names = {
        "d_model": 16,
        "d_kv": 8,
        "d_ff": 32,
        "num_layers": 2,
        "num_heads": 2,
        "decoder_start_token_id": 0,
    }
    return built(transformers.T5ForConditionalGeneration, transformers.T5Config, **names)


def captums(model, target, ids, n_steps=20, **keywords):
    """Integrated gradients at the embedding of the words, from padding."""

    def scores(ids):
        outputs = model(ids, **keywords).logits
        return outputs[:, target] if outputs.ndim == 2 else outputs[:, target[0], target[1]]

    found = captum.attr.LayerIntegratedGradients(scores, model.get_input_embeddings())
    return found.attribute(ids, baselines=torch.zeros_like(ids), n_steps=n_steps).sum(2)[0].numpy(force=True)


@pytest.mark.parametrize("build", [bert, distilbert])
def test_a_class_is_explained_as_captum_does(build):
    model, own = build(), tokenizer()
    a = explain.attribute(model, TEXTS, "ig", tokenizer=own, target=1, n_steps=20)
    for row, text in enumerate(TEXTS):
        ids = torch.tensor([own(text)["input_ids"]])
        expected = captums(model, 1, ids)
        np.testing.assert_allclose(a.values[row, : ids.shape[1]], expected, rtol=1e-5, atol=1e-6)
        with torch.no_grad():
            np.testing.assert_allclose(a.scores[row], model(ids).logits[0, 1], rtol=1e-5)
    assert [name for name, _ in a.by_word().tokens(0)] == [
        "[CLS]", "The", "film", "was", "unbelievable", ".", "[SEP]",
    ]  # fmt: skip


@pytest.mark.parametrize("build", [gpt, llama])
def test_the_next_token_is_explained_as_captum_does(build):
    model, own = build(), tokenizer(ends=False)
    a = explain.attribute(model, TEXTS, "ig", tokenizer=own, target="paris", n_steps=20)
    for row, text in enumerate(TEXTS):
        ids = torch.tensor([own(text)["input_ids"]])
        last = ids.shape[1] - 1
        assert a.target[row] == (last, WORDS.index("paris"))
        expected = captums(model, (last, WORDS.index("paris")), ids)
        np.testing.assert_allclose(a.values[row, : last + 1], expected, rtol=1e-5, atol=1e-6)
        with torch.no_grad():
            likely = int(model(ids).logits[0, -1].argmax())
        assert a.predicted[row] == likely
        assert a.texts[row].predicted == own.decode([likely])


def test_the_first_token_that_a_decoder_writes_is_explained():
    model, own = t5(), tokenizer()
    a = explain.attribute(model, TEXTS, "ig", tokenizer=own, target="good", n_steps=20)
    for row, text in enumerate(TEXTS):
        ids = torch.tensor([own(text)["input_ids"]])
        assert a.target[row] == (0, WORDS.index("good"))
        with torch.no_grad():
            expected = model(ids, decoder_input_ids=torch.zeros((1, 1), dtype=torch.long)).logits[0, 0]
        np.testing.assert_allclose(a.scores[row], expected[WORDS.index("good")], rtol=1e-5)
        alone = explain.attribute(model, text, "ig", tokenizer=own, target="good", n_steps=20)
        np.testing.assert_allclose(a.values[row, : ids.shape[1]], alone.values[0], rtol=1e-5, atol=1e-7)
    # Later ones, by the ids that the decoder begins with.
    begun = {"decoder_input_ids": torch.tensor([[0, 14, 12]])}
    b = explain.attribute(model, TEXTS[1], "saliency", tokenizer=own, forward_kwargs=begun)
    assert b.target[0][0] == 2


def test_a_hidden_word_is_explained():
    model = built(transformers.BertForMaskedLM, transformers.BertConfig)
    a = explain.attribute(model, "the [MASK] was good", "saliency", tokenizer=tokenizer(), target="film")
    assert a.target == ((2, WORDS.index("film")),)


def test_segments_are_passed_on():
    model, own = bert(type_vocab_size=2), tokenizer()

    def second(text, **options):
        found = own(text, **options)
        return {**found, "token_type_ids": [1] * len(found["input_ids"])}

    class OfSecond(type(own)):
        def __call__(self, text, **options):
            return transformers.BatchEncoding(second(text, **options))

    tokens = OfSecond(tokenizer_object=own._tokenizer, **own.special_tokens_map)
    a = explain.attribute(model, TEXTS[0], "saliency", tokenizer=tokens, target=0)
    ids = torch.tensor([own(TEXTS[0])["input_ids"]])
    with torch.no_grad():
        np.testing.assert_allclose(
            a.scores, model(ids, token_type_ids=torch.ones_like(ids)).logits[:, 0], rtol=1e-5
        )


def test_a_pipeline_gives_its_model_and_its_tokenizer():
    model, own = bert(), tokenizer()
    pipeline = transformers.pipeline("text-classification", model=model, tokenizer=own)
    a = explain.attribute(pipeline, TEXTS, "saliency", target="good")
    b = explain.attribute(model, TEXTS, "saliency", tokenizer=own, target=2)
    assert a.values.tolist() == b.values.tolist()
    assert a.model == "BertForSequenceClassification"
    assert a.display.classes == ("bad", "fair", "good")
    labels = [one["label"] for one in pipeline(TEXTS)]
    predicted = explain.attribute(pipeline, TEXTS, "saliency").target
    assert [("bad", "fair", "good")[one] for one in predicted] == labels


def test_the_logits_are_found_where_they_are_the_only_ones():
    model, ids = gpt(), torch.tensor([[2, 5, 6]])
    one, other = (
        explain.attribute(model, ids, "saliency", target=(2, 3), **output)
        for output in ({}, {"output": "logits"})
    )
    assert one.values.tolist() == other.values.tolist()
    heads = built(transformers.BertForQuestionAnswering, transformers.BertConfig)
    with pytest.raises(ScoreError, match="'start_logits', 'end_logits'"):
        explain.attribute(heads, ids, "saliency", target=0)


def test_ids_beyond_the_embedding_are_refused_before_the_model_runs():
    with pytest.raises(InputError, match=r"the id 14, for 'A' in x\[0\], but the embedding .* has 8 rows"):
        explain.attribute(bert(vocab_size=8), ["A film"], "saliency", tokenizer=tokenizer(), target=0)


def test_positions_that_a_model_lacks_are_told():
    with pytest.raises(InputError, match=r"x\[0\] has 42 tokens, but .* has vectors for 32 positions"):
        explain.attribute(bert(), "film " * 40, "saliency", tokenizer=tokenizer(), target=0)


def test_a_mask_of_the_tokens_gives_no_warning():
    found = tokenizer()(TEXTS, padding=True, return_tensors="pt")
    ids, mask = found["input_ids"], found["attention_mask"]
    a = explain.attribute(bert(), {"input_ids": ids, "attention_mask": mask}, "saliency", target=0)
    b = explain.attribute(bert(), TEXTS, "saliency", tokenizer=tokenizer(), target=0)
    np.testing.assert_allclose(a["input_ids"].values * mask.numpy(), b.values, rtol=1e-5)
    assert not a["attention_mask"].values.any()
    # Other whole numbers, and a mask by position, may be a quantity.
    with pytest.warns(HeldInputWarning, match="The input '1' has dtype int64"):
        explain.attribute(bert(), (ids, mask), "saliency", target=0)
