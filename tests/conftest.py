"""Fixtures of the whole suite; helpers of a folder live in it as plain modules."""

import sys
from pathlib import Path

for folder in ("sensors", "cli"):
    sys.path.insert(0, str(Path(__file__).parent / folder))
