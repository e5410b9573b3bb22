"""What a publication says of its results: figures that the results can be held against.

They come with the package for a study that it has the figures of, or lie in the results folder as ``claims.toml``::

    [[claims]]
    text = "the study used 754.66 kWh"
    quantity = "energy_kwh"        # or carbon_kg, intensity_g_per_kwh, gpus_n, ratio
    statistic = "sum"              # or "typical": of 1,000 queries; "stated": a factor or a count
    value = 754.66
    decimals_n = 2
    source = "section 4.1"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from joulemark.failures import MendableError

CLAIMS_FILE = "claims.toml"
QUANTITIES = ("energy_kwh", "carbon_kg", "intensity_g_per_kwh", "gpus_n", "ratio")
STATISTICS = ("sum", "typical", "stated", "derived")


@dataclass(frozen=True, slots=True)
class Claim:
    """One printed figure. ``task``, ``model`` and ``dataset`` say of which cells; ``None`` is all.

    ``typical`` is the mean over the cells of 1,000 queries each; ``models_n`` how many models it is said to be of. A
    ``derived`` figure has the ``inputs`` it is printed beside: (sum of "+…" inputs) / (input "/").
    """

    text: str
    quantity: str
    statistic: str
    value: float
    source: str
    decimals_n: int | None = None
    task: str | None = None
    model: str | None = None
    dataset: str | None = None
    models_n: int | None = None
    inputs: Mapping[str, float] = field(default_factory=dict)

    def agrees(self, value: float) -> bool:
        """Whether ``value`` is printed as this figure, allowing for one unit of its last decimal."""
        if self.decimals_n is None:
            return abs(value - self.value) <= 1e-3 * abs(self.value)
        return abs(value - self.value) < 1.01 * 10.0**-self.decimals_n


def claims_of(study_name: str, folder: Path | None) -> tuple[Claim, ...]:
    """The claims in the folder, else those that come with the package for a study of that name; often none.

    Raises:
        MendableError: the folder's file is no list of claims.
    """
    if folder is not None and (file := folder / CLAIMS_FILE).is_file():
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MendableError(f"{file} cannot be read as text in UTF-8: {error}") from error
        return _parse(text, str(file))
    shipped = files("joulemark").joinpath("catalogue", "reference", f"{study_name}_claims.toml")
    if "/" not in study_name and shipped.is_file():
        return _parse(shipped.read_text(encoding="utf-8"), shipped.name)
    return ()


def _parse(text: str, where: str) -> tuple[Claim, ...]:
    try:
        content: dict[str, Any] = tomllib.loads(text)
        claims = msgspec.convert(content.get("claims", []), tuple[Claim, ...])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise MendableError(f"{where}: {error}") from error
    for claim in claims:
        for value, known in ((claim.quantity, QUANTITIES), (claim.statistic, STATISTICS)):
            if value not in known:
                raise MendableError(f"{where}: {value!r} is not one of {', '.join(known)}")
    return claims
