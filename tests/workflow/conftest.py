"""Copies of the project to edit, and Snakemake run on them."""

import atexit
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "config", "profiles", "envs", "src")


@cache
def planner():
    """Return the process that runs Snakemake, started once for all tests of this process."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("planner.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.kill)
    return process


class Project:
    """A checkout and a working directory of its own."""

    def __init__(self, root: Path, workdir: Path) -> None:
        self.root, self.workdir = root, workdir

    def snakemake(self, *arguments: str, config: str = "smoke") -> subprocess.CompletedProcess[str]:
        """Run Snakemake with a preset; the checkout's own package is the one imported."""
        overlay = [] if config == "config" else ["--configfile", f"config/{config}.yaml"]
        # The profile wants all cores; one is enough to plan.
        command = ["--directory", str(self.workdir), *overlay, "--cores", "1", *arguments]
        process = planner()
        process.stdin.write(
            json.dumps(
                {
                    "arguments": command,
                    "folder": str(self.root),
                    "source": str(self.root / "src"),
                }
            )
            + "\n"
        )
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        return subprocess.CompletedProcess(
            command, answer["status"], answer["stdout"], answer["stderr"]
        )

    def plan(self, *arguments: str, config: str = "smoke") -> Counter[str]:
        """Return how many jobs of each rule a dry-run wants; empty where nothing is to be done."""
        run = self.snakemake("--dry-run", *arguments, config=config)
        assert run.returncode == 0, run.stdout + run.stderr
        table = re.search(r"^-+ +-+$\n(.*?)^total", run.stdout, re.MULTILINE | re.DOTALL)
        if table is None:
            assert "Nothing to be done" in run.stdout + run.stderr
            return Counter()
        counts = Counter({rule: int(n) for rule, n in map(str.split, table[1].splitlines())})
        counts.pop("all", None)
        return counts

    def pretend_done(self, config: str = "smoke") -> None:
        """Make every output as an empty file and record it as made by the present code."""
        summary = self.snakemake("--summary", config=config)
        assert summary.returncode == 0, summary.stdout + summary.stderr
        for line in summary.stdout.splitlines()[1:]:
            path = self.workdir / line.split("\t")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in {"", ".zarr"}:
                path.mkdir(exist_ok=True)
            else:
                path.touch()
        touched = self.snakemake("--touch", "--forceall", config=config)
        assert touched.returncode == 0, touched.stdout + touched.stderr

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace text in a file of the checkout."""
        path = self.root / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new))


def checkout(root: Path) -> Project:
    root.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, root / part)
    workdir = root / "elsewhere"
    workdir.mkdir()
    return Project(root, workdir)


@pytest.fixture
def project(tmp_path):
    """A fresh checkout, nothing made."""
    return checkout(tmp_path / "checkout")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A checkout whose smoke run counts as done; tests undo their edits."""
    project = checkout(tmp_path_factory.mktemp("done") / "checkout")
    project.pretend_done()
    return project
