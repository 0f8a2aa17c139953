"""Figures of the method itself, the same for every study and split: its flow and its networks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strainprint.files import whole_directory, write_json
from strainprint.report.figures.architectures import draw_networks, draw_residual_module
from strainprint.report.figures.flow import draw_flow
from strainprint.report.figures.style import figure_entry, house_style

DRAWINGS_FORMAT = "strainprint-drawings"

_log = logging.getLogger(__name__)


def write_drawings(
    drawings_dir: str | Path,
    drawings_json: str | Path,
    *,
    flow: Sequence[Mapping[str, Any]],
    networks: Sequence[str],
    lead: str,
    n_classes: int,
    crop_px: int,
    config_digest: str,
) -> None:
    """Draw Figures 1, 8 and 11 and write a manifest with captions and checksums.

    Parameters
    ----------
    drawings_dir, drawings_json
        Folder to write, whole or not at all, and its manifest.
    flow
        The rules that the page rests on, as :func:`strainprint.workflow.rule_flow` gives them.
    networks, lead
        Architectures of the config, and the one whose residual module is drawn.
    n_classes, crop_px
        Classes to tell apart, and side of a crop.
    config_digest
        What tells the config from another, for captions.
    """
    with whole_directory(drawings_dir) as folder, house_style():
        folder.mkdir()
        entries = [
            figure_entry(plate, folder, name, config_digest=config_digest)
            for name, plate in (
                ("flow", draw_flow(flow)),
                ("residual_module", draw_residual_module(lead, n_classes=n_classes)),
                ("networks", draw_networks(networks, n_classes=n_classes, crop_px=crop_px)),
            )
        ]
    write_json(drawings_json, {"format": DRAWINGS_FORMAT, "version": 1, "figures": entries})
    _log.info("drew the flow of %d rules and %d networks", len(flow), len(networks))
