"""Checks of the simulator against closed forms, with a figure and a number each.

``make verify`` (``python -m verification``) runs them all and writes ``docs/verification.md``.
"""

import sys
from pathlib import Path

# The crystals laid by hand are the unit tests' own.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "unit"))
