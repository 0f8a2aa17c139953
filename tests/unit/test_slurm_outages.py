"""The guard of an executor of Slurm, on an executor that loses jobs; tests/cluster has the real."""

import asyncio
import logging
from types import SimpleNamespace

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from strainprint.slurm_outages import OutageGuard, controller_is_down


class Forgetful:
    """Answers as told: job by job `goes on`, `ends` or nothing at all."""

    logger = logging.getLogger("forgetful")

    def __init__(self):
        self.next_seconds_between_status_checks = 180
        self.answers, self.ended, self.cancelled, self.submitted = {}, [], [], []

    async def check_active_jobs(self, active):
        for job in active:
            answer = self.answers.get(job.external_jobid)
            if answer == "ends":
                self.report_job_success(job)
            elif answer == "goes on":
                yield job

    def report_job_success(self, job):
        self.ended.append(job.external_jobid)

    def report_job_error(self, job, msg=None):
        self.ended.append(job.external_jobid)

    def run_jobs(self, jobs):
        self.submitted += jobs

    def cancel_jobs(self, jobs):
        self.cancelled += [job.external_jobid for job in jobs]


@pytest.fixture
def executor():
    return Forgetful()


@pytest.fixture
def scontrol(tmp_path, monkeypatch):
    """Return what sets the answer of `scontrol ping`, which is UP at first."""
    program = tmp_path / "scontrol"

    def say(first, then=None):
        program.write_text(f"""#!/bin/sh
            test -e {tmp_path}/asked && echo Slurmctld {then or first} || echo Slurmctld {first}
            touch {tmp_path}/asked
        """)
        program.chmod(0o755)

    say("is UP")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return say


def job(number):
    return SimpleNamespace(external_jobid=number)


def checked(executor, jobs):
    async def collected():
        return [one async for one in executor.check_active_jobs(jobs)]

    return asyncio.run(collected())


def test_a_job_without_an_answer_is_kept_and_one_that_ended_is_not(executor, scontrol, caplog):
    OutageGuard(executor, patience_s=60, longest_pause_s=30)
    lost, going_on, ended = jobs = [job("1"), job("2"), job("3")]
    executor.answers = {"2": "goes on", "3": "ends"}
    assert checked(executor, jobs) == [going_on, lost]
    assert executor.ended == ["3"]
    assert "accounting does not answer" in caplog.text
    executor.answers = {"1": "ends", "2": "goes on"}
    assert checked(executor, [going_on, lost]) == [going_on]
    assert "answers again" in caplog.text
    assert ended not in checked(executor, [going_on])


def test_no_pause_is_longer_than_asked_for(executor, scontrol):
    OutageGuard(executor, patience_s=60, longest_pause_s=30)
    checked(executor, [])
    assert executor.next_seconds_between_status_checks == 30


def test_out_of_patience_the_jobs_are_cancelled_and_the_run_ends(executor, scontrol):
    OutageGuard(executor, patience_s=0, longest_pause_s=30)
    with pytest.raises(WorkflowError, match=r"(?s)accounting.*\(7\) are cancelled.*way out"):
        checked(executor, [job("7")])
    assert executor.cancelled == ["7"]


def test_a_controller_that_is_down_is_an_outage_though_accounting_answers(executor, scontrol):
    OutageGuard(executor, patience_s=0, longest_pause_s=30)
    executor.answers = {"7": "goes on"}
    scontrol("is DOWN")
    with pytest.raises(WorkflowError, match="controller"):
        checked(executor, [job("7")])


def test_jobs_are_handed_in_once_the_controller_is_there(executor, scontrol, caplog):
    OutageGuard(executor, patience_s=60, longest_pause_s=0.01)
    scontrol("is DOWN", then="is UP")
    executor.run_jobs(["first"])
    assert "controller does not answer" in caplog.text
    assert executor.submitted == ["first"]


def test_an_interrupt_during_a_check_cancels_what_is_asked_about(executor, scontrol):
    asked = job("4")

    async def interrupted(active):
        # Snakemake has taken the jobs off its list while it asks about them.
        executor.cancel_jobs([])
        for one in active:
            yield one

    executor.check_active_jobs = interrupted
    OutageGuard(executor, patience_s=60, longest_pause_s=30)
    checked(executor, [asked])
    assert executor.cancelled == ["4"]


def test_where_scontrol_cannot_tell_no_controller_is_down(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not controller_is_down()
