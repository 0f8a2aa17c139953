"""What is missing is said in its cell, and the page is made all the same."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from synthetic_results import build_page, build_results, report_inputs

from strainprint.report.tables import accuracy_table, cell_table, count_table, pair_table


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No 62.5 nm with two slips, one specimen of 250 nm, and no test map of class 0.1."""
    return build_results(
        tmp_path_factory.mktemp("gaps"),
        widths_nm=(62.5, 125.0, 250.0),
        slip_systems=(1, 2),
        per_subset=3,
        missing_subsets=("w0062.5-s2", "w0250-s2"),
        single_specimens=("w0250-s1",),
        class_without_test="0.1",
    )


@pytest.fixture(scope="module")
def page(results: Path) -> str:
    return build_page(results, studies=("audited",), splits=("specimen",)).read_text("utf-8")


def tables(results: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(results / "audited/specimen/report/tables" / f"{name}.csv")


def test_a_missing_subset_is_said_in_the_cells_of_tables_2_and_3(page: str) -> None:
    assert "not run" in page
    assert ">none<" in page


def test_a_class_without_test_maps_is_named_and_has_no_accuracy(results: Path, page: str) -> None:
    row = tables(results, "confusion_ensemble").set_index("prior_strain").loc[0.1]
    assert row["n"] == 0
    assert pd.isna(row["recall"])
    assert "No test map of class 10\u00a0%." in page
    counts = tables(results, "table3")
    assert (counts.loc[counts["prior_strain"] == "0.1", "test"] == 0).all()


def test_a_width_with_one_specimen_has_its_row_and_no_interval_of_medians(
    results: Path, page: str
) -> None:
    cells = tables(results, "table2")
    alone = cells[(cells["width_nm"] == 250) & (cells["model"] == "ensemble")]
    assert (alone["reload"] == "all").sum() == 1
    assert "250\u00a0nm" in page


def test_no_nan_reaches_a_reader(page: str) -> None:
    text = page.partition("<main>")[2].partition("</main>")[0]
    assert "nan" not in text.replace("nanmax", "").lower().split()
    assert ">nan" not in text.lower()


def test_a_test_part_without_maps_gives_tables_without_numbers(results: Path) -> None:
    inputs = report_inputs(results, "audited", "specimen")
    empty = [type(m)(m.name, m.classes, m.test.iloc[:0]) for m in inputs.models]
    accuracy = accuracy_table(empty, seed=0, resamples=100)
    assert accuracy["accuracy"].isna().all()
    assert (accuracy["n_test"] == 0).all()
    assert pair_table(empty, seed=0, resamples=100)["mcnemar_p"].isna().all()
    assert cell_table(empty, inputs.manifest)["accuracy"].isna().all()
    assert len(count_table(inputs.manifest, inputs.parts))
