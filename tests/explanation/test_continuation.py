"""A continuation of a text as the target of a decoder, beside Captum's language models and plain gradients."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
import transformers
from models.texts import WORDS, WordTokenizer, decoder, ids_of, tagger, weights
from tokenizers import Tokenizer, models, pre_tokenizers

import explain
from explain import Continuation
from explain.errors import InputError, ScoreError, TargetError

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")

TEXTS = ["the film was", "a very bad film was"]
FOLLOWS = "very good film"
SIZES = {"vocab_size": len(WORDS), "pad_token_id": 0, "bos_token_id": 8, "eos_token_id": 8}


@pytest.fixture(scope="module")
def tokenizer():
    whole = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=whole, unk_token="[UNK]", pad_token="[PAD]")


@pytest.fixture(scope="module")
def gpt():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        n_embd=16, n_layer=2, n_head=2, n_positions=16, initializer_range=0.5, **SIZES
    )
    return transformers.GPT2LMHeadModel(config).eval()


def captums(gpt, tokenizer, text):
    """Integrated gradients of each token that follows, shape (K, T)."""
    method = captum.attr.LayerIntegratedGradients(gpt, gpt.transformer.wte)
    found = captum.attr.LLMGradientAttribution(method, tokenizer).attribute(
        captum.attr.TextTokenInput(text, tokenizer), target=torch.tensor(ids_of(FOLLOWS)), n_steps=20
    )
    return found.token_attr.numpy()


def test_integrated_gradients_are_those_of_captum(gpt, tokenizer):
    whole = explain.attribute(gpt, TEXTS, "ig", tokenizer=tokenizer, target=Continuation(FOLLOWS), n_steps=20)
    assert (whole.score, whole.target, whole.predicted) == ("log_probability", (FOLLOWS,) * 2, None)
    assert whole.texts[0].target == FOLLOWS
    each = [
        explain.attribute(
            gpt, TEXTS, "ig", tokenizer=tokenizer, target=Continuation(FOLLOWS, token=token), n_steps=20
        )
        for token in range(3)
    ]
    assert each[1].target == ("good", "good")
    for row, text in enumerate(TEXTS):
        expected = captums(gpt, tokenizer, text)
        count = expected.shape[1]
        np.testing.assert_allclose(whole.values[row, :count], expected.sum(0), rtol=1e-5, atol=1e-6)
        assert not whole.values[row, count:].any()
        for token, one in enumerate(each):
            np.testing.assert_allclose(one.values[row, :count], expected[token], rtol=1e-5, atol=1e-6)
        assert len(whole.tokens(row)) == count


def test_a_hidden_token_has_the_effect_that_captum_gives(gpt, tokenizer):
    a = explain.attribute(gpt, TEXTS, "feature_ablation", tokenizer=tokenizer, target=Continuation(FOLLOWS))
    for row, text in enumerate(TEXTS):
        found = captum.attr.LLMAttribution(captum.attr.FeatureAblation(gpt), tokenizer).attribute(
            captum.attr.TextTokenInput(text, tokenizer),
            target=torch.tensor(ids_of(FOLLOWS)),
            use_cached_outputs=False,
        )
        expected = found.seq_attr.numpy()
        np.testing.assert_allclose(a.values[row, : len(expected)], expected, rtol=1e-5, atol=1e-5)


def test_each_text_may_have_its_own_continuation(gpt, tokenizer):
    own = [Continuation([5, 3]), Continuation("bad", token=-1)]
    a = explain.attribute(gpt, TEXTS, "input_x_gradient", tokenizer=tokenizer, target=own)
    for row, text in enumerate(TEXTS):
        alone = explain.attribute(gpt, text, "input_x_gradient", tokenizer=tokenizer, target=own[row])
        count = len(ids_of(text))
        np.testing.assert_allclose(a.values[row, :count], alone.values[0, :count], rtol=1e-5, atol=1e-6)
    logits = gpt(torch.tensor([[*ids_of(TEXTS[0]), 5]])).logits.log_softmax(-1)[0]
    assert a.scores[0] == pytest.approx((logits[2, 5] + logits[3, 3]).item(), rel=1e-5)


def test_one_token_is_the_next_token(gpt, tokenizer):
    one = explain.attribute(gpt, TEXTS, "saliency", tokenizer=tokenizer, target=Continuation("good"))
    same = explain.attribute(
        gpt, TEXTS, "saliency", tokenizer=tokenizer, target="good", score="log_probability"
    )
    np.testing.assert_allclose(one.values, same.values, rtol=1e-6)


def test_the_decoder_of_an_encoder_reads_what_it_has_written(tokenizer):
    torch.manual_seed(0)
    config = transformers.T5Config(
        d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0, **SIZES
    )
    model = transformers.T5ForConditionalGeneration(config).eval()
    a = explain.attribute(model, TEXTS, "input_x_gradient", tokenizer=tokenizer, target=Continuation(FOLLOWS))
    ids, after = torch.tensor([ids_of(TEXTS[0])]), ids_of(FOLLOWS)
    kept = []

    def score(**inputs):
        outputs = model(**inputs, decoder_input_ids=torch.tensor([[0, *after[:-1]]])).logits.log_softmax(-1)
        return outputs[0, [0, 1, 2], after].sum()

    vectors = model.shared(ids).detach().requires_grad_()
    kept.append(vectors)
    total = score(inputs_embeds=vectors)
    (slopes,) = torch.autograd.grad(total, kept)
    expected = (slopes * vectors).sum(2)[0].numpy(force=True)
    assert a.scores[0] == pytest.approx(total.item(), rel=1e-5)
    np.testing.assert_allclose(a.values[0, :3], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["input_x_gradient", "feature_ablation"])
def test_a_decoder_by_hand_in_both_frameworks(kit, method):
    """The score of each token that follows, from the mean of the hidden vectors up to it."""
    own, after = weights(), [5, 3]
    a = explain.attribute(
        decoder(kit), ["the film was", "a bad"], method, tokenizer=WordTokenizer(), target=Continuation(after)
    )
    ids = torch.tensor([*ids_of("the film was"), WORDS.index("[END]")])
    table, hidden, last = (torch.tensor(own[name]) for name in ("words", "hidden", "tokens"))

    def score(vectors):
        every = torch.cat([vectors, table[torch.tensor(after[:-1])]])
        states = torch.tanh(every @ hidden).cumsum(0) / torch.arange(1, len(every) + 1)[:, None]
        outputs = (states @ last).log_softmax(-1)
        return sum(outputs[len(ids) - 1 + place, token] for place, token in enumerate(after))

    vectors = table[ids].requires_grad_()
    if method == "input_x_gradient":
        (slopes,) = torch.autograd.grad(score(vectors), vectors)
        expected = (slopes * vectors).sum(1)
    else:
        rows = [vectors.detach().clone() for _ in ids]
        for place, row in enumerate(rows):
            row[place] = table[0]
        expected = torch.stack([score(vectors) - score(row) for row in rows])
    np.testing.assert_allclose(a.values[0, : len(ids)], expected.detach(), rtol=1e-5, atol=1e-6)
    assert a.scores[0] == pytest.approx(score(vectors).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Continuation("nothing"), "a word is not in the vocabulary"),
        (Continuation(""), "which has no token"),
        (Continuation([]), "give a string, or the ids"),
        (Continuation([2, 99]), "the model knows 10 tokens"),
        (Continuation([99, 2]), "a continuation, but the embedding of"),
        (Continuation("good bad", token=2), "has 2 tokens, 'good', 'bad'"),
        ([Continuation("good"), "bad"], r"target\[1\]='bad' is no explain.Continuation"),
        ([Continuation("good")] * 3, "3 continuations for 2 texts"),
    ],
)
def test_what_is_no_continuation(gpt, tokenizer, target, words):
    with pytest.raises(TargetError, match=words):
        explain.attribute(gpt, TEXTS, "saliency", tokenizer=tokenizer, target=target)


def test_what_foretells_nothing_has_no_continuation(kit, gpt, tokenizer):
    after = Continuation([5, 3])
    with pytest.raises(TargetError, match="depend on later tokens"):
        explain.attribute(tagger(kit), TEXTS, "saliency", tokenizer=WordTokenizer(), target=after)
    with pytest.raises(TargetError, match=r"x is of type ndarray.*target=\(place, id\)"):
        explain.attribute(gpt, np.array([[2, 3]]), "saliency", target=after)
    with pytest.raises(ScoreError, match="leave score out"):
        explain.attribute(gpt, TEXTS, "saliency", tokenizer=tokenizer, target=after, score="output")
    with pytest.raises(InputError, match="vectors for 16 positions"):
        explain.attribute(gpt, TEXTS, "saliency", tokenizer=tokenizer, target=Continuation([5] * 20))
