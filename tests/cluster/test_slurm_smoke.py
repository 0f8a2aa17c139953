"""The smoke preset through profiles/slurm and a real sbatch: `make test-cluster`."""

import subprocess
import sys

import pytest
from private_slurm import ROOT


@pytest.mark.slow
def test_the_smoke_preset_finishes_through_sbatch(slurm, tmp_path):
    command = [
        *(sys.executable, "-m", "snakemake", "--directory", str(tmp_path)),
        *("--configfile", "config/smoke.yaml", "--workflow-profile", "profiles/slurm"),
        *("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "5"),
        *("--default-resources", "slurm_account=lab", "slurm_partition=main"),
    ]
    run = subprocess.run(
        command, cwd=ROOT, env=slurm.environment, capture_output=True, text=True, timeout=1500
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "results/report.html").is_file()

    listed = slurm.call("sacct", "-X", "-n", "-P", "-o", "State,AllocTRES,Comment,WorkDir")
    rows = [line.split("|") for line in listed.splitlines() if line.endswith(f"|{tmp_path}")]
    assert {state for state, *_ in rows} == {"COMPLETED"}
    with_gpu = {comment.split("_wildcards_")[0] for _, tres, comment, _ in rows if "gpu" in tres}
    assert with_gpu == {"rule_train", "rule_infer", "rule_explain"}
    # Two shards of specimens, one place in the queue.
    assert [comment for _, _, comment, _ in rows if "simulate" in comment] == [
        "rule_shards_simulate"
    ]

    again = subprocess.run(
        command, cwd=ROOT, env=slurm.environment, capture_output=True, text=True, timeout=300
    )
    assert "Nothing to be done" in again.stdout + again.stderr
