"""Load a model and what belongs to it, and refuse what would measure something else than was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

from joulemark.records import Cell
from joulemark.workloads.tasks import Task
from joulemark.workloads.torch_setup import device_of, dtype_of, first_line
from joulemark.workloads.workload import Answer, WorkloadError

ATTENTIONS = ("eager", "sdpa", "flash_attention_2")
NO_LIMIT_N = 1_000_000  # tokens; tokenizers without a limit say 10 to the 30

# Tensors that a checkpoint may lack: counters and tables that the model makes itself.
_MADE_ANEW = ("num_batches_tracked", "position_ids", "relative_position_index")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model on its device, as one cell of one task uses it, and how to get its tokenizer or image processor.

    ``part("AutoTokenizer", **options)`` is what belongs to the model; it raises :class:`WorkloadError`.
    """

    cell: Cell
    task: Task
    model: Any
    device: Any
    dtype: Any
    part: Callable[..., Any]
    missing_n: int = 0  # tensors that the folder lacks, so that they were drawn at random


@dataclass(frozen=True, slots=True)
class Opened:
    """What a task makes of a loaded model.

    ``ask`` answers one or several samples, in their order. ``likelihoods`` says for every sample of the cell the
    negative log-likelihood of its text in nats, and over how many tokens that is summed; it takes its time. ``alone``
    says why samples can only be asked one by one. ``limit_n`` is where inputs are cut, in tokens; ``NO_LIMIT_N`` or
    ``None`` where they are not.
    """

    ask: Callable[[Sequence[Row]], list[Answer]]
    likelihoods: Callable[[], list[tuple[float, int] | None]] | None = None
    alone: str | None = None
    limit_n: int | None = None


def load(model_class: str, cell: Cell, task: Task, folder: Path, *, complete: bool) -> Loaded:
    """The model in ``folder`` by the class of transformers of that name, such as "AutoModelForMaskedLM".

    ``complete`` refuses a folder that lacks tensors of that class; otherwise they are drawn at random and counted.

    Raises:
        WorkloadError: it does not load, was made for another task, or lacks the attention asked for.
    """
    import transformers

    device, dtype = device_of(cell.settings.device), dtype_of(cell.settings.dtype)

    def read(**of_config: Any) -> tuple[Any, Mapping[str, Any]]:
        both: tuple[Any, Mapping[str, Any]] = getattr(transformers, model_class).from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=None if "pickled-weights" in cell.settings.trust else True,
            output_loading_info=True,
            **from_disk(cell),
            **attention_option(cell),
            **of_config,
        )
        return both

    try:
        model, told = read()
        if getattr(model.config, "legacy", False) and any(
            "lm_predictions." in name for name in told["unexpected_keys"]
        ):
            # Microsoft's DeBERTas name their head so; transformers makes another one, at random, unless told not to.
            # Version 4 would then tie the wrong layer of it to the embeddings.
            model, told = read(legacy=False, tie_word_embeddings=False)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise WorkloadError(f"{cell.model} does not load for {task.task_id}: {first_line(error)}") from error
    missing_n = sum(not _can_be_missing(name, model, task) for name in told["missing_keys"])
    if missing_n and complete:
        made_for = ", ".join(model.config.architectures or ()) or "something else"
        raise WorkloadError(
            f"{cell.model} has no weights for {task.task_id}: {missing_n} tensors of {type(model).__name__} missing; "
            f"it was made for {made_for}"
        )
    return Loaded(cell, task, model.to(device).eval(), device, dtype, parts_of(cell, folder), missing_n)


def from_disk(cell: Cell) -> dict[str, bool]:
    """The options of transformers for reading a folder: no network, and no code of its own unless that is trusted."""
    return {"local_files_only": True, "trust_remote_code": "remote-code" in cell.settings.trust}


def text_model(cell: Cell, folder: Path) -> str:
    """The class of a model that writes text: a decoder, or an encoder with a decoder.

    Raises:
        WorkloadError: the folder does not say which.
    """
    from transformers import AutoConfig

    try:
        return writer_of(AutoConfig.from_pretrained(folder, **from_disk(cell)))
    except (OSError, ValueError) as error:
        raise WorkloadError(f"{folder} has no usable config.json: {first_line(error)}") from error


def writer_of(config: Any) -> str:
    """The class that writes text with a configuration of transformers."""
    return "AutoModelForSeq2SeqLM" if config.is_encoder_decoder else "AutoModelForCausalLM"


def attention_option(cell: Cell) -> dict[str, str]:
    """The keyword of transformers that chooses the attention; empty where the choice is the library's.

    Raises:
        WorkloadError: there is no such attention.
    """
    wanted = cell.settings.attention
    if wanted is None:
        return {}
    if wanted not in ATTENTIONS:
        raise WorkloadError(f"attention {wanted!r} is not {', '.join(ATTENTIONS[:-1])} or {ATTENTIONS[-1]}")
    return {"attn_implementation": wanted}


def attention_used(cell: Cell, model: Any) -> str | None:
    """Which attention the model was loaded with; parts that differ are joined by "+". ``None``: it has none.

    Raises:
        WorkloadError: one is asked for, and the model has no attention or uses another one.
    """
    from transformers import PreTrainedModel

    owners = {name: part for name, part in model.named_modules() if isinstance(part, PreTrainedModel)}
    used: set[str] = set()
    for name, part in model.named_modules():
        if "Attention" in type(part).__name__:
            # The innermost model around it: the parts of a composite choose for themselves.
            owner = max((outer for outer in owners if outer == "" or name.startswith(f"{outer}.")), key=len)
            used.add(str(owners[owner].config._attn_implementation))
    wanted = cell.settings.attention
    if wanted is not None and not used:
        raise WorkloadError(f"{cell.model} is a {type(model).__name__}, which has no attention; leave attention out")
    if wanted is not None and used != {wanted}:
        raise WorkloadError(f"{cell.model} runs with attention {'+'.join(sorted(used))}, not {wanted}")
    return "+".join(sorted(used)) or None


def takes(model: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
    """Those tensors of a batch that the model has a parameter for: tokenizers say more than some models ask."""
    known = parameters_of(model)
    return {name: tensor for name, tensor in batch.items() if name in known}


def parameters_of(model: Any) -> frozenset[str]:
    """The names of what a model can be given."""
    model_class: Any = type(model)
    return _parameters_of(model_class)


@cache
def _parameters_of(model_class: Any) -> frozenset[str]:
    return frozenset(signature(model_class.forward).parameters)


def positions_n(model: Any) -> int:
    """How many tokens an encoder, or a decoder alone, takes at most; ``NO_LIMIT_N`` where its positions are relative.

    T5 and BLOOM have no table of positions; LED has one for either side.
    """
    config = model.config
    table_n: int | None = getattr(config, "max_encoder_position_embeddings", None)
    if table_n is None:
        table_n = getattr(config, "max_position_embeddings", None)
    if not table_n:
        return NO_LIMIT_N
    # RoBERTa and its kin count positions from the padding index on.
    padding_i: int | None = getattr(getattr(model.base_model, "embeddings", None), "padding_idx", None)
    return table_n - (0 if padding_i is None else padding_i + 1)


def input_limit_n(loaded: Loaded, tokenizer: Any, *, reserved_n: int = 0) -> int:
    """How many tokens of an input are read; longer ones are cut off on the right.

    The lower of what the model has positions for and of what its tokenizer says, less ``reserved_n`` tokens that
    share them with the input; and no more than the cell's ``input_tokens_max_n``. It can come out below 1, and is
    ``NO_LIMIT_N`` where nothing limits it.

    Raises:
        WorkloadError: the cell's limit is no positive number.
    """
    asked_n = loaded.cell.settings.input_tokens_max_n
    if asked_n is not None and asked_n < 1:
        raise WorkloadError(f"input_tokens_max_n is {asked_n}; an input has at least one token")
    own_n: int = min(tokenizer.model_max_length, positions_n(loaded.model), NO_LIMIT_N)
    return min(own_n - reserved_n if own_n < NO_LIMIT_N else NO_LIMIT_N, asked_n or NO_LIMIT_N)


def tokenizer_of(loaded: Loaded, *, padding_side: str, **options: Any) -> Any:
    """The model's tokenizer. It cuts off on the right, and pads, where there are several texts, on the side given."""
    tokenizer = loaded.part("AutoTokenizer", **options)
    tokenizer.truncation_side, tokenizer.padding_side = "right", padding_side
    if tokenizer.pad_token is None:
        # Padding is masked, so that any token will do.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def image_processor_of(loaded: Loaded) -> Any:
    """The model's image processor, in the version that works on PIL images."""
    return loaded.part("AutoImageProcessor", **_pil_backend())


def unpadded_n(batch: Mapping[str, Any]) -> list[int]:
    """How many tokens each text of a batch has, without padding."""
    counts_n: list[int] = batch["attention_mask"].sum(-1).tolist()
    return counts_n


def parts_of(cell: Cell, folder: Path) -> Callable[..., Any]:
    """How to get the tokenizer or image processor that lies in a model's folder."""

    def part(auto_class: str, **options: Any) -> Any:
        import transformers

        try:
            return getattr(transformers, auto_class).from_pretrained(folder, **from_disk(cell), **options)
        except (OSError, ValueError) as error:
            raise WorkloadError(f"{cell.model} has no usable {auto_class[4:]}: {first_line(error)}") from error

    return part


def _can_be_missing(name: str, model: Any, task: Task) -> bool:
    """Whether a tensor that a folder lacks changes no answer.

    Sinusoids are computed: the Pegasus of the hub has none. Captioners do not use the pooler of their encoder.
    """
    if name.endswith(_MADE_ANEW) or (task.task_id == "image-to-text" and ".pooler." in name):
        return True
    return "Sinusoidal" in type(model.get_submodule(name.rpartition(".")[0])).__name__


def _pil_backend() -> dict[str, Any]:
    """The option that asks for PIL: version 5 of transformers renamed it."""
    import transformers

    return {"use_fast": False} if transformers.__version__.startswith("4.") else {"backend": "pil"}
