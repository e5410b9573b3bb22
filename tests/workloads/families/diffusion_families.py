"""The study's pipelines that draw, each as a tiny real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import family_tokenizers as kinds
from text_families import roughen
from vision_families import image_processor

TOKENS_N = 24  # that a prompt is padded to


@dataclass(frozen=True, slots=True)
class DiffusionFamily:
    """``pipeline`` makes the pipeline. ``image_px`` is the width of its pictures."""

    name: str
    pipeline: Callable[[], Any]
    image_px: int


def build(family: DiffusionFamily, folder: Path) -> None:
    """Write the family's pipeline into a folder, with random weights."""
    import torch

    torch.manual_seed(0)
    family.pipeline().save_pretrained(folder)


def _tokenizer() -> Any:
    return kinds.clip(TOKENS_N)


def _text_encoder(tokenizer: Any, *, projects: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=TOKENS_N,
        projection_dim=32,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    encoder = (CLIPTextModelWithProjection if projects else CLIPTextModel)(config)
    roughen(encoder)
    return encoder


def _autoencoder() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=[16, 32],
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=4,
        norm_num_groups=8,
    )


def _denoiser(**more: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        **{
            "sample_size": 8,
            "block_out_channels": (16, 32),
            "layers_per_block": 1,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": 32,
            "attention_head_dim": 8,
            "norm_num_groups": 8,
            **more,
        }
    )


_SCHEDULE: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def stable_diffusion_1() -> Any:
    """With its safety checker, and its scheduler, which takes one step more than it is told."""
    from diffusers import PNDMScheduler, StableDiffusionPipeline
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    tokenizer = _tokenizer()
    small = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 1, "num_attention_heads": 2}
    looker = {**small, "image_size": 16, "patch_size": 8}
    checker = CLIPConfig(text_config={**small, "vocab_size": 50}, vision_config=looker, projection_dim=16)
    return StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=_denoiser(),
        scheduler=PNDMScheduler(**_SCHEDULE, skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False),
        safety_checker=StableDiffusionSafetyChecker(checker),
        feature_extractor=image_processor("CLIP", size={"shortest_edge": 16}, crop_size=16),
    )


def stable_diffusion_2() -> Any:
    """Predicts velocities, projects linearly, and has no safety checker."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    tokenizer = _tokenizer()
    scheduler = DDIMScheduler(
        **_SCHEDULE, prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False, steps_offset=1
    )
    return StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=_denoiser(use_linear_projection=True, attention_head_dim=(2, 4)),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl() -> Any:
    """Two encoders of text, and the picture's size as a further input."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    tokenizer = _tokenizer()
    unet = _denoiser(
        use_linear_projection=True,
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 2),
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 32,
        cross_attention_dim=64,
    )
    return StableDiffusionXLPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(tokenizer),
        text_encoder_2=_text_encoder(tokenizer, projects=True),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=EulerDiscreteScheduler(**_SCHEDULE, steps_offset=1, timestep_spacing="leading"),
    )


def wuerstchen() -> Any:
    """Two stages: a prior draws the layout of a picture, a decoder the picture."""
    from diffusers import DDPMWuerstchenScheduler, WuerstchenCombinedPipeline

    # Its modules have moved from one version of diffusers to another.
    modules = import_module(WuerstchenCombinedPipeline.__module__.rpartition(".")[0])
    tokenizer = _tokenizer()
    decoder = modules.WuerstchenDiffNeXt(
        c_cond=32, c_hidden=[32], nhead=[2], blocks=[1], level_config=["CT"], clip_embd=32, inject_effnet=[False]
    )
    return WuerstchenCombinedPipeline(
        tokenizer=tokenizer,
        text_encoder=_text_encoder(tokenizer),
        decoder=decoder,
        scheduler=DDPMWuerstchenScheduler(),
        vqgan=modules.PaellaVQModel(levels=2, bottleneck_blocks=1, embed_dim=16),
        prior_tokenizer=tokenizer,
        prior_text_encoder=_text_encoder(tokenizer),
        prior_prior=modules.WuerstchenPrior(c_in=2, c=8, depth=2, c_cond=32, c_r=8, nhead=2),
        prior_scheduler=DDPMWuerstchenScheduler(),
    )


DIFFUSION_FAMILIES = (
    DiffusionFamily("stable-diffusion-1", stable_diffusion_1, 16),
    DiffusionFamily("stable-diffusion-2", stable_diffusion_2, 16),
    DiffusionFamily("stable-diffusion-xl", stable_diffusion_xl, 16),
    DiffusionFamily("wuerstchen", wuerstchen, 128),
)
