"""The paper's numbers against one another."""

import pytest

from strainprint.report import paper
from strainprint.report.statistics import holm_corrected

WIDTHS = (2000.0, 1000.0, 500.0, 250.0, 125.0, 62.5)
LOADINGS = [(reload, slip) for reload in ("small", "large") for slip in (2, 1)]


def test_test_maps_of_all_widths_are_the_papers_891():
    assert sum(paper.cell_test_maps(width) for width in WIDTHS) == paper.TEST_MAPS
    assert paper.cell_test_maps(123.0) == 0


@pytest.mark.parametrize("model", ["proposed", "ensemble"])
def test_whole_numbers_of_maps_give_every_percentage_the_paper_prints(model):
    right = 0
    for width in WIDTHS:
        of_width = 0
        for reload, slip in LOADINGS:
            n = paper.cell_test_maps(width, reload=reload, slip_systems=slip)
            printed = paper.cell_accuracy(model, width, reload=reload, slip_systems=slip)
            count = round(printed * n)
            assert count / n == pytest.approx(printed, abs=5.1e-5)
            of_width += count
        total = paper.cell_test_maps(width)
        assert of_width / total == pytest.approx(paper.cell_accuracy(model, width), abs=5.1e-5)
        right += of_width
    assert right / paper.TEST_MAPS == pytest.approx(paper.accuracy(model), abs=5.1e-5)


def test_the_papers_confusions_are_its_errors():
    wrong = sum(paper.CONFUSED.values())
    assert 1 - wrong / paper.TEST_MAPS == pytest.approx(paper.accuracy("proposed"), abs=5.1e-5)


def test_holms_correction_by_hand():
    corrected = holm_corrected([0.01, 0.04, 0.03, float("nan")])
    assert corrected[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert corrected[3] != corrected[3]
    assert holm_corrected([0.9, 0.8]).max() == 1
