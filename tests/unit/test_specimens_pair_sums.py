"""The vectorised pair sums equal the plain double loop over the plain formula."""

import numpy as np
import pytest
from hand_built_crystals import ALUMINIUM, DOWN, UP, strength_of
from plain_specimens import pair_stress

from strainprint.specimens import pair_sums
from strainprint.specimens.fields import edge_stress_mpa
from strainprint.specimens.pillar import make_pillar, wave_factor
from strainprint.specimens.population import CORE_RADIUS_NM, shear_slope

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
    for i in range(NUMBER):
        pair_sums.stress_at(*body_arguments(population), table, i, table, NUMBER, at[i])
        pair_sums.stress_of(*body_arguments(population), table, i, table, NUMBER, of[i])
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
    out = np.empty(2)
    pair_sums.stress_of(*body_arguments(population), table, 7, point, 2, out)
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
        assert out[k] == pytest.approx(plain, rel=1e-9)


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


def test_slopes_agree_with_the_plain_derivative(population):
    rows = np.empty((2, NUMBER))
    along = np.exp(1j * population.angle)
    for i in (0, 3, 77):
        table = population.table
        wave = population.body.wave
        pair_sums.slope_at(wave, CORE_RADIUS_NM, table, i, table, NUMBER, rows[0])
        pair_sums.slope_of(wave, CORE_RADIUS_NM, table, i, table, NUMBER, rows[1])
        plain = np.zeros((2, NUMBER))
        for j in set(range(NUMBER)) - {i}:
            dx, dy = population.x[i] - population.x[j], population.y[i] - population.y[j]
            core = 0.0 if population.plane[i] == population.plane[j] else CORE_RADIUS_NM
            plain[0, j] = shear_slope(dx, dy, population.gamma[j], along[i], along[i], core)
            plain[1, j] = shear_slope(-dx, -dy, population.gamma[i], along[j], along[j], core)
        others = np.arange(NUMBER) != i
        assert np.abs(rows - plain)[:, others].max() < 1e-9 * np.abs(plain).max()
