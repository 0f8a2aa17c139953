import subprocess
import sys

import h5py
import numpy as np
import pytest

from strainprint.hdf5_files import write_whole_hdf5


def test_what_stood_there_stays_where_writing_fails(tmp_path):
    path = tmp_path / "kept.h5"
    with write_whole_hdf5(path) as handle:
        handle["values"] = np.arange(3)
    with pytest.raises(ValueError, match="on the way"), write_whole_hdf5(path) as handle:
        handle["values"] = np.zeros(5)
        raise ValueError("on the way")
    with h5py.File(path) as handle:
        np.testing.assert_array_equal(handle["values"], np.arange(3))
    assert list(tmp_path.iterdir()) == [path]


STRAIN_MAP = (
    "from strainprint.maps.map_file import write_map_h5 as write;"
    "from strainprint.maps.strain_map import StrainMap;"
    "there = np.ones((60, 50), bool);"
    "fields = dict(zip(('ux_nm', 'uy_nm', 'exx', 'eyy', 'exy'), noise));"
    "one = StrainMap(**fields, valid=there, pitch_nm=2.0, frame='reference');"
)
MEASURED_MAP = (
    "from strainprint.maps.measured_map import MeasuredMap, write_measured_map as write;"
    "fields = dict(zip(('u', 'v', 'exx', 'eyy', 'exy'), noise));"
    "x, y = 1e-9 * np.arange(50), 1e-9 * np.arange(60);"
    "load = {'loading_axis': 'y', 'loading_sense': 'compression'};"
    "one = MeasuredMap(fields, np.zeros((60, 50), np.uint8), x, y, load);"
)


@pytest.mark.parametrize("made", [STRAIN_MAP, MEASURED_MAP])
def test_a_disk_that_fills_up_leaves_nothing_and_says_so(tmp_path, made):
    # in a process of its own: the HDF5 library ended it in a segmentation fault
    code = (
        "import resource, sys, numpy as np;"
        "noise = np.random.default_rng(0).standard_normal((5, 60, 50)).astype('f4');"
        f"{made}"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000));"
        "write(sys.argv[1], one)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "map.h5")], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith("OSError: [Errno 27] File too large")
    assert "Exception ignored" not in done.stderr
    assert list(tmp_path.iterdir()) == []
