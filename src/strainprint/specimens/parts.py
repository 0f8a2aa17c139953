"""A shard simulated specimen by specimen, so that one cut short loses a specimen at most.

Every specimen is a shard file of its own until all are there; then they are joined. What is in the
joined file does not depend on how often the work was cut short.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

from strainprint.errors import BadInputError
from strainprint.specimens.record import join_shards, verify_shard
from strainprint.specimens.simulate import simulate_shard

_log = logging.getLogger(__name__)


def simulate_by_parts(
    out_h5: str | Path,
    out_json: str | Path,
    parts_dir: str | Path,
    *,
    first: int,
    count: int,
    keep_parts: bool,
    code: str,
    **settings: Any,
) -> None:
    """Simulate a shard as :func:`simulate_shard` does, taking specimens that are there already.

    Parameters
    ----------
    out_h5, out_json
        The shard and its manifest.
    parts_dir
        Folder of the finished specimens; those of other settings or other code are deleted.
    first, count
        Numbers of the specimens.
    keep_parts
        Whether the folder stays, for a shard to which specimens will be added.
    code
        What tells one version of the simulator from another.
    settings
        Everything else that :func:`simulate_shard` takes.

    Raises
    ------
    BadInputError
        Settings that no specimen can be made with.
    """
    text = json.dumps([code, settings], sort_keys=True)
    folder = Path(parts_dir) / hashlib.sha256(text.encode()).hexdigest()[:16]
    for other in Path(parts_dir).glob("*"):
        if other != folder:
            shutil.rmtree(other)
    parts = [folder / f"{index:05d}.h5" for index in range(first, first + count)]
    for index, part in enumerate(parts, first):
        if _is_sound(part):
            _log.info("%s: taken from an earlier run", part)
        else:
            simulate_shard(part, part.with_suffix(".json"), first=index, count=1, **settings)
    join_shards(parts, out_h5, out_json)
    if not keep_parts:
        shutil.rmtree(parts_dir)


def _is_sound(part: Path) -> bool:
    try:
        verify_shard(part, part.with_suffix(".json"))
    except (BadInputError, OSError):
        return False
    return True
