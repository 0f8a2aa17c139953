"""The job log: everything a job says ends in its log, and bad input in one plain message."""

import errno
import logging
import os
import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from strainprint.errors import BadInputError
from strainprint.run_lock import take_lock
from strainprint.workflow import job_log


@pytest.fixture
def job(tmp_path):
    return SimpleNamespace(log=[str(tmp_path / "job.log")], rule="crop", input=[], output=[])


def text_of(job):
    with open(job.log[0]) as handle:
        return handle.read()


def test_records_and_warnings_of_the_library_are_written(job):
    with job_log(job):
        logging.getLogger("strainprint.dataset").info("3 maps")
        warnings.warn("nearly flat", stacklevel=1)
    assert "3 maps" in text_of(job)
    assert "nearly flat" in text_of(job)


def test_an_error_leaves_its_traceback_and_is_raised_again(job):
    with pytest.raises(ZeroDivisionError), job_log(job):
        1 / 0  # noqa: B018
    assert "Traceback" in text_of(job)
    assert "ZeroDivisionError" in text_of(job)


def test_bad_input_ends_the_job_with_its_message_alone(job):
    with pytest.raises(SystemExit) as caught, job_log(job):
        raise BadInputError("all zero", where="a.zarr", way_out="measure it again")
    assert str(caught.value) == (
        "error in rule crop: a.zarr: all zero\n  way out: measure it again"
    )
    assert "Traceback" in text_of(job)


def test_a_full_disk_is_said_plainly(job):
    full = OSError(errno.ENOSPC, "No space left on device", "crops.zarr")
    with (
        pytest.raises(SystemExit, match=r"no space left .*crops\.zarr[^\0]*make room"),
        job_log(job),
    ):
        raise full
    assert "Traceback" in text_of(job)


def test_a_forbidden_file_is_said_plainly(job):
    forbidden = PermissionError(errno.EACCES, "Permission denied", "crops.zarr")
    with (
        pytest.raises(SystemExit, match=r"not allowed .*crops\.zarr[^\0]*permission"),
        job_log(job),
    ):
        raise forbidden


def test_memory_that_ran_out_is_said_plainly(job):
    with pytest.raises(SystemExit, match=r"not enough memory[^\0]*--cores 1"), job_log(job):
        raise MemoryError("Unable to allocate 3 GiB")


def test_another_error_of_the_system_is_raised_again(job):
    with pytest.raises(IsADirectoryError), job_log(job):
        raise IsADirectoryError(errno.EISDIR, "Is a directory", "crops.zarr")


def test_what_was_made_is_recorded_and_compared_by_the_next_job(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = Path("results/table.csv")
    job.output = [str(table)]
    with job_log(job):
        table.parent.mkdir()
        table.write_text("1,2\n")
    job.input, job.output = job.output, []
    with job_log(job):
        pass
    table.write_text("1,3\n")
    with pytest.raises(SystemExit, match=r"results/table\.csv: is not what was made"), job_log(job):
        pytest.fail("the job must not begin")


def test_start_end_and_failure_stand_in_the_log_for_the_status(job):
    with job_log(job):
        pass
    assert f"started by process {os.getpid()} on " in text_of(job)
    assert re.search(r"finished after \d+\.\d s$", text_of(job), re.MULTILINE)
    with pytest.raises(SystemExit), job_log(job):
        raise BadInputError("all zero", where="a.zarr")
    assert "failed: a.zarr: all zero\n" in text_of(job)


def test_an_interrupt_is_logged_and_ends_the_job_with_how_to_go_on(job):
    with pytest.raises(SystemExit, match=r"interrupted\n  way out: run again"), job_log(job):
        raise KeyboardInterrupt
    assert "KeyboardInterrupt" in text_of(job)


def test_logging_is_left_as_it_was(job):
    before = list(logging.getLogger().handlers), logging.getLogger("strainprint").level
    with job_log(job):
        pass
    assert (logging.getLogger().handlers, logging.getLogger("strainprint").level) == before


def test_a_job_whose_run_was_followed_by_another_leaves_its_log_alone(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRAINPRINT_RUN", "killed")
    Path(job.log[0]).write_text("of the other run")
    with (
        take_lock(),
        pytest.raises(SystemExit, match=r"error in rule crop: .* another has begun"),
        job_log(job),
    ):
        pytest.fail("at work beside another run")
    assert text_of(job) == "of the other run"
