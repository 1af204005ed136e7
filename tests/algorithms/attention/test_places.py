"""Where tokens are, which token is read, and what is refused: the methods that read attentions on other models."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
import transformers
from architectures.torchvision_stub import imported
from models.attention import WORDS, TorchTransformer, attentions_by_hand, keras_transformer, weights_of
from torch import nn
from torch.nn import functional

import explain
from explain.errors import (
    GradientError,
    HeldInputWarning,
    UnsupportedInputError,
    UnsupportedModelError,
    ZeroGradientWarning,
)
from explain.running import BackendContract, ContractModel
from explain.tf_ext.extension import extension as tensorflow_extension
from explain.torch_ext.extension import extension as torch_extension

METHODS = ["attention_rollout", "gradient_attention"]
IDS = np.random.default_rng(0).integers(1, WORDS, (3, 6))
WEIGHTS = weights_of()
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
PICTURES = np.random.default_rng(1).normal(size=(2, 3, 16, 16))


def rollout(attentions):
    product = np.eye(attentions[0].shape[-1])
    for one in attentions:
        product = (0.5 * one.mean(axis=1) + 0.5 * np.eye(one.shape[-1])) @ product
    return product


def encoder():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)


class OfColumns(nn.Module):
    """A token for each column of a table, in some order, beside a class token."""

    def __init__(self, order, class_first):
        super().__init__()
        self.order, self.class_first = order, class_first
        self.weight, self.token = nn.Parameter(torch.randn(5, 8)), nn.Parameter(torch.randn(1, 1, 8))
        self.encoder, self.head = encoder(), nn.Linear(8, 3)

    def tokens(self, x):
        own = (x[:, :, None] * self.weight)[:, self.order]
        token = self.token.expand(len(x), 1, 8)
        return torch.cat([token, own] if self.class_first else [own, token], 1)

    def forward(self, x):
        return self.head(self.encoder(self.tokens(x))[:, 0 if self.class_first else -1])


def weights_in(model, tokens):
    """The attentions of the encoder of a model, by its own layers."""
    found = []
    for layer in model.encoder.layers:
        found.append(layer.self_attn(tokens, tokens, tokens, average_attn_weights=False)[1].detach().numpy())
        tokens = layer(tokens)
    return found


@pytest.mark.parametrize("class_first", [True, False])
def test_the_columns_of_a_table_are_tokens(class_first):
    torch.manual_seed(0)
    model = OfColumns([0, 1, 2, 3, 4], class_first).double().eval()
    x = np.random.default_rng(0).normal(size=(3, 5))
    a = explain.attribute(model, x, "rollout", target=1)
    rows = rollout(weights_in(model, model.tokens(torch.tensor(x))))[:, 0 if class_first else -1]
    np.testing.assert_allclose(a.values, rows[:, 1:] if class_first else rows[:, :-1], rtol=1e-5)
    assert a.options["token"] == (0 if class_first else 5)


@pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [0, 2, 1, 3, 4]])
def test_columns_in_another_order_are_refused(order):
    torch.manual_seed(0)
    model = OfColumns(order, True).double().eval()
    with pytest.raises(UnsupportedInputError, match="at no places of this input"):
        explain.attribute(model, np.random.default_rng(0).normal(size=(3, 5)), "rollout", target=1)


class OfSteps(nn.Module):
    """A class token, and a token for every second step of a series, or for every step of it backwards."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.token = kind, nn.Parameter(torch.randn(1, 1, 8))
        self.first = nn.Conv1d(4, 8, 3, stride=2, padding=1) if kind == "halved" else nn.Linear(4, 8)
        self.encoder, self.head = encoder(), nn.Linear(8, 3)

    def tokens(self, x):
        if self.kind == "halved":
            own = self.first(x.transpose(1, 2)).transpose(1, 2)
        else:
            own = self.first(x.flip(1) if self.kind == "backwards" else x)
        return torch.cat([self.token.expand(len(x), 1, 8), own], 1)

    def forward(self, x):
        return self.head(self.encoder(self.tokens(x))[:, 0])


@pytest.mark.parametrize("steps", [6, 20])
@pytest.mark.parametrize("kind", ["plain", "halved", "backwards"])
def test_the_steps_of_a_series(kind, steps):
    torch.manual_seed(0)
    model, x = OfSteps(kind).double().eval(), np.random.default_rng(0).normal(size=(2, steps, 4))
    if kind == "backwards":
        with pytest.raises(UnsupportedInputError, match="at no places of this input"):
            explain.attribute(model, x, "rollout", target=1)
        return
    a = explain.attribute(model, x, "rollout", target=1)
    row = rollout(weights_in(model, model.tokens(torch.tensor(x))))[:, 0, 1:]
    resized = functional.interpolate(torch.tensor(row)[:, None], steps, mode="linear")[:, 0].numpy()
    np.testing.assert_allclose(a.values, np.repeat(resized[..., None] / 4, 4, axis=2), rtol=1e-5)


@pytest.mark.parametrize("made", [TorchTransformer, keras_transformer])
@pytest.mark.parametrize("method", METHODS)
def test_series_of_vectors_and_padding_of_them(made, method):
    way = "fused" if made is TorchTransformer else "layer"
    x = np.random.default_rng(0).normal(size=(2, 6, 8))
    full = explain.attribute(made(WEIGHTS, way, "mean", words=False), x, method, target=1)
    cut = explain.attribute(made(WEIGHTS, way, "mean", words=False), x, method, target=1, lengths=[4, 6])
    np.testing.assert_array_equal(cut.values[1], full.values[1])
    np.testing.assert_array_equal(cut.values[0, :4], full.values[0, :4])
    assert not cut.values[0, 4:].any()


def test_a_picture_with_register_tokens_read_at_its_mean():
    torch.manual_seed(0)
    config = transformers.Dinov2WithRegistersConfig(
        image_size=16,
        patch_size=4,
        num_labels=3,
        initializer_range=0.3,
        attn_implementation="eager",
        **SMALL,
    )
    model = transformers.Dinov2WithRegistersForImageClassification(config).double().eval()
    attentions = model(torch.tensor(PICTURES), output_attentions=True).attentions
    whole = rollout([one.detach().numpy() for one in attentions])
    # Its head reads the class token and the mean of the patches; four registers are between them.
    read = whole[:, [0, *range(5, 21)]].mean(axis=1)[:, 5:].reshape(2, 1, 4, 4)
    wanted = functional.interpolate(torch.tensor(read), (16, 16), mode="bilinear").numpy() / 3
    a = explain.attribute(model, PICTURES, "rollout", target=1, output="logits")
    np.testing.assert_allclose(a.values, np.broadcast_to(wanted, PICTURES.shape), rtol=1e-4, atol=1e-9)
    assert a.options["token"] == "mean of 17"


@pytest.mark.parametrize("method", METHODS)
def test_a_last_attention_with_a_query_of_its_own_says_what_is_read(method):
    torch.manual_seed(0)

    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.query, self.head = (
                encoder(),
                nn.Parameter(torch.randn(1, 1, 8)),
                nn.Linear(8, 3),
            )

        def forward(self, x):
            tokens = self.encoder(x)
            self.shares = torch.softmax(self.query @ tokens.transpose(1, 2), -1)
            if self.shares.requires_grad:
                self.shares.retain_grad()
            return self.head((self.shares @ tokens)[:, 0])

    model, x = Pooled().double().eval(), np.random.default_rng(0).normal(size=(2, 5, 8))
    a = explain.attribute(model, x, method, target=1)
    assert a.options["token"] == "query of the last attention"
    attentions = weights_in(model, torch.tensor(x))
    model(torch.tensor(x))[:, 1].sum().backward()
    if method == "attention_rollout":
        wanted = (model.shares.detach().numpy() @ rollout(attentions))[:, 0]
        np.testing.assert_allclose(a.values.sum(axis=2), wanted, rtol=1e-5)
        np.testing.assert_allclose(a.values.sum(axis=(1, 2)), 1, rtol=1e-6)
    else:
        # At least what the last attention itself takes of each token.
        own = (model.shares.grad * model.shares).clamp(min=0)[:, 0].detach().numpy()
        assert (a.values.sum(axis=2) >= own * (1 - 1e-6)).all()
    # A token that is named is read before that attention.
    named = explain.attribute(model, x, "rollout", target=1, token=2)
    np.testing.assert_allclose(named.values.sum(axis=2), rollout(attentions)[:, 2], rtol=1e-5)


@pytest.mark.parametrize("made", [TorchTransformer, keras_transformer])
def test_options(made):
    way = "heads_first" if made is TorchTransformer else "operations"
    weights, _ = attentions_by_hand(WEIGHTS, IDS, False, lambda logits: logits[:, 0, 1])
    model = made(WEIGHTS, way, "first")
    for fusion, fuse in (("max", np.max), ("min", np.min)):
        product = np.eye(6)
        for one in weights:
            step = 0.5 * fuse(one, axis=1) + 0.5 * np.eye(6)
            product = step / step.sum(axis=-1, keepdims=True) @ product
        a = explain.attribute(model, IDS, "rollout", target=1, head_fusion=fusion)
        np.testing.assert_allclose(a.values, product[:, 0], rtol=1e-6)
    whole = rollout(weights)
    for token, wanted in (
        (-2, whole[:, -2]),
        ("mean", whole.mean(axis=1)),
        ([1, 2, -1], whole[[0, 1, 2], [1, 2, -1]]),
    ):
        for batch_size in (None, 1, 2):
            a = explain.attribute(model, IDS, "rollout", target=1, token=token, batch_size=batch_size)
            np.testing.assert_allclose(a.values, wanted, rtol=1e-6)
            assert a.options["token"] == token


def test_masked_words_have_no_share():
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=WORDS, num_labels=3, initializer_range=0.3, **SMALL)
    model = transformers.BertForSequenceClassification(config).eval()
    mask = np.array([[1] * 6, [1] * 4 + [0] * 2, [1] * 5 + [0]])
    for method in METHODS:
        a = explain.attribute(
            model, IDS, method, target=1, output="logits", forward_kwargs={"attention_mask": mask}
        )
        assert not a.values[mask == 0].any()
        assert a.values[mask == 1].all()


def test_of_several_inputs_each_that_has_the_tokens_has_a_map():
    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.reader, self.table = TorchTransformer(WEIGHTS, "fused"), nn.Linear(3, 4).double()

        def forward(self, ids, table):
            return self.reader(ids) + self.table(table)

    table = np.random.default_rng(0).normal(size=(3, 3))
    alone = explain.attribute(TorchTransformer(WEIGHTS, "fused"), IDS, "gradient_attention", target=1)
    with pytest.warns(HeldInputWarning, match="at no places of this input"):
        words, numbers = explain.attribute(Beside(), (IDS, table), "gradient_attention", target=1)
    np.testing.assert_allclose(words.values, alone.values, rtol=1e-6)
    assert numbers is None


def test_a_score_without_a_gradient_to_the_attentions():
    class Dead(TorchTransformer):
        def forward(self, x):
            return torch.relu(super().forward(x) - 1e4) + self.embedding(x)[:, 0, :4]

    model = Dead(WEIGHTS, "fused")
    with pytest.raises(GradientError, match=r"for examples \[0, 1, 2\].*Name the token"):
        explain.attribute(model, IDS, "rollout", target=1)
    with pytest.warns(ZeroGradientWarning):
        a = explain.attribute(model, IDS, "gradient_attention", target=1, token=0)
    assert not a.values.any()


def hugging_face(name, kind, **options):
    config = getattr(transformers, f"{name}Config")(**options)
    return getattr(transformers, f"{name}For{kind}")(config).eval()


def timm_model(name, **options):
    return imported("timm").create_model(name, pretrained=False, num_classes=3, **options).eval()


class Changed(TorchTransformer):
    """Doubles the weights of its last attention before they multiply values."""

    def __init__(self, *given):
        super().__init__(*given)

        def way(q, k, v, causal):
            weights = (q @ k.transpose(1, 2)).softmax(-1)
            return (weights * 2 if self.is_last() else weights) @ v

        self.way, self.calls = way, 0

    def is_last(self):
        self.calls += 1
        return self.calls % 3 == 0


REFUSED = {
    "two sequences of one length": (
        lambda: hugging_face(
            "T5",
            "ConditionalGeneration",
            vocab_size=WORDS,
            d_model=16,
            d_kv=8,
            d_ff=32,
            num_layers=2,
            num_heads=2,
        ),
        {"input_ids": IDS, "decoder_input_ids": IDS},
        {"target": (2, 3), "output": "logits"},
        "do not follow one another",
    ),
    "windows": (
        lambda: timm_model(
            "swin_tiny_patch4_window7_224",
            img_size=32,
            depths=(1, 1),
            embed_dim=8,
            num_heads=(1, 2),
            window_size=4,
        ),
        np.zeros((2, 3, 32, 32), np.float32) + np.linspace(0, 1, 32, dtype=np.float32),
        {},
        "their rows are not the examples",
    ),
    "attention between channels": (
        lambda: timm_model("xcit_nano_12_p16_224", img_size=32, depth=2, embed_dim=24, num_heads=2),
        np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32),
        {},
        "not all over the same tokens",
    ),
    "mixed heads": (
        lambda: timm_model("cait_xxs24_224", img_size=32, depth=2, embed_dim=24, num_heads=2),
        np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32),
        {},
        "not all over the same tokens",
    ),
    "changed weights": (lambda: Changed(WEIGHTS), IDS, {}, "are changed before they multiply values"),
    "no attention": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 3)),
        np.ones((2, 3, 4), np.float32),
        {"layout": "NTC"},
        "no softmax on the way to its score",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_chain_of_attentions_over_tokens_is_refused(case, method):
    torch.manual_seed(0)
    made, x, asked, says = REFUSED[case]
    with pytest.raises(UnsupportedModelError, match=says):
        explain.attribute(made(), x, method, **{"target": 1, **asked})


def test_attention_to_another_sequence_of_the_same_length_is_refused_in_keras():
    layers = keras.layers
    words, other = keras.Input((6, 8)), keras.Input((6, 8))
    mixed = words + layers.MultiHeadAttention(2, 4)(words, words)
    mixed = mixed + layers.MultiHeadAttention(2, 4)(mixed, other)
    model = keras.Model([words, other], layers.Dense(3)(mixed[:, 0]))
    x = np.random.default_rng(0).normal(size=(2, 2, 6, 8)).astype(np.float32)
    with pytest.raises(UnsupportedModelError, match="do not follow one another"):
        explain.attribute(model, (x[0], x[1]), "rollout", target=1)


def test_a_fused_attention_that_the_model_asks_for_is_refused():
    from torch.nn.attention import SDPBackend, sdpa_kernel

    class Own(TorchTransformer):
        def forward(self, x):
            with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
                return super().forward(x)

    with pytest.raises(UnsupportedModelError, match="a fused operation that the model itself asks for"):
        explain.attribute(Own(WEIGHTS, "fused"), IDS, "rollout", target=1)
    assert explain.attribute(Own(WEIGHTS, "explicit"), IDS, "rollout", target=1).values.all()


@pytest.mark.parametrize("method", METHODS)
def test_a_fixed_batch_size(method):
    layers = keras.layers
    made = []
    for shape in ({"batch_shape": (2, 6, 8)}, {"shape": (6, 8)}):
        keras.utils.set_random_seed(0)
        words = keras.Input(**shape, dtype="float64")
        mixed = words + layers.MultiHeadAttention(2, 4, dtype="float64")(words, words)
        made.append(keras.Model(words, layers.Dense(3, dtype="float64")(mixed[:, 0])))
    x = np.random.default_rng(0).normal(size=(3, 6, 8))
    fixed, free = (explain.attribute(model, x, method, target=1) for model in made)
    np.testing.assert_allclose(fixed.values, free.values, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_and_an_exported_model(method):
    x = np.random.default_rng(0).normal(size=(3, 6, 8))
    model = TorchTransformer(WEIGHTS, "fused", "mean", words=False)
    exact = explain.attribute(model, x, method, target=1)
    exported = torch.export.export(model, (torch.tensor(x),))
    again = explain.attribute(exported, x, method, target=1, score="output")
    np.testing.assert_allclose(again.values, exact.values, rtol=1e-6)
    half = explain.attribute(model.to(torch.bfloat16), x.astype(np.float32), method, target=1)
    apart = np.linalg.norm(half.values - exact.values) / np.linalg.norm(exact.values)
    # Weights have 8 bits.
    assert 1e-6 < apart < 0.1


@pytest.mark.parametrize(
    ("extension", "made", "way"),
    [(torch_extension, TorchTransformer, "heads_first"), (tensorflow_extension, keras_transformer, "scores")],
)
def test_the_contract_of_a_backend(extension, made, way):
    class Contract(BackendContract):
        def models(self):
            x = np.random.default_rng(0).normal(size=(3, 5, 8))
            return [ContractModel("transformer", made(WEIGHTS, way, "mean", words=False), x, "NTC")]

    contract = Contract()
    contract.extension = extension
    contract.test_attentions_are_shares_of_their_own_example()
