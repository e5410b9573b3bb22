"""The unit that the heading of a column of carbon intensities names, as a factor to g/kWh."""

from __future__ import annotations

import re
import unicodedata

from joulemark.impact.ranged import ImpactError
from joulemark.units import J_PER_KWH

G_PER_LB = 453.59237
MASS_G = {
    "mg": 1e-3, "g": 1.0, "gram": 1.0, "grams": 1.0, "kg": 1e3,
    "t": 1e6, "tonne": 1e6, "tonnes": 1e6, "Mg": 1e6,
    "lb": G_PER_LB, "lbs": G_PER_LB, "pound": G_PER_LB, "pounds": G_PER_LB,
}  # fmt: skip
# Nobody states grams per milliwatt-hour or millijoule: headings in small letters mean the large units.
ENERGY_KWH = {
    "wh": 1e-3, "kwh": 1.0, "mwh": 1e3, "gwh": 1e6, "twh": 1e9, "kj": 1e3 / J_PER_KWH, "mj": 1e6 / J_PER_KWH,
    "gj": 1e9 / J_PER_KWH,
}  # fmt: skip

_CO2 = re.compile(r"co2 ?(?:eq?|equivalents?)?(?![a-z])", re.IGNORECASE)
_PER = re.compile(r"per(?=[kmgt]?wh(?![a-z]))", re.IGNORECASE)  # "kgPerMWh"
_RATIO = re.compile(rf"(?:^| )([^ /]+) ?(?:/ ?| per | )({'|'.join(ENERGY_KWH)})(?![a-z])", re.IGNORECASE)
_MASS_ALONE = r"[mk]g|(?:kilo|milli|mega)gram\w*|tonnes?|tons?|lbs?|pounds?"  # a gram alone may be that of g/kWh
_ENERGY_ALONE = r"[kmgt]?whr?s?|[kmg]j|\w*watt ?hours?"
_HALF = re.compile(rf"(?:^|[ /])(?:{_MASS_ALONE}|{_ENERGY_ALONE})(?![a-z])", re.IGNORECASE)


def unit_g_per_kwh(heading: str) -> float | None:
    """What one of the heading's unit is in g/kWh; ``None`` where it names none.

    Raises :class:`ImpactError` for a unit that is not known, or only half of one.
    """
    words = " ".join(re.sub(r"[^\w/]|_", " ", unicodedata.normalize("NFKC", heading)).split())
    text = " ".join(_CO2.sub(" ", _PER.sub(" per ", words)).split())
    ratio = _RATIO.search(text)
    if ratio is None and _HALF.search(text) is None:
        return None
    mass_g = MASS_G.get(ratio[1], MASS_G.get(ratio[1].casefold())) if ratio else None
    if ratio is None or mass_g is None:
        raise ImpactError(
            f"the unit of the column '{' '.join(heading.split())}' is not known: name it g/kWh, kg/MWh, lb/MWh, t/MWh …"
        )
    return mass_g / ENERGY_KWH[ratio[2].casefold()]
