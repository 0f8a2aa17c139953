import json

import numpy as np
import pandas as pd
import pytest
from hand_built_crystals import ANYWHERE

from strainprint.cli import main
from strainprint.errors import BadInputError
from strainprint.maps.instrument import Instrument
from strainprint.maps.map_file import read_map_h5, read_picture_png
from strainprint.maps.measure import measure_shard, reload_curve
from strainprint.maps.picture import grey_picture
from strainprint.maps.store import MapShard

GRID = np.linspace(0, 0.01, 11)


def test_an_elastic_curve_is_reproduced_on_the_grid():
    strain = np.array([0, 0.002, 0.0035, 0.01])
    np.testing.assert_allclose(reload_curve(strain, 78e3 * strain, GRID), 78e3 * GRID)


def test_after_a_burst_the_lower_stress_counts():
    curve = reload_curve(np.array([0, 0.005, 0.005, 0.01]), np.array([0, 400.0, 100, 100]), GRID)
    assert curve[5] == 100
    assert curve[4] == pytest.approx(80)  # on the way from 0 to the stress after the drop


@pytest.mark.parametrize(
    ("strain", "message"),
    [
        ([0, 0.004, 0.003, 0.01], "runs backwards"),
        ([0, 0.002, 0.004, 0.008], "spans 0 to 0.008"),
        ([0, 0.002, np.nan, 0.01], "not finite"),
        ([0.001, 0.002, 0.004, 0.01], "spans 0.001"),
    ],
)
def test_a_broken_curve_is_refused(strain, message):
    with pytest.raises(BadInputError, match=f"this curve.*{message}"):
        reload_curve(np.array(strain), np.zeros(4), GRID, where="this curve")


@pytest.fixture(scope="module")
def specimens_h5(tmp_path_factory):
    path = tmp_path_factory.mktemp("specimens") / "specimens.h5"
    config = path.with_name("config.yaml")
    own = {"crystal": ANYWHERE, "dynamics": {"source_hardening": 0.001}}
    config.write_text(json.dumps({"specimens": own}))
    options = ["--width-nm", "62.5", "--slip-systems", "2", "--seed", "3", "--out", str(path)]
    assert main(["simulate", *options, "--config", str(config)]) == 0
    return path


@pytest.mark.parametrize("frame", ["reference", "deformed"])
def test_a_simulated_specimen_gives_six_maps(specimens_h5, tmp_path, frame):
    measure_shard(specimens_h5, tmp_path / "0.zarr", tmp_path / "0.json", study="some", frame=frame)
    shard = MapShard.open(tmp_path / "0.json")
    assert [(r.prior_strain, r.reload) for r in shard.records] == [
        (prior, reload) for prior in (0.001, 0.01, 0.1) for reload in ("small", "large")
    ]
    assert shard.header.frame == frame
    for strain_map, record in zip(shard, shard.records, strict=True):
        # both platens are prescribed: the mean axial increment is the reload strain
        shortening = np.nanmean(strain_map.uy_nm[:, -3:]) - np.nanmean(strain_map.uy_nm[:, :3])
        assert shortening == pytest.approx(-record.reload_strain * 250, rel=0.05)
    # before anything moves both reloads are elastic, E' = 78.55 GPa
    assert shard.curve_strain[1] == pytest.approx(1e-4)
    np.testing.assert_allclose(shard.curve_stress_mpa[:, 1], 7.855, rtol=0.01)
    if frame == "reference":
        assert set(zip(shard.rows.tolist(), shard.columns.tolist(), strict=True)) == {(31, 125)}
    else:
        assert shard.columns[-1] == pytest.approx(125 * 0.9, abs=3)


def test_a_correlation_measures_the_same_specimen_at_its_own_pitch(specimens_h5, tmp_path):
    instrument = Instrument(subset_px=5, step_px=2, window_points=3, lost_step_px=100)
    for name, how in (("known", None), ("seen", instrument)):
        measure_shard(
            specimens_h5,
            tmp_path / f"{name}.zarr",
            tmp_path / f"{name}.json",
            study="some",
            frame="reference",
            instrument=how,
        )
    known, seen = (MapShard.open(tmp_path / f"{name}.json") for name in ("known", "seen"))
    assert (seen.header.pitch_nm, seen.header.gauge_nm) == (4.0, 2.0 * (2 * 2 + 5))
    assert known.header.gauge_nm == 4.0
    for coarse, fine in zip(seen, known, strict=True):
        assert coarse.shape == ((31 - 5) // 2 + 1, (125 - 5) // 2 + 1)
        # The mean axial strain inside is nearly that of the whole body, the peaks are lower.
        assert np.nanmean(coarse.eyy) == pytest.approx(np.nanmean(fine.eyy), rel=0.25)
        peak, known_peak = (np.nanmax(np.abs(one.eyy)) for one in (coarse, fine))
        assert peak <= known_peak * (1 + 1e-5)
        # where anything moved, its slip step is spread over the gauge
        assert known_peak < 0.011 or peak < 0.6 * known_peak


def test_the_command_line_measures_the_same_maps(specimens_h5, tmp_path):
    out = tmp_path / "maps"
    assert main(["measure", str(specimens_h5), "--reload", "large", "--out", str(out)]) == 0
    table = pd.read_csv(out / "maps.csv")
    assert table["prior_strain"].tolist() == [0.001, 0.01, 0.1]
    assert set(table["reload_strain"]) == {0.01}
    measure_shard(
        specimens_h5, tmp_path / "0.zarr", tmp_path / "0.json", study="published", frame="deformed"
    )
    shard = MapShard.open(tmp_path / "0.json")
    for row in table.itertuples():
        single = read_map_h5(out / row.file)
        stored = shard.map(shard.map_ids.index(single.attributes["map_id"]))
        np.testing.assert_array_equal(single.exy, stored.exy)
        assert single.attributes == stored.attributes
        assert single.shape == (row.rows, row.columns)
        picture = read_picture_png((out / row.file).with_suffix(".png"))
        np.testing.assert_array_equal(picture, grey_picture(single, "equivalent", 1e-6)[0])


def test_unknown_reloads_and_missing_specimens_are_refused(tmp_path, capsys):
    with pytest.raises(BadInputError, match="small, large or both"):
        measure_shard(
            "x.h5", tmp_path / "0.zarr", tmp_path / "0.json",
            study="some", frame="reference", reloads=["huge"],
        )  # fmt: skip
    assert main(["measure", str(tmp_path / "none.h5"), "--out", str(tmp_path / "maps")]) == 2
    assert "none.h5" in capsys.readouterr().err


def test_the_command_line_measures_as_a_correlation_would(specimens_h5, tmp_path):
    out = tmp_path / "maps"
    how = ["--instrument", "subset_px=5", "step_px=2", "window_points=3", "noise_px=0.01"]
    assert main(["measure", str(specimens_h5), "--out", str(out), *how]) == 0
    single = read_map_h5(out / pd.read_csv(out / "maps.csv")["file"][0])
    assert single.pitch_nm == 4
    assert single.attributes["gauge_nm"] == 18


@pytest.mark.parametrize("wrong", ["subset=5", "subset_px=five", "subset_px"])
def test_a_wrong_instrument_is_refused(specimens_h5, tmp_path, capsys, wrong):
    how = ["--instrument", "step_px=2", "window_points=3", wrong]
    assert main(["measure", str(specimens_h5), "--out", str(tmp_path / "maps"), *how]) == 2
    assert wrong in capsys.readouterr().err
