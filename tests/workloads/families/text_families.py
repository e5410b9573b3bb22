"""The study's families of models that read text, each as a tiny real model with its own kind of tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import family_tokenizers as kinds

NO_LIMIT_N = 10**30  # what tokenizers say that know no limit
HEADS = {
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "fill-mask": "AutoModelForMaskedLM",
}
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG")
LABELS = {"text-classification": ("negative", "positive"), "token-classification": TAGS}


@dataclass(frozen=True, slots=True)
class TextFamily:
    """``config`` makes a configuration of a tokenizer; ``tasks`` are those that the study uses the family for.

    ``limit_n`` is how many tokens it reads; ``prompted``: it is told in a prompt what to do, and writes.
    """

    name: str
    config: Callable[[Any], Any]
    tokenizer: Callable[[int], Any]
    tasks: tuple[str, ...]
    limit_n: int | None
    prompted: bool = False


def build(family: TextFamily, task: str, folder: Path, **changes: Any) -> None:
    """Write the family's model for a task into a folder, with random weights far enough from nothing to differ."""
    import torch
    import transformers

    tokenizer = family.tokenizer(family.limit_n or NO_LIMIT_N)
    config = family.config(tokenizer)
    for name, value in changes.items():
        setattr(config, name, value)
    if task in LABELS and not family.prompted:
        config.id2label = dict(enumerate(LABELS[task]))
        config.label2id = {name: label_i for label_i, name in config.id2label.items()}
    writes = "AutoModelForSeq2SeqLM" if config.is_encoder_decoder else "AutoModelForCausalLM"
    torch.manual_seed(0)
    model = getattr(transformers, writes if family.prompted else HEADS.get(task, writes)).from_config(config)
    roughen(model)
    if family.name == "bart":
        model.generation_config.forced_bos_token_id = tokenizer.bos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def roughen(model: Any) -> None:
    """Widen the weights, so that answers differ from sample to sample and none is a close call."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "relative_attention_bias" not in name:
                parameter.normal_(0, 0.3)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.1)


def _encoder(tokenizer: Any, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 37,
        "pad_token_id": tokenizer.pad_token_id,
        **more,
    }


def _both(tokenizer: Any, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 37,
        "decoder_ffn_dim": 37,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        **more,
    }


def _ends(tokenizer: Any) -> dict[str, Any]:
    return {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}


def bert(tokenizer: Any) -> Any:
    from transformers import BertConfig

    return BertConfig(**_encoder(tokenizer), max_position_embeddings=64)


def distilbert(tokenizer: Any) -> Any:
    from transformers import DistilBertConfig

    return DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=32,
        n_layers=2,
        n_heads=2,
        hidden_dim=37,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )


def roberta(tokenizer: Any) -> Any:
    from transformers import RobertaConfig

    return RobertaConfig(
        **_encoder(tokenizer, **_ends(tokenizer)),
        max_position_embeddings=64 + tokenizer.pad_token_id + 1,
        type_vocab_size=1,
    )


def xlm_roberta(tokenizer: Any) -> Any:
    from transformers import XLMRobertaConfig

    return XLMRobertaConfig(
        **_encoder(tokenizer, **_ends(tokenizer)),
        max_position_embeddings=64 + tokenizer.pad_token_id + 1,
        type_vocab_size=1,
    )


def albert(tokenizer: Any) -> Any:
    from transformers import AlbertConfig

    return AlbertConfig(**_encoder(tokenizer, embedding_size=16), max_position_embeddings=64)


def electra(tokenizer: Any) -> Any:
    from transformers import ElectraConfig

    return ElectraConfig(**_encoder(tokenizer, embedding_size=16), max_position_embeddings=64)


def deberta(tokenizer: Any) -> Any:
    from transformers import DebertaConfig

    return DebertaConfig(
        **_encoder(tokenizer),
        max_position_embeddings=64,
        relative_attention=True,
        pos_att_type=["c2p", "p2c"],
        position_biased_input=False,
        type_vocab_size=0,
    )


def deberta_v2(tokenizer: Any) -> Any:
    from transformers import DebertaV2Config

    return DebertaV2Config(
        **_encoder(tokenizer),
        max_position_embeddings=64,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        position_buckets=16,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        type_vocab_size=0,
    )


def bart(tokenizer: Any) -> Any:
    from transformers import BartConfig

    return BartConfig(
        **_both(tokenizer),
        max_position_embeddings=96,
        decoder_start_token_id=tokenizer.eos_token_id,
        forced_eos_token_id=tokenizer.eos_token_id,
    )


def pegasus(tokenizer: Any) -> Any:
    from transformers import PegasusConfig

    # Pegasus has no token that begins a text, and starts from padding.
    settings = _both(tokenizer, decoder_start_token_id=tokenizer.pad_token_id)
    return PegasusConfig(**settings, max_position_embeddings=96, forced_eos_token_id=tokenizer.eos_token_id)


def big_bird_pegasus(tokenizer: Any) -> Any:
    from transformers import BigBirdPegasusConfig

    settings = _both(tokenizer, decoder_start_token_id=tokenizer.bos_token_id)
    return BigBirdPegasusConfig(**settings, max_position_embeddings=96, block_size=2, num_random_blocks=1)


def led(tokenizer: Any) -> Any:
    from transformers import LEDConfig

    return LEDConfig(
        **_both(tokenizer, decoder_start_token_id=tokenizer.eos_token_id),
        max_encoder_position_embeddings=96,
        max_decoder_position_embeddings=32,
        attention_window=[8, 8],
    )


def t5(tokenizer: Any) -> Any:
    from transformers import T5Config

    return T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=16,
        d_ff=37,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )


def bloom(tokenizer: Any) -> Any:
    from transformers import BloomConfig

    return BloomConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        n_layer=2,
        n_head=2,
        pad_token_id=tokenizer.pad_token_id,
        **_ends(tokenizer),
    )


def gpt2(tokenizer: Any) -> Any:
    from transformers import GPT2Config

    return GPT2Config(
        vocab_size=len(tokenizer), n_positions=96, n_embd=32, n_layer=2, n_head=2, n_inner=37, **_ends(tokenizer)
    )


def gpt_neo(tokenizer: Any) -> Any:
    from transformers import GPTNeoConfig

    return GPTNeoConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=96,
        hidden_size=32,
        num_layers=2,
        num_heads=2,
        intermediate_size=37,
        attention_types=[[["global", "local"], 1]],
        window_size=16,
        **_ends(tokenizer),
    )


def opt(tokenizer: Any) -> Any:
    from transformers import OPTConfig

    return OPTConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=96,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        ffn_dim=37,
        word_embed_proj_dim=32,
        pad_token_id=tokenizer.pad_token_id,
        **_ends(tokenizer),
    )


def llama(tokenizer: Any) -> Any:
    from transformers import LlamaConfig

    settings = _encoder(tokenizer, **_ends(tokenizer))
    return LlamaConfig(**settings, max_position_embeddings=96)


_PROMPTED = ("text-classification", "question-answering", "summarization")

# The tasks are those of the study, Table 2 and section 4.3, with the models of its logs that the paper left out.
TEXT_FAMILIES = (
    TextFamily(
        "bert",
        bert,
        kinds.word_pieces,
        ("text-classification", "token-classification", "question-answering", "fill-mask"),
        64,
    ),
    TextFamily(
        "distilbert",
        distilbert,
        kinds.word_pieces,
        ("text-classification", "token-classification", "question-answering", "fill-mask"),
        64,
    ),
    TextFamily(
        "roberta",
        roberta,
        kinds.roberta,
        ("text-classification", "token-classification", "question-answering", "fill-mask"),
        64,
    ),
    TextFamily(
        "xlm-roberta",
        xlm_roberta,
        kinds.xlm_roberta,
        ("text-classification", "token-classification", "fill-mask"),
        64,
    ),
    TextFamily("albert", albert, kinds.albert, ("fill-mask",), 64),
    TextFamily("electra", electra, kinds.word_pieces, ("question-answering",), 64),
    TextFamily("deberta", deberta, kinds.deberta, ("fill-mask",), 64),
    TextFamily("deberta-v2", deberta_v2, kinds.deberta_v2, ("question-answering",), 64),
    TextFamily("bart", bart, kinds.bart, ("summarization",), 96),
    TextFamily("pegasus", pegasus, kinds.pegasus, ("summarization",), 96),
    TextFamily("bigbird-pegasus", big_bird_pegasus, kinds.big_bird_pegasus, ("summarization",), 96),
    TextFamily("led", led, kinds.bart, ("summarization",), 96),
    TextFamily("t5", t5, kinds.t5, ("summarization",), None),
    TextFamily("gpt2", gpt2, kinds.gpt2, ("text-generation",), 96),
    TextFamily("gpt-neo", gpt_neo, kinds.gpt2, ("text-generation",), 96),
    TextFamily("opt", opt, kinds.opt, ("text-generation",), 96),
    TextFamily("llama", llama, kinds.llama, ("text-generation",), 96),
    TextFamily("bloom", bloom, kinds.bloom, ("text-generation",), None),
    TextFamily("flan-t5", t5, kinds.t5, _PROMPTED, None, prompted=True),
    TextFamily("bloomz", bloom, kinds.bloom, _PROMPTED, None, prompted=True),
)
DATASETS: Mapping[str, str] = {
    "text-classification": "miniature:reviews",
    "token-classification": "miniature:entities",
    "question-answering": "miniature:questions",
    "fill-mask": "miniature:cloze",
    "text-generation": "miniature:openings",
    "summarization": "miniature:articles",
}
