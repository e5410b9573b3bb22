"""joulemark where each query is marked, as ``joulemark run`` does."""

from __future__ import annotations

from accuracy.drivers.harness import main
from accuracy.drivers.joulemark_driver import open_queries

if __name__ == "__main__":
    main(open_queries)
