"""One list of dependencies: pyproject.toml leads, the conda file and the pins follow."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "snakemake": "snakemake-minimal",
}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def as_version(text):
    return tuple(int(part) for part in re.findall(r"\d+", text))


def pins():
    lines = (ROOT / "envs/constraints.txt").read_text().splitlines()
    split = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in split}


def test_conda_file_asks_for_what_pyproject_asks_for():
    wanted = {"pip", f"python{project()['requires-python']}"}
    for requirement in project()["dependencies"]:
        name, bound = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        wanted.add(CONDA_NAMES.get(name, name) + bound)
    conda = yaml.safe_load((ROOT / "envs/strainprint.yaml").read_text())
    assert set(conda["dependencies"]) == wanted


@pytest.mark.parametrize(
    "requirement",
    [
        *project()["dependencies"],
        *project()["optional-dependencies"]["test"],
        *project()["optional-dependencies"]["cluster"],
        *project()["optional-dependencies"]["fuzz"],
    ],
)
def test_every_requirement_is_pinned_within_its_bound(requirement):
    name, bound = re.fullmatch(r"([\w-]+)>=(.*)", requirement).groups()
    assert as_version(pins()[name.lower()]) >= as_version(bound)


def test_snakefile_and_pyproject_want_the_same_snakemake():
    bound = re.search(r'min_version\("(.*)"\)', (ROOT / "Snakefile").read_text())[1]
    assert f"snakemake>={bound}" in project()["dependencies"]


def test_the_oldest_python_named_is_the_one_required():
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project()["classifiers"]))
    assert project()["requires-python"] == f">={named[0]}"
    assert named == sorted(named, key=as_version)


def test_citation_names_the_version_of_the_package():
    import strainprint

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == strainprint.__version__
    assert citation["license"] == project()["license"]
    assert f"[{strainprint.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
