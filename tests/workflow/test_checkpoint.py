"""A training's checkpoint outlives the job: Snakemake removes outputs of failed jobs, not more."""

import os
import subprocess
import sys

import pytest

SNAKEFILE = """
rule all:
    input: "networks/res4-seed0/weights.safetensors"

rule train:
    output:
        weights="networks/res4-seed0/weights.safetensors",
        history="networks/res4-seed0/history.csv",
    script: "train.py"
"""

# As workflow/scripts/train.py: the checkpoint's folder is beside the outputs and is none of them.
TRAIN = """
import os, signal
from pathlib import Path

directory = Path(snakemake.output.weights).parent
checkpoint = directory / "checkpoint" / "checkpoint.safetensors"
if checkpoint.exists():
    Path(snakemake.output.weights).write_text("gone on from " + checkpoint.read_text())
    Path(snakemake.output.history).touch()
else:
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("epoch 1")
    Path(snakemake.output.history).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_call_finds_the_checkpoint_of_a_killed_job(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "train.py").write_text(TRAIN)
    directory = tmp_path / "networks/res4-seed0"

    def run():
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--rerun-incomplete"]
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ, capture_output=True, timeout=120, check=False
        ).returncode

    assert run() != 0
    assert [path.name for path in directory.iterdir()] == ["checkpoint"]
    assert run() == 0
    assert (directory / "weights.safetensors").read_text() == "gone on from epoch 1"


@pytest.mark.parametrize("name", ["fit_channels", "fit_hybrid", "regress_strain"])
def test_networks_of_experiments_keep_their_checkpoint_beside_their_outputs(project, name):
    script = (project.root / f"workflow/scripts/{name}.py").read_text()
    assert '.parent / "checkpoint",' in script
    assert "code=snakemake.params.code" in script
    assert "checkpoint" not in (project.root / "workflow/rules/experiments.smk").read_text()


def test_the_rule_train_keeps_its_checkpoint_beside_its_outputs(project):
    script = (project.root / "workflow/scripts/train.py").read_text()
    assert 'checkpoint_dir=directory / "checkpoint"' in script
    assert "directory = Path(snakemake.output.weights).parent" in script
    rules = (project.root / "workflow/rules/networks.smk").read_text()
    assert "checkpoint" not in rules and "directory(" not in rules
