"""What 10 % more specimens cost: a smoke-size study of 10 specimens, grown to 11.

Simulated, measured and dealt out for real, one shard each; the seconds are those of Snakemake's
benchmarks of the simulations, the start of each job included. After an edit of the simulator the
first shard also compiles it: call again then. ``make bench-growing``; the last line is JSON.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEFORE, AFTER = 10, 11
OVERLAY = "specimens: {{per_subset: {per_subset}, per_shard: 1}}\nrun: {{studies: [audited]}}\n"
SPLITS = ("profile", "specimen")


def deal_out(folder: Path, per_subset: int) -> None:
    """Run the workflow up to the split tables."""
    overlay = folder / f"{per_subset}.yaml"
    overlay.write_text(OVERLAY.format(per_subset=per_subset))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(folder)]
    command += [f"results/audited/dataset/splits/{split}.csv" for split in SPLITS]
    command += ["--configfile", "config/smoke.yaml", str(overlay)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)


def simulations(folder: Path) -> dict[str, dict[str, float | int]]:
    """Return of every simulated shard its seconds of CPU and when its file was written."""
    found = {}
    for file in sorted(folder.glob("results/benchmarks/simulate/*/*.tsv")):
        with file.open(encoding="utf-8") as handle:
            row = next(csv.DictReader(handle, delimiter="\t"))
        states = folder / "results/specimens" / file.parent.name / f"{file.stem}.h5"
        found[f"{file.parent.name}/{file.stem}"] = {
            "cpu_seconds": float(row["cpu_time"]),
            "written_ns": states.stat().st_mtime_ns,
        }
    return found


def members(folder: Path) -> dict[tuple[str, str], str]:
    """Return the part of every map in every split."""
    found = {}
    for split in SPLITS:
        with (folder / f"results/audited/dataset/splits/{split}.csv").open() as handle:
            for row in csv.DictReader(handle):
                found[split, row["map_id"]] = row["part"]
    return found


def main() -> None:
    """Grow a study and print which shards ran, for how long, and what became of the old maps."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        deal_out(folder, BEFORE)
        old, parts = simulations(folder), members(folder)
        deal_out(folder, AFTER)
        new, grown = simulations(folder), members(folder)
    ran = [shard for shard, facts in new.items() if facts != old.get(shard)]
    spent = sum(facts["cpu_seconds"] for facts in old.values())
    added = sum(new[shard]["cpu_seconds"] for shard in ran)
    for shard, facts in new.items():
        print(f"{shard} {facts['cpu_seconds']:6.1f} s{'  new' if shard in ran else ''}")
    print(
        json.dumps(
            {
                "specimens": [BEFORE, AFTER],
                "shards_simulated": [len(old), len(ran)],
                "cpu_seconds_simulated": [round(spent, 1), round(added, 1)],
                "share": round(added / spent, 3),
                "old_maps": len(parts),
                "old_maps_in_another_part": sum(
                    grown.get(key) != part for key, part in parts.items()
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
