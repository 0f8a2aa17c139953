from dataclasses import replace
from types import SimpleNamespace

import pytest
from small_study import write_small_maps

from strainprint.maps.store import MapShard
from strainprint.prediction.domain import outside_training


@pytest.mark.parametrize(
    "map_gauge_nm, trained_gauge_nm, reason",
    [
        (None, None, None),
        (2.0, 4.0, None),
        (4.0, 4.0, None),
        (26.0, 4.0, "strain gauge 26 nm, trained on 4 nm"),
        (26.0, None, "trained on"),
        (26.0, 26.0, None),
    ],
)
def test_a_simulated_map_seen_through_a_longer_gauge_is_outside(
    tmp_path, map_gauge_nm, trained_gauge_nm, reason
):
    shard = write_small_maps(tmp_path, widths_nm=(30.0,), specimens=1)[0]
    content = MapShard.open(shard).map(0)
    crops = {"pitch_nm": content.pitch_nm, "frame": content.frame}
    crops["study"] = content.attributes.get("study")
    rows, columns = content.shape
    aspect = max(rows, columns) / min(rows, columns)
    crops["aspect_range"] = [0.5 * aspect, 2.0 * aspect]
    if trained_gauge_nm is not None:
        crops["gauge_nm"] = trained_gauge_nm
    attributes = {k: v for k, v in content.attributes.items() if k != "gauge_nm"}
    if map_gauge_nm is not None:
        attributes["gauge_nm"] = map_gauge_nm
    found = outside_training(replace(content, attributes=attributes), SimpleNamespace(crops=crops))
    assert bool(found) == (reason is not None), found
    assert (reason or "") in "; ".join(found)


@pytest.mark.parametrize(
    ("trained_on", "reason"),
    [
        ({}, None),
        ({"width_range_nm": [30.0, 30.0], "reload_strain_range": [0.001, 0.01]}, None),
        # 10 % prior strain leaves a body of the same specimen wider
        ({"width_range_nm": [60.0, 500.0]}, "30 nm wide, trained on 60 to 500 nm"),
        ({"width_range_nm": [10.0, 20.0]}, "30 nm wide, trained on 10 to 20 nm"),
        ({"width_range_nm": [10.0, 28.0]}, None),
        ({"reload_strain_range": [0.002, 0.01]}, "test to a strain of 0.001, trained on 0.002 to"),
        ({"reload_strain_range": [1e-4, 5e-4]}, "test to a strain of 0.001, trained on 0.0001 to"),
    ],
)
def test_other_widths_and_other_tests_are_outside(tmp_path, trained_on, reason):
    content = MapShard.open(write_small_maps(tmp_path, widths_nm=(30.0,), specimens=1)[0]).map(0)
    assert content.attributes["reload_strain"] == 0.001
    crops = {
        "pitch_nm": content.pitch_nm,
        "frame": content.frame,
        "study": content.attributes.get("study"),
        "aspect_range": [0.1, 10.0],
    } | trained_on
    found = outside_training(content, SimpleNamespace(crops=crops))
    assert bool(found) == (reason is not None), found
    assert (reason or "") in "; ".join(found)


def test_a_test_of_unknown_strain_is_said_to_be_so(tmp_path):
    content = MapShard.open(write_small_maps(tmp_path, widths_nm=(30.0,), specimens=1)[0]).map(0)
    attributes = {k: v for k, v in content.attributes.items() if k != "reload_strain"}
    crops = {"reload_strain_range": [0.01, 0.02]}
    found = outside_training(replace(content, attributes=attributes), SimpleNamespace(crops=crops))
    assert "strain of the test unknown (test_strain is not declared)" in found
