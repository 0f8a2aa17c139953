"""How long the graph of the paper's data set takes to build, with how many jobs; and ten times it.

``make bench-scale``; the last line is JSON.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
OVERLAY = "specimens: {{per_subset: {per_subset}}}\n"


def plan(per_subset: int) -> dict[str, float]:
    """Return jobs and seconds of one dry-run of the paper's preset."""
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder, "overlay.yaml")
        overlay.write_text(OVERLAY.format(per_subset=per_subset))
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1"]
        command += ["--directory", folder, "--configfile", "config/paper.yaml", str(overlay)]
        start = time.perf_counter()
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
    total = re.search(r"^total +(\d+)$", run.stdout, re.MULTILINE)
    assert total is not None, run.stdout[-2000:]
    return {"jobs": int(total[1]), "seconds": round(seconds, 1)}


if __name__ == "__main__":
    print(json.dumps({"paper": plan(51), "ten_times": plan(510)}))
