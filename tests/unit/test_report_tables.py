import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_results import NETWORKS, build_results, report_inputs

from strainprint.errors import BadInputError
from strainprint.report import paper
from strainprint.report.tables import write_tables


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_results(tmp_path_factory.mktemp("tables"), per_subset=4)


@pytest.fixture(scope="module")
def tables(results: Path) -> dict[str, pd.DataFrame]:
    folder = results / "audited" / "specimen" / "report"
    _write(results, folder)
    return {path.stem: pd.read_csv(path) for path in (folder / "tables").glob("*.csv")}


def _write(results: Path, folder: Path, **changes: object) -> None:
    inputs = report_inputs(results, "audited", "specimen", **changes)
    write_tables(folder / "tables", folder / "tables.json", inputs)


def _test_frame(results: Path, stage: str) -> pd.DataFrame:
    frame = pd.read_csv(results / "audited" / "specimen" / stage / "predictions.csv")
    return frame[frame["part"] == "test"]


def test_every_table_is_written_and_in_the_manifest(
    results: Path, tables: dict[str, pd.DataFrame]
) -> None:
    models = ["shape-only", "baseline", *NETWORKS, "ensemble"]
    wanted = {
        "baseline_variants",
        "summary",
        "specimens",
        "table1",
        "table2",
        "table3",
        "curve_errors",
        "size_effect",
    }
    wanted |= {
        "strengths",
        "strength_exponents",
        "curve_r2",
        "curve_bands",
        "pairs",
        "lost",
        "saliency_randomization",
        "saliency_deletion",
    }
    assert set(tables) == wanted | {f"confusion_{name}" for name in models}
    content = json.loads((results / "audited/specimen/report/tables.json").read_text())
    assert set(content["files"]) == {f"{name}.csv" for name in tables}


def test_accuracies_are_those_of_the_predictions(
    results: Path, tables: dict[str, pd.DataFrame]
) -> None:
    test = _test_frame(results, "ensemble")
    share = (test["prior_strain"] == test["prior_strain_predicted"]).mean()
    row = tables["table1"].set_index("model").loc["ensemble"]
    assert row["accuracy"] == pytest.approx(share)
    assert row["n_test"] == len(test)
    assert row["ci_low"] < share < row["ci_high"]
    assert row["wilson_low"] < share < row["wilson_high"]


def test_rows_of_table_1_run_from_chance_to_ensemble(tables: dict[str, pd.DataFrame]) -> None:
    assert list(tables["table1"]["model"]) == [
        *("chance", "shape-only", "baseline"),
        *NETWORKS,
        "ensemble",
    ]


def test_chance_is_the_share_of_the_commonest_class(
    results: Path, tables: dict[str, pd.DataFrame]
) -> None:
    test = _test_frame(results, "ensemble")
    assert tables["table1"]["accuracy"][0] == pytest.approx(
        test["prior_strain"].value_counts().max() / len(test)
    )


def test_the_papers_numbers_stand_beside_ours(tables: dict[str, pd.DataFrame]) -> None:
    printed = tables["table1"].set_index("model")["paper_accuracy"]
    assert printed["ensemble"] == 0.9394
    assert printed["proposed-seed0"] == 0.9248
    assert printed["baseline"] == 0.6824
    assert np.isnan(printed["shape-only"])


def test_cells_of_table_2_add_up_to_their_total(tables: dict[str, pd.DataFrame]) -> None:
    table2 = tables["table2"]
    assert set(table2["model"]) == {"proposed-seed0", "ensemble"}
    for _, group in table2.groupby(["model", "width_nm"]):
        total = group[group["reload"] == "all"].iloc[0]
        cells = group[group["reload"] != "all"]
        assert len(cells) == 4
        assert total["n"] == cells["n"].sum()
        assert total["correct"] == cells["correct"].sum()


def test_table_2_carries_the_papers_cell(tables: dict[str, pd.DataFrame]) -> None:
    table2 = tables["table2"].astype({"slip_systems": str})
    cell = table2.query(
        "model == 'proposed-seed0' and width_nm == 125 "
        "and reload == 'large' and slip_systems == '2'"
    )
    assert cell["paper_accuracy"].tolist() == [0.7895]


def test_counts_of_table_3_are_those_of_the_manifest(tables: dict[str, pd.DataFrame]) -> None:
    table3 = tables["table3"]
    sums = table3[table3["prior_strain"] == "all"]
    assert (sums["total"] == 12).all()  # 4 specimens, 3 prior strains, one reload
    assert (table3[["train", "validation", "test"]].sum(axis=1) == table3["total"]).all()
    assert (
        sums.set_index(["width_nm", "slip_systems", "reload"])["paper_total"][(62.5, 2, "small")]
        == 156
    )


def test_confusion_counts_sum_to_the_test_maps(tables: dict[str, pd.DataFrame]) -> None:
    confusion = tables["confusion_ensemble"]
    named = confusion[["named_0.001", "named_0.01", "named_0.1"]].to_numpy()
    row = tables["table1"].set_index("model").loc["ensemble"]
    assert named.sum() == row["n_test"]
    assert np.trace(named) == row["correct"]


def test_specimen_facts_count_each_reference_state_once(tables: dict[str, pd.DataFrame]) -> None:
    specimens = tables["specimens"]
    assert (specimens["specimens"] == 4).all()
    assert (specimens["maps"] == 8).all()
    assert (specimens["relaxed_fraction"] == 0.75).all()
    row = specimens.query("width_nm == 125 and slip_systems == 1 and prior_strain == 0.1").iloc[0]
    assert row["dislocations_median"] == 38.5  # 37, 38, 39, 40


def test_no_test_map_has_a_sibling_in_training_when_split_by_specimen(
    tables: dict[str, pd.DataFrame],
) -> None:
    assert tables["summary"]["test_maps_with_sibling_in_training"].tolist() == [0.0]


def test_the_mean_curve_differs_from_itself_by_nothing(tables: dict[str, pd.DataFrame]) -> None:
    errors = tables["curve_errors"]
    own = errors[errors["method"] == "subset_mean"]
    assert (own["median_rmse_minus_subset_mean"] == 0).all()


def test_curve_errors_are_medians_over_test_maps(
    results: Path, tables: dict[str, pd.DataFrame]
) -> None:
    raw = pd.read_csv(results / "audited/specimen/curves/errors.csv")
    expected = raw[raw["method"] == "k5"]["relative_rmse"].median()
    row = tables["curve_errors"].query(
        "width_nm == 'all' and prior_strain == 'all' and method == 'k5'"
    )
    assert row["median_relative_rmse"].iloc[0] == pytest.approx(expected)
    assert row["n"].iloc[0] == (raw["method"] == "k5").sum()


def test_the_same_inputs_give_the_same_bytes(results: Path, tmp_path: Path) -> None:
    _write(results, tmp_path / "a")
    _write(results, tmp_path / "b")
    assert (tmp_path / "a/tables.json").read_bytes() == (tmp_path / "b/tables.json").read_bytes()


def test_models_judged_on_other_maps_are_refused(results: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(results / "audited/specimen/ensemble/predictions.csv")
    first_test = frame.index[frame["part"] == "test"][0]
    frame.loc[first_test, "part"] = "train"
    (tmp_path / "ensemble").mkdir()
    frame.to_csv(tmp_path / "ensemble" / "predictions.csv", index=False)
    with pytest.raises(BadInputError, match="other test maps"):
        _write(results, tmp_path, ensemble=tmp_path / "ensemble")


def test_a_table_without_its_columns_is_named(results: Path, tmp_path: Path) -> None:
    (tmp_path / "errors.csv").write_text("map_id,method\n")
    (tmp_path / "neighbours.csv").write_text("map_id,rank\n")
    with pytest.raises(BadInputError, match=r"neighbours\.csv.*same_specimen"):
        _write(results, tmp_path, curves=tmp_path)


def test_a_failed_write_leaves_no_folder(results: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError):
        _write(results, tmp_path, curves=tmp_path / "nowhere")
    assert not (tmp_path / "tables").exists()


def test_paper_table_2_totals_are_the_mean_of_their_cells_within_rounding() -> None:
    # The four cells of a width have 36 to 39 test maps each, so the total is near their mean.
    for model in ("proposed", "ensemble"):
        for width in (2000.0, 1000.0, 500.0, 250.0, 125.0, 62.5):
            cells = [
                paper.cell_accuracy(model, width, reload=reload, slip_systems=slip)
                for reload in ("small", "large")
                for slip in (1, 2)
            ]
            assert np.mean(cells) == pytest.approx(paper.cell_accuracy(model, width), abs=0.004)


def test_paper_table_3_sums_to_its_number_of_maps() -> None:
    total = sum(
        paper.subset_maps(width, reload=reload, slip_systems=slip)
        for width in (2000.0, 1000.0, 500.0, 250.0, 125.0, 62.5)
        for reload in ("small", "large")
        for slip in (1, 2)
    )
    assert total == paper.MAPS
