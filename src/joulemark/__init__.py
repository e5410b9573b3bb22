"""joulemark measures what an inference costs: energy, carbon and quality, with an error bar and the reason for it.

``with joulemark.measure() as m: …`` measures a block of code; see :mod:`joulemark.meter.session`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what type checkers take for true; the typing module would cost a quarter of the import
if TYPE_CHECKING:
    from joulemark.meter.session import Session, measure

__all__ = ["Session", "__version__", "measure"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Load the meter when it is first asked for: importing the package costs nothing."""
    if name not in ("Session", "measure"):
        raise AttributeError(f"module 'joulemark' has no attribute {name!r}")
    from joulemark.meter import session

    return getattr(session, name)
