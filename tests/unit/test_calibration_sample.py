"""A sample: measured, judged, compared and drawn; a lost specimen is counted."""

import os
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hand_built_crystals import OBSTRUCTED

from strainprint.calibration.comparison import confusion_rows, read_set, write_comparison
from strainprint.calibration.figures import draw_comparison
from strainprint.calibration.judge import judge_sample
from strainprint.calibration.sample import measure_sample
from strainprint.errors import BadInputError
from strainprint.specimens.simulate import simulate_shard

REFERENCE = Path(
    os.environ.get(
        "STRAINPRINT_REFERENCE", Path(__file__).resolve().parents[2] / "../shared/reference"
    )
)
WEIGHTS = REFERENCE / "published-cnn" / "weights.hdf5"
PRIORS = [0.001, 0.004]
PUBLISHED = {"yield_exponent": -0.55, "zero_fraction": [0.87, 0.97], "mean_grey": [1.66, 2.73]}
KIND = {
    "width_nm": 62.5,
    "slip_systems": 1,
    "first": 0,
    "seed": 0,
    "prior_strains": PRIORS,
    "reload_strains": {"small": 0.001, "large": 0.002},
}


def outputs(folder):
    return [folder / name for name in ("specimens.csv", "maps.csv", "pairs.csv", "pictures.h5")]


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    """Return a shard whose two specimens ran away at once."""
    path = tmp_path_factory.mktemp("lost") / "0000.h5"
    simulate_shard(
        path,
        path.with_suffix(".json"),
        **KIND,
        count=2,
        crystal=OBSTRUCTED,
        dynamics={"density_limit_per_um2": 1e-3},
    )
    return path


@pytest.fixture(scope="module")
def measured(tmp_path_factory, lost):
    """Return the folder of one set: 62.5 nm, one slip system, four specimens and two lost ones."""
    folder = tmp_path_factory.mktemp("set") / "little"
    shard = folder / "specimens/w0062.5-s1/0000.h5"
    crystal = {"obstacle_density_per_um2": 500.0}
    simulate_shard(shard, shard.with_suffix(".json"), **KIND, count=4, crystal=crystal)
    measure_sample([shard, lost], *outputs(folder))
    judge_sample(folder / "maps.csv", folder / "pictures.h5", [], folder / "judged.csv")
    return folder


def test_lost_specimens_are_counted_and_the_others_measured(measured):
    table = pd.read_csv(measured / "specimens.csv")
    assert table["lost"].tolist() == [False] * 4 + [True] * 2
    assert table["yield_mpa"].isna().tolist()[4:] == [True] * 2


def test_every_kept_specimen_has_a_row_for_each_prior_and_reload(measured):
    maps = pd.read_csv(measured / "maps.csv")
    assert len(maps) == 4 * len(PRIORS) * 2
    assert not maps.filter(regex="zero_fraction|mean_grey|retained").isna().any().any()
    pairs = pd.read_csv(measured / "pairs.csv")
    assert len(pairs) == 4 * 2


def test_the_pictures_of_the_large_reload_are_kept_in_both_studies(measured):
    with h5py.File(measured / "pictures.h5") as file:
        assert set(file) == {"published", "audited"}
        assert len(file["audited"]) == 4 * len(PRIORS)
        for picture in file["audited"].values():
            assert picture.dtype == np.uint8
            assert picture.shape == (31, 125)


def test_without_the_network_nothing_is_judged(measured):
    assert pd.read_csv(measured / "judged.csv").empty


def test_tables_and_figures_of_a_set_are_the_same_bytes_each_time(measured, tmp_path):
    for run in ("one", "two"):
        write_comparison(
            [read_set(measured, why="a test", crystal={"aspect": 4.0}, dynamics={})],
            tmp_path / run / "tables",
            tmp_path / run / "tables.json",
            published=PUBLISHED,
            seed=0,
            resamples=100,
        )
        draw_comparison(
            tmp_path / run / "tables",
            {"little": measured / "pictures.h5"},
            tmp_path / run / "figures",
            tmp_path / run / "figures.json",
            exponent=-0.55,
        )
    for name in ("tables.json", "figures.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    strength = pd.read_csv(tmp_path / "one/tables/strength.csv")
    assert strength[["specimens", "lost"]].values.tolist() == [[4, 2]]
    memory = pd.read_csv(tmp_path / "one/tables/memory.csv")
    assert len(memory) == 2
    assert memory["references_differ"].between(0, 1).all()
    assert "| little | 2 of 6 |" in (tmp_path / "one/tables/summary.md").read_text()


def test_answers_for_classes_that_no_map_has_are_counted_too(measured):
    one = read_set(measured, why="a test", crystal={}, dynamics={})
    judged = pd.DataFrame(
        {
            "study": "published",
            "specimen_id": ["a", "b", "c"],
            "prior_strain": 0.01,
            "named_prior": [0.01, 0.1, 0.1],
            "p_prior_0.001": 0.0,
            "p_prior_0.01": 0.5,
            "p_prior_0.1": 0.5,
        }
    )
    rows = confusion_rows(replace(one, judged=judged))
    assert [(row["named_prior"], row["maps"]) for row in rows] == [(0.001, 0), (0.01, 1), (0.1, 2)]


def test_a_set_that_lost_every_specimen_is_refused(lost, tmp_path):
    with pytest.raises(BadInputError, match="every specimen was lost"):
        measure_sample([lost], *outputs(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not WEIGHTS.exists(), reason=f"published weights are not at {WEIGHTS}")
def test_the_published_network_is_asked_about_both_studies(tmp_path):
    names = ["w0125-s2-00000-p0.001-large", "w0125-s2-00000-p0.1-large"]
    pd.DataFrame(
        {
            "map_id": names,
            "specimen_id": "w0125-s2-00000",
            "prior_strain": [0.001, 0.1],
            "width_nm": 125.0,
            "slip_systems": 2,
            "reload": "large",
        }
    ).to_csv(tmp_path / "maps.csv", index=False)
    picture = np.zeros((62, 248), np.uint8)
    picture[np.arange(62), 60 + (1.732 * np.arange(62)).astype(int)] = 255
    with h5py.File(tmp_path / "pictures.h5", "w") as file:
        for study in ("published", "audited"):
            for name in names:
                file[f"{study}/{name}"] = picture
    judge_sample(
        tmp_path / "maps.csv", tmp_path / "pictures.h5", [WEIGHTS], tmp_path / "judged.csv"
    )
    judged = pd.read_csv(tmp_path / "judged.csv")
    assert judged["study"].value_counts().to_dict() == {"published": 2, "audited": 2}
    np.testing.assert_allclose(judged.filter(like="p_prior").sum(axis=1), 1.0)
    # the same picture, the same answer
    assert judged["named_prior"].nunique() == 1
