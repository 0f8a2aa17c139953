"""Filters driven to answer, and the checks that saliency can fail."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from strainprint.errors import BadInputError
from strainprint.networks.architectures import Architecture, ResidualNetwork, architecture_of
from strainprint.networks.explain import explained_maps
from strainprint.networks.filters import excite_filters
from strainprint.networks.saliency import KINDS
from strainprint.networks.saliency_checks import (
    DELETED_SHARES,
    ORDERS,
    deletion_test,
    randomization_test,
    randomized_networks,
)
from strainprint.report.explanation_tables import deletion_table

CROPS = np.random.default_rng(0).integers(0, 256, (3, 24, 24), dtype=np.uint8)
LABELS = np.array([0, 2, 1])


@pytest.fixture(scope="module")
def network() -> ResidualNetwork:
    return ResidualNetwork(architecture_of("proposed"), seed=3).eval()


def brightness_network() -> ResidualNetwork:
    """A network whose only score is the mean grey level: every answer is known by hand."""
    made = ResidualNetwork(architecture_of("res4"), n_classes=2).eval()
    made.layers = nn.Sequential(nn.Identity())
    made.classifier = nn.Linear(1, 2)
    with torch.no_grad():
        made.classifier.weight[:] = torch.tensor([[0.1], [0.0]])
        made.classifier.bias.zero_()
    return made


def test_gradient_ascent_raises_a_filters_answer(network: ResidualNetwork) -> None:
    before = excite_filters(network, px=24, steps=1, shown=32)
    after = excite_filters(network, px=24, steps=10, shown=32)
    first = dict(zip(before.filters, before.answers, strict=True))
    gained = [answer - first[i] for i, answer in zip(after.filters, after.answers, strict=True)]
    assert min(gained) > 0
    assert after.n_filters == 32
    assert list(after.answers) == sorted(after.answers, reverse=True)


def test_nine_highest_filters_are_shown_and_a_repeat_gives_the_same(
    network: ResidualNetwork,
) -> None:
    one, other = (excite_filters(network, px=20, steps=2, seed=5) for _ in range(2))
    assert one.pictures.shape == (9, 20, 20)
    assert np.array_equal(one.pictures, other.pictures)
    assert not np.array_equal(one.pictures, excite_filters(network, px=20, steps=2).pictures)


def test_a_step_is_one_grey_level(network: ResidualNetwork) -> None:
    one, two = (excite_filters(network, px=20, steps=n, shown=32, seed=1) for n in (1, 2))
    order = np.argsort(one.filters), np.argsort(two.filters)
    step = two.pictures[order[1]] - one.pictures[order[0]]
    assert np.sqrt((step**2).mean(axis=(1, 2))) == pytest.approx(np.ones(32), rel=1e-2)


def test_a_network_of_one_module_has_no_second() -> None:
    network = ResidualNetwork(Architecture("small", 0, 3, 0.0))
    with pytest.raises(BadInputError, match="0 residual modules"):
        excite_filters(network, px=16, steps=1)
    with pytest.raises(BadInputError, match="0 steps"):
        excite_filters(network, px=16, steps=0)


def test_parameters_are_drawn_anew_from_the_output_to_the_input(network: ResidualNetwork) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    names, changed = [], []
    for name, one in randomized_networks(network, seed=9):
        names.append(name)
        state = one.state_dict()
        changed.append({key for key in state if not torch.equal(state[key], before[key])})
    assert names == ["classifier", "module 4", "module 3", "module 2", "module 1", "input"]
    assert changed[0] == {"classifier.weight"}  # biases start at zero in both
    for less, more in itertools.pairwise(changed):
        assert less < more
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_saliency_changes_when_parameters_do(network: ResidualNetwork) -> None:
    table = randomization_test(network, CROPS, LABELS, seed=9)
    assert len(table) == len(KINDS) * 6 * 3
    assert table["rank_correlation"].between(-1, 1).all()
    last = table[(table["randomized"] == "input") & (table["kind"] == "plain")]
    assert last["rank_correlation"].max() < 0.9


def test_deletion_of_a_network_that_sums_grey_levels_is_known() -> None:
    crops = np.zeros((1, 10, 10), dtype=np.uint8)
    crops[0, :2, :5] = 200  # ten bright pixels of a hundred: a mean of 20
    table = deletion_test(brightness_network(), crops, np.array([0]), seed=0)
    assert set(table["order"]) == set(ORDERS)
    by_brightness = table[table["order"] == "brightness"].set_index("deleted_share")["probability"]
    assert list(by_brightness.index) == list(DELETED_SHARES)
    for share in DELETED_SHARES:
        left = 20 - 200 * min(share, 0.1)
        assert by_brightness[share] == pytest.approx(1 / (1 + np.exp(-0.1 * left)), abs=1e-6)


def test_area_of_deletion_by_hand() -> None:
    rows = pd.DataFrame(
        [
            (order, name, share, probability)
            for order, middle in (("plain", 0.2), ("rectified", 0.6), ("brightness", 0.6))
            for name in ("a", "b")
            for share, probability in ((0.0, 1.0), (0.5, middle), (1.0, 0.0))
        ]
        + [("random", name, share, 1 - share) for name in ("a", "b") for share in (0.0, 0.5, 1.0)],
        columns=["order", "map_id", "deleted_share", "probability"],
    )
    specimen = pd.Series({"a": "s1", "b": "s2"})
    table = deletion_table(rows, specimen, seed=0, resamples=100).set_index("order")
    assert table["median_area"].to_dict() == pytest.approx(
        {"plain": 0.35, "rectified": 0.55, "brightness": 0.55, "random": 0.5}
    )
    assert table["minus_random"]["plain"] == pytest.approx(-0.15)
    assert table["minus_random_high"]["plain"] == pytest.approx(-0.15)
    assert np.isnan(table["minus_random"]["random"])
    alone = deletion_table(rows, pd.Series({"a": "s", "b": "s"}), seed=0, resamples=100)
    assert alone["minus_random_low"].isna().all()


def test_explained_maps_take_every_subset_and_class_in_turn() -> None:
    manifest = pd.DataFrame(
        {
            "subset": ["w1"] * 4 + ["w2"] * 3,
            "label": [0, 0, 1, 2, 0, 1, 1],
            "reload_strain": [0.01] * 5 + [0.001, 0.01],
        }
    )
    test = np.array([True, True, True, False, True, True, True])
    assert explained_maps(manifest, test, 10).tolist() == [0, 2, 4, 6, 1, 5]
    assert explained_maps(manifest, test, 3).tolist() == [0, 2, 4]
    assert explained_maps(manifest, ~test & False, 3).size == 0
