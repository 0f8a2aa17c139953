"""One private Slurm for all tests of this folder."""

import importlib.util
import subprocess

import pytest
from private_slurm import NoSlurmError, PrivateSlurm, require_programs


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A Slurm with accounting, or the reason why there is none."""
    if not importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        pytest.skip("no snakemake-executor-plugin-slurm: pip install -e '.[test]'")
    try:
        require_programs()
    except (NoSlurmError, OSError, subprocess.SubprocessError) as why:
        pytest.skip(f"no Slurm: {why}")
    cluster = PrivateSlurm(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
    except (NoSlurmError, OSError, subprocess.SubprocessError) as why:
        cluster.stop()
        pytest.skip(f"no Slurm: {why}")
    except BaseException:
        cluster.stop()
        raise
    yield cluster
    cluster.stop()
