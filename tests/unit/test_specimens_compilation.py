"""Machine code follows the sources of all kernels, not only its own file."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import strainprint

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


def test_editing_a_kernel_recompiles_its_callers_in_other_modules(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "strainprint", ignore=shutil.ignore_patterns("__pycache__"))
    inner = tmp_path / "strainprint" / "specimens" / "inner.py"
    caller = tmp_path / "strainprint" / "specimens" / "caller.py"
    head = "from strainprint.specimens.compilation import compiled\n"
    caller.write_text(
        head + "from strainprint.specimens.inner import half\n\n\n"
        "@compiled\ndef twice(x):\n    return 4.0 * half(x)\n"
    )
    inner.write_text(head + "\n\n@compiled\ndef half(x):\n    return 0.5 * x\n")
    assert twice_three(tmp_path) == 6.0
    inner.write_text(head + "\n\n@compiled\ndef half(x):\n    return 0.25 * x\n")
    assert twice_three(tmp_path) == 3.0


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
