"""Models of `transformers`, called as their pages call them, beside plain autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

import explain
from explain.errors import ModelCallError

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "initializer_range": 0.3,
}
pytestmark = pytest.mark.filterwarnings("error::explain.errors.HeldInputWarning")

AUDIO = {
    "conv_dim": (8, 8, 8),
    "conv_stride": (5, 2, 2),
    "conv_kernel": (10, 3, 3),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
    "num_labels": 3,
}
WAVES = torch.tensor(np.random.default_rng(2).normal(size=(2, 400)))
IDS = torch.tensor(np.random.default_rng(0).integers(5, 40, (2, 7)))


def built(kind, config, **more):
    torch.manual_seed(0)
    return kind(config(**more)).double().eval()


def bert(kind, **more):
    return built(kind, transformers.BertConfig, vocab_size=40, max_position_embeddings=32, **SIZES, **more)


def grad_cam_by_hand(model, layer, score, **inputs):
    """The mean gradient of each channel of a layer of shape (N, T, C), times the channel; negative sums are zero."""
    found = []
    hook = model.get_submodule(layer).register_forward_hook(
        lambda module, given, output: found.append(output[0] if isinstance(output, tuple) else output)
    )
    total = score(model(**inputs))
    hook.remove()
    (slopes,) = torch.autograd.grad(total.sum(), found)
    return (slopes.mean(1, keepdim=True) * found[0]).sum(2).clamp(min=0).numpy(force=True)


def test_inputs_by_name_have_the_map_that_plain_autograd_gives():
    # The search for the layer records many operations in one run: fused attention is among them.
    model = bert(transformers.BertForTokenClassification, num_labels=3)
    inputs = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
    a = explain.attribute(model, inputs, "grad_cam", target=(2, 1))["input_ids"]
    expected = grad_cam_by_hand(model, a.layer, lambda output: output.logits[:, 2, 1], **inputs)
    assert expected.any()
    np.testing.assert_allclose(a.values, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("layer", [None, "vit.layers.0"])
def test_a_picture_by_name_has_the_map_of_a_picture_alone(layer):
    model = built(
        transformers.ViTForImageClassification,
        transformers.ViTConfig,
        image_size=16,
        patch_size=4,
        num_labels=3,
        **SIZES,
    )
    x = torch.tensor(np.random.default_rng(1).normal(size=(2, 3, 16, 16)))
    named = explain.attribute(model, {"pixel_values": x}, "grad_cam", layer=layer, target=1)
    alone = explain.attribute(model, x, "grad_cam", layer=layer, target=1)
    assert named["pixel_values"].layer == alone.layer
    np.testing.assert_allclose(named["pixel_values"].values, alone.values, rtol=1e-5, atol=1e-7)


def wave_model(kind=transformers.Wav2Vec2ForSequenceClassification, config=transformers.Wav2Vec2Config):
    return built(kind, config, **AUDIO, **SIZES)


def slopes_of(score, x):
    given = x.clone().requires_grad_()
    return torch.autograd.grad(score(given).sum(), given)[0].numpy()


@pytest.mark.parametrize("layer", [None, "projector"])
def test_a_waveform_is_a_series(layer):
    """The axis of its numbers is seen as time, so that it has a map."""
    model = wave_model()
    a = explain.attribute(model, WAVES, "saliency", target=1)
    expected = slopes_of(lambda x: model(x).logits[:, 1], WAVES)
    np.testing.assert_allclose(a.values, expected, rtol=1e-5, atol=1e-8)
    assert a.layout == "NT"
    cam = explain.attribute(model, WAVES, "grad_cam", target=1, layer=layer)
    assert (cam.layout, cam.layer) == ("NT", "projector")
    steps = grad_cam_by_hand(model, "projector", lambda output: output.logits[:, 1], input_values=WAVES)
    resized = torch.nn.functional.interpolate(torch.tensor(steps)[:, None], 400, mode="linear")[:, 0]
    np.testing.assert_allclose(cam.values, resized, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", ["saliency", "ig", "lrp", "occlusion", "layer_activation"])
@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
def test_a_mask_beside_a_waveform_stays_and_warns_of_nothing(method):
    model = wave_model(transformers.Wav2Vec2ForCTC)
    options = {
        "target": (2, 1),
        **({"sliding_window_shapes": (50,)} if method == "occlusion" else {}),
    }
    if method == "ig":
        options["n_steps"] = 8
    if method == "layer_activation":
        options["layer"] = "wav2vec2.feature_extractor"
    whole = {"input_values": WAVES, "attention_mask": torch.ones(WAVES.shape, dtype=torch.long)}
    masked, alone = (
        explain.attribute(model, whole, method, **options),
        explain.attribute(model, WAVES, method, **options),
    )
    values = masked["input_values"].values if isinstance(masked, dict) else masked.values
    np.testing.assert_allclose(values, alone.values, rtol=1e-5, atol=1e-8)


def whisper():
    names = {
        f"{part}_{what}": size
        for part in ("encoder", "decoder")
        for what, size in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 32))
    }
    return built(
        transformers.WhisperForConditionalGeneration,
        transformers.WhisperConfig,
        d_model=16,
        num_mel_bins=8,
        max_source_positions=20,
        max_target_positions=20,
        vocab_size=40,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
        **names,
    )


@pytest.mark.filterwarnings("ignore::explain.errors.ZeroMapWarning")  # of the decoder ids
def test_a_spectrogram_by_name_beside_the_ids_of_the_decoder():
    model, mel, ids = whisper(), torch.tensor(np.random.default_rng(3).normal(size=(2, 8, 40))), IDS[:, :3]
    x = {"input_features": mel, "decoder_input_ids": ids}
    a = explain.attribute(model, x, "saliency", target=(2, 3))["input_features"]
    expected = slopes_of(lambda mel: model(input_features=mel, decoder_input_ids=ids).logits[:, 2, 3], mel)
    assert a.layout == "NCT"
    np.testing.assert_allclose(a.values, expected, rtol=1e-5, atol=1e-9)
    hidden = mel.clone()
    hidden[:, :, 10:20] = 0
    with torch.no_grad():
        scores = [model(input_features=one, decoder_input_ids=ids).logits[:, 2, 3] for one in (mel, hidden)]
    patches = explain.attribute(
        model,
        x,
        "occlusion",
        target=(2, 3),
        sliding_window_shapes={"input_features": (8, 10)},
        strides={"input_features": (8, 10)},
    )["input_features"]
    np.testing.assert_allclose(patches.values[:, 0, 10], scores[0] - scores[1], rtol=1e-5, atol=1e-8)
    cam = explain.attribute(model, x, "grad_cam", target=(2, 3))["input_features"]
    alone = explain.attribute(
        model, mel, "grad_cam", target=(2, 3), forward_kwargs={"decoder_input_ids": ids}, layer=cam.layer
    )
    np.testing.assert_allclose(cam.values, alone.values, rtol=1e-5, atol=1e-9)


class Sentences(torch.nn.Module):
    """As `sentence_transformers` has it: one mapping in, with the embedding out; it has its tokenizer."""

    def __init__(self, tokenizer):
        super().__init__()
        self.tokenizer = tokenizer
        self.transformer = bert(transformers.BertModel)

    def forward(self, features, **more):
        vectors = self.transformer(features["input_ids"], features["attention_mask"]).last_hidden_state
        real = features["attention_mask"][..., None].to(vectors.dtype)
        return {
            **features,
            "token_embeddings": vectors,
            "sentence_embedding": (vectors * real).sum(1) / real.sum(1),
        }


def test_a_sentence_is_explained_by_its_similarity_to_another(tokenizer):
    model, other = Sentences(tokenizer).eval(), torch.arange(16.0).double()
    texts = ["the film was good", "a film"]

    def similarity(found):
        return torch.cosine_similarity(found["sentence_embedding"], other[None])

    a = explain.attribute(model, texts, "input_x_gradient", target=similarity)
    for row, text in enumerate(texts):
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        table = model.transformer.embeddings.word_embeddings
        vectors = table(ids).detach().requires_grad_()
        hook = table.register_forward_hook(lambda module, given, output, own=vectors: own)
        score = similarity(model({"input_ids": ids, "attention_mask": torch.ones_like(ids)}))
        hook.remove()
        (slopes,) = torch.autograd.grad(score.sum(), vectors)
        expected = (slopes * vectors).sum(2)[0].numpy(force=True)
        np.testing.assert_allclose(a.values[row, : ids.shape[1]], expected, rtol=1e-5, atol=1e-7)
        assert a.scores[row] == pytest.approx(score.item(), rel=1e-5)
    assert [name for name, _ in a.tokens(1)] == ["a", "film"]


@pytest.fixture
def tokenizer():
    words = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "the", "film", "was", "good", "a"])}
    whole = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=whole, unk_token="[UNK]", pad_token="[PAD]")


def test_ids_for_an_encoder_need_those_that_its_decoder_has_written():
    small = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "vocab_size": 30}
    model = built(
        transformers.T5ForConditionalGeneration, transformers.T5Config, decoder_start_token_id=0, **small
    )
    ids, mask = np.array([[3, 4, 5, 6], [7, 8, 1, 0]]), np.array([[1, 1, 1, 1], [1, 1, 1, 0]])
    with pytest.raises(
        ModelCallError, match=r"forward_kwargs=\{'decoder_input_ids': \.\.\.\}: at first a column"
    ):
        explain.attribute(model, ids, "saliency", target=(0, 5), forward_kwargs={"attention_mask": mask})
    first = np.full((2, 1), model.config.decoder_start_token_id)
    given = {"attention_mask": mask, "decoder_input_ids": first}
    a = explain.attribute(model, ids, "input_x_gradient", target=(0, 5), forward_kwargs=given)
    vectors = model.shared(torch.from_numpy(ids)).detach().requires_grad_()
    tensors = {name: torch.from_numpy(one) for name, one in given.items()}
    score = model(inputs_embeds=vectors, **tensors).logits[:, 0, 5]
    (slopes,) = torch.autograd.grad(score.sum(), vectors)
    np.testing.assert_allclose(a.values, (slopes * vectors).sum(2).detach().numpy(), rtol=1e-5, atol=1e-7)
