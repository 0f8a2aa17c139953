"""What a run says of itself: done, running, failed and why, and the time left."""

import os
import socket
from datetime import datetime, timedelta

import pytest

from strainprint import status
from strainprint.run_lock import take_lock
from strainprint.status import Plan, stage_line, stage_lines, status_line, write_plan

SIMULATE = [f"results/logs/simulate/w0125-s1/{shard:04d}.log" for shard in range(4)]
CROP = "results/logs/crop/audited.log"
DEAD = 2**22 + 1  # above the largest process id


def write_log(folder, log, *, pid=None, ago_s=0.0, seconds=None, why=None):
    path = folder / log
    path.parent.mkdir(parents=True, exist_ok=True)
    head = "{:%Y-%m-%d %H:%M:%S},000 INFO strainprint.workflow: "
    lines = [(status.STARTED % (pid or os.getpid(), socket.gethostname()), ago_s)]
    if seconds is not None:
        lines.append((status.FINISHED % seconds, 0.0))
    if why is not None:
        lines.append((status.FAILED % why, 0.0))
    now = datetime.now()
    path.write_text(
        "".join(f"{head.format(now - timedelta(seconds=ago))}{text}\n" for text, ago in lines)
    )


@pytest.fixture
def run(tmp_path):
    """Two of four simulations done, one running for 30 s, one and the crops waiting."""
    write_plan(tmp_path, Plan(2, [*(("simulate", log) for log in SIMULATE), ("crop", CROP)]))
    write_log(tmp_path, SIMULATE[0], seconds=100.0)
    write_log(tmp_path, SIMULATE[1], seconds=140.0)
    write_log(tmp_path, SIMULATE[2], ago_s=30.0)
    return tmp_path


def test_nothing_started_is_said():
    assert status_line("/nowhere") == "no run was started here yet"
    assert stage_lines("/nowhere") == []


def test_a_stage_says_how_many_are_done_and_the_time_left(run):
    # (120 - 30 + 120) s on two cores
    line = stage_line(run, "simulate")
    assert line == "simulate: 2 of 4 done, 1 running, about 2 min left"
    with take_lock(run):
        assert stage_lines(run) == [line, "crop: 0 of 1 done, time left not known yet"]


def test_a_stage_that_never_finished_here_is_named_and_not_counted(run):
    with take_lock(run):
        assert status_line(run).endswith("; about 2 min left without crop")


def test_an_earlier_run_tells_how_long_a_stage_takes(run):
    other = CROP.replace("audited", "published")
    write_log(run, other, seconds=600.0)
    os.utime(run / other, (1, 1))
    # (90 + 120 + 600) s on two cores
    with take_lock(run):
        assert status_line(run).endswith("; about 7 min left")
        assert stage_lines(run)[1] == "crop: 0 of 1 done, about 10 min left"


def test_specimens_of_another_width_are_no_measure_where_an_earlier_run_had_this_one(run):
    wide = "results/logs/simulate/w2000-s1/0000.log"
    write_log(run, wide, seconds=3600.0)
    os.utime(run / wide, (1, 1))
    plan = Plan(1, [("simulate", SIMULATE[0]), ("simulate", wide.replace("0000", "0001"))])
    write_plan(run, plan)
    assert stage_line(run, "simulate") == "simulate: 1 of 2 done, about 60 min left"


def test_the_line_of_a_run_at_work_names_process_jobs_and_what_runs(run):
    with take_lock(run):
        line = status_line(run)
    assert line.startswith("running since ")
    assert f"process {os.getpid()}" in line
    assert "2 of 5 jobs done; 1 running (simulate/w0125-s1/0002)" in line


def test_a_failed_job_is_named_with_why(run):
    write_log(run, CROP, why="no space left on the disk")
    with take_lock(run):
        assert "1 failed (crop/audited: no space left on the disk)" in status_line(run)
        assert stage_lines(run)[1] == (
            "crop: 0 of 1 done, 1 failed (crop/audited: no space left on the disk)"
        )


def test_a_job_whose_process_is_gone_is_cut_short(run):
    write_log(run, SIMULATE[3], pid=DEAD)
    with take_lock(run):
        line = status_line(run)
    assert "1 cut short (simulate/w0125-s1/0003: its process is gone (killed" in line


def test_a_killed_run_says_how_to_go_on(run):
    assert status_line(run).endswith(
        "1 cut short (simulate/w0125-s1/0002); not running: call snakemake again to go on"
    )
    assert stage_lines(run)[0] == ("simulate: 2 of 4 done, 1 cut short (simulate/w0125-s1/0002)")


def test_logs_of_an_earlier_run_do_not_count(run):
    for log in SIMULATE[:3]:
        os.utime(run / log, (1, 1))
    assert "0 of 5 jobs done" in status_line(run)


def test_a_finished_run_is_finished(run):
    for log in (*SIMULATE, CROP):
        write_log(run, log, seconds=1.0)
    assert status_line(run) == "5 of 5 jobs done; finished"
