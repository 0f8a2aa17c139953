"""Machine code follows the sources of all kernels, not only its own file."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from numba import njit

import strainprint
from strainprint.specimens.compilation import _own_temporary_folder, inner

PACKAGE = Path(strainprint.__file__).parent


def twice_three(folder: Path) -> float:
    """Call the kernel in a fresh process, as the next job of a workflow would."""
    run = subprocess.run(
        [sys.executable, "-c", "from strainprint.specimens.caller import twice; print(twice(3.0))"],
        env={"PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)


@pytest.mark.parametrize("how", ["compiled", "inner"])
def test_editing_a_kernel_recompiles_its_callers_in_other_modules(tmp_path, how):
    shutil.copytree(PACKAGE, tmp_path / "strainprint", ignore=shutil.ignore_patterns("__pycache__"))
    inner = tmp_path / "strainprint" / "specimens" / "inner.py"
    caller = tmp_path / "strainprint" / "specimens" / "caller.py"
    head = f"from strainprint.specimens.compilation import compiled, {how}\n"
    caller.write_text(
        head + "from strainprint.specimens.inner import half\n\n\n"
        "@compiled\ndef twice(x):\n    return 4.0 * half(x)\n"
    )
    inner.write_text(head + f"\n\n@{how}\ndef half(x):\n    return 0.5 * x\n")
    assert twice_three(tmp_path) == 6.0
    inner.write_text(head + f"\n\n@{how}\ndef half(x):\n    return 0.25 * x\n")
    assert twice_three(tmp_path) == 3.0


@inner
def _power(base, exponent, upwards):
    return base**exponent if upwards else base**-exponent


@njit  # compiles whatever machine code is kept
def _powers(base):
    up = _power(base, 1, True) + _power(base, exponent=3, upwards=True)
    return up + _power(base, 1, False) + _power(base, upwards=False, exponent=2)


def test_a_kernel_is_compiled_once_for_all_constants_that_it_is_called_with():
    assert _powers(2.0) == 2.0 + 8.0 + 0.5 + 0.25
    assert len(_power.signatures) == 1


def test_of_processes_that_call_a_kernel_first_at_once_one_compiles(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "strainprint", ignore=shutil.ignore_patterns("__pycache__"))
    # takes longer to compile than processes differ in their beginning
    terms = "".join(f"    y += np.sin(x * {k}.0) * np.exp(y - {k}.0)\n" for k in range(80))
    (tmp_path / "strainprint" / "specimens" / "caller.py").write_text(
        "import numpy as np\nfrom strainprint.specimens.compilation import compiled\n\n\n"
        f"@compiled\ndef sums(x):\n    y = 0.0\n{terms}    return y\n"
    )
    ask = (
        "from strainprint.specimens.caller import sums; y = sums(3.0); "
        "print(len(sums.stats.cache_misses), len(sums.stats.cache_hits), y)"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", ask],
            env={"PYTHONPATH": str(tmp_path)},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [run.communicate()[0].split() for run in runs]
    assert sorted(words[:2] for words in said) == [["0", "1"], ["0", "1"], ["1", "0"]]
    assert len({words[2] for words in said}) == 1


def test_new_machine_code_takes_the_place_of_code_that_nothing_used_for_days(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "strainprint", ignore=shutil.ignore_patterns("__pycache__"))
    package = tmp_path / "strainprint" / "specimens"
    (package / "caller.py").write_text(
        "from strainprint.specimens.compilation import compiled\n\n\n"
        "@compiled\ndef twice(x):\n    return 2.0 * x\n"
    )
    stale, recent = (package / "__pycache__" / f"kernels-{name}" for name in ("stale", "recent"))
    for folder in (stale, recent):
        (folder / "sub").mkdir(parents=True)
    long_ago = time.time() - 3 * 86400
    for path in (stale / "sub", stale):
        os.utime(path, (long_ago, long_ago))
    assert twice_three(tmp_path) == 6.0
    assert not stale.exists()
    assert recent.exists()


@pytest.mark.parametrize("planted", ["writable by others", "link"])
def test_code_is_not_taken_from_a_temporary_folder_that_others_may_fill(
    tmp_path, monkeypatch, planted
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    expected = tmp_path / f"strainprint-{os.getuid()}"
    if planted == "link":
        (tmp_path / "elsewhere").mkdir()
        expected.symlink_to(tmp_path / "elsewhere")
    else:
        expected.mkdir()
        expected.chmod(0o777)
    other = _own_temporary_folder()
    assert other != expected
    assert other.stat().st_mode & 0o777 == 0o700


def test_the_own_temporary_folder_is_the_same_for_every_process(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert _own_temporary_folder() == _own_temporary_folder()
