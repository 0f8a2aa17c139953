"""Files that appear whole: what a killed writer leaves is removed, and nothing else."""

import os
import signal
import subprocess
import sys

import pytest

from strainprint.files import remove_partials

WRITER = (
    "import sys, time; from strainprint.files import {kind}\n"
    "with {kind}(sys.argv[1]) as partial:\n"
    "    {write}; print('writing', flush=True); time.sleep(60)"
)
WRITES = {
    "write_whole": "partial.write_text('half')",
    "whole_directory": "partial.mkdir(); (partial / '.zarray').write_text('half')",
}
A_FILE_IN_A_FOLDER = "partial.mkdir(); (partial / '.table.csv.7.partial').write_text('half')"


@pytest.mark.parametrize("kind, write", [*WRITES.items(), ("whole_directory", A_FILE_IN_A_FOLDER)])
def test_what_a_killed_writer_leaves_is_removed_and_nothing_else(tmp_path, kind, write):
    store = tmp_path / "results" / "crops.zarr"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER.format(kind=kind, write=write), str(store)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout.readline() == "writing\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    left = store.with_name(f".crops.zarr.{writer.pid}.partial")
    other = store.with_name(".hidden")
    other.write_text("mine")
    assert left.exists()
    assert remove_partials(tmp_path) == [left]
    assert list(store.parent.iterdir()) == [other]
