"""The program as a user starts it."""

import os
import subprocess
import sys
from pathlib import Path

BINARY = Path(sys.executable).parent / "joulemark"


def joulemark(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BINARY, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
        timeout=300,
    )


def complains(done: subprocess.CompletedProcess[str]) -> str:
    """What a mistake of the user's must look like: exit code 2, one or two lines, no traceback."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert 1 <= len(lines) <= 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr
