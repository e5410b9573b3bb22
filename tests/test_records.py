from dataclasses import fields, is_dataclass, replace

import msgspec

from joulemark import measurement, records
from joulemark.reasons import REASONS
from joulemark.records import Cell, Machine, Protocol, Purpose, Run, Settings, Study

# Every number in a record says its unit, counts and indices included.
SUFFIXES = ("_j", "_w", "_s", "_g", "_byte", "_ratio", "_n", "_i", "_at", "_px", "_kwh")
PLAIN_NUMBERS = {"model_factor", "seed", "schema_version", "value", "score"}


def cell(**changes: object) -> Cell:
    return replace(Cell("fill-mask", "./m", "d.jsonl"), **changes)  # type: ignore[arg-type]


def test_every_number_in_a_record_carries_its_unit() -> None:
    for name, record in {**vars(measurement), **vars(records)}.items():
        if not is_dataclass(record):
            continue
        for field in fields(record):
            kinds = str(field.type).replace(" ", "").split("|")
            if {"int", "float"} & set(kinds) and field.name not in PLAIN_NUMBERS:
                assert field.name.endswith(SUFFIXES), f"{name}.{field.name}"


def test_records_survive_a_round_trip() -> None:
    run = Run("r", cell(settings=Settings(prompt="é {text}")), 1, 2, 3, "m", {"a": "1"}, "2024-01-01T00:00:00+00:00")
    assert msgspec.json.decode(msgspec.json.encode(run), type=Run) == run


def test_a_study_is_named_by_what_it_measures() -> None:
    study = Study("a", (cell(),))
    assert replace(study, name="b", description="other words", grid="FRA").study_id == study.study_id
    more_repeats = replace(study, protocol=replace(study.protocol, repeats_n=99))
    assert more_repeats.study_id == study.study_id
    for other in (
        replace(study, protocol=Protocol(queries_n=5)),
        replace(study, cells=(cell(purpose=Purpose.MULTI_PURPOSE),)),
        replace(study, cells=(cell(settings=Settings(dtype="float16")),)),
    ):
        assert other.study_id != study.study_id


def test_run_ids_differ_by_cell_and_repetition() -> None:
    study = Study("a", (cell(), cell(model="./n")))
    ids = {study.run_id(one, repeat_i) for one in study.cells for repeat_i in range(5)}
    assert len(ids) == 10


def test_a_machine_is_the_same_after_a_restart() -> None:
    machine = Machine("cpu", 4, 16 * 2**30, (), False, "6.1", "Linux")
    assert replace(machine, kernel="6.2", memory_byte=16 * 2**30 - 4096).machine_id == machine.machine_id
    assert replace(machine, cpus_n=8).machine_id != machine.machine_id


def test_every_reason_has_a_meaning_and_a_remedy() -> None:
    for code, reason in REASONS.items():
        assert reason.meaning, code
        assert reason.remedy, code
