"""What starting costs: `import joulemark` and `joulemark --help` beside a bare interpreter, in one run.

Prints the median wall time of each, what it adds to the bare interpreter, and the target for that.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS_N = 31

PROGRAMS: dict[str, tuple[list[str], float | None]] = {
    "bare interpreter": (["-c", "pass"], None),
    "import joulemark": (["-c", "import joulemark"], 50.0),
    "joulemark --help": (
        ["-c", "import sys; sys.argv = ['joulemark', '--help']; from joulemark.cli import main; main()"],
        200.0,
    ),
}


def main() -> None:
    times_s: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(ROUNDS_N):  # interleaved, so that a busy moment touches all of them
        for name, (arguments, _) in PROGRAMS.items():
            started_s = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
            times_s[name].append(time.perf_counter() - started_s)
    bare_s = statistics.median(times_s["bare interpreter"])
    print(f"start-up: medians of {ROUNDS_N} interleaved rounds")
    for name, (_, target_ms) in PROGRAMS.items():
        median_s = statistics.median(times_s[name])
        line = f"  {name:<18} {median_s * 1e3:7.1f} ms   {median_s / bare_s:5.2f} × bare"
        if target_ms is not None:
            added_ms = (median_s - bare_s) * 1e3
            line += f"   adds {added_ms:6.1f} ms   target {target_ms:.0f} ms: "
            line += "met" if added_ms <= target_ms else "MISSED"
        print(line)


if __name__ == "__main__":
    main()
