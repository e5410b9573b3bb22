"""What is written, how long it is, how much of the input is read, and how long the parts of it take."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import text_families
import vision_families
from text_families import DATASETS, TEXT_FAMILIES, TextFamily
from vision_families import VISION_FAMILIES

from joulemark.records import Cell, Purpose, Settings
from joulemark.workloads import WorkloadError, open_workload
from joulemark.workloads.miniature import corpora

FAMILIES = {family.name: family for family in TEXT_FAMILIES}
VISION = {family.name: family for family in VISION_FAMILIES}
LONG = " ".join(["the film was great and the food was not"] * 60)


def _built(name: str, folder: Path, **changes: Any) -> Cell:
    family: TextFamily = FAMILIES[name]
    text_families.build(family, family.tasks[0], folder, **changes)
    return Cell(family.tasks[0], str(folder), DATASETS[family.tasks[0]], settings=Settings(device="cpu", threads_n=1))


def _set(cell: Cell, **settings: Any) -> Cell:
    return replace(cell, settings=replace(cell.settings, **settings))


def _reading(cell: Cell, folder: Path, *texts: str) -> Cell:
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return replace(cell, dataset=str(path))


def _refusal(cell: Cell) -> str:
    with pytest.raises(WorkloadError) as refused, open_workload(cell, queries_n=4):
        pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("beams_n", [1, 3])
@pytest.mark.parametrize("name", ["bart", "pegasus", "t5", "gpt2", "opt", "bloom"])
def test_texts_are_those_of_the_library(name: str, beams_n: int, tmp_path: Path) -> None:
    import transformers
    from transformers import AutoTokenizer

    cell = _set(_built(name, tmp_path), new_tokens_min_n=2, new_tokens_max_n=7, beams_n=beams_n)
    with open_workload(cell, queries_n=4) as workload:
        answers = [workload.infer(sample_i) for sample_i in range(4)]
        assert workload.infer_batch is not None
        together = workload.infer_batch(range(4))
    behind = name in ("bart", "pegasus", "t5")
    auto_class = "AutoModelForSeq2SeqLM" if behind else "AutoModelForCausalLM"
    model = getattr(transformers, auto_class).from_pretrained(tmp_path).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    rows = corpora.rows(cell.dataset.partition(":")[2], "test", 4)
    for row, answer, other in zip(rows, answers, together, strict=True):
        limit_n = FAMILIES[name].limit_n or 1_000
        inputs = tokenizer(
            row["text"], truncation=True, max_length=limit_n if behind else limit_n - 7, return_tensors="pt"
        )
        written = model.generate(
            **inputs, do_sample=False, num_beams=beams_n, min_new_tokens=2, max_new_tokens=7, pad_token_id=0
        )[0, 1 if behind else inputs["input_ids"].shape[-1] :]
        assert answer.value == other.value == tokenizer.decode(written, skip_special_tokens=True).strip()
        assert answer.input_tokens_n == other.input_tokens_n == inputs["input_ids"].shape[-1]
        assert answer.output_tokens_n == other.output_tokens_n == len(written)


def test_beams_find_likelier_texts(tmp_path: Path) -> None:
    cell = _set(_built("gpt2", tmp_path), new_tokens_min_n=6, new_tokens_max_n=6)
    texts = []
    for beams_n in (1, 4):
        with open_workload(_set(cell, beams_n=beams_n), queries_n=8) as workload:
            texts.append([workload.infer(sample_i).value for sample_i in range(8)])
    assert texts[0] != texts[1]


@pytest.mark.parametrize("beams_n", [1, 2])
@pytest.mark.parametrize("name", ["bart", "pegasus", "led", "bigbird-pegasus", "t5", "gpt2", "llama"])
def test_a_fixed_length_is_kept(name: str, beams_n: int, tmp_path: Path) -> None:
    cell = _set(_built(name, tmp_path), new_tokens_min_n=9, new_tokens_max_n=9, beams_n=beams_n)
    with open_workload(cell, queries_n=6) as workload:
        assert [workload.infer(sample_i).output_tokens_n for sample_i in range(6)] == [9] * 6


def _end_at(folder: Path, end_i: int) -> None:
    """Make a token the one that ends the texts of the model in a folder."""
    for file in (folder / "config.json", folder / "generation_config.json"):
        said = json.loads(file.read_text())
        for part in (said, *(said[inner] for inner in ("text_config", "decoder") if inner in said)):
            for key in ("eos_token_id", "sep_token_id"):
                if key in part:
                    part[key] = end_i
        if file.name == "generation_config.json":
            said["eos_token_id"] = end_i
        file.write_text(json.dumps(said))


@pytest.mark.parametrize(
    "name", ["bart", "pegasus", "t5", "gpt2", "llama", "bloom", "git", "blip", "blip-2-opt", "vit-gpt2"]
)
def test_a_fixed_length_does_not_change_what_is_said(name: str, tmp_path: Path) -> None:
    """A text that ends early is computed on to the length, and all of it counted, but the answer is the model's own."""
    if name in FAMILIES:
        cell = _built(name, tmp_path)
    else:
        vision_families.build(VISION[name], tmp_path)
        cell = Cell("image-to-text", str(tmp_path), "miniature:scenes", settings=Settings(device="cpu", threads_n=1))
    free, fixed = _set(cell, new_tokens_min_n=0, new_tokens_max_n=9), _set(cell, new_tokens_min_n=9, new_tokens_max_n=9)

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    with open_workload(fixed, queries_n=1) as workload:
        longest = str(workload.infer(0).value)
    # Any token that it says in the middle of a text can be the one that ends it.
    said = tokenizer(longest, add_special_tokens=False)["input_ids"]
    _end_at(tmp_path, said[len(said) // 2])
    with open_workload(free, queries_n=4) as workload:
        own = [workload.infer(sample_i) for sample_i in range(4)]
    with open_workload(fixed, queries_n=4) as workload:
        assert workload.infer_batch is not None
        for answers in ([workload.infer(sample_i) for sample_i in range(4)], workload.infer_batch(range(4))):
            assert [answer.value for answer in answers] == [answer.value for answer in own]
            assert [answer.output_tokens_n for answer in answers] == [9] * 4
    assert any(answer.output_tokens_n != 9 for answer in own)


def test_texts_that_end_early_are_counted_to_their_end(tmp_path: Path) -> None:
    """A BART whose bias towards the end overrules the rest ends as soon as it may: after the shortest length."""
    from safetensors.torch import load_file, save_file

    cell = _set(_built("bart", tmp_path), new_tokens_min_n=3, new_tokens_max_n=12)
    weights = load_file(tmp_path / "model.safetensors")
    end_i = json.loads((tmp_path / "config.json").read_text())["eos_token_id"]
    weights["final_logits_bias"][0, end_i] = 1e4
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for beams_n in (1, 3):
        with open_workload(_set(cell, beams_n=beams_n), queries_n=4) as workload:
            assert workload.infer_batch is not None
            for answer in (workload.infer(0), *workload.infer_batch([0, 1, 2, 3])):
                assert answer.output_tokens_n == 3 + 1


def test_settings_of_older_checkpoints_are_in_their_config(tmp_path: Path) -> None:
    cell = _set(_built("bart", tmp_path), new_tokens_max_n=7)
    with open_workload(cell, queries_n=4) as workload:
        before = [workload.infer(sample_i).value for sample_i in range(4)]
    own = json.loads((tmp_path / "generation_config.json").read_text())
    (tmp_path / "generation_config.json").unlink()
    config = json.loads((tmp_path / "config.json").read_text())
    # What else such checkpoints say, and is not used: beams, and the lengths of the summaries they were made for.
    config |= {key: own[key] for key in ("forced_bos_token_id", "forced_eos_token_id", "decoder_start_token_id")}
    config |= {"num_beams": 4, "min_length": 56, "max_length": 142, "length_penalty": 2.0, "early_stopping": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with open_workload(cell, queries_n=4) as workload:
        assert [workload.infer(sample_i).value for sample_i in range(4)] == before


@pytest.mark.parametrize(
    ("name", "read_n"),
    [
        ("gpt2", 96 - 10),
        ("gpt-neo", 96 - 10),
        ("opt", 96 - 10),
        ("llama", 96 - 10),
        ("bart", 96),
        ("pegasus", 96),
        ("bigbird-pegasus", 96),
        ("led", 96),
        ("bloom", None),
        ("t5", None),
    ],
)
def test_as_much_is_read_as_there_are_positions(name: str, read_n: int | None, tmp_path: Path) -> None:
    cell = _set(_reading(_built(name, tmp_path), tmp_path, LONG), new_tokens_min_n=0, new_tokens_max_n=10)
    with open_workload(cell, queries_n=1) as workload:
        input_n = workload.infer(0).input_tokens_n
    assert input_n is not None
    assert input_n == read_n if read_n else input_n > 500
    with open_workload(_set(cell, input_tokens_max_n=20), queries_n=1) as workload:
        assert workload.infer(0).input_tokens_n == 20


def test_a_cut_input_is_its_beginning(tmp_path: Path) -> None:
    cell = _set(_built("gpt2", tmp_path), input_tokens_max_n=12)
    texts = "the film was great", LONG
    with open_workload(_reading(cell, tmp_path, LONG), queries_n=1) as workload:
        cut = workload.infer(0)
    with open_workload(_set(_reading(cell, tmp_path, *texts), input_tokens_max_n=None), queries_n=2) as workload:
        short, whole = workload.infer(0), workload.infer(1)
    assert cut.input_tokens_n == 12
    assert short.input_tokens_n is not None
    assert short.input_tokens_n < 12
    assert cut.value != whole.value


@pytest.mark.parametrize("name", ["gpt2", "bloom", "flan-t5"])
@pytest.mark.parametrize(
    ("template", "columns"),
    [
        ("{text} Is it good? Answer:", ("text",)),
        ('{question}? Find it in: "{context}". Answer:', ("question", "context")),
        ("In {context}: {question}", ("question", "context")),
    ],
)
def test_what_a_prompt_says_after_a_long_text_is_kept(
    name: str, template: str, columns: tuple[str, ...], tmp_path: Path
) -> None:
    import transformers
    from transformers import AutoTokenizer

    family: TextFamily = FAMILIES[name]
    text_families.build(family, "summarization", tmp_path)
    long, limit_n = columns[-1], 60
    rows = [dict.fromkeys(columns, "where is the cat") | {long: text} for text in ("the film", LONG)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = Settings(device="cpu", threads_n=1, prompt=template, input_tokens_max_n=limit_n, new_tokens_max_n=6)
    task = "question-answering" if len(columns) == 2 else "text-classification"
    cell = Cell(task, str(tmp_path), str(data), Purpose.MULTI_PURPOSE, settings=settings)
    with open_workload(cell, queries_n=2) as workload:
        answers = [workload.infer(sample_i) for sample_i in range(2)]
        assert workload.infer_batch is not None
        assert [answer.value for answer in workload.infer_batch([0, 1])] == [answer.value for answer in answers]

    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    behind = name == "flan-t5"
    auto_class = "AutoModelForSeq2SeqLM" if behind else "AutoModelForCausalLM"
    model = getattr(transformers, auto_class).from_pretrained(tmp_path).eval()
    whole = tokenizer(LONG, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    cuts = [template.format_map(rows[1] | {long: LONG[:end]}) for _, end in reversed(whole)]
    fitting = next(cut for cut in cuts if len(tokenizer(cut)["input_ids"]) <= limit_n)
    for prompt, answer in zip((template.format_map(rows[0]), fitting), answers, strict=True):
        inputs = tokenizer(prompt, return_tensors="pt")
        read_n = inputs["input_ids"].shape[-1]
        written = model.generate(**inputs, do_sample=False, max_new_tokens=6, pad_token_id=0)
        pieces = written[0, 1 if behind else read_n :]
        assert answer.value == tokenizer.decode(pieces, skip_special_tokens=True).strip()
        assert answer.input_tokens_n == read_n
    assert answers[1].input_tokens_n == limit_n


def test_a_template_that_is_too_long_itself_is_cut(tmp_path: Path) -> None:
    cell = _set(_reading(_built("gpt2", tmp_path), tmp_path, LONG), input_tokens_max_n=12)
    with open_workload(_set(cell, prompt=LONG + " {text} Answer:"), queries_n=1) as workload:
        assert workload.infer(0).input_tokens_n == 12


@pytest.mark.parametrize("name", ["llava", "qwen2-vl"])
def test_a_model_that_has_to_be_asked_about_an_image_is_refused(name: str, tmp_path: Path) -> None:
    import family_tokenizers as kinds
    from transformers import LlavaConfig, LlavaForConditionalGeneration, Qwen2VLConfig, Qwen2VLForConditionalGeneration

    tokenizer = kinds.llama(64)
    text = text_families.llama(tokenizer).to_dict()
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 37}
    model: Any
    if name == "llava":
        looks = {"model_type": "clip_vision_model", "image_size": 32, "patch_size": 8, **small}
        model = LlavaForConditionalGeneration(LlavaConfig(vision_config=looks, text_config=text, image_token_index=5))
    else:
        looks = {"depth": 1, "embed_dim": 32, "num_heads": 2, "hidden_size": 32}
        config = Qwen2VLConfig(
            text_config={**small, "vocab_size": len(tokenizer), "num_key_value_heads": 2}, vision_config=looks
        )
        model = Qwen2VLForConditionalGeneration(config)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    vision_families.image_processor("CLIP", size={"shortest_edge": 32}, crop_size=32).save_pretrained(tmp_path)
    cell = Cell("image-to-text", str(tmp_path), "miniature:scenes", settings=Settings(device="cpu", threads_n=1))
    said = _refusal(cell)
    assert f"is a {type(model).__name__}, which has to be told in words what to do with an image" in said


def test_led_looks_at_everything_from_its_first_token(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, LEDForConditionalGeneration

    cell = _set(_built("led", tmp_path), new_tokens_min_n=8, new_tokens_max_n=8)
    rows = corpora.rows("articles", "test", 8)
    with open_workload(cell, queries_n=len(rows)) as workload:
        said = [workload.infer(sample_i).value for sample_i in range(len(rows))]
    model = LEDForConditionalGeneration.from_pretrained(tmp_path).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    texts: dict[int, list[str]] = {1: [], 0: []}
    for row in rows:
        inputs = tokenizer(row["text"], truncation=True, max_length=96, return_tensors="pt")
        looks = inputs["input_ids"] * 0
        for first, written in texts.items():
            looks[:, 0] = first
            pieces = model.generate(**inputs, global_attention_mask=looks, min_new_tokens=8, max_new_tokens=8)
            written.append(tokenizer.decode(pieces[0, 1:], skip_special_tokens=True).strip())
    assert said == texts[1] != texts[0]


def test_big_bird_reads_sparsely_or_not_at_all_so(tmp_path: Path) -> None:
    cell = _set(_built("bigbird-pegasus", tmp_path), new_tokens_min_n=0, new_tokens_max_n=6)
    assert "its sparse attention would depend on the padding" in _refusal(_set(cell, batch_n=4))
    # With one text that is too short for it, transformers would change over in the middle of the queries.
    mixed = _reading(cell, tmp_path, LONG, "great", LONG)
    with open_workload(_set(mixed, batch_n=3), queries_n=3) as workload:
        before, short, after = (workload.infer(sample_i).value for sample_i in range(3))
        assert before == after
        assert workload.infer_batch is not None
        assert [answer.value for answer in workload.infer_batch([0, 1, 2])] == [before, short, after]


def test_lengths_that_cannot_be(tmp_path: Path) -> None:
    led = _built("led", tmp_path / "led")
    gpt2 = _built("gpt2", tmp_path / "gpt2")
    assert "writes 32 tokens at most; new_tokens_max_n is 33" in _refusal(_set(led, new_tokens_max_n=33))
    assert "beams_n is 0" in _refusal(_set(gpt2, beams_n=0))
    assert "input_tokens_max_n is 0" in _refusal(_set(gpt2, input_tokens_max_n=0))
    assert "leave" in _refusal(_set(gpt2, new_tokens_max_n=96))


@pytest.mark.parametrize("name", ["gpt2", "t5", "git", "blip", "blip-2-opt", "blip-2-flan-t5", "vit-gpt2"])
@pytest.mark.parametrize("beams_n", [1, 2])
def test_phases_are_parts_of_the_query(name: str, beams_n: int, tmp_path: Path) -> None:
    if name in FAMILIES:
        cell = _built(name, tmp_path)
    else:
        vision_families.build(VISION[name], tmp_path)
        cell = Cell("image-to-text", str(tmp_path), "miniature:scenes", settings=Settings(device="cpu", threads_n=1))
    cell = _set(cell, new_tokens_min_n=1, new_tokens_max_n=1, beams_n=beams_n)
    longer = _set(cell, new_tokens_min_n=12, new_tokens_max_n=12)
    decoded_s = []
    for asked in (cell, longer):
        with open_workload(asked, queries_n=3) as workload:
            for sample_i in range(3):
                begun_s = time.perf_counter()
                answer = workload.infer(sample_i)
                taken_s = time.perf_counter() - begun_s
                assert answer.output_tokens_n == asked.settings.new_tokens_max_n
                assert set(answer.phases_s) == {"prefill", "decode"}
                assert 0 < sum(answer.phases_s.values()) <= taken_s
        decoded_s.append(answer.phases_s["decode"])
    # One token is all prefill; the eleven that follow are not.
    assert decoded_s[0] < decoded_s[1]
