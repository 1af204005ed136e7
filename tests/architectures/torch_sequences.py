"""PyTorch architectures for text, audio, series, graphs, tables, and several of them at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from architectures.architecture import EXAMPLES, Architecture, normal, seeded_torch, tokens
from architectures.torch_vision import transformers

TEXT = {"domain": "text", "framework": "torch", "package": "transformers"}
SMALL = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 32,
    "num_labels": 5,
}
SEVEN = tokens(7)


def tcn() -> Any:
    def make() -> Any:
        import torch
        from pytorch_tcn import TCN

        class Classifier(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = TCN(3, [8, 8, 8], kernel_size=3, use_norm="weight_norm", causal=True)
                self.head = torch.nn.Linear(8, 5)

            def forward(self, x: Any) -> Any:
                return self.head(self.body(x).mean(-1))

        return Classifier()

    return seeded_torch(make)


def encoder_layers() -> Any:
    def make() -> Any:
        import torch

        class TextEncoder(torch.nn.Module):
            """PyTorch's own encoder with a mask of padding, as users write it."""

            def __init__(self) -> None:
                super().__init__()
                self.embedding = torch.nn.Embedding(50, 32, padding_idx=0)
                layer = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
                self.encoder = torch.nn.TransformerEncoder(layer, 2)
                self.head = torch.nn.Linear(32, 5)

            def forward(self, ids: Any) -> Any:
                padding = ids == 0
                hidden = self.encoder(self.embedding(ids), src_key_padding_mask=padding)
                kept = (~padding).unsqueeze(-1).float()
                return self.head((hidden * kept).sum(1) / kept.sum(1))

        return TextEncoder()

    return seeded_torch(make)


def padded(generator: np.random.Generator) -> np.ndarray:
    ids = generator.integers(5, 50, (EXAMPLES, 7))
    ids[1, 5:] = 0
    return ids


def recurrent(kind: str) -> Any:
    """PyTorch's tutorial of a word classifier and tagger, batch first."""

    def make() -> Any:
        import torch

        class Tagger(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.word_embeddings = torch.nn.Embedding(50, 16)
                self.lstm = getattr(torch.nn, kind)(16, 16, batch_first=True, bidirectional=True)
                self.hidden2tag = torch.nn.Linear(32, 5)

            def forward(self, sentence: Any) -> Any:
                out, _ = self.lstm(self.word_embeddings(sentence))
                return torch.nn.functional.log_softmax(self.hidden2tag(out), dim=-1)

        return Tagger()

    return lambda: seeded_torch(make)


def language_model() -> Any:
    """PyTorch's example of a Transformer language model: time first, with a causal mask."""

    def make() -> Any:
        import torch

        class TransformerModel(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.input_emb = torch.nn.Embedding(50, 32)
                layer = torch.nn.TransformerEncoderLayer(32, 4, 64)
                self.encoder = torch.nn.TransformerEncoder(layer, 2)
                self.decoder = torch.nn.Linear(32, 50)

            def forward(self, src: Any) -> Any:
                mask = torch.nn.Transformer.generate_square_subsequent_mask(len(src))
                return self.decoder(self.encoder(self.input_emb(src), mask=mask)[-1])

        return TransformerModel()

    return seeded_torch(make)


def matrix_factorisation() -> Any:
    def make() -> Any:
        import torch

        class MatrixFactorization(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.users = torch.nn.Embedding(20, 8)
                self.items = torch.nn.Embedding(30, 8)
                self.head = torch.nn.Sequential(
                    torch.nn.Linear(16, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)
                )

            def forward(self, user: Any, item: Any) -> Any:
                both = torch.cat([self.users(user), self.items(item)], dim=1)
                return self.head(both)

        return MatrixFactorization()

    return seeded_torch(make)


def pairs(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return generator.integers(0, 20, EXAMPLES), generator.integers(0, 30, EXAMPLES)


EDGES = np.array([[0, 1, 1, 2, 3, 4, 4, 5, 0, 3], [1, 0, 2, 1, 4, 3, 5, 4, 3, 0]])


def graph(name: str, **options: Any) -> Any:
    def make() -> Any:
        from torch_geometric.nn import models

        return getattr(models, name)(
            in_channels=6, hidden_channels=8, num_layers=2, out_channels=5, **options
        )

    return lambda: seeded_torch(make)


def nodes(generator: np.random.Generator) -> np.ndarray:
    return generator.standard_normal((6, 6)).astype(np.float32)


def edges() -> dict[str, Any]:
    return {"forward_kwargs": {"edge_index": EDGES}}


def graph_classifier() -> Any:
    def make() -> Any:
        import torch
        from torch_geometric.nn import DenseGCNConv, dense_mincut_pool

        class Pooled(torch.nn.Module):
            """Many graphs at once, dense, as PyG's example of MinCut pooling."""

            def __init__(self) -> None:
                super().__init__()
                self.first = DenseGCNConv(6, 8)
                self.pool = torch.nn.Linear(8, 3)
                self.second = DenseGCNConv(8, 8)
                self.head = torch.nn.Linear(8, 5)

            def forward(self, x: Any, adjacency: Any) -> Any:
                x = self.first(x, adjacency).relu()
                x, adjacency, _, _ = dense_mincut_pool(x, adjacency, self.pool(x))
                return self.head(self.second(x, adjacency).relu().mean(1))

        return Pooled()

    return seeded_torch(make)


def adjacency() -> np.ndarray:
    dense = np.zeros((EXAMPLES, 6, 6), np.float32)
    dense[:, EDGES[0], EDGES[1]] = 1
    return dense


def recommender(name: str, **options: Any) -> Any:
    def make() -> Any:
        import importlib

        module, kind = name.split(":")
        return getattr(importlib.import_module(f"torchfm.model.{module}"), kind)([10, 12, 8], **options)

    return lambda: seeded_torch(make)


def fields(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(0, [10, 12, 8], (EXAMPLES, 3))


def logit_of_sigmoid(output: Any) -> Any:
    return output.double().logit()


def rtdl(name: str, **options: Any) -> Any:
    def make() -> Any:
        import rtdl_revisiting_models

        return getattr(rtdl_revisiting_models, name)(**options)

    return lambda: seeded_torch(make)


def ft_transformer() -> Any:
    def make() -> Any:
        import rtdl_revisiting_models as rtdl

        return rtdl.FTTransformer(
            n_cont_features=6,
            cat_cardinalities=[],
            d_out=5,
            n_blocks=2,
            d_block=16,
            attention_n_heads=2,
            attention_dropout=0.0,
            ffn_d_hidden_multiplier=2,
            ffn_dropout=0.0,
            residual_dropout=0.0,
        )

    return seeded_torch(make)


def tabnet() -> Any:
    def make() -> Any:
        import torch
        from pytorch_tabnet.tab_network import TabNet

        return TabNet(6, 5, n_d=4, n_a=4, n_steps=2, group_attention_matrix=torch.eye(6))

    return seeded_torch(make)


def first_output(output: Any) -> Any:
    return output[0][:, 1]


def clip_inputs(generator: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "input_ids": generator.integers(5, 49, (EXAMPLES, 7)),
        "pixel_values": normal(3, 32, 32)(generator),
    }


CLIP_SIDE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}

TORCH_SEQUENCES = (
    Architecture(
        "BERT",
        "BERT",
        build=transformers("BertForSequenceClassification", "BertConfig", **SMALL),
        x=SEVEN,
        ids="bert.embeddings.word_embeddings",
        **TEXT,
    ),
    Architecture(
        "DistilBERT",
        "BERT",
        build=transformers(
            "DistilBertForSequenceClassification",
            "DistilBertConfig",
            vocab_size=50,
            dim=32,
            hidden_dim=64,
            n_layers=2,
            n_heads=4,
            max_position_embeddings=32,
            num_labels=5,
        ),
        x=SEVEN,
        ids="distilbert.embeddings.word_embeddings",
        **TEXT,
    ),
    Architecture(
        "RoBERTa",
        "BERT",
        build=transformers("RobertaForSequenceClassification", "RobertaConfig", **SMALL),
        x=SEVEN,
        ids="roberta.embeddings.word_embeddings",
        **TEXT,
    ),
    Architecture(
        "GPT-2",
        "GPT-2",
        build=transformers(
            "GPT2LMHeadModel",
            "GPT2Config",
            vocab_size=50,
            n_positions=32,
            n_embd=32,
            n_layer=2,
            n_head=4,
            use_cache=False,
        ),
        x=SEVEN,
        target=(6, 11),
        arguments={"output": "logits"},
        ids="transformer.wte",
        **TEXT,
    ),
    Architecture(
        "DeBERTa",
        "DeBERTa",
        build=transformers(
            "DebertaV2ForSequenceClassification",
            "DebertaV2Config",
            **SMALL,
            relative_attention=True,
            pos_att_type=["p2c", "c2p"],
        ),
        x=SEVEN,
        ids="deberta.embeddings.word_embeddings",
        **TEXT,
    ),
    Architecture(
        "ALBERT (tagger)",
        "ALBERT",
        build=transformers("AlbertForTokenClassification", "AlbertConfig", **SMALL, embedding_size=16),
        x=SEVEN,
        target=(2, 1),
        ids="albert.embeddings.word_embeddings",
        **TEXT,
    ),
    Architecture(
        "Llama",
        "Llama",
        build=transformers(
            "LlamaForCausalLM", "LlamaConfig", **SMALL, num_key_value_heads=2, use_cache=False
        ),
        x=SEVEN,
        target=(6, 11),
        arguments={"output": "logits"},
        ids="model.embed_tokens",
        **TEXT,
    ),
    Architecture(
        "Mamba",
        "Mamba",
        build=transformers(
            "MambaForCausalLM",
            "MambaConfig",
            vocab_size=50,
            hidden_size=32,
            state_size=4,
            num_hidden_layers=2,
            use_cache=False,
        ),
        x=SEVEN,
        target=(6, 11),
        arguments={"output": "logits"},
        ids="backbone.embeddings",
        **TEXT,
    ),
    Architecture(
        "BART (seq2seq)",
        "BART",
        build=transformers(
            "BartForConditionalGeneration",
            "BartConfig",
            vocab_size=50,
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            max_position_embeddings=32,
            use_cache=False,
        ),
        x=SEVEN,
        target=(3, 11),
        arguments={
            "output": "logits",
            "forward_kwargs": {"decoder_input_ids": np.array([[2, 7, 8, 9], [2, 9, 8, 7]])},
        },
        ids="model.encoder.embed_tokens",
        **TEXT,
    ),
    Architecture(
        "T5 encoder",
        "T5",
        build=transformers(
            "T5ForSequenceClassification",
            "T5Config",
            vocab_size=50,
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_decoder_layers=2,
            num_heads=4,
            num_labels=5,
            eos_token_id=1,
            decoder_start_token_id=0,
            pad_token_id=0,
            use_cache=False,
        ),
        x=lambda g: np.concatenate([g.integers(5, 50, (EXAMPLES, 6)), np.ones((EXAMPLES, 1), int)], 1),
        arguments={"output": "logits"},
        ids="transformer.shared",
        **TEXT,
    ),
    Architecture(
        "TransformerEncoder with padding",
        "torch.nn",
        domain="text",
        framework="torch",
        package="torch",
        build=encoder_layers,
        x=padded,
        ids="embedding",
    ),
    Architecture(
        "LSTM tagger",
        "torch.nn",
        domain="text",
        framework="torch",
        package="torch",
        build=recurrent("LSTM"),
        x=SEVEN,
        target=(2, 1),
        logits=lambda model: lambda ids: model.hidden2tag(model.lstm(model.word_embeddings(ids))[0]),
        ids="word_embeddings",
    ),
    Architecture(
        "Transformer language model (time first)",
        "torch.nn",
        domain="text",
        framework="torch",
        package="torch",
        build=language_model,
        x=lambda g: g.integers(5, 50, (7, EXAMPLES)),
        target=11,
        arguments={"layout": "TN"},
        ids="input_emb",
    ),
    Architecture(
        "Wav2Vec2 (weight-normalised)",
        "Wav2Vec2",
        domain="audio",
        framework="torch",
        package="transformers",
        build=transformers(
            "Wav2Vec2ForSequenceClassification",
            "Wav2Vec2Config",
            vocab_size=32,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            conv_dim=(8, 8),
            conv_stride=(4, 4),
            conv_kernel=(8, 4),
            num_feat_extract_layers=2,
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=4,
            classifier_proj_size=16,
            num_labels=5,
        ),
        x=normal(400),
    ),
    Architecture(
        "Audio Spectrogram Transformer",
        "AST",
        domain="audio",
        framework="torch",
        package="transformers",
        build=transformers(
            "ASTForAudioClassification",
            "ASTConfig",
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            patch_size=8,
            frequency_stride=8,
            time_stride=8,
            max_length=32,
            num_mel_bins=16,
            num_labels=5,
        ),
        x=normal(32, 16),
    ),
    Architecture(
        "Whisper encoder",
        "Whisper",
        domain="audio",
        framework="torch",
        package="transformers",
        build=transformers(
            "WhisperForAudioClassification",
            "WhisperConfig",
            vocab_size=50,
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            num_mel_bins=16,
            max_source_positions=20,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=1,
            begin_suppress_tokens=None,
            suppress_tokens=None,
            classifier_proj_size=16,
            num_labels=5,
        ),
        x=normal(16, 40),
    ),
    Architecture(
        "PatchTST",
        "PatchTST",
        domain="series",
        framework="torch",
        package="transformers",
        build=transformers(
            "PatchTSTForClassification",
            "PatchTSTConfig",
            num_input_channels=3,
            context_length=32,
            patch_length=8,
            patch_stride=8,
            d_model=16,
            num_hidden_layers=2,
            num_attention_heads=4,
            ffn_dim=32,
            num_targets=5,
            use_cls_token=False,
        ),
        x=normal(32, 3),
        arguments={"output": "prediction_logits"},
    ),
    Architecture(
        "PatchTSMixer (forecast)",
        "PatchTSMixer",
        domain="series",
        framework="torch",
        package="transformers",
        build=transformers(
            "PatchTSMixerForPrediction",
            "PatchTSMixerConfig",
            num_input_channels=3,
            context_length=32,
            patch_length=8,
            patch_stride=8,
            d_model=16,
            num_layers=2,
            prediction_length=6,
        ),
        x=normal(32, 3),
        target=(3, 1),
        arguments={"output": "prediction_outputs"},
    ),
    Architecture(
        "TCN (weight-normalised)",
        "TCN",
        domain="series",
        framework="torch",
        package="pytorch-tcn",
        build=tcn,
        x=normal(3, 40),
    ),
    Architecture(
        "GCN",
        "GNN",
        domain="graph",
        framework="torch",
        package="torch-geometric",
        build=graph("GCN"),
        x=nodes,
        arguments=edges(),
    ),
    Architecture(
        "GAT",
        "GNN",
        domain="graph",
        framework="torch",
        package="torch-geometric",
        build=graph("GAT"),
        x=nodes,
        arguments=edges(),
    ),
    Architecture(
        "GraphSAGE",
        "GNN",
        domain="graph",
        framework="torch",
        package="torch-geometric",
        build=graph("GraphSAGE"),
        x=nodes,
        arguments=edges(),
    ),
    Architecture(
        "MinCut pooling of graphs",
        "GNN",
        domain="graph",
        framework="torch",
        package="torch-geometric",
        build=graph_classifier,
        x=normal(6, 6),
        arguments={"forward_kwargs": {"adjacency": adjacency()}},
    ),
    Architecture(
        "FT-Transformer",
        "FT-Transformer",
        domain="table",
        framework="torch",
        package="rtdl-revisiting-models",
        build=ft_transformer,
        x=normal(6),
        arguments={"forward_kwargs": {"x_cat": None}},
    ),
    Architecture(
        "tabular ResNet",
        "tabular ResNet",
        domain="table",
        framework="torch",
        package="rtdl-revisiting-models",
        build=rtdl(
            "ResNet",
            d_in=6,
            d_out=5,
            n_blocks=2,
            d_block=16,
            d_hidden=None,
            d_hidden_multiplier=2.0,
            dropout1=0.0,
            dropout2=0.0,
        ),
        x=normal(6),
    ),
    Architecture(
        "TabNet",
        "TabNet",
        domain="table",
        framework="torch",
        package="pytorch-tabnet",
        build=tabnet,
        x=normal(6),
        arguments={"output": 0},
        score=first_output,
    ),
    Architecture(
        "Wide & Deep",
        "recommender",
        domain="table",
        framework="torch",
        package="torchfm",
        build=recommender("wd:WideAndDeepModel", embed_dim=4, mlp_dims=(8,), dropout=0.0),
        x=fields,
        target=None,
        score=logit_of_sigmoid,
        ids="embedding.embedding",
    ),
    Architecture(
        "factorisation machine",
        "recommender",
        domain="table",
        framework="torch",
        package="torchfm",
        build=recommender("fm:FactorizationMachineModel", embed_dim=4),
        x=fields,
        target=None,
        score=logit_of_sigmoid,
        ids="embedding.embedding",
    ),
    Architecture(
        "neural matrix factorisation",
        "torch.nn",
        domain="table",
        framework="torch",
        package="torch",
        build=matrix_factorisation,
        x=pairs,
        target=0,
        ids="users",
    ),
    Architecture(
        "CLIP",
        "CLIP",
        domain="several",
        framework="torch",
        package="transformers",
        build=transformers(
            "CLIPModel",
            "CLIPConfig",
            text_config={**CLIP_SIDE, "vocab_size": 50, "max_position_embeddings": 16, "eos_token_id": 49},
            vision_config={**CLIP_SIDE, "image_size": 32, "patch_size": 8},
            projection_dim=16,
        ),
        x=clip_inputs,
        target=0,
        arguments={"output": "logits_per_image"},
        score=lambda out: out.logits_per_image[:, 0],
        ids="text_model.embeddings.token_embedding",
    ),
)
