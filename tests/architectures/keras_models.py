"""Keras architectures: pictures, text, audio, series, detection and segmentation."""

from __future__ import annotations

import contextlib
import importlib
import io
from typing import Any

import numpy as np
from architectures.architecture import EXAMPLES, Architecture, normal, picture, seeded_keras, tokens


def applications(name: str, settle: Any = None, scale: float = 1.0, **options: Any) -> Any:
    """A builder of a model of keras.applications."""

    def make() -> Any:
        module, kind = name.split(":")
        found = getattr(importlib.import_module(f"keras.src.applications.{module}"), kind)
        return found(weights=None, classes=5, **{"classifier_activation": None, **options})

    return lambda: seeded_keras(make, settle, scale)


def hub(make: Any, settle: Any = None) -> Any:
    """A builder of a model of KerasHub."""

    def built() -> Any:
        import keras_hub

        return make(keras_hub.models)

    return lambda: seeded_keras(built, settle)


def classifier(
    backbone: str,
    settle: Any = None,
    head: str = "ImageClassifier",
    pooling: str | None = None,
    **options: Any,
) -> Any:
    def make(models: Any) -> Any:
        head_options = {} if pooling is None else {"pooling": pooling}
        return getattr(models, head)(getattr(models, backbone)(**options), num_classes=5, **head_options)

    return hub(make, settle)


def unet() -> Any:
    def make() -> Any:
        with contextlib.redirect_stdout(io.StringIO()):
            from keras_unet.models import custom_unet

        return custom_unet(
            (32, 32, 1), num_classes=1, filters=4, num_layers=2, dropout=0.0, output_activation="sigmoid"
        )

    return seeded_keras(make, (32, 32, 1))


def tcn() -> Any:
    def make() -> Any:
        import keras
        from tcn import TCN

        inputs = keras.Input((40, 3))
        hidden = TCN(nb_filters=8, kernel_size=3, dilations=(1, 2, 4))(inputs)
        return keras.Model(inputs, keras.layers.Dense(5, activation="softmax")(hidden))

    return seeded_keras(make)


def attention_over_time() -> Any:
    """Bahdanau's attention, as Keras has it, over the steps of a recurrent layer."""

    def make() -> Any:
        import keras

        inputs = keras.Input((20, 3))
        steps, state = keras.layers.GRU(8, return_sequences=True, return_state=True)(inputs)
        query = keras.layers.Reshape((1, 8))(state)
        context = keras.layers.AdditiveAttention()([query, steps])
        return keras.Model(inputs, keras.layers.Dense(5)(keras.layers.Flatten()(context)))

    return seeded_keras(make)


def computed_tomography() -> Any:
    """The net of Keras's example of 3-D classification of CT scans, of a sixteenth of its width."""

    def make() -> Any:
        import keras

        x = inputs = keras.Input((20, 20, 20, 1))
        for filters in (4, 4, 8):
            x = keras.layers.Conv3D(filters, 3, activation="relu", padding="same")(x)
            x = keras.layers.MaxPool3D(2)(x)
            x = keras.layers.BatchNormalization()(x)
        x = keras.layers.GlobalAveragePooling3D()(x)
        x = keras.layers.Dense(16, activation="relu")(x)
        x = keras.layers.Dropout(0.3)(x)
        return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))

    return seeded_keras(make, (20, 20, 20, 1))


def embedding_sequence(ids: np.ndarray) -> dict[str, np.ndarray]:
    return {"token_ids": ids, "padding_mask": np.ones_like(ids), "segment_ids": np.zeros_like(ids)}


def text(*names: str) -> Any:
    """Ids, and what else a text model of KerasHub takes."""

    def make(generator: np.random.Generator) -> dict[str, np.ndarray]:
        every = embedding_sequence(tokens(7)(generator))
        return {name: every[name] for name in names}

    return make


def whisper_inputs(generator: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "encoder_features": generator.standard_normal((EXAMPLES, 40, 8)).astype(np.float32),
        "decoder_token_ids": tokens(4)(generator),
        "decoder_padding_mask": np.ones((EXAMPLES, 4), int),
    }


def seq2seq_inputs(generator: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "encoder_token_ids": tokens(7)(generator),
        "encoder_padding_mask": np.ones((EXAMPLES, 7), int),
        "decoder_token_ids": tokens(4)(generator),
        "decoder_padding_mask": np.ones((EXAMPLES, 4), int),
    }


def retinanet(models: Any) -> Any:
    body = models.ResNetBackbone(**RESNET)
    fpn = models.RetinaNetBackbone(
        image_encoder=body, min_level=3, max_level=4, use_p5=False, use_fpn_batch_norm=False
    )
    return models.RetinaNetObjectDetector(
        backbone=fpn, num_classes=5, bounding_box_format="xyxy", label_encoder=None
    )


def before_softmax(model: Any) -> Any:
    """The same weights without the softmax or the sigmoid of the last layer, a dense one."""
    import keras

    last = model.layers[-1]
    hidden = keras.Model(model.inputs, last.input)
    return lambda x: hidden(x) @ last.kernel + last.bias


def before_sigmoid(model: Any) -> Any:
    """The same weights without the sigmoid of the last layer, a convolution of one place."""
    import keras

    last = model.layers[-1]
    hidden = keras.Model(model.inputs, last.input)
    return lambda x: hidden(x) @ last.kernel[0, 0] + last.bias


def whisper_classifier(models: Any) -> Any:
    import keras

    body = models.WhisperBackbone(
        vocabulary_size=50,
        num_layers=2,
        num_heads=4,
        hidden_dim=32,
        intermediate_dim=64,
        num_mels=8,
        max_encoder_sequence_length=40,
        max_decoder_sequence_length=8,
    )
    pooled = keras.layers.GlobalAveragePooling1D()(body.output["decoder_sequence_output"])
    return keras.Model(body.inputs, keras.layers.Dense(5)(pooled))


def headed(backbone: str, output: str | None = None, **options: Any) -> Any:
    """A body of KerasHub with average pooling and a linear head, as its guides do."""

    def make(models: Any) -> Any:
        import keras

        body = getattr(models, backbone)(**options)
        sequence = body.output if output is None else body.output[output]
        return keras.Model(
            body.inputs, keras.layers.Dense(5)(keras.layers.GlobalAveragePooling1D()(sequence))
        )

    return hub(make)


RESNET: dict[str, Any] = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [3],
    "stackwise_num_filters": [64, 32, 24, 32],
    "stackwise_num_blocks": [1, 1, 1, 1],
    "stackwise_num_strides": [1, 2, 2, 2],
    "block_type": "basic_block",
    "image_shape": (64, 64, 3),
}
ENCODER = {
    "vocabulary_size": 50,
    "num_layers": 2,
    "num_heads": 4,
    "hidden_dim": 32,
    "intermediate_dim": 64,
    "max_sequence_length": 16,
}
KERAS = {"domain": "vision", "framework": "tensorflow", "package": "keras"}
HUB = {"framework": "tensorflow", "package": "keras-hub"}
LARGER = normal(64, 64, 3)
PIXELS = picture(64, 64, 3, scale=255.0)

KERAS_MODELS = (
    Architecture(
        "Keras VGG16",
        "VGG",
        build=applications("vgg16:VGG16", input_shape=(32, 32, 3)),
        x=normal(32, 32, 3),
        **KERAS,
    ),
    Architecture(
        "Keras MobileNetV2 (softmax)",
        "MobileNet",
        build=applications(
            "mobilenet_v2:MobileNetV2",
            (64, 64, 3),
            input_shape=(64, 64, 3),
            alpha=0.35,
            classifier_activation="softmax",
        ),
        x=LARGER,
        logits=before_softmax,
        **KERAS,
    ),
    Architecture(
        "Keras MobileNetV3 (scales its input)",
        "MobileNet",
        build=applications(
            "mobilenet_v3:MobileNetV3Small",
            (64, 64, 3),
            255.0,
            input_shape=(64, 64, 3),
            alpha=0.75,
            minimalistic=True,
        ),
        x=PIXELS,
        **KERAS,
    ),
    Architecture(
        "Keras EfficientNet (scales its input)",
        "EfficientNet",
        build=applications("efficientnet:EfficientNetB0", (64, 64, 3), 255.0, input_shape=(64, 64, 3)),
        x=PIXELS,
        **KERAS,
    ),
    Architecture(
        "Keras DenseNet",
        "DenseNet",
        build=applications("densenet:DenseNet", (64, 64, 3), blocks=[2, 2, 2, 2], input_shape=(64, 64, 3)),
        x=LARGER,
        **KERAS,
    ),
    Architecture(
        "Keras NASNet",
        "NASNet",
        build=applications(
            "nasnet:NASNet",
            (64, 64, 3),
            input_shape=(64, 64, 3),
            penultimate_filters=96,
            num_blocks=1,
            stem_block_filters=8,
            default_size=64,
        ),
        x=LARGER,
        **KERAS,
    ),
    Architecture(
        "Keras ConvNeXt",
        "ConvNeXt",
        build=applications(
            "convnext:ConvNeXt",
            depths=[1, 1, 1, 1],
            projection_dims=[8, 12, 16, 24],
            input_shape=(64, 64, 3),
            include_preprocessing=False,
        ),
        x=LARGER,
        **KERAS,
    ),
    Architecture(
        "KerasHub ResNet",
        "ResNet",
        domain="vision",
        build=classifier("ResNetBackbone", (64, 64, 3), **RESNET),
        x=LARGER,
        **HUB,
    ),
    Architecture(
        "KerasHub CSPDarkNet",
        "CSPNet",
        domain="vision",
        build=classifier(
            "CSPNetBackbone",
            (64, 64, 3),
            stem_filters=8,
            stem_kernel_size=3,
            stem_strides=1,
            stackwise_depth=[1, 1, 1],
            stackwise_strides=[2, 2, 2],
            stackwise_num_filters=[16, 24, 32],
            block_type="dark_block",
            stage_type="dark",
            image_shape=(64, 64, 3),
        ),
        x=LARGER,
        **HUB,
    ),
    Architecture(
        "KerasHub ViT",
        "Keras ViT",
        domain="vision",
        build=classifier(
            "ViTBackbone",
            head="ViTImageClassifier",
            image_shape=(32, 32, 3),
            patch_size=8,
            num_layers=2,
            num_heads=4,
            hidden_dim=32,
            mlp_dim=64,
        ),
        x=normal(32, 32, 3),
        **HUB,
    ),
    Architecture(
        "KerasHub Swin",
        "Swin",
        domain="vision",
        build=headed(
            "SwinTransformerBackbone",
            image_shape=(32, 32, 3),
            patch_size=4,
            embed_dim=16,
            depths=[2, 2],
            num_heads=[2, 4],
            window_size=4,
        ),
        x=normal(32, 32, 3),
        **HUB,
    ),
    Architecture(
        "KerasHub MiT",
        "SegFormer",
        domain="vision",
        build=classifier(
            "MiTBackbone",
            image_shape=(64, 64, 3),
            max_drop_path_rate=0.0,
            layerwise_depths=[1, 1],
            num_layers=2,
            layerwise_num_heads=[1, 2],
            layerwise_sr_ratios=[4, 2],
            layerwise_patch_sizes=[7, 3],
            layerwise_strides=[4, 2],
            hidden_dims=[8, 16],
        ),
        x=LARGER,
        **HUB,
    ),
    Architecture(
        "KerasHub DeepLabV3",
        "DeepLab",
        domain="vision",
        build=hub(
            lambda m: m.DeepLabV3ImageSegmenter(
                m.DeepLabV3Backbone(
                    image_encoder=m.ResNetBackbone(**RESNET),
                    spatial_pyramid_pooling_key="P4",
                    upsampling_size=4,
                    dilation_rates=[2, 3],
                    low_level_feature_key="P2",
                    projection_filters=8,
                    image_shape=(64, 64, 3),
                ),
                num_classes=4,
            ),
            (64, 64, 3),
        ),
        x=LARGER,
        target=(30, 30, 1),
        **HUB,
    ),
    Architecture(
        "KerasHub RetinaNet",
        "RetinaNet",
        domain="vision",
        build=hub(retinanet, (64, 64, 3)),
        x=LARGER,
        target=(5, 1),
        arguments={"output": "cls_logits"},
        **HUB,
    ),
    Architecture(
        "Keras U-Net (one class, sigmoid)",
        "U-Net",
        domain="vision",
        framework="tensorflow",
        package="keras-unet",
        build=unet,
        x=normal(32, 32, 1),
        target=(12, 20, 0),
        logits=before_sigmoid,
    ),
    Architecture(
        "KerasHub BERT",
        "BERT",
        domain="text",
        build=classifier("BertBackbone", head="BertTextClassifier", **ENCODER),
        x=text("token_ids", "padding_mask", "segment_ids"),
        ids="token_embedding",
        **HUB,
    ),
    Architecture(
        "KerasHub GPT-2",
        "GPT-2",
        domain="text",
        build=hub(lambda m: m.GPT2CausalLM(m.GPT2Backbone(**ENCODER))),
        x=text("token_ids", "padding_mask"),
        target=(6, 11),
        ids="token_embedding",
        **HUB,
    ),
    Architecture(
        "KerasHub FNet",
        "FNet",
        domain="text",
        build=headed(
            "FNetBackbone",
            "sequence_output",
            vocabulary_size=50,
            num_layers=2,
            hidden_dim=32,
            intermediate_dim=64,
            max_sequence_length=16,
        ),
        x=text("token_ids", "segment_ids"),
        ids="token_embedding",
        **HUB,
    ),
    Architecture(
        "KerasHub DeBERTaV3",
        "DeBERTa",
        domain="text",
        build=classifier("DebertaV3Backbone", head="DebertaV3TextClassifier", **ENCODER, bucket_size=8),
        x=text("token_ids", "padding_mask"),
        ids="token_embedding",
        **HUB,
    ),
    Architecture(
        "KerasHub ALBERT",
        "ALBERT",
        domain="text",
        build=classifier(
            "AlbertBackbone",
            head="AlbertTextClassifier",
            vocabulary_size=50,
            num_layers=2,
            num_heads=4,
            embedding_dim=16,
            hidden_dim=32,
            intermediate_dim=64,
            max_sequence_length=16,
        ),
        x=text("token_ids", "padding_mask", "segment_ids"),
        ids="token_embedding",
        **HUB,
    ),
    Architecture(
        "KerasHub Llama",
        "Llama",
        domain="text",
        build=hub(
            lambda m: m.LlamaCausalLM(
                m.LlamaBackbone(
                    vocabulary_size=50,
                    num_layers=2,
                    num_query_heads=4,
                    num_key_value_heads=2,
                    hidden_dim=32,
                    intermediate_dim=64,
                )
            )
        ),
        x=text("token_ids", "padding_mask"),
        target=(6, 11),
        ids="token_embedding",
        **HUB,
    ),
    Architecture(
        "KerasHub ELECTRA",
        "ELECTRA",
        domain="text",
        build=headed(
            "ElectraBackbone",
            "sequence_output",
            vocab_size=50,
            num_layers=2,
            num_heads=4,
            hidden_dim=32,
            embedding_dim=16,
            intermediate_dim=64,
            max_sequence_length=16,
        ),
        x=text("token_ids", "padding_mask", "segment_ids"),
        ids="token_embedding",
        **HUB,
    ),
    Architecture(
        "KerasHub BART (seq2seq)",
        "BART",
        domain="text",
        build=hub(lambda m: m.BartSeq2SeqLM(m.BartBackbone(**ENCODER))),
        x=seq2seq_inputs,
        target=(3, 11),
        ids="token_embedding",
        **HUB,
    ),
    Architecture(
        "KerasHub Whisper", "Whisper", domain="audio", build=hub(whisper_classifier), x=whisper_inputs, **HUB
    ),
    Architecture(
        "Keras TCN",
        "TCN",
        domain="series",
        framework="tensorflow",
        package="keras-tcn",
        build=tcn,
        x=normal(40, 3),
        logits=before_softmax,
    ),
    Architecture(
        "Keras attention over time (Bahdanau)",
        "keras.layers",
        domain="series",
        build=attention_over_time,
        x=normal(20, 3),
        framework="tensorflow",
        package="keras",
    ),
    Architecture(
        "Keras 3-D CNN",
        "keras.layers",
        domain="volume",
        build=computed_tomography,
        x=normal(20, 20, 20, 1),
        target=0,
        logits=before_softmax,
        framework="tensorflow",
        package="keras",
    ),
)
