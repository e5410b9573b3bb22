"""The study's families of models that look at images, each as a tiny real model with its own kind of processor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import family_tokenizers as kinds
from text_families import roughen

IMAGE_PX = 32
DIGITS = tuple("0123456789")
SHAPES = ("circle", "square", "triangle")


@dataclass(frozen=True, slots=True)
class VisionFamily:
    """``model`` makes the model, of a tokenizer where it writes; ``processor`` its image processor.

    ``attends``: it has attention, which convolutional networks have not.
    """

    name: str
    task: str
    model: Callable[[Any], Any]
    processor: tuple[str, dict[str, Any]]
    attends: bool
    tokenizer: Callable[[int], Any] | None = None


def build(family: VisionFamily, folder: Path) -> None:
    """Write the family's model into a folder, with random weights far enough from nothing to differ."""
    import torch

    tokenizer = family.tokenizer(64) if family.tokenizer else None
    torch.manual_seed(0)
    model = family.model(tokenizer)
    roughen(model)
    model.save_pretrained(folder)
    image_processor(family.processor[0], **family.processor[1]).save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)


def image_processor(name: str, **options: Any) -> Any:
    """The processor of that name that works on PIL images."""
    import transformers

    pil_class = getattr(transformers, f"{name}ImageProcessorPil", None)
    return (pil_class or getattr(transformers, f"{name}ImageProcessor"))(**options)


def _names(labels: tuple[str, ...]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(labels)), "label2id": {name: label_i for label_i, name in enumerate(labels)}}


_SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 37,
}
_LOOKING: dict[str, Any] = {**_SMALL, "image_size": IMAGE_PX, "patch_size": 8}
_SQUARE = {"size": {"height": IMAGE_PX, "width": IMAGE_PX}}


def vit(_: Any) -> Any:
    from transformers import ViTConfig, ViTForImageClassification

    return ViTForImageClassification(ViTConfig(**_LOOKING, **_names(DIGITS)))


def beit(_: Any) -> Any:
    from transformers import BeitConfig, BeitForImageClassification

    return BeitForImageClassification(BeitConfig(**_LOOKING, **_names(DIGITS)))


def resnet(_: Any) -> Any:
    from transformers import ResNetConfig, ResNetForImageClassification

    return ResNetForImageClassification(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", **_names(DIGITS))
    )


def convnextv2(_: Any) -> Any:
    from transformers import ConvNextV2Config, ConvNextV2ForImageClassification

    config = ConvNextV2Config(num_stages=2, hidden_sizes=[8, 16], depths=[1, 1], image_size=IMAGE_PX, **_names(DIGITS))
    return ConvNextV2ForImageClassification(config)


def mobilenet_v1(_: Any) -> Any:
    from transformers import MobileNetV1Config, MobileNetV1ForImageClassification

    config = MobileNetV1Config(depth_multiplier=0.1, min_depth=4, image_size=IMAGE_PX, **_names(DIGITS))
    return MobileNetV1ForImageClassification(config)


def _backbone(stages: tuple[str, ...]) -> Any:
    from transformers import ResNetConfig

    return ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=list(stages),
    )


_DETECTING: dict[str, Any] = {
    "use_timm_backbone": False,
    "use_pretrained_backbone": False,
    "backbone": None,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 37,
    "decoder_ffn_dim": 37,
}
_TO_DETECT = {"size": {"shortest_edge": 64, "longest_edge": 96}}
_TO_DETECT_DEEPLY = {"size": {"shortest_edge": 128, "longest_edge": 160}}  # what can be halved seven times


def detr(_: Any) -> Any:
    from transformers import DetrConfig, DetrForObjectDetection

    config = DetrConfig(backbone_config=_backbone(("stage4",)), num_queries=8, **_DETECTING, **_names(SHAPES))
    return DetrForObjectDetection(config)


def deformable_detr(_: Any) -> Any:
    from transformers import DeformableDetrConfig, DeformableDetrForObjectDetection

    stages = ("stage2", "stage3", "stage4")
    config = DeformableDetrConfig(backbone_config=_backbone(stages), num_queries=100, **_DETECTING, **_names(SHAPES))
    return DeformableDetrForObjectDetection(config)


def nearly_deta(_: Any) -> Any:
    """DETA is a Deformable DETR in two stages on a Swin, but for how it is trained and how it sorts out its boxes."""
    from transformers import DeformableDetrConfig, DeformableDetrForObjectDetection, SwinConfig

    swin = SwinConfig(
        image_size=64,
        patch_size=4,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 4, 8],
        window_size=2,
        out_features=["stage2", "stage3", "stage4"],
    )
    config = DeformableDetrConfig(
        backbone_config=swin,
        num_queries=40,
        two_stage=True,
        with_box_refine=True,
        **_DETECTING,
        **_names(SHAPES),
    )
    return DeformableDetrForObjectDetection(config)


def yolos(_: Any) -> Any:
    from transformers import YolosConfig, YolosForObjectDetection

    config = YolosConfig(
        **{**_LOOKING, "image_size": [64, 64]},
        num_detection_tokens=8,
        use_mid_position_embeddings=False,
        **_names(SHAPES),
    )
    return YolosForObjectDetection(config)


def git(tokenizer: Any) -> Any:
    from transformers import GitConfig, GitForCausalLM

    config = GitConfig(
        vision_config=_LOOKING,
        vocab_size=len(tokenizer),
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        **_SMALL,
    )
    return GitForCausalLM(config)


def blip(tokenizer: Any) -> Any:
    from transformers import BlipConfig, BlipForConditionalGeneration

    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 64,
        "encoder_hidden_size": 32,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **_SMALL,
    }
    return BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=_LOOKING, projection_dim=16))


def _blip_2(text: Any, tokenizer: Any) -> Any:
    from transformers import Blip2Config, Blip2ForConditionalGeneration

    config = Blip2Config(
        vision_config=_LOOKING,
        qformer_config={**_SMALL, "vocab_size": len(tokenizer), "encoder_hidden_size": 32},
        text_config=text,
        num_query_tokens=4,
        image_token_index=len(tokenizer) - 1,
    )
    return Blip2ForConditionalGeneration(config)


def blip_2_opt(tokenizer: Any) -> Any:
    import text_families

    return _blip_2({**text_families.opt(tokenizer).to_dict(), "model_type": "opt"}, tokenizer)


def blip_2_flan_t5(tokenizer: Any) -> Any:
    import text_families

    config = {**text_families.t5(tokenizer).to_dict(), "model_type": "t5", "bos_token_id": tokenizer.eos_token_id}
    return _blip_2(config, tokenizer)


def vit_gpt2(tokenizer: Any) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel, VisionEncoderDecoderModel, ViTConfig, ViTModel

    writer = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=64,
        n_embd=32,
        n_layer=2,
        n_head=2,
        add_cross_attention=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    # Without a pooler: the checkpoint that the study used has none either.
    looker = ViTModel(ViTConfig(**_LOOKING), add_pooling_layer=False)
    model = VisionEncoderDecoderModel(encoder=looker, decoder=GPT2LMHeadModel(writer))
    for settings in (model.config, model.generation_config):
        settings.decoder_start_token_id = tokenizer.bos_token_id
        settings.eos_token_id = tokenizer.eos_token_id
        settings.pad_token_id = tokenizer.eos_token_id
    return model


VISION_FAMILIES = (
    VisionFamily("vit", "image-classification", vit, ("ViT", _SQUARE), True),
    VisionFamily("beit", "image-classification", beit, ("Beit", {**_SQUARE, "do_center_crop": False}), True),
    VisionFamily("resnet", "image-classification", resnet, ("ConvNext", {"size": {"shortest_edge": 32}}), False),
    VisionFamily(
        "convnextv2", "image-classification", convnextv2, ("ConvNext", {"size": {"shortest_edge": 32}}), False
    ),
    VisionFamily(
        "mobilenet-v1",
        "image-classification",
        mobilenet_v1,
        ("MobileNetV1", {"size": {"shortest_edge": 36}, "crop_size": _SQUARE["size"]}),
        False,
    ),
    VisionFamily("detr", "object-detection", detr, ("Detr", _TO_DETECT), True),
    VisionFamily("deformable-detr", "object-detection", deformable_detr, ("DeformableDetr", _TO_DETECT_DEEPLY), True),
    VisionFamily("nearly-deta", "object-detection", nearly_deta, ("DeformableDetr", _TO_DETECT_DEEPLY), True),
    VisionFamily("yolos", "object-detection", yolos, ("Yolos", _TO_DETECT), True),
    VisionFamily(
        "git", "image-to-text", git, ("CLIP", {"size": {"shortest_edge": 32}, "crop_size": 32}), True, kinds.word_pieces
    ),
    VisionFamily("blip", "image-to-text", blip, ("Blip", _SQUARE), True, kinds.word_pieces),
    VisionFamily("blip-2-opt", "image-to-text", blip_2_opt, ("Blip", _SQUARE), True, kinds.opt),
    VisionFamily("blip-2-flan-t5", "image-to-text", blip_2_flan_t5, ("Blip", _SQUARE), True, kinds.t5),
    VisionFamily("vit-gpt2", "image-to-text", vit_gpt2, ("ViT", _SQUARE), True, kinds.gpt2),
)
