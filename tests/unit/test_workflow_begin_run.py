"""What a run refuses before its first job: what would only come to light hours later."""

import os
import stat
import time
from types import SimpleNamespace

import pytest

from strainprint.errors import BadInputError
from strainprint.workflow import (
    check_working_directory,
    refuse_closed_folders,
    refuse_files_of_the_future,
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory; modes count for root, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "strainprint.workflow.os.access", lambda path, _: bool(path.stat().st_mode & stat.S_IWUSR)
    )
    return tmp_path


def job(*, reads=(), writes=("results/audited/maps/0000.json",), log="results/logs/measure/0.log"):
    return SimpleNamespace(input=reads, output=writes, log=[log])


def test_a_run_that_may_write_everywhere_begins(folder):
    (folder / "results").mkdir()
    refuse_closed_folders([job()])


@pytest.mark.parametrize(
    "closed",
    ["results", "results/audited", "results/audited/maps", "results/logs", "results/records"],
)
def test_a_folder_closed_to_some_job_is_named_before_the_first(folder, closed):
    (folder / closed).mkdir(parents=True)
    (folder / closed).chmod(0o555)
    with pytest.raises(BadInputError, match=f"denied in {closed}\\n  way out: give it there"):
        refuse_closed_folders([job()])


def test_a_store_that_is_to_be_replaced_and_is_closed_itself_is_named(folder):
    (folder / "results/0000.zarr").mkdir(parents=True, mode=0o555)
    with pytest.raises(BadInputError, match=r"denied in results/0000.zarr"):
        refuse_closed_folders([job(writes=["results/0000.zarr"])])


@pytest.mark.parametrize("place", ["file", "link"])
def test_what_stands_where_the_results_belong_is_named(folder, place):
    results = folder / "results"
    results.touch() if place == "file" else results.symlink_to("/gone/away")
    with pytest.raises(BadInputError, match="results: is no folder"):
        refuse_closed_folders([job()])


def test_a_closed_working_directory_is_named_unless_snakemake_has_its_folder(folder):
    folder.chmod(0o555)
    with pytest.raises(BadInputError, match="--directory") as caught:
        check_working_directory()
    assert str(folder) in str(caught.value)
    folder.chmod(0o755)
    (folder / ".snakemake").mkdir()
    folder.chmod(0o555)
    check_working_directory()


def test_files_of_the_future_are_named_with_how_to_date_them_anew(folder):
    for name, ahead_s in (("now", 0.0), ("skewed", 1.0), ("wrong", 3600.0), ("worse", 7200.0)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() + ahead_s,) * 2)
    refuse_files_of_the_future([job(reads=["now", "skewed", "still to be made"])])
    with pytest.raises(BadInputError, match=r"^worse: .*1 more files.*\n.*touch \{\} \+$"):
        refuse_files_of_the_future([job(reads=["now", "wrong"]), job(reads=["worse"])])
