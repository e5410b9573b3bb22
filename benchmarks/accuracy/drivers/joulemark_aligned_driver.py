"""joulemark with its edges aligned to the refreshes of slow counters."""

from __future__ import annotations

from accuracy.drivers.harness import main
from accuracy.drivers.joulemark_driver import open_aligned

if __name__ == "__main__":
    main(open_aligned)
