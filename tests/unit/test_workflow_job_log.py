"""The job log: everything a job says ends in its log, and bad input in one plain message."""

import errno
import logging
import warnings
from types import SimpleNamespace

import pytest

from strainprint.errors import BadInputError
from strainprint.workflow import job_log


@pytest.fixture
def job(tmp_path):
    return SimpleNamespace(log=[str(tmp_path / "job.log")], rule="crop")


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


def test_another_error_of_the_system_is_raised_again(job):
    with pytest.raises(PermissionError), job_log(job):
        raise PermissionError(errno.EACCES, "Permission denied", "crops.zarr")


def test_an_interrupt_is_logged_and_raised_again(job):
    with pytest.raises(KeyboardInterrupt), job_log(job):
        raise KeyboardInterrupt
    assert "KeyboardInterrupt" in text_of(job)


def test_logging_is_left_as_it_was(job):
    before = list(logging.getLogger().handlers), logging.getLogger("strainprint").level
    with job_log(job):
        pass
    assert (logging.getLogger().handlers, logging.getLogger("strainprint").level) == before
