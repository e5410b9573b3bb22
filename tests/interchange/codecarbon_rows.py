"""Rows as CodeCarbon writes them, with figures of our own."""

import csv
import io
from collections.abc import Mapping, Sequence

from joulemark.interchange.codecarbon_csv import HEADERS

VALUES: dict[str, object] = {
    "task_name": "query model",
    "timestamp": "2024-05-01T12:00:10",
    "project_name": "my-model",
    "run_id": "0b9b3e7e-0000-4000-8000-000000000001",
    "experiment_id": "5b0fa12a-3dd7-45bb-9766-cc326314d9f1",
    "duration": 10.0,
    "emissions": 0.001,
    "emissions_rate": 0.0001,
    "cpu_power": 42.5,
    "gpu_power": 720.0,
    "ram_power": 36.0,
    "cpu_energy": 0.001,
    "gpu_energy": 0.002,
    "ram_energy": 0.0001,
    "energy_consumed": 0.0031,
    "water_consumed": 0.0,
    "country_name": "France",
    "country_iso_code": "FRA",
    "region": "île-de-france",
    "cloud_provider": "",
    "cloud_region": "",
    "os": "Linux-6.1-x86_64",
    "python_version": "3.11.2",
    "codecarbon_version": "3.3.2",
    "cpu_count": 16,
    "cpu_model": "Some Processor",
    "gpu_count": 2,
    "gpu_model": "2 x Some Board",
    "longitude": 2.35,
    "latitude": 48.85,
    "ram_total_size": 96.0,
    "tracking_mode": "machine",
    "cpu_utilization_percent": 12.0,
    "gpu_utilization_percent": 80.0,
    "ram_utilization_percent": 5.0,
    "ram_used_gb": 4.0,
    "on_cloud": "N",
    "pue": 1.0,
    "wue": 0.0,
}


def row(version: str, **changes: object) -> dict[str, object]:
    """One row of a release, as a mapping in the order of its columns."""
    assert set(changes) <= set(HEADERS[version])
    return {column: changes.get(column, VALUES[column]) for column in HEADERS[version]}


def text(header: Sequence[str], *rows: Mapping[str, object] | Sequence[object]) -> str:
    """A CSV file; rows may have other columns than the header, as an append writes them."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    for one in rows:
        writer.writerow(one.values() if isinstance(one, Mapping) else one)
    return stream.getvalue()
