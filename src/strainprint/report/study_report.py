"""The tables and figures of one study and split, read back from their files for the page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_file
from strainprint.report.figures.write import FIGURES_FORMAT
from strainprint.report.markup import Markup, escaped, figure, link
from strainprint.report.tables import TABLES_FORMAT

_BASELINES = ("chance", "shape-only", "baseline")
# Compact as a picture of pixels, not as vectors.
_DRAWN_AS_PNG = frozenset({"strain_maps", "filters", "saliency", "crops"})

Rows = list[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Report:
    """Tables and figures of one study and split, read back from their files.

    Attributes
    ----------
    study, split
        What they are about.
    tables
        Rows of every table by its name without suffix.
    figures
        Entry of the figure manifest by the figure's name.
    tables_dir, figures_dir
        Their folders.
    page_dir
        Folder of the page, which links are relative to.
    """

    study: str
    split: str
    tables: Mapping[str, Rows]
    figures: Mapping[str, Mapping[str, Any]]
    tables_dir: Path
    figures_dir: Path
    page_dir: Path

    @property
    def anchor(self) -> str:
        """Identifier of this report's section in the page."""
        return escaped(f"{self.study}-{self.split}")

    @property
    def title(self) -> str:
        """Study and split in words."""
        return f"Study {self.study}, split {self.split}"

    @property
    def accuracy(self) -> dict[str, dict[str, Any]]:
        """Rows of Table 1 by model."""
        return {str(row["model"]): row for row in self.tables["table1"]}

    @property
    def networks(self) -> list[str]:
        """Names of the trained networks, in the order of Table 1."""
        return [name for name in self.accuracy if name not in {*_BASELINES, "ensemble"}]

    @property
    def summary(self) -> dict[str, Any]:
        """The row of ``summary.csv``."""
        return self.tables["summary"][0]

    def figure(self, name: str) -> str:
        """Return a figure as HTML, with title and caption.

        Raises
        ------
        BadInputError
            There is no figure of this name.
        """
        entry = self.figures.get(name)
        if entry is None:
            raise BadInputError(
                f"figure {name} is missing", where=self.figures_dir, way_out="re-run the figures"
            )
        as_png = name in _DRAWN_AS_PNG
        kind, media_type = ("png", "image/png") if as_png else ("svg", "image/svg+xml")
        return figure(
            (self.figures_dir / f"{name}.{kind}").read_bytes(),
            media_type,
            title=str(entry["title"]),
            caption=str(entry["caption"]),
            alternative=str(entry["alternative"]),
        )

    def csv(self, *names: str) -> Markup:
        """Return links to tables, relative to the page."""
        base = Path(os.path.relpath(self.tables_dir, self.page_dir)).as_posix()
        links = [link(f"{base}/{name}.csv", f"{name}.csv").text for name in names]
        return Markup(", ".join(links))


def read_report(tables_json: str | Path, figures_json: str | Path, page_dir: str | Path) -> Report:
    """Read the tables and figures of one study and split by their manifests.

    The folders are those beside the manifests, of the same name without ``.json``.

    Raises
    ------
    BadInputError
        A file is missing or altered, or the two belong to different studies or splits.
    """
    tables_dir, figures_dir = Path(tables_json).with_suffix(""), Path(figures_json).with_suffix("")
    of_tables = read_json(tables_json, expected_format=TABLES_FORMAT)
    of_figures = read_json(figures_json, expected_format=FIGURES_FORMAT)
    about = (str(of_tables["study"]), str(of_tables["split"]))
    if about != (str(of_figures["study"]), str(of_figures["split"])):
        raise BadInputError(
            f"belongs to study {of_figures['study']}, split {of_figures['split']}",
            where=figures_json,
            allowed=f"study {about[0]}, split {about[1]}, as {tables_json}",
        )
    tables = {}
    for name, digest in of_tables["files"].items():
        path = proved(tables_dir / Path(name).name, digest)
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
        tables[path.stem] = [
            {str(k): v for k, v in row.items()} for row in frame.to_dict("records")
        ]
    figures = {}
    for entry in of_figures["figures"]:
        for kind, digest in entry["sha256"].items():
            proved(figures_dir / f"{Path(entry['name']).name}.{kind}", digest)
        figures[str(entry["name"])] = entry
    return Report(*about, tables, figures, tables_dir, figures_dir, Path(page_dir))


def proved(path: Path, digest: str) -> Path:
    """Return a file of the report, which is what was made.

    Raises
    ------
    BadInputError
        It is missing or was altered.
    """
    if not path.is_file() or sha256_of_file(path) != digest:
        raise BadInputError(
            "is missing or was altered", where=path, way_out="delete its folder and re-run"
        )
    return path


def by_strictness(reports: Sequence[Report]) -> list[Report]:
    """Return the reports, first those that allow the fewest shortcuts: by specimen, audited."""
    return sorted(reports, key=lambda r: (r.split != "specimen", r.study != "audited"))
