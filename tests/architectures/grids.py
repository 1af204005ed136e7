"""Where a class activation map belongs, worked out by hand from the code of each architecture.

The rule is the issue's: the last activation through which all the score's dependence on the input goes, with a grid
of more than one place, at more than one of which the gradient is not zero; no output, nor what only resizing or a
pointwise activation leads from to an output that has a grid itself. ``TorchPasses.when_held`` confirmed that the
gradient at the input is zero where the activation is held constant.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Grid:
    """A layer, the call of it, the axes of its output, and the places it stands for.

    Attributes
    ----------
    axes
        One letter an axis: N, C channels, L tokens, and T, D, H, W or F (frequency) for places.
    tokens
        How many places each letter of `order` has, where L is a sequence of them.
    entering
        The activation is what enters the layer: a sum that no layer gives.
    operation
        Its name in `explain`, with the number of its call, for the methods that a layer is given to.
    before, after
        How many tokens stand before and after those of the grid: class, register and detection tokens.
    """

    layer: str
    axes: str
    call: int = 0
    entering: bool = False
    operation: tuple[str, int] | None = None
    order: str = ""
    tokens: tuple[int, ...] = ()
    before: int = 0
    after: int = 0


def _square(layer: str, side: int, before: int = 0, after: int = 0) -> Grid:
    return Grid(layer, "NLC", order="HW", tokens=(side, side), before=before, after=after)


def _first(layer: str) -> Grid:
    return Grid(layer, "NCHW")


def _last(layer: str) -> Grid:
    return Grid(layer, "NHWC")


def _steps(layer: str, call: int = 0) -> Grid:
    return Grid(layer, "NTC", call)


# Of their two inputs the first alone reaches the layer. Of other models of several ids, the last map that one of them
# alone reaches is the output of its embedding.
OF_FIRST_ALONE = {"KerasHub BART (seq2seq)", "KerasHub Whisper"}

# None: no activation carries all of the score, so the methods have no layer to choose.
GRIDS: dict[str, Grid | None] = {
    "ConvNeXt": _first("norm_pre"),
    "CoAtNet": _first("norm"),
    "MaxViT": _first("norm"),
    "SENet (squeeze-excitation by Linear)": _first("layer4"),
    "GoogLeNet": _first("inception5b"),
    "ResNet": _first("layer4"),
    "ResNetV2 (weight-standardised)": _first("norm"),
    "NFNet": _first("final_act"),
    "EfficientNet": _first("bn2"),
    "MobileNetV3": _first("blocks"),
    "DenseNet": _first("features"),
    "RepVGG": _first("final_conv"),
    "PoolFormer": _first("stages"),
    "MLP-Mixer": _square("norm", 4),
    "ViT": _square("blocks.0", 4, 1),
    "DeiT (distilled)": _square("blocks.0", 4, 2),
    "EVA-02": _square("norm", 4, 1),
    "DINOv2 with registers": _square("dinov2_with_registers.layernorm", 4, 5),
    "Swin": _square("swin.layernorm", 4),
    "SegFormer": _square("segformer.stages.0.layer_norm", 16),
    "U-Net (one class)": _first("decoder"),
    "DeepLabV3+": _first("decoder.block2"),
    "FPN": _first("decoder.dropout"),
    "YOLOS": _square("vit.encoder.layer.0", 4, 1, 4),
    "VideoMAE": Grid("videomae.encoder.layer.1", "NLC", order="THW", tokens=(2, 4, 4)),
    "TimeSformer": Grid("timesformer.encoder.layer.0", "NLC", order="HWT", tokens=(4, 4, 4), before=1),
    "ViViT": Grid("vivit.layers.0", "NLC", order="THW", tokens=(2, 4, 4), before=1),
    "3-D DenseNet": Grid("class_layers.relu", "NCDHW"),
    "3-D U-Net": Grid("model.0", "NCDHW"),
    "BERT": _steps("bert.encoder.layer.0"),
    "DistilBERT": _steps("distilbert.transformer.layer.0"),
    "RoBERTa": _steps("roberta.encoder.layer.0"),
    "GPT-2": _steps("transformer.h.0"),
    "DeBERTa": _steps("deberta.encoder.layer.0"),
    "ALBERT (tagger)": _steps("albert.encoder.albert_layer_groups.0"),
    "Llama": _steps("model.layers.0"),
    "Mamba": _steps("backbone.layers.0"),
    "BART (seq2seq)": _steps("model.encoder.layers.1"),
    "T5 encoder": None,
    "TransformerEncoder with padding": _steps("encoder"),
    "LSTM tagger": _steps("word_embeddings"),
    "Transformer language model (time first)": Grid("encoder.layers.0", "TNC"),
    "Wav2Vec2 (weight-normalised)": _steps("projector"),
    "Audio Spectrogram Transformer": Grid(
        "audio_spectrogram_transformer.layers.0", "NLC", order="FT", tokens=(2, 4), before=2
    ),
    "Whisper encoder": _steps("projector"),
    "PatchTST": Grid("model", "NFTC"),
    "PatchTSMixer (forecast)": None,
    "TCN (weight-normalised)": Grid("body", "NCT"),
    "CLIP": None,
    "Keras VGG16": _last("block5_conv3"),
    "Keras MobileNetV2 (softmax)": _last("out_relu"),
    "Keras MobileNetV3 (scales its input)": _last("re_lu_22"),
    "Keras EfficientNet (scales its input)": _last("top_activation"),
    "Keras DenseNet": _last("relu"),
    "Keras NASNet": _last("activation_78"),
    # The sum of the last block, in the code of the model: what its global pooling receives.
    "Keras ConvNeXt": Grid("convnext_head_gap", "NHWC", entering=True, operation=("AddV2()", 3)),
    "KerasHub ResNet": _last("res_net_backbone"),
    "KerasHub CSPDarkNet": _last("csp_net_backbone"),
    "KerasHub ViT": _square("vit_encoder/transformer_block_1", 4, 1),
    "KerasHub Swin": _square("norm", 4),
    "KerasHub MiT": _last("mi_t_backbone"),
    "KerasHub DeepLabV3": _last("segmentation_head_relu"),
    "KerasHub RetinaNet": Grid("classification_head/conv2d_3", "NHWC", call=1),
    # The head is a convolution of one place: of what it reads, the score depends on one place only.
    "Keras U-Net (one class, sigmoid)": _last("batch_normalization_8"),
    "KerasHub BERT": _steps("transformer_layer_0"),
    "KerasHub GPT-2": _steps("transformer_layer_0"),
    "KerasHub FNet": _steps("f_net_layer_1"),
    "KerasHub DeBERTaV3": _steps("disentangled_attention_encoder_layer_0"),
    "KerasHub ALBERT": _steps("group_0_inner_layer_0"),
    "KerasHub Llama": _steps("transformer_layer_0"),
    "KerasHub ELECTRA": _steps("transformer_layer_1"),
    # Of two inputs: the last map that the first reaches alone.
    "KerasHub BART (seq2seq)": _steps("transformer_encoder_layer_1"),
    "KerasHub Whisper": _steps("encoder_layer_norm"),
    "Keras TCN": None,
    # The last state goes past the steps, as the query.
    "Keras attention over time (Bahdanau)": None,
    "Keras 3-D CNN": Grid("batch_normalization_2", "NDHWC"),
}
