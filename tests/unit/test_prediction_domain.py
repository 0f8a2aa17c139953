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
