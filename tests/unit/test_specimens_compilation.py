"""Machine code follows the sources of all kernels, not only its own file."""

import shutil
import subprocess
import sys
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
