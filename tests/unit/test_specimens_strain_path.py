import pytest

from strainprint.errors import BadInputError
from strainprint.specimens.strain_path import Step, strain_paths


def test_a_prior_strain_is_a_path_of_one_load_named_by_its_number():
    paths = strain_paths([0.1, 0.00123])
    assert [path.name for path in paths] == ["0.00123", "0.1"]
    assert paths[0].steps == (Step(-1, 0.00123),)
    assert str(paths[0]) == "compress 0.00123, unload"
    (pulled,) = strain_paths([0.01], "tension")
    assert pulled.steps == (Step(1, 0.01),)


def test_a_path_reads_as_it_is_written_and_always_ends_unloaded():
    steps = ["compress 0.01", "unload", " pull  2.0e-2", "unload"]
    (path,) = strain_paths([], paths={"back": steps})
    (same,) = strain_paths([], paths={"back": steps[:-1]})
    assert path == same
    assert path.steps == (Step(-1, 0.01), Step(0), Step(1, 0.02))
    assert str(path) == "compress 0.01, unload, pull 0.02, unload"
    assert path.total_strain == pytest.approx(0.03)


def test_named_paths_follow_the_prior_strains_by_name():
    paths = strain_paths([0.1, 0.01], paths={"b": ["pull 0.1"], "a": ["pull 0.01"]})
    assert [path.name for path in paths] == ["0.01", "0.1", "a", "b"]


@pytest.mark.parametrize(
    ("prior_strains", "paths", "said"),
    [
        ([], {}, "neither a prior strain nor a path"),
        ([0.0], {}, r"prior_strains\[0\]: the strain is 0"),
        ([0.1, -0.01], {}, r"prior_strains\[1\]: the strain is -0.01"),
        ([float("nan")], {}, "the strain is nan"),
        ([0.01, 0.01], {}, "0.01 is the same as 0.01"),
        ([0.01, 0.01000000001], {}, "six digits count"),
        ([0.01], {"down": ["compress 0.01", "unload"]}, "down is the same as 0.01"),
        (["0.1"], {}, r"prior_strains\[0\]: the strain is '0.1'"),
        ([], {"down": []}, "the path is empty"),
        ([], {"down": "compress 0.1"}, "a list of compress STRAIN"),
        ([], {"down": [0.1]}, "a list of compress STRAIN"),
        ([], {"down": ["unload"]}, "starts by unloading"),
        ([], {"down": ["compress 0.1", "compress 0.1"]}, "nothing changes in between"),
        ([], {"down": ["compress 0.1", "unload", "unload"]}, "nothing changes in between"),
        ([], {"down": ["compress"]}, "'compress' is no step"),
        ([], {"down": ["compress 1 %"]}, "is no step"),
        ([], {"down": ["twist 0.1"]}, "compress STRAIN, pull STRAIN or unload"),
        ([], {"down": ["pull inf"]}, "above 0, at most 0.2"),
        ([], {"all": ["pull 0.1"]}, "'all' cannot name a path"),
        ([], {"0.1": ["pull 0.1"]}, "cannot name a path"),
        ([], {"a/b": ["pull 0.1"]}, "cannot name a path"),
    ],
)
def test_paths_that_no_press_can_follow_are_refused(prior_strains, paths, said):
    with pytest.raises(BadInputError, match=said):
        strain_paths(prior_strains, paths=paths)


def test_an_unknown_sense_is_refused():
    with pytest.raises(BadInputError, match="compression or tension"):
        strain_paths([0.1], "torsion")
