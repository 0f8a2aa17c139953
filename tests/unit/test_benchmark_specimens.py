"""What the benchmark of specimens makes of a core whose pace changes."""

import pytest
import specimens


def test_steady_seconds_do_not_count_how_slow_the_core_was(monkeypatch):
    clock_s, slowness = [0.0], [1.0]

    def work(seconds):
        clock_s[0] += slowness[0] * seconds

    class FixedSum:
        def __init__(self, *_):
            self.in_body = lambda: work(1e-3)

    monkeypatch.setattr(specimens, "thread_time", lambda: clock_s[0])
    monkeypatch.setattr(specimens, "Crowd", FixedSum)
    pace = specimens.Pace()
    pace.begin()
    for slowness[0] in (1.0, 2.0):
        for _ in range(1000):
            work(0.01)
            pace.measure()
    measuring_s, sums = pace.end()
    assert sums * pace.fastest == pytest.approx(20.0, rel=0.01)
    assert clock_s[0] - measuring_s == pytest.approx(30.0, rel=0.01)


def test_the_exponent_is_that_of_steady_seconds():
    rows = {
        width: [
            {"mean_number": n - 1.0, "steady_seconds": n**1.3, "seconds": n**1.3 * slow}
            for n in numbers
        ]
        for width, numbers, slow in ((125.0, (10.0, 14.0), 1.0), (250.0, (80.0, 50.0, 70.0), 3.0))
    }

    def number(_, row):
        return row["mean_number"] + 1.0

    exponent, low, high = specimens.cost_exponent(rows, number)
    assert exponent == pytest.approx(1.3)
    assert low == pytest.approx(1.3) and high == pytest.approx(1.3)
    assert specimens.cost_exponent(rows, number, lambda row: row["seconds"])[0] > 1.5
