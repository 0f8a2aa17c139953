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


def test_a_full_disk_is_an_error_and_no_end_of_the_process(tmp_path):
    code = (
        "import resource, sys, numpy as np;"
        "from strainprint.maps.map_file import write_map_h5;"
        "from strainprint.maps.strain_map import StrainMap;"
        "noise = np.random.default_rng(0).standard_normal((5, 60, 50)).astype('f4');"
        "there = np.ones((60, 50), bool);"
        "fields = dict(zip(('ux_nm', 'uy_nm', 'exx', 'eyy', 'exy'), noise));"
        "one = StrainMap(**fields, valid=there, pitch_nm=2.0, frame='reference');"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000));"
        "write_map_h5(sys.argv[1], one)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "map.h5")], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith("OSError: [Errno 27] File too large")
    assert list(tmp_path.iterdir()) == []
