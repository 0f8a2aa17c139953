from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from strainprint.errors import BadInputError
from strainprint.report.figures.confusion import draw_confusion
from strainprint.report.figures.curve_example import draw_curve_example, median_map
from strainprint.report.figures.curve_neighbours import (
    draw_curve_cases,
    draw_curve_neighbours,
    neighbour_counts,
    paper_cases,
)
from strainprint.report.figures.curve_predictability import draw_curve_predictability
from strainprint.report.figures.histories import draw_histories
from strainprint.report.figures.projection import mean_over_crops, principal_axes
from strainprint.report.figures.strain_maps import block_maximum, round_length
from strainprint.report.figures.stress_strain import draw_stress_strain
from strainprint.report.figures.style import (
    COLUMN_IN,
    class_colour,
    house_style,
    save_figure,
)

CLASSES = ("0.001", "0.01", "0.1")


def _confusion() -> Figure:
    counts = {"ensemble": np.array([[5, 1, 0], [2, 3, 1], [0, 0, 6]])}
    return draw_confusion(counts, CLASSES, study="audited", split="specimen").figure


def test_a_figure_drawn_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with house_style():
            save_figure(_confusion(), tmp_path / name, "confusion")
    for kind in ("svg", "png"):
        first = (tmp_path / "first" / f"confusion.{kind}").read_bytes()
        assert first == (tmp_path / "second" / f"confusion.{kind}").read_bytes()


def test_a_figure_is_one_column_wide_at_200_dpi(tmp_path: Path) -> None:
    with house_style():
        save_figure(_confusion(), tmp_path, "confusion")
    with Image.open(tmp_path / "confusion.png") as image:
        assert image.size[0] == round(200 * COLUMN_IN)


def test_a_figure_holds_no_date_and_loads_nothing(tmp_path: Path) -> None:
    with house_style():
        save_figure(_confusion(), tmp_path, "confusion")
    text = (tmp_path / "confusion.svg").read_text()
    assert "dc:date" not in text
    assert 'href="http' not in text


def test_house_style_leaves_the_users_settings_alone() -> None:
    import matplotlib

    before = matplotlib.rcParams["font.size"]
    with house_style():
        assert matplotlib.rcParams["font.size"] == 8
    assert matplotlib.rcParams["font.size"] == before


def test_classes_differ_in_lightness_so_that_grey_print_keeps_them_apart() -> None:
    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2

    values = sorted(lightness(class_colour(label)) for label in range(3))
    assert values[1] > 2 * values[0]
    assert values[2] > 2 * values[1]


def test_a_confusion_caption_states_n_study_and_split() -> None:
    counts = {"ensemble": np.eye(3, dtype=np.int64) * 4}
    plate = draw_confusion(counts, CLASSES, study="audited", split="specimen")
    assert "Study audited, split specimen" in plate.caption
    assert plate.full_caption("c0ffee00").endswith(" n = 12 test maps. Config c0ffee00.")


def test_a_class_without_test_maps_leaves_an_empty_row(tmp_path: Path) -> None:
    counts = {"ensemble": np.array([[3, 0, 0], [0, 0, 0], [0, 1, 2]])}
    with house_style():
        plate = draw_confusion(counts, CLASSES, study="s", split="profile")
        save_figure(plate.figure, tmp_path, "confusion")
    assert (tmp_path / "confusion.svg").stat().st_size > 1000


def test_mean_over_crops_by_hand() -> None:
    features = np.array([[1, 2, 3, 4], [0, 0, 2, 6]], dtype=np.float32)
    assert mean_over_crops(features, 2).tolist() == [[2, 3], [1, 3]]
    with pytest.raises(BadInputError, match="x 3"):
        mean_over_crops(features, 3)


def test_principal_axes_of_points_on_a_line() -> None:
    along = np.linspace(-1, 1, 11)[:, None] * np.array([[-3.0, -4.0]])
    centre, axes, share = principal_axes(along + 7)
    assert centre == pytest.approx([7, 7])
    assert axes[0] == pytest.approx([0.6, 0.8])  # unit length, largest entry positive
    assert share == pytest.approx([1, 0], abs=1e-12)


def test_median_map_is_neither_best_nor_worst() -> None:
    errors = pd.DataFrame(
        {
            "map_id": ["a", "b", "c", "d", "e"],
            "method": ["k5"] * 4 + ["k1"],
            "relative_rmse": [0.4, 0.1, np.nan, 0.2, 0.0],
        }
    )
    assert median_map(errors, "k5") == "d"
    assert median_map(errors, "k10") is None


def test_no_small_reload_in_the_test_part_gives_a_sentence_not_an_error() -> None:
    errors = pd.DataFrame({"map_id": [], "method": [], "relative_rmse": []})
    with house_style():
        plate = draw_curve_example(
            pd.DataFrame(),
            pd.DataFrame(),
            errors,
            pd.DataFrame(),
            method="k5",
            study="s",
            split="profile",
        )
    assert plate.caption.startswith("No test map with a small reload")


def test_neighbour_counts_are_read_from_the_columns() -> None:
    columns = ["map_id", "k10_mpa", "k1_mpa", "correlation_k5_mpa", "k5_mpa", "true_mpa"]
    assert neighbour_counts(pd.DataFrame(columns=columns)) == [1, 5, 10]


def test_paper_cases_go_from_wide_and_high_to_narrow_and_low() -> None:
    manifest = pd.DataFrame({"width_nm": [62.5, 125, 250] * 3, "label": np.repeat([0, 1, 2], 3)})
    assert paper_cases(manifest) == [(250.0, 2), (125.0, 1), (62.5, 0)]
    assert paper_cases(manifest[manifest["width_nm"] == 125])[0] == (125.0, 2)


def test_block_maximum_keeps_a_band_of_one_point() -> None:
    values = np.zeros((5, 7))
    values[2, 3] = 0.3
    values[4, 6] = np.nan
    reduced = block_maximum(values, 2)
    assert reduced.shape == (3, 4)
    assert reduced[1, 1] == 0.3
    assert np.isnan(reduced[2, 3])


@pytest.mark.parametrize(("limit", "length"), [(99.0, 50.0), (200.0, 200.0), (1.2, 1.0)])
def test_scale_bars_have_round_lengths(limit: float, length: float) -> None:
    assert round_length(limit) == pytest.approx(length)


def test_kept_epoch_is_the_one_of_lowest_validation_loss() -> None:
    history = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "train_loss": [1.0, 0.5, 0.2],
            "train_accuracy": [0.4, 0.7, 0.9],
            "validation_loss": [1.1, 0.8, 0.9],
            "validation_accuracy": [0.4, 0.6, 0.6],
        }
    )
    with house_style():
        plate = draw_histories(
            {"proposed-seed0": history}, maps=(20, 5), study="s", split="profile"
        )
    assert "Proposed CNN, seed 0: epoch 2" in plate.caption
    nine = {f"{n}-seed{s}": history for n in ("proposed", "res4-l2", "res4") for s in range(3)}
    with house_style():
        plate = draw_histories(nine, maps=(20, 5), study="s", split="profile")
        plate.figure.draw_without_rendering()
    legend = plate.figure.legends[0]
    names = [text.get_text() for text in legend.get_texts()]
    assert names[:3] == ["Proposed CNN, 3 seeds", "Res4 with L2, 3 seeds", "Res4, 3 seeds"]
    assert legend.get_window_extent().x0 >= 0
    assert legend.get_window_extent().x1 <= plate.figure.bbox.x1
    assert "Res4, 3 seeds: epoch 2, 2 and 2" in plate.caption


def test_paper_cases_are_the_papers_own_where_they_are_simulated() -> None:
    widths = [62.5, 125, 250, 500, 1000, 2000]
    manifest = pd.DataFrame({"width_nm": widths * 3, "label": np.repeat([0, 1, 2], 6)})
    assert paper_cases(manifest) == [(2000.0, 2), (1000.0, 1), (125.0, 0)]


def few_curves() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Three maps of 125 nm in one class of two; the first has no neighbour, hence no curve."""
    strain = np.linspace(0, 0.01, 5)
    names = ["a", "b", "c"]
    manifest = pd.DataFrame(
        {
            "map_id": names,
            "specimen_id": names,
            "width_nm": 125.0,
            "slip_systems": 1,
            "label": [0, 0, 0],
            "strain_path": "0.001",
            "reload_strain": 0.001,
        }
    )
    empty = manifest.iloc[:1].assign(map_id="d", specimen_id="d", label=1, strain_path="0.1")
    error = [np.nan, 0.1, 0.3]
    errors = pd.DataFrame({"map_id": names, "method": "k5", "relative_rmse": error})
    curve = pd.DataFrame({"strain": strain, "true_mpa": 1e4 * strain, "k5_mpa": 9e3 * strain})
    curves = pd.concat([curve.assign(map_id=name) for name in names])
    curves.loc[curves["map_id"] == "a", "k5_mpa"] = np.nan
    band = pd.DataFrame(
        {
            "strain": strain,
            "k5_conformal_low_mpa": 8e3 * strain,
            "k5_conformal_high_mpa": 2e4 * strain,
        }
    )
    bands = pd.concat([band.assign(map_id=name) for name in names])
    return curves, bands, errors, pd.concat([manifest, empty])


def test_the_example_shows_the_median_of_the_maps_with_a_curve_and_its_band() -> None:
    curves, bands, errors, manifest = few_curves()
    told = {"method": "k5", "study": "s", "split": "profile"}
    with house_style():
        with_band = draw_curve_example(curves, bands, errors, manifest, **told)
        without = draw_curve_example(curves, bands[["map_id", "strain"]], errors, manifest, **told)
    assert "Test map b" in with_band.caption
    assert with_band.n == "1 map of 2 test maps"
    (filled,) = with_band.figure.axes[0].collections
    heights = filled.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(200)
    assert not without.figure.axes[0].collections
    assert "No band" in without.caption


def test_every_width_and_class_has_a_panel_that_says_when_it_is_empty() -> None:
    curves, bands, errors, manifest = few_curves()
    with house_style():
        plate = draw_curve_cases(
            curves, bands, errors, manifest, method="k5", study="s", split="profile"
        )
        chosen = draw_curve_neighbours(
            curves, bands, errors, manifest, study="s", split="profile", cases=[(125.0, 0)]
        )
    drawn, empty = plate.figure.axes
    assert len(drawn.lines) == 2
    assert "no test map" in empty.texts[0].get_text()
    assert plate.n == "1 map of 2 test maps"
    assert "b (median of 2 maps)" in chosen.caption
    assert len(chosen.figure.axes) == 1


def test_predictability_draws_r2_of_each_width() -> None:
    curves, _, _, manifest = few_curves()
    curves = curves.rename(columns={"k5_mpa": "cv_mpa"})
    for factor, name in enumerate("abc", start=1):
        curves.loc[curves["map_id"] == name, ["true_mpa", "cv_mpa"]] *= factor
    curves["cv_mpa"] = curves["true_mpa"]
    with house_style():
        plate = draw_curve_predictability(
            curves, manifest, seed=0, resamples=100, study="s", split="profile"
        )
    (panel,) = plate.figure.axes
    np.testing.assert_allclose(panel.lines[-1].get_ydata(), 1.0)
    assert "3 specimens" in panel.get_title()
    with house_style():
        plate = draw_curve_predictability(
            *(curves[curves["map_id"] != "a"], manifest),
            **{"seed": 0, "resamples": 100, "study": "s", "split": "profile"},
        )
    assert [text.get_text() for text in plate.figure.axes[0].texts] == ["too few specimens"]


def test_stress_strain_caption_counts_curves() -> None:
    paths = pd.DataFrame(
        {
            "width_nm": [125.0] * 6,
            "slip_systems": [1] * 6,
            "label": [0, 1, 2] * 2,
            "strain_path": CLASSES * 2,
        }
    )
    strain = np.linspace(0, 0.01, 5)
    with house_style():
        plate = draw_stress_strain(
            strain, np.ones((6, 5)) * strain, paths, study="s", split="profile"
        )
    assert plate.n == "6 curves, at least 2 in each band"
