"""Tables of predicted curves: r² and coverage of curves that are known, and cells without one."""

import numpy as np
import pandas as pd
import pytest

from strainprint.report.curve_tables import curve_band_table, curve_error_table, curve_r2_table

STRAIN = np.array([0.0, 0.001, 0.005, 0.01])
DRAWN = {"seed": 1, "resamples": 200}


@pytest.fixture
def manifest():
    """Four specimens of 100 nm in two classes, one specimen of 50 nm in one."""
    rows = [(f"a{i}-{c}", f"a{i}", 100.0, c) for i in range(4) for c in (0, 1)]
    rows.append(("b0-0", "b0", 50.0, 0))
    table = pd.DataFrame(rows, columns=["map_id", "specimen_id", "width_nm", "label"])
    return table.assign(strain_path=table["label"].map({0: "0.001", 1: "0.1"}), reload_strain=0.001)


def curves_of(manifest, true, **predicted):
    """Curves that are elastic to the small reload and have one stress for each map beyond."""
    shape = np.array([0.0, 50.0])
    tables = []
    for position, name in enumerate(manifest["map_id"]):
        level = {"true": true[position], **{k: v[position] for k, v in predicted.items()}}
        columns = {f"{k}_mpa": np.r_[shape, x, x] for k, x in level.items()}
        tables.append(pd.DataFrame({"map_id": name, "strain": STRAIN, **columns}))
    return pd.concat(tables, ignore_index=True)


def cell(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_r2_of_known_curves(manifest):
    true = np.array([100.0, 200, 100, 200, 100, 200, 100, 200, 400])
    curves = curves_of(manifest, true, k1=true, cv=np.where(true == 400, 390, 150.0))
    table = curve_r2_table(curves, manifest, strains=STRAIN[1:], **DRAWN)
    at = {"width_nm": "100", "prior_strain": "all", "strain": 0.01}
    assert cell(table, method="k1", **at)["r2"] == 1.0
    assert cell(table, method="cv", **at)["r2"] == pytest.approx(0.0)
    # Nothing differs while all are elastic, nor within a class.
    elastic = cell(table, method="k1", **{**at, "strain": 0.001})
    assert np.isnan(elastic["r2"])
    assert np.isnan(cell(table, method="k1", **{**at, "prior_strain": "0.1"})["r2"])
    # Over all widths: residual 8 * 50² + 10², spread about the mean of 1600 / 9.
    spread = np.sum((true - true.mean()) ** 2)
    whole = cell(table, method="cv", **{**at, "width_nm": "all"})
    assert whole["r2"] == pytest.approx(1 - (8 * 50**2 + 100) / spread)
    assert whole["r2_low"] <= whole["r2"] <= whole["r2_high"]


def test_strains_of_ten_digits_are_found_in_a_finer_grid(manifest):
    true = np.array([100.0, 200, 100, 200, 100, 200, 100, 200, 400])
    curves = curves_of(manifest, true, k1=true)
    table = curve_r2_table(curves, manifest, strains=STRAIN[1:] * (1 - 1e-12), **DRAWN)
    assert table["strain"].nunique() == len(STRAIN) - 1
    assert table["r2"].notna().any()


def test_r2_is_resampled_by_specimen(manifest):
    """Maps of one specimen come together: with one odd specimen of four, (3/4)^4 miss it."""
    true = np.array([100.0, 200, 100, 200, 100, 200, 100, 200, 400])
    k1 = true.copy()
    k1[:2] = [200, 100]
    table = curve_r2_table(curves_of(manifest, true, k1=k1), manifest, strains=STRAIN[3:], **DRAWN)
    row = cell(table, width_nm="100", prior_strain="all", method="k1", strain=0.01)
    assert row["r2"] == pytest.approx(1 - 2 * 100**2 / (8 * 50**2))
    assert row["r2_high"] == 1.0
    assert row["r2_low"] < -1


def test_cells_without_an_answer_say_why(manifest):
    true = np.arange(9.0) + 100
    k1 = true + 1
    k1[1] = np.nan
    table = curve_r2_table(curves_of(manifest, true, k1=k1), manifest, strains=STRAIN[3:], **DRAWN)
    at = {"method": "k1", "strain": 0.01}
    lone = cell(table, width_nm="50", prior_strain="0.001", **at)
    assert (lone["n"], lone["note"]) == (1, "one test specimen")
    assert np.isnan(lone["r2"])
    empty = cell(table, width_nm="50", prior_strain="0.1", **at)
    assert (empty["n"], empty["note"]) == (0, "no test map")
    most = cell(table, width_nm="100", prior_strain="0.1", **at)
    assert (most["n"], most["n_predicted"], most["note"]) == (4, 3, "")


def test_errors_of_maps_without_a_neighbour_are_counted_out(manifest):
    rows = [
        (name, method, np.nan if name == "b0-0" and method == "k1" else 0.1 * (1 + i))
        for i, name in enumerate(manifest["map_id"])
        for method in ("k1", "subset_mean")
    ]
    errors = pd.DataFrame(rows, columns=["map_id", "method", "relative_rmse"])
    errors = errors.assign(subset="s", prior_strain="x", r2=0.5, yield_stress_error_mpa=-3.0)
    table = curve_error_table(errors, manifest, **DRAWN)
    alone = cell(table, width_nm="50", prior_strain="all", method="k1")
    assert (alone["n"], alone["n_predicted"]) == (1, 0)
    assert alone["note"] == "no training map of another specimen"
    assert np.isnan(alone["median_relative_rmse"])
    total = cell(table, width_nm="all", prior_strain="all", method="k1")
    assert total["median_relative_rmse"] == pytest.approx(0.45)
    assert total["median_yield_stress_absolute_error_mpa"] == 3.0
    assert cell(table, width_nm="50", prior_strain="0.1", method="k1")["note"] == "no test map"


def test_a_bands_coverage_is_counted_beyond_what_the_map_saw(manifest):
    true = np.full(9, 100.0)
    curves = curves_of(manifest, true, cv=true)
    bands = curves[["map_id", "strain"]].assign(
        # Far too low while the map sees, then right at one of two strains.
        cv_conformal_low_mpa=np.tile([-9.0, -9.0, 90.0, 110.0], 9),
        cv_conformal_high_mpa=np.tile([-8.0, -8.0, 110.0, 120.0], 9),
        k5_spread_low_mpa=np.nan,
        k5_spread_high_mpa=np.nan,
    )
    table = curve_band_table(bands, curves, manifest, **DRAWN)
    row = cell(table, width_nm="100", prior_strain="all", method="cv")
    assert row["nominal"] == pytest.approx(0.8)
    assert (row["coverage"], row["coverage_low"], row["coverage_high"]) == (0.5, 0.5, 0.5)
    assert row["relative_width"] == pytest.approx(0.15)
    none = cell(table, width_nm="100", prior_strain="all", method="k5")
    assert none["note"] == "too few training specimens or neighbours for a band"
    assert np.isnan(none["coverage"])
