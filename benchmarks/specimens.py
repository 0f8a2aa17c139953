"""How fast the simulator is: its pair sums, its forces beside a peer's, its specimens beside the
plain version of the same physics.

All on one core and in one run; seconds are those the thread computed, the best of several, so that
other work on the machine hardly counts. A width of which a specimen takes too long is left out,
with all wider ones. The plain version (benchmarks/plain_specimens.py) loads at
1e3/s in steps of 0.5 ns; where it would take longer than ``--plain-seconds``, both are compared up
to the strain it reached, and the ratio stands for the whole specimen (``plain_up_to_strain``). The
peer, pylabdd (GPL-3, `pip install strainprint[bench]`; its compiled forces need gfortran), sums
forces in an infinite medium: so do both sides here. Seconds against dislocations scatter from
specimen to specimen: the exponent gives every width the same weight and has an interval by a
bootstrap over the specimens of each width, which cannot tell the scatter of a width with one. How
many emissions a specimen has is physics, how long one takes is the solver's: so each has an
exponent of its own. Emissions and steps are those of the longest path, which ends in the reload
after 10 %; the few of the branches of the others are left out.
Cores of shared machines change their pace by a factor of two from hour to hour, and no two widths
are measured at the same time. So a fixed sum over pairs is timed over and over while specimens run,
and exponents are of steady seconds: what a specimen would have taken at the fastest pace of the
run. Those of the seconds as they were are printed beside them. What else slows a specimen down,
such as memory that others use, is not seen by it.
Memory is the most that the process has taken so far; widths ascend. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import platform
import resource
import signal
import warnings
from time import thread_time

import numpy as np
from plain_specimens import PlainSpecimen, pair_stress, reload
from threadpoolctl import threadpool_limits

from strainprint.seeds import generator
from strainprint.specimens import pair_sums
from strainprint.specimens.crystal import CrystalSettings, place_crystal
from strainprint.specimens.far_sums import sum_stress_far
from strainprint.specimens.interactions import CORE_RADIUS_NM
from strainprint.specimens.loading import LoadingSettings, Specimen, simulate_specimen
from strainprint.specimens.material import Material
from strainprint.specimens.pillar import make_pillar, wave_factor
from strainprint.specimens.rules import DynamicsSettings
from strainprint.specimens.simulate import PRIOR_STRAINS, RELOAD_STRAINS
from strainprint.specimens.state import plane_slip
from strainprint.specimens.strain_path import strain_paths

MATERIAL = Material()
PEER_NUMBERS = (200, 1000, 5000)
PAPER_WIDTHS_NM = (62.5, 125.0, 250.0, 500.0, 1000.0, 2000.0)
PAPER_SPECIMENS = 2 * 51
"""Per width: two numbers of slip systems, 51 specimens each."""
PLAIN_UP_TO_NM = 250.0
"""Widest specimens that the plain version is asked for."""
PLAIN_SPECIMENS = 3
"""Specimens of each width that it is asked for."""
MOST_SPECIMENS = {500.0: 5, 1000.0: 3, 2000.0: 1}
"""Specimens that are measured from a width on."""
RESAMPLES = 2000


def best_seconds(repeats, function, *arguments):
    """Least computing time of a call after a first one that compiles."""
    function(*arguments)
    return min(seconds_of(function, *arguments)[1] for _ in range(repeats))


def seconds_of(function, *arguments, **options):
    start = thread_time()
    result = function(*arguments, **options)
    return result, thread_time() - start


class Crowd:
    """Random dislocations in a body: no two on one plane, so the core acts on all close pairs."""

    def __init__(self, number, width_nm):
        rng = generator(0, "benchmark of pair sums", number)
        self.body = make_pillar(width_nm, 4 * width_nm, MATERIAL)
        self.number = number
        self.x = width_nm * (rng.random(number) - 0.5) * 0.99
        self.y = 4 * width_nm * rng.random(number)
        self.angle = rng.choice(np.radians([60, 120]), number)
        self.sign = rng.choice([-1, 1], number)
        gamma = -1j * self.body.strength * self.sign * np.exp(1j * self.angle)
        self.gamma = gamma
        self.table = np.zeros((pair_sums.ROWS, number))
        for i in range(number):
            cos, sin = np.cos(self.angle[i]), np.sin(self.angle[i])
            pair_sums.tabulate(
                self.body.wave, self.x[i], self.y[i], cos, sin, gamma[i], i, self.table, i
            )
        self.out = np.empty(number)

    def in_body(self):
        body = self.body
        pair_sums.sum_stress(
            body.wave, body.half_width, CORE_RADIUS_NM, self.table, self.table, self.out
        )
        return self.out

    def far(self):
        body = self.body
        sum_stress_far(body.wave, body.half_width, CORE_RADIUS_NM, self.table, self.table, self.out)
        return self.out

    def infinite(self):
        pair_sums.sum_stress_infinite(self.body.wave, self.table, self.table, self.out)
        return self.out

    def plain(self, targets):
        """The plain double loop at some targets."""
        waves = [wave_factor(self.body, x, y) for x, y in zip(self.x, self.y, strict=True)]
        return np.array(
            [
                sum(
                    pair_stress(
                        self.body,
                        self.x[i],
                        self.y[i],
                        waves[i],
                        complex(np.exp(1j * self.angle[i])),
                        i,
                        self.x[j],
                        self.y[j],
                        waves[j],
                        self.gamma[j],
                        j,
                    )
                    for j in range(self.number)
                )
                for i in targets
            ]
        )


def measure_pairs(number):
    """Pair interactions per second beside the floating-point peak, measured in turns."""
    crowd = Crowd(number, 250.0)
    square = np.random.default_rng(0).random((1000, 1000))
    peak = pairs = infinite = 0.0
    for _ in range(4):
        peak = max(peak, 2e9 / best_seconds(3, np.matmul, square, square))
        pairs = max(pairs, number**2 / best_seconds(3, crowd.in_body))
        infinite = max(infinite, number**2 / best_seconds(3, crowd.infinite))
    targets = np.arange(0, number, number // 20)
    found, plain = crowd.in_body()[targets], crowd.plain(targets)
    share = pairs * pair_sums.FLOPS / peak
    error = np.abs(found - plain).max() / np.abs(plain).max()
    print(
        f"floating-point peak of one core {peak / 1e9:.1f} Gflop/s (matrix product)\n"
        f"pairs in the body, N = {number}: {pairs / 1e6:.0f} million/s, "
        f"{pair_sums.FLOPS} flop each, {100 * share:.0f} % of the peak; "
        f"largest difference from the plain sum {error:.1e} of the largest stress\n"
        f"pairs in an infinite medium: {infinite / 1e6:.0f} million/s, "
        f"{pair_sums.FLOPS_INFINITE} flop each, "
        f"{100 * infinite * pair_sums.FLOPS_INFINITE / peak:.0f} % of the peak"
    )
    return {
        "peak_gflops": peak / 1e9,
        "pairs_per_s": pairs,
        "peak_share": share,
        "largest_pair_error": error,
        "infinite_pairs_per_s": infinite,
    }


def measure_far(numbers):
    """One full evaluation of all forces in the body by fast multipoles, against all pairs."""
    seconds, errors = [], []
    for number in numbers:
        crowd = Crowd(number, 2000.0)
        seconds.append(best_seconds(5, crowd.far))
        far = crowd.far().copy()
        all_pairs = best_seconds(2, crowd.in_body)
        pairs = crowd.in_body()
        errors.append(float(np.abs(far - pairs).max() / np.abs(pairs).max()))
        print(
            f"all forces in the body, N = {number}: {1e3 * seconds[-1]:.3g} ms by multipoles, "
            f"{1e3 * all_pairs:.3g} ms over all pairs, difference {errors[-1]:.0e} of the largest"
        )
    exponent = power_law(numbers, seconds)
    print(f"by multipoles ~ N^{exponent:.2f}")
    return {
        "far_seconds": dict(zip(map(str, numbers), seconds, strict=True)),
        "far_exponent": exponent,
        "far_largest_error": max(errors),
    }


def find_peer():
    """(Python forces, compiled forces) of pylabdd; None for what is not there."""
    python = compiled = None
    # it prints and logs while it looks for its compiled parts
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception):
            from pylabdd.PK_force_py.pkforce import calc_fpk as python
        with contextlib.suppress(Exception):
            from pylabdd.PK_force import calc_fpk as compiled
    return python, compiled


def measure_peer(numbers):
    """Ratios of the peer's time for the forces of N dislocations on N to ours."""
    python, compiled = find_peer()
    ratios = {"ratio_pylabdd_python": {}, "ratio_pylabdd_compiled": {}}
    for missing, name in ((python, "Python"), (compiled, "compiled")):
        if missing is None:
            print(f"pylabdd's {name} forces are not installed here: not compared")
    for number in numbers:
        # a wide body: no two dislocations are so close that the peer cuts its stress off
        crowd = Crowd(number, 2000.0)
        ours = best_seconds(5, crowd.infinite)
        stress = crowd.infinite().copy()
        b_x, b_y = crowd.sign * np.cos(crowd.angle), crowd.sign * np.sin(crowd.angle)

        line = f"forces of N = {number}: ours {1e3 * ours:.3g} ms"
        for key, peer, targets in (
            ("python", python, min(number, 20_000 // number)),
            ("compiled", compiled, number),
        ):
            ratio = None
            if peer is not None:
                repeats = 1 if key == "python" else 5
                arguments = (peer, crowd.x, crowd.y, b_x, b_y, 0.0, targets, number)
                theirs = best_seconds(repeats, *arguments) * number / targets
                glide = peer(*arguments[1:])
                theirs_mpa = MATERIAL.edge_constant_mpa_nm * (
                    glide[0] * b_x[:targets] + glide[1] * b_y[:targets]
                )
                error = np.abs(theirs_mpa - stress[:targets]).max() / np.abs(stress).max()
                ratio = theirs / ours
                rows = "" if targets == number else f" from {targets} rows"
                line += (
                    f"; pylabdd {key} {1e3 * theirs:.4g} ms{rows}, ratio {ratio:.4g}, "
                    f"difference {error:.0e}"
                )
            ratios[f"ratio_pylabdd_{key}"][str(number)] = ratio
        print(line)
    return ratios


def summarise(crystal, curve, state):
    """Peak and flow stress (MPa), dislocations at the end, steps at the sides (exits, in b)."""
    ends = (-1.0, crystal.plane_length_nm + 1.0)
    steps = sum(
        abs(plane_slip(crystal, state, plane, end))
        for plane in range(len(crystal.plane_angle))
        for end in ends
    )
    return (
        float(curve.stress_mpa.max()),
        float(curve.stress_mpa[len(curve.stress_mpa) // 2 :].mean()),
        int(curve.dislocations[-1]),
        float(steps),
    )


def run_plainly(crystal, priors, reload_strain, most_seconds):
    """(seconds, strain, curve, state): the whole protocol, strain None, or where the first loading
    takes too long, that loading up to the strain it reached."""
    specimen = PlainSpecimen(crystal, MATERIAL, DynamicsSettings())
    wanted = {round(prior * 1e4) for prior in priors}
    kept = []
    start = thread_time()

    def keep(strain):
        if round(strain * 1e4) in wanted:
            kept.append(specimen.copy())
        return thread_time() - start > most_seconds

    curve = specimen.load(max(priors), keep=keep)
    if curve.strain[-1] < max(priors) - 1e-9:
        return thread_time() - start, float(curve.strain[-1]), curve, specimen.state
    for twin in kept:
        reload(twin, reload_strain)
    return thread_time() - start, None, curve, specimen.state


class Pace:
    """How fast the core is while something else runs on it: a fixed sum over pairs, timed often."""

    EVERY_S = 0.05

    def __init__(self):
        self.crowd = Crowd(200, 250.0)
        self.fastest = best_seconds(100, self.crowd.in_body)
        self.begin()

    def begin(self):
        """From now on something runs that asks for ``measure`` from time to time."""
        self.work = self.spent = 0.0
        self.last = thread_time()

    def measure(self, now=False):
        """Time the sum, where the last time is long enough ago."""
        start = thread_time()
        if now or start - self.last >= self.EVERY_S:
            self.crowd.in_body()  # fetches what it works on
            _, seconds = seconds_of(self.crowd.in_body)
            self.fastest = min(self.fastest, seconds)
            self.work += (start - self.last) / seconds
            self.last = thread_time()
            self.spent += self.last - start

    def end(self):
        """(seconds that ``measure`` took of what ran since ``begin``, sums that fit into it)."""
        spent = self.spent
        self.measure(now=True)
        return spent, self.work


class OverTimeError(Exception):
    """A specimen took too long."""


class Events:
    """What a specimen went through on the longest path, as far as it came."""

    def __init__(self, pace):
        self.pace = pace
        self.steps = self.emissions = 0
        self.last = "nothing recorded yet"

    def __call__(self, specimen):
        self.pace.measure()
        self.steps = max(self.steps, specimen.steps)
        self.emissions = max(self.emissions, specimen.emissions)
        self.last = (
            f"{specimen.doing}, at strain {specimen.strain:.4f} with "
            f"{len(specimen.state.plane)} dislocations after {self.emissions} emissions"
        )


def within(seconds, function, *arguments):
    """(result, seconds) of a call, or (None, seconds) where it would take longer."""

    def stop(*_):
        raise OverTimeError

    before = signal.signal(signal.SIGVTALRM, stop)
    start = thread_time()
    try:
        # once more every second, in case the first one is lost in a callback
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1.0)
        result = function(*arguments)
    except OverTimeError:
        result = None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
    return result, thread_time() - start


def measure_width(
    width_nm, specimens, slip_systems, priors, reloads, plain_seconds_each, most_seconds, pace
):
    """Seconds of whole specimens, the first beside the plain version and its results.

    Instead the seconds after which one was given up that would take longer than ``most_seconds``.
    """
    rows = []
    for index in range(specimens):
        crystal = place_crystal(
            width_nm,
            slip_systems,
            CrystalSettings(),
            MATERIAL,
            generator(0, "benchmark of specimens", width_nm, index),
        )
        settings = (crystal, MATERIAL, DynamicsSettings(), LoadingSettings())
        paths = strain_paths(priors)
        events = Events(pace)
        pace.begin()
        found, seconds = within(most_seconds, simulate_specimen, *settings, paths, reloads, events)
        if found is None:
            print(
                f"{width_nm:g} nm: left out, more than {seconds:.0f} s for one specimen; it came "
                f"to: {events.last}"
            )
            return seconds
        measuring, work = pace.end()
        seconds -= measuring
        histories, _ = found
        # the longest first loading, which holds the shorter ones, and all that followed
        curve = histories[-1].legs[0].curve
        settled = [curve.settled, *(history.reload.curve.settled for history in histories)]
        row = {
            "seconds": seconds,
            "work": work,
            "mean_number": float(curve.dislocations.mean()),
            "most_number": int(curve.dislocations.max()),
            "emissions": events.emissions,
            "steps": events.steps,
            "unsettled": float(1 - np.concatenate(settled).mean()),
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        if plain_seconds_each > 0 and index < PLAIN_SPECIMENS:
            plain_seconds, up_to, plain_curve, plain_state = run_plainly(
                crystal, priors, max(reloads.values()), plain_seconds_each
            )
            fast = Specimen(*settings)
            strain = up_to or max(priors)
            same, same_seconds = seconds_of(fast.load, strain, sense=-1)
            row |= {
                "plain_seconds": plain_seconds,
                "plain_up_to_strain": up_to,
                "ratio": plain_seconds / (same_seconds if up_to else seconds),
                "fast_results": summarise(crystal, same, fast.state),
                "plain_results": summarise(crystal, plain_curve, plain_state),
            }
        rows.append(row)
    return rows


def warm_up():
    """Compile everything on a small specimen."""
    crystal = place_crystal(62.5, 2, CrystalSettings(), MATERIAL, generator(0, "warm-up"))
    simulate_specimen(
        crystal,
        MATERIAL,
        DynamicsSettings(),
        LoadingSettings(),
        strain_paths((0.001, 0.004)),
        {"small": 0.001, "large": 0.002},
    )
    run_plainly(crystal, (0.0002,), 0.0002, 60.0)


def print_width(width_nm, rows, priors, fastest_pace_s):
    seconds = np.array([row["seconds"] for row in rows])
    steady = fastest_pace_s * sum(row["work"] for row in rows)
    line = (
        f"{width_nm:g} nm: {np.median(seconds):.2f} s (median of {len(rows)}, "
        f"{seconds.min():.2f} ... {seconds.max():.2f}) "
        f"to {100 * max(priors):g} % with all reloads, "
        f"{np.mean([row['mean_number'] for row in rows]):.0f} dislocations on average, "
        f"{max(row['most_number'] for row in rows)} at most, "
        f"{np.mean([row['emissions'] for row in rows]):.0f} emissions in "
        f"{np.mean([row['steps'] for row in rows]):.0f} steps, "
        f"{100 * np.mean([row['unsettled'] for row in rows]):.1f} % of points unsettled, "
        f"the process took up to {max(row['memory_mb'] for row in rows):.0f} MB so far, "
        f"the core at {100 * steady / seconds.sum():.0f} % of its fastest pace so far"
    )
    print(line)
    rows = [row for row in rows if "ratio" in row]
    if not rows:
        return
    up_to = [row["plain_up_to_strain"] for row in rows if row["plain_up_to_strain"]]
    whole = f"whole protocol, {len(rows)} specimens"
    if up_to:
        whole = f"first loading up to {100 * min(up_to):.2g} %, taken for the whole"
    plain = np.median([row["plain_seconds"] for row in rows])
    ratio = np.median([row["ratio"] for row in rows])
    print(f"    plain version {plain:.1f} s ({whole}), ratio {ratio:.1f}")
    fast, plain = (
        np.array([row[f"{side}_results"] for row in rows], float) for side in ("fast", "plain")
    )
    names = ("peak stress MPa", "flow stress MPa", "dislocations", "steps at the sides")
    for name, ours, theirs in zip(names, fast.T, plain.T, strict=True):
        print(
            f"    {name}: {ours.mean():.1f} against {theirs.mean():.1f}, mean difference "
            f"{(ours - theirs).mean():+.1f}, largest {np.abs(ours - theirs).max():.1f}, "
            f"scatter between specimens {ours.std():.1f}"
        )


def power_law(x, y, weights=None):
    """Exponent of y against x, None for fewer than two different x; ``weights`` on residuals."""
    x, y = np.log(x), np.log(y)
    return float(np.polyfit(x, y, 1, w=weights)[0]) if np.ptp(x) > 0 else None


def cost_exponent(by_width, x, y=lambda row: row["steady_seconds"]):
    """(exponent of ``y(row)``, a specimen's steady seconds, against ``x(width, row)``, its 95 %
    interval)."""
    rng = generator(0, "benchmark of specimens", "bootstrap")

    def fit(rows_of):
        points = [
            (x(width, row), y(row), len(rows) ** -0.5)
            for width, rows in rows_of.items()
            for row in rows
        ]
        return power_law(*np.array(points).T)

    def draw(rows):
        return [rows[k] for k in rng.integers(len(rows), size=len(rows))]

    drawn = [fit({w: draw(rows) for w, rows in by_width.items()}) for _ in range(RESAMPLES)]
    return fit(by_width), *np.percentile(drawn, (2.5, 97.5)).tolist()


def measure_exponents(by_width):
    """Of what a specimen costs and of what that is made of; None for one width."""
    if len(by_width) < 2:
        return {"cost_exponent": None}

    def number(_, row):
        return row["mean_number"] + 1.0

    found = cost_exponent(by_width, number)
    against_width = cost_exponent(by_width, lambda width, _: width)
    as_timed = cost_exponent(by_width, number, lambda row: row["seconds"])
    print(
        "steady seconds of a specimen ~ N^{:.2f} [{:.2f}, {:.2f}] ".format(*found)
        + "~ w^{:.2f} [{:.2f}, {:.2f}] (N: mean number of dislocations); ".format(*against_width)
        + "seconds as they were ~ N^{:.2f} [{:.2f}, {:.2f}]".format(*as_timed)
    )
    exponents = {
        "cost_exponent": found[0],
        "cost_exponent_as_timed": as_timed[0],
        "cost_exponent_interval": found[1:],
        "cost_exponent_width": against_width[0],
    }
    for key, name, y in (
        ("emissions_exponent", "emissions of a specimen", lambda row: row["emissions"]),
        (
            "emission_cost_exponent",
            "steady seconds of an emission",
            lambda row: row["steady_seconds"] / row["emissions"],
        ),
        (
            "step_cost_exponent",
            "steady seconds of a step",
            lambda row: row["steady_seconds"] / row["steps"],
        ),
    ):
        found = cost_exponent(by_width, number, y)
        print("    {} ~ N^{:.2f} [{:.2f}, {:.2f}]".format(name, *found))
        exponents[key] = found[0]
    return exponents


def mean_seconds(by_width):
    """(widths, mean seconds of a specimen, power of w between the two widest or None)."""
    widths = np.array(sorted(by_width))
    seconds = np.array([np.mean([row["seconds"] for row in by_width[w]]) for w in widths])
    return widths, seconds, power_law(widths[-2:], seconds[-2:]) if len(widths) > 1 else None


def expected_seconds(by_width, width):
    """Seconds of a wider specimen than those measured, None where too few were."""
    widths, seconds, exponent = mean_seconds(by_width)
    return None if exponent is None else seconds[-1] * (width / widths[-1]) ** exponent


def estimate_paper_set(by_width, too_slow):
    """Core-hours of the whole paper-scale set; unmeasured widths as expected.

    ``too_slow``: seconds that a specimen took at least, by width in nm, where it was given up. None
    then, and a lower bound is printed: what narrower widths let expect says little of one that came
    to no end.
    """
    widths, seconds, exponent = mean_seconds(by_width)
    hours, guessed, least = 0.0, [], max(too_slow.values(), default=0.0)
    for width in PAPER_WIDTHS_NM:
        if width in by_width:
            each = seconds[widths == width][0]
        elif too_slow:
            each = least
        elif exponent is None:
            return None, exponent
        else:
            guessed.append(width)
            each = expected_seconds(by_width, width)
        hours += PAPER_SPECIMENS * each / 3600
    measured = ", ".join(f"{w:g}" for w in widths)
    if too_slow:
        given_up = " and ".join(f"{w:g} nm given up after {s:.0f} s" for w, s in too_slow.items())
        print(
            f"the whole set of the paper: more than {hours:.1f} core-hours (measured at {measured} "
            f"nm, {given_up}, which counts for all of that width and wider)"
        )
        return None, exponent
    note = f"; {', '.join(f'{w:g}' for w in guessed)} nm extrapolated" if guessed else ""
    power = "" if exponent is None else f", seconds ~ w^{exponent:.2f}"
    print(
        f"the whole set of the paper ({len(PAPER_WIDTHS_NM)} widths, {PAPER_SPECIMENS} specimens "
        f"each, to {100 * max(PRIOR_STRAINS):g} % with all reloads): {hours:.1f} core-hours "
        f"(measured at {measured} nm{note}{power}; one slip system taken to cost as much as two)"
    )
    return hours, exponent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=float, nargs="+", default=PAPER_WIDTHS_NM[:-1])
    few = ", ".join(f"{most} from {width:g} nm on" for width, most in MOST_SPECIMENS.items())
    parser.add_argument("--specimens", type=int, default=10, help=f"per width; at most {few}")
    parser.add_argument("--slip-systems", type=int, choices=(1, 2), default=2)
    parser.add_argument(
        "--plain-seconds", type=float, default=60.0, help="per specimen; 0 leaves it out"
    )
    parser.add_argument(
        "--most-seconds", type=float, default=600.0, help="per specimen; longer ones are left out"
    )
    parser.add_argument("--quick", action="store_true", help="two widths to 1 %%, a minute")
    options = parser.parse_args()
    priors, reloads, numbers = PRIOR_STRAINS, RELOAD_STRAINS, PEER_NUMBERS
    if options.quick:
        options.widths, options.specimens, options.plain_seconds = [62.5, 125.0], 2, 10.0
        priors, numbers = (0.001, 0.01), (200, 1000)
    print(
        f"{platform.processor() or platform.machine()}, {platform.python_implementation()} "
        f"{platform.python_version()}, NumPy {np.__version__}"
    )
    threadpool_limits(1)
    result = measure_pairs(2000)
    result |= measure_far((1000, 2000, 5000, 10_000))
    result |= measure_peer(numbers)
    warm_up()
    by_width, too_slow, pace = {}, {}, Pace()
    for width in sorted(options.widths):
        expected = expected_seconds(by_width, width)
        if expected is not None and expected > 5 * options.most_seconds:
            print(f"{width:g} nm: left out, about {expected:.0f} s for one specimen are expected")
            break
        rows = measure_width(
            width,
            min([options.specimens, *(n for w, n in MOST_SPECIMENS.items() if width >= w)]),
            options.slip_systems,
            priors,
            reloads,
            options.plain_seconds if width <= PLAIN_UP_TO_NM else 0.0,
            options.most_seconds,
            pace,
        )
        if isinstance(rows, float):
            too_slow[width] = rows
            break
        by_width[width] = rows
        print_width(width, rows, priors, pace.fastest)
    for row in itertools.chain(*by_width.values()):
        row["steady_seconds"] = row["work"] * pace.fastest
    left_out = [width for width in PAPER_WIDTHS_NM if width not in by_width]
    if left_out:
        print(f"not measured: {', '.join(f'{width:g}' for width in left_out)} nm")
    exponents = measure_exponents(by_width)
    hours = None
    if max(priors) == max(PRIOR_STRAINS):
        hours, _ = estimate_paper_set(by_width, too_slow)

    def typical(key, of=np.median):
        return {
            f"{width:g}": float(of([row[key] for row in by_width[width] if key in row]))
            for width in by_width
            if key in by_width[width][0]
        }

    strains = {
        f"{width:g}": min(
            (row["plain_up_to_strain"] or max(priors)) for row in by_width[width] if "ratio" in row
        )
        for width in by_width
        if "ratio" in by_width[width][0]
    }
    result |= {
        **exponents,
        "largest_strain": max(priors),
        "seconds_to_10_percent": typical("seconds") if max(priors) == 0.1 else None,
        "seconds": typical("seconds"),
        "mean_seconds": typical("seconds", np.mean),
        "steady_seconds": typical("steady_seconds"),
        "not_measured_nm": left_out,
        "ratio_plain": typical("ratio"),
        "plain_up_to_strain": strains,
        "mean_number": typical("mean_number"),
        "most_number": typical("most_number", max),
        "emissions": typical("emissions", np.mean),
        "steps": typical("steps", np.mean),
        "memory_mb": typical("memory_mb", max),
        "unsettled": typical("unsettled"),
        "paper_set_core_hours": hours,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
