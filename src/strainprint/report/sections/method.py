"""The method itself: its flow, its pictures and its networks (Figures 1, 8 to 11)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from strainprint.files import read_json
from strainprint.report.drawings import DRAWINGS_FORMAT
from strainprint.report.markup import figure, paragraph
from strainprint.report.study_report import Report, proved


def method(drawings_json: str | Path, reports: Sequence[Report]) -> str:
    """Return the figures that tell how the numbers came about.

    Raises
    ------
    BadInputError
        A drawing is missing or was altered.
    """
    folder = Path(drawings_json).with_suffix("")
    made = {}
    for entry in read_json(drawings_json, expected_format=DRAWINGS_FORMAT)["figures"]:
        drawn = {
            kind: proved(folder / f"{Path(entry['name']).name}.{kind}", digest)
            for kind, digest in entry["sha256"].items()
        }
        made[entry["name"]] = figure(
            drawn["svg"].read_bytes(),
            "image/svg+xml",
            title=entry["title"],
            caption=entry["caption"],
            alternative=entry["alternative"],
        )
    shown = list({report.study: report for report in reports}.values())
    crops = "".join(report.figure("crops") for report in shown)
    return (
        paragraph(
            "Specimens are simulated and loaded, measured as strain maps on reload, drawn as grey "
            "pictures, cropped, and shown to the networks; classifiers of two-point correlations, "
            "tuned on training maps, and a forest on the mere shape of the picture stand beside "
            "them."
        )
        + f'<div class="figures">{made["flow"]}{made["networks"]}{made["residual_module"]}{crops}'
        + "</div>"
    )
