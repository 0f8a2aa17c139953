"""The vectorised pair sums equal the plain double loop over the plain formula."""

import numpy as np
import pytest
from hand_built_crystals import ALUMINIUM, C_MPA_NM, DOWN, UP, strength_of
from plain_specimens import pair_stress

from strainprint.specimens import pair_sums
from strainprint.specimens.fields import edge_stress_mpa
from strainprint.specimens.interactions import CORE_RADIUS_NM
from strainprint.specimens.pillar import make_pillar, wave_factor

NUMBER = 150


class Population:
    """Random dislocations, a third of them within a few core radii of another one."""

    def __init__(self, width_nm, seed=0):
        rng = np.random.default_rng(seed)
        self.body = make_pillar(width_nm, 4 * width_nm, ALUMINIUM)
        self.x = (rng.random(NUMBER) - 0.5) * (width_nm - 1.0)
        self.y = rng.random(NUMBER) * 4 * width_nm
        third = NUMBER // 3
        self.x[:third] = self.x[third : 2 * third] + rng.normal(0.0, 1.0, third)
        self.y[:third] = self.y[third : 2 * third] + rng.normal(0.0, 1.0, third)
        self.x = np.clip(self.x, 0.5 - width_nm / 2, width_nm / 2 - 0.5)
        # the exact centre of a junction, where the regularised stress vanishes
        self.x[0], self.y[0] = self.x[third] + 1e-13, self.y[third]
        self.plane = rng.integers(0, 8, NUMBER)
        self.plane[0], self.plane[third] = 0, 5
        self.angle = np.where(self.plane < 4, UP, DOWN)
        self.gamma = np.array(
            [
                strength_of(self.body, a, s)
                for a, s in zip(self.angle, rng.choice([-1, 1], NUMBER), strict=True)
            ]
        )
        self.table = np.zeros((pair_sums.ROWS, NUMBER))
        for i in range(NUMBER):
            pair_sums.tabulate(
                self.body.wave,
                self.x[i],
                self.y[i],
                np.cos(self.angle[i]),
                np.sin(self.angle[i]),
                self.gamma[i],
                self.plane[i],
                self.table,
                i,
            )

    def plain(self):
        """(targets, dislocations) of the plain formula, pair by pair."""
        stress = np.empty((NUMBER, NUMBER))
        for i in range(NUMBER):
            for j in range(NUMBER):
                stress[i, j] = pair_stress(
                    self.body,
                    self.x[i],
                    self.y[i],
                    wave_factor(self.body, self.x[i], self.y[i]),
                    complex(np.exp(1j * self.angle[i])),
                    self.plane[i],
                    self.x[j],
                    self.y[j],
                    wave_factor(self.body, self.x[j], self.y[j]),
                    self.gamma[j],
                    self.plane[j],
                )
        return stress


@pytest.fixture(scope="module", params=[62.5, 2000.0])
def population(request):
    return Population(request.param)


def body_arguments(population):
    return population.body.wave, population.body.half_width, CORE_RADIUS_NM


def test_sums_and_single_pairs_agree_with_the_plain_formula(population):
    plain = population.plain()
    table = population.table
    largest = np.abs(plain).max()
    at, of = np.empty((2, NUMBER, NUMBER))
    found = np.empty((6, NUMBER))
    for i in range(NUMBER):
        pair_sums.slopes_at(*body_arguments(population), table, i, table, NUMBER, found)
        at[i] = found[0]
        pair_sums.slopes_of(*body_arguments(population), table, i, table, NUMBER, found)
        of[i] = found[0]
    assert np.abs(at - plain).max() < 1e-10 * largest
    assert np.abs(of.T - plain).max() < 1e-10 * largest
    # pair by pair as well, against the plain stress at one width
    scale = ALUMINIUM.edge_constant_mpa_nm / (2 * population.body.half_width)
    assert np.abs((at - plain) / (np.abs(plain) + scale)).max() < 1e-8
    total = np.empty(NUMBER)
    pair_sums.sum_stress(*body_arguments(population), table, table, total)
    assert np.abs(total - plain.sum(axis=1)).max() < 1e-9 * np.abs(plain.sum(axis=1)).max()


def test_points_without_a_plane_feel_a_dislocation_with_its_core():
    population = Population(125.0)
    point = np.zeros((pair_sums.ROWS, 2))
    table, body = population.table, population.body
    x, y = population.x[7], population.y[7]
    for k, dx in enumerate((0.0, 0.3)):
        pair_sums.tabulate(body.wave, x + dx, y, np.cos(UP), np.sin(UP), 0j, -1, point, k)
    out = np.empty((3, 2))
    pair_sums.slopes_of(*body_arguments(population), table, 7, point, 2, out)
    for k, dx in enumerate((0.0, 0.3)):
        plain = pair_stress(
            body,
            x + dx,
            y,
            wave_factor(body, x + dx, y),
            complex(np.exp(1j * UP)),
            -1,
            x,
            y,
            wave_factor(body, x, y),
            population.gamma[7],
            population.plane[7],
        )
        assert out[0, k] == pytest.approx(plain, rel=1e-9)


def test_sums_over_several_blocks_equal_the_sum_of_the_pairs():
    population = Population(250.0)
    many = np.tile(population.table, 20)
    once, twenty = np.empty(NUMBER), np.empty(NUMBER)
    pair_sums.sum_stress(*body_arguments(population), population.table, population.table, once)
    pair_sums.sum_stress(*body_arguments(population), population.table, many, twenty)
    assert twenty == pytest.approx(20 * once, rel=1e-10, abs=1e-9 * np.abs(once).max())


def test_the_infinite_medium_gives_the_textbook_stress():
    population = Population(250.0)
    # without the first, which sits on another one: there is no core here
    table = population.table[:, 1:].copy()
    found, plain = np.empty(NUMBER - 1), np.zeros(NUMBER - 1)
    pair_sums.sum_stress_infinite(population.body.wave, table, table, found)
    sign = np.sign((population.gamma * 1j * np.exp(-1j * population.angle)).real)
    for i in range(1, NUMBER):
        for j in set(range(1, NUMBER)) - {i}:
            dx, dy = population.x[i] - population.x[j], population.y[i] - population.y[j]
            local = complex(dx, dy) * np.exp(-1j * population.angle[j])
            xx, yy, xy = edge_stress_mpa(local.real, local.imag, sign[j], ALUMINIUM)
            between = 2 * (population.angle[i] - population.angle[j])
            plain[i - 1] += 0.5 * np.sin(between) * (yy - xx) + np.cos(between) * xy
    assert np.abs(found - plain).max() < 1e-9 * np.abs(plain).max()
    # whatever the number of points, which are taken four at a time
    for points in range(1, 6):
        some = np.full(points + 1, np.nan)
        pair_sums.sum_stress_infinite(population.body.wave, table[:, :points].copy(), table, some)
        assert some[:points] == pytest.approx(found[:points], rel=1e-12)
        assert np.isnan(some[points])


def _plain_pair(population, i, j, point_nm=0.0, dislocation_nm=0.0):
    """Stress of j at i by the plain formula, after both glided along their planes."""
    at = complex(population.x[i], population.y[i]) + point_nm * np.exp(1j * population.angle[i])
    to = complex(population.x[j], population.y[j])
    to += dislocation_nm * np.exp(1j * population.angle[j])
    return pair_stress(
        population.body,
        at.real,
        at.imag,
        wave_factor(population.body, at.real, at.imag),
        complex(np.exp(1j * population.angle[i])),
        population.plane[i],
        to.real,
        to.imag,
        wave_factor(population.body, to.real, to.imag),
        population.gamma[j],
        population.plane[j],
    )


@pytest.mark.parametrize("i", [0, 3, 77, 149])
def test_slopes_are_the_derivatives_of_the_stress_with_its_images(population, i):
    arguments = (*body_arguments(population), population.table, i, population.table, NUMBER)
    at, of = np.empty((6, NUMBER)), np.empty((3, NUMBER))
    pair_sums.slopes_at(*arguments, at)
    pair_sums.slopes_of(*arguments, of)
    step = 1e-5
    for j in set(range(NUMBER)) - {i}:
        distance = np.hypot(population.x[i] - population.x[j], population.y[i] - population.y[j])
        if distance < 1e-6:
            continue
        depth = population.body.half_width - max(abs(population.x[i]), abs(population.x[j]))
        # close pairs are differentiated in an infinite medium; a step has its own error
        tolerance = 1e-3 * C_MPA_NM / max(min(distance, 2 * depth), CORE_RADIUS_NM) ** 2
        for found, pair, moved in (
            (at[1, j], (i, j), "point_nm"),
            (at[2, j], (i, j), "dislocation_nm"),
            (of[1, j], (j, i), "point_nm"),
            (of[2, j], (j, i), "dislocation_nm"),
        ):
            ahead, behind = (
                _plain_pair(population, *pair, **{moved: sense * step}) for sense in (1, -1)
            )
            assert abs(found - (ahead - behind) / (2 * step)) < tolerance


def test_what_a_dislocation_exerts_on_itself_glides_with_it(population):
    # only its images do: point and dislocation move together
    i, step = 77, 1e-4
    at = np.empty((6, NUMBER))
    table = population.table
    pair_sums.slopes_at(*body_arguments(population), table, i, table, NUMBER, at)
    ahead, behind = (
        _plain_pair(population, i, i, point_nm=glide, dislocation_nm=glide)
        for glide in (step, -step)
    )
    assert at[1, i] + at[2, i] == pytest.approx((ahead - behind) / (2 * step), rel=1e-5)
