"""Recipes for the tiny models that look at images or draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joulemark.workloads.miniature import corpora
from joulemark.workloads.miniature.text_models import byte_pairs, label_names, share_right, train_rows
from joulemark.workloads.miniature.training import fit
from joulemark.workloads.torch_setup import quietly

_DIGIT_PX = 32  # the digits' 8 × 8 pixels are enlarged to what a ResNet halves four times


def digit_classifier(folder: Path) -> None:
    """A ResNet with three stages, trained on two thirds of scikit-learn's handwritten digits."""
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    train, validation = train_rows("digits", 1000)
    labels = tuple("0123456789")
    processor = _image_processor("ViT", size={"height": _DIGIT_PX, "width": _DIGIT_PX})
    config = ResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 32, 64],
        depths=[1, 1, 1],
        layer_type="basic",
        **label_names(labels),
    )
    model = ResNetForImageClassification(config)

    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        batch = dict(processor(images=[row["image"] for row in rows], return_tensors="pt"))
        return batch | {"labels": torch.tensor([labels.index(row["label"]) for row in rows])}

    held_out = collate(validation)
    fit(
        model,
        train,
        collate,
        lambda: share_right(model(pixel_values=held_out["pixel_values"]).logits, held_out["labels"]),
        target_ratio=0.98,
        steps_max_n=200,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def object_detector(folder: Path) -> None:
    """A YOLOS with two layers of 64 and random weights, for the cost of finding objects."""
    from transformers import YolosConfig, YolosForObjectDetection

    size_px = corpora.SCENE_PX
    config = YolosConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        image_size=[size_px, size_px],
        patch_size=8,
        num_detection_tokens=10,
        use_mid_position_embeddings=False,
        **label_names(corpora.SHAPES),
    )
    YolosForObjectDetection(config).save_pretrained(folder)
    _image_processor("Yolos", size={"height": size_px, "width": size_px}).save_pretrained(folder)


def captioner(folder: Path) -> None:
    """A ViT with a GPT-2 behind it, two layers of 64 each, and random weights, for the cost of captioning."""
    from transformers import GPT2Config, GPT2LMHeadModel, VisionEncoderDecoderModel, ViTConfig, ViTModel

    size_px = corpora.SCENE_PX
    tokenizer = byte_pairs([row["text"] for row in corpora.rows("scenes", "train", 200)], model_max_length=64)
    encoder = ViTConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        image_size=size_px,
        patch_size=8,
    )
    decoder = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=64, n_layer=2, n_head=4, add_cross_attention=True
    )
    model = VisionEncoderDecoderModel(encoder=ViTModel(encoder), decoder=GPT2LMHeadModel(decoder))
    for settings in (model.config, model.generation_config):
        settings.decoder_start_token_id = tokenizer.bos_token_id
        settings.eos_token_id = tokenizer.eos_token_id
        settings.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _image_processor("ViT", size={"height": size_px, "width": size_px}).save_pretrained(folder)


def picture_maker(folder: Path) -> None:
    """A Stable Diffusion with one block per level and random weights, for the cost of drawing 32 × 32 pixels."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    prompts = [row["text"] for row in corpora.rows("picture-prompts", "train", 500)]
    tokenizer = byte_pairs(prompts, model_max_length=32)
    text_config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    denoiser = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    autoencoder = AutoencoderKL(
        block_out_channels=[16, 32, 32],
        down_block_types=["DownEncoderBlock2D"] * 3,
        up_block_types=["UpDecoderBlock2D"] * 3,
        latent_channels=4,
        norm_num_groups=8,
    )
    # The noise schedule of Stable Diffusion 1.
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False
    )
    pipeline = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=CLIPTextModel(text_config),
        tokenizer=tokenizer,
        unet=denoiser,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    with quietly("diffusers"):
        pipeline.save_pretrained(folder)


def _image_processor(family: str, **options: Any) -> Any:
    """The family's image processor that works on PIL images: version 5 of transformers has it under its own name."""
    import transformers

    pil_class = getattr(transformers, f"{family}ImageProcessorPil", None)
    return (pil_class or getattr(transformers, f"{family}ImageProcessor"))(**options)
