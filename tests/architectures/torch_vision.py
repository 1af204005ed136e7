"""PyTorch architectures for pictures, videos and volumes."""

from __future__ import annotations

from typing import Any

from architectures.architecture import Architecture, normal, seeded_torch
from architectures.torchvision_stub import imported


def timm(name: str, settle: Any = (3, 64, 64), **options: Any) -> Any:
    """A builder of a model of timm."""
    return lambda: seeded_torch(lambda: imported("timm").create_model(name, num_classes=5, **options), settle)


def transformers(model: str, config: str, **options: Any) -> Any:
    """A builder of a model of transformers."""

    def make() -> Any:
        import transformers

        return getattr(transformers, model)(getattr(transformers, config)(**options))

    return lambda: seeded_torch(make)


def segmentation(name: str, encoder: str, **options: Any) -> Any:
    """A builder of a model of segmentation-models-pytorch."""
    return lambda: seeded_torch(
        lambda: getattr(imported("segmentation_models_pytorch"), name)(
            encoder, encoder_weights=None, **options
        ),
        (3, 64, 64),
    )


def monai(name: str, settle: Any, **options: Any) -> Any:
    """A builder of a model of MONAI."""

    def make() -> Any:
        from monai.networks import nets

        return getattr(nets, name)(**options)

    return lambda: seeded_torch(make, settle)


def googlenet() -> Any:
    def make() -> Any:
        from googlenet_pytorch.model import GoogLeNet
        from googlenet_pytorch.utils import GlobalParams

        fields = dict.fromkeys(GlobalParams._fields)
        return GoogLeNet(
            GlobalParams(
                **{
                    **fields,
                    "aux_logits": False,
                    "transform_input": False,
                    "num_classes": 5,
                    "dropout_rate": 0.0,
                }
            )
        )

    return seeded_torch(make, (3, 64, 64))


PICTURE = normal(3, 32, 32)
LARGER = normal(3, 64, 64)
CNN = {"domain": "vision", "framework": "torch"}
PATCHES = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "num_labels": 5,
}

TORCH_VISION = (
    Architecture(
        "ConvNeXt",
        "ConvNeXt",
        package="timm",
        build=timm("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 12, 16, 24)),
        x=LARGER,
        **CNN,
    ),
    Architecture(
        "CoAtNet",
        "CoAtNet",
        package="timm",
        build=timm(
            "coatnet_rmlp_nano_rw_224",
            img_size=64,
            embed_dim=(16, 32, 32, 64),
            depths=(1, 1, 1, 1),
            stem_width=(8, 8),
        ),
        x=LARGER,
        **CNN,
    ),
    Architecture(
        "MaxViT",
        "CoAtNet",
        package="timm",
        build=timm(
            "maxvit_rmlp_pico_rw_256",
            img_size=64,
            embed_dim=(32, 32, 32, 32),
            depths=(1, 1, 1, 1),
            stem_width=(8, 8),
        ),
        x=LARGER,
        **CNN,
    ),
    Architecture(
        "SENet (squeeze-excitation by Linear)",
        "SENet",
        package="monai",
        build=monai(
            "SENet",
            (3, 64, 64),
            spatial_dims=2,
            in_channels=3,
            block="se_resnet_bottleneck",
            layers=(1, 1, 1, 1),
            groups=1,
            reduction=16,
            dropout_prob=None,
            num_classes=5,
        ),
        x=LARGER,
        **CNN,
    ),
    Architecture("GoogLeNet", "Inception", package="googlenet-pytorch", build=googlenet, x=LARGER, **CNN),
    Architecture("ResNet", "ResNet", package="timm", build=timm("resnet10t"), x=LARGER, **CNN),
    Architecture(
        "ResNetV2 (weight-standardised)",
        "ResNet",
        package="timm",
        build=timm("resnetv2_50", layers=(1, 1, 1, 1), channels=(16, 24, 32, 48), stem_chs=8),
        x=LARGER,
        **CNN,
    ),
    Architecture(
        "NFNet",
        "NFNet",
        package="timm",
        build=timm(
            "nf_regnet_b0",
        ),
        x=LARGER,
        **CNN,
    ),
    Architecture("EfficientNet", "EfficientNet", package="timm", build=timm("tinynet_e"), x=LARGER, **CNN),
    Architecture(
        "MobileNetV3", "MobileNet", package="timm", build=timm("mobilenetv3_small_050"), x=LARGER, **CNN
    ),
    Architecture(
        "DenseNet",
        "DenseNet",
        package="timm",
        build=timm("densenet121", growth_rate=8, block_config=(2, 2, 2, 2)),
        x=LARGER,
        **CNN,
    ),
    Architecture("RepVGG", "VGG", package="timm", build=timm("repvgg_a0"), x=LARGER, **CNN),
    Architecture("PoolFormer", "MetaFormer", package="timm", build=timm("poolformer_s12"), x=LARGER, **CNN),
    Architecture(
        "MLP-Mixer",
        "MLP-Mixer",
        package="timm",
        build=timm("mixer_s16_224", settle=None, img_size=64),
        x=LARGER,
        **CNN,
    ),
    Architecture(
        "ViT",
        "ViT",
        package="timm",
        build=timm("vit_tiny_patch16_224", img_size=32, settle=None, patch_size=8, embed_dim=24, depth=2),
        x=PICTURE,
        **CNN,
    ),
    Architecture(
        "DeiT (distilled)",
        "ViT",
        package="timm",
        build=timm(
            "deit_tiny_distilled_patch16_224", img_size=32, settle=None, patch_size=8, embed_dim=24, depth=2
        ),
        x=PICTURE,
        **CNN,
    ),
    Architecture(
        "EVA-02",
        "ViT",
        package="timm",
        build=timm("eva02_tiny_patch14_224", img_size=32, settle=None, patch_size=8, embed_dim=48, depth=2),
        x=PICTURE,
        **CNN,
    ),
    Architecture(
        "DINOv2 with registers",
        "ViT",
        package="transformers",
        build=transformers(
            "Dinov2WithRegistersForImageClassification",
            "Dinov2WithRegistersConfig",
            image_size=32,
            patch_size=8,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            mlp_ratio=2,
            num_labels=5,
        ),
        x=PICTURE,
        **CNN,
    ),
    Architecture(
        "Swin",
        "Swin",
        package="transformers",
        build=transformers(
            "SwinForImageClassification",
            "SwinConfig",
            image_size=32,
            patch_size=4,
            embed_dim=16,
            depths=[2, 2],
            num_heads=[2, 4],
            window_size=4,
            num_labels=5,
        ),
        x=PICTURE,
        **CNN,
    ),
    Architecture(
        "SegFormer",
        "SegFormer",
        package="transformers",
        build=transformers(
            "SegformerForSemanticSegmentation",
            "SegformerConfig",
            depths=[1, 1, 1, 1],
            hidden_sizes=[8, 16, 24, 32],
            num_attention_heads=[1, 2, 2, 4],
            decoder_hidden_size=16,
            num_labels=5,
        ),
        x=LARGER,
        target=(1, 6, 9),
        **CNN,
    ),
    Architecture(
        "U-Net (one class)",
        "U-Net",
        package="segmentation-models-pytorch",
        build=segmentation("Unet", "efficientnet-b0", decoder_channels=(32, 24, 16, 12, 8), classes=1),
        x=LARGER,
        target=(0, 30, 30),
        **CNN,
    ),
    Architecture(
        "DeepLabV3+",
        "DeepLab",
        package="segmentation-models-pytorch",
        build=segmentation("DeepLabV3Plus", "mobileone_s0", classes=4, decoder_channels=16),
        x=LARGER,
        target=(1, 30, 30),
        **CNN,
    ),
    Architecture(
        "FPN",
        "FPN",
        package="segmentation-models-pytorch",
        build=segmentation(
            "FPN", "mit_b0", classes=4, decoder_pyramid_channels=32, decoder_segmentation_channels=32
        ),
        x=LARGER,
        target=(1, 30, 30),
        **CNN,
    ),
    Architecture(
        "YOLOS",
        "YOLOS",
        package="transformers",
        build=transformers(
            "YolosForObjectDetection",
            "YolosConfig",
            **{**PATCHES, "image_size": [32, 32]},
            num_detection_tokens=4,
        ),
        x=PICTURE,
        target=(2, 1),
        arguments={"output": "logits"},
        **CNN,
    ),
    Architecture(
        "VideoMAE",
        "VideoMAE",
        domain="video",
        framework="torch",
        package="transformers",
        build=transformers(
            "VideoMAEForVideoClassification", "VideoMAEConfig", **PATCHES, num_frames=4, tubelet_size=2
        ),
        x=normal(4, 3, 32, 32),
    ),
    Architecture(
        "TimeSformer",
        "TimeSformer",
        domain="video",
        framework="torch",
        package="transformers",
        build=transformers("TimesformerForVideoClassification", "TimesformerConfig", **PATCHES, num_frames=4),
        x=normal(4, 3, 32, 32),
    ),
    Architecture(
        "ViViT",
        "ViViT",
        domain="video",
        framework="torch",
        package="transformers",
        build=transformers(
            "VivitForVideoClassification", "VivitConfig", **PATCHES, num_frames=4, tubelet_size=[2, 8, 8]
        ),
        x=normal(4, 3, 32, 32),
    ),
    Architecture(
        "3-D DenseNet",
        "DenseNet",
        domain="volume",
        framework="torch",
        package="monai",
        build=monai(
            "DenseNet",
            (1, 16, 16, 16),
            spatial_dims=3,
            in_channels=1,
            out_channels=5,
            init_features=8,
            growth_rate=4,
            block_config=(2, 2),
        ),
        x=normal(1, 16, 16, 16),
    ),
    Architecture(
        "3-D U-Net",
        "U-Net",
        domain="volume",
        framework="torch",
        package="monai",
        build=monai(
            "UNet",
            (1, 16, 16, 16),
            spatial_dims=3,
            in_channels=1,
            out_channels=3,
            channels=(4, 8, 16),
            strides=(2, 2),
        ),
        x=normal(1, 16, 16, 16),
        target=(1, 8, 8, 8),
    ),
)
