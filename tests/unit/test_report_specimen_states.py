import numpy as np
import pytest
from PIL import Image

from strainprint.cli import main
from strainprint.errors import BadInputError
from strainprint.report.figures.specimen_states import (
    draw_history,
    draw_lost,
    draw_specimens,
    magnification_of,
)
from strainprint.report.figures.style import house_style
from strainprint.specimens.record import read_shard
from strainprint.specimens.simulate import simulate_shard

SHORT = {
    "width_nm": 62.5,
    "slip_systems": 2,
    "first": 0,
    "count": 1,
    "seed": 7,
    "prior_strains": [0.02],
    "paths": {"back": ["compress 0.005", "unload", "pull 0.003"]},
    "crystal": {"obstacle_density_per_um2": 20000.0},
}


@pytest.fixture(scope="module")
def specimens_h5(tmp_path_factory):
    path = tmp_path_factory.mktemp("specimens") / "specimens.h5"
    assert simulate_shard(path, path.with_suffix(".json"), **SHORT) == []
    return path


@pytest.fixture(scope="module")
def lost_h5(tmp_path_factory):
    path = tmp_path_factory.mktemp("lost") / "specimens.h5"
    limit = {"density_limit_per_um2": 10.0}
    assert len(simulate_shard(path, path.with_suffix(".json"), dynamics=limit, **SHORT)) == 1
    return path


def test_the_command_line_draws_every_path_as_picture_and_drawing(specimens_h5, tmp_path, capsys):
    assert main(["draw", str(specimens_h5), "--out", str(tmp_path / "drawn")]) == 0
    assert "2 drawings" in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert names == [
        f"w0062.5-s2-00000-{path}-states.{kind}"
        for path in ("back", "p0.02")
        for kind in ("png", "svg")
    ]
    for name in names[::2]:
        with Image.open(tmp_path / "drawn" / name) as picture:
            assert picture.size == (1600, 900)


def test_the_same_specimen_gives_the_same_bytes(specimens_h5, tmp_path):
    first, again = (draw_specimens(specimens_h5, tmp_path / name) for name in "ab")
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert one.with_suffix(".svg").read_bytes() == other.with_suffix(".svg").read_bytes()


def test_a_drawing_says_what_was_done_and_carries_its_units(specimens_h5):
    shard = read_shard(specimens_h5)
    (specimen,) = shard.specimens
    with house_style():
        plate = draw_history(shard, specimen, "back")
    assert "compress 0.5\u00a0%, unload, pull 0.3\u00a0%, unload" in plate.caption
    curve = plate.figure.axes[3]
    assert curve.get_xlabel() == "strain (%), positive in compression"
    assert "MPa" in curve.get_ylabel()
    # four legs, the reload, three marked states and the zero line
    assert len(curve.lines) == 4 + 1 + 3 + 1
    drawn = sum(len(c.get_offsets()) for c in plate.figure.axes[2].collections[1:])
    assert drawn == len(specimen.paths["back"].large.plane) > 0


def test_a_lost_specimen_is_drawn_with_the_reason(lost_h5, tmp_path):
    shard = read_shard(lost_h5)
    with house_style():
        plate = draw_lost(shard, shard.lost[0])
    assert "multiply without bound" in plate.caption
    (drawn,) = draw_specimens(lost_h5, tmp_path)
    assert drawn.name == "w0062.5-s2-00000-lost.png"


def test_a_specimen_that_is_not_there_is_refused(specimens_h5, tmp_path):
    with pytest.raises(BadInputError, match="no specimen 3"):
        draw_specimens(specimens_h5, tmp_path / "drawn", specimen=3)
    assert not (tmp_path / "drawn").exists()


def test_small_displacements_are_magnified_and_large_ones_are_not(specimens_h5):
    shard = read_shard(specimens_h5)
    crystal = shard.specimens[0].crystal
    path = shard.specimens[0].paths["0.02"]
    assert magnification_of(crystal, shard.material, path.large) == 1.0
    rest = type(path.small)(
        *(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)),
        np.zeros_like(path.small.whole_plane_slip),
        -0.05,
    )
    assert magnification_of(crystal, shard.material, rest) == 100.0
