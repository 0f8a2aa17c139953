"""Strength against width: exponents put in come out, and cells without one say why."""

import numpy as np
import pandas as pd
import pytest

from strainprint.report.figures.size_effect import draw_size_effect
from strainprint.report.figures.style import house_style
from strainprint.report.sections.size_effect import size_effect_reading
from strainprint.report.size_effect_tables import exponent_table, strength_table

DRAWN = {"seed": 3, "resamples": 200}


def strengths(widths, *, exponent=-0.55, scatter_exponent=-0.3, count=60, slips=(1, 2)):
    random = np.random.default_rng(4)
    rows = []
    for slip in slips:
        for width in widths:
            spread = 0.2 * (width / 100) ** scatter_exponent
            for i in range(count):
                level = 300 * (width / 100) ** exponent
                stress = level * (1 + spread * random.normal())
                rows.append((f"{width}-{slip}-{i}", width, slip, 0, stress, stress))
    columns = ["specimen_id", "width_nm", "slip_systems", "lost", "yield_mpa", "flow_mpa"]
    return pd.DataFrame(rows, columns=columns)


def test_exponents_that_were_put_in_come_out():
    table = exponent_table(strengths((100.0, 200.0, 400.0, 800.0)), **DRAWN)
    assert len(table) == 2 * 2 * 2
    for of, true in (("stress", -0.55), ("scatter", -0.3)):
        rows = table[table["of"] == of]
        assert (rows["exponent_low"] < rows["exponent"]).all()
        assert (rows["exponent"] < rows["exponent_high"]).all()
        assert rows["exponent"].to_numpy() == pytest.approx(true, abs=0.12)
    printed = table["paper_exponent"]
    assert (
        printed.notna().tolist()
        == ((table["measure"] == "yield") & (table["of"] == "stress")).tolist()
    )


def test_scatter_is_standard_deviation_over_mean():
    stress = pd.DataFrame(
        {
            "specimen_id": ["a", "b", "c", "d"],
            "width_nm": 100.0,
            "slip_systems": 1,
            "lost": [0, 0, 0, 1],
            "yield_mpa": [90.0, 100.0, 110.0, np.nan],
            "flow_mpa": [90.0, 100.0, np.nan, np.nan],
        }
    )
    table = strength_table(stress, **DRAWN).set_index("measure")
    assert table.loc["yield", "scatter"] == pytest.approx(0.1)
    assert table.loc["yield", ["n", "without", "lost"]].tolist() == [3, 0, 1]
    assert table.loc["flow", ["n", "without", "lost"]].tolist() == [2, 1, 1]
    assert np.isnan(table.loc["flow", "scatter"])
    assert table.loc["flow", "note"] == "two specimens: no scatter"


def test_a_width_with_one_specimen_and_a_single_width_say_so():
    lone = strengths((100.0,), count=1, slips=(1,))
    assert strength_table(lone, **DRAWN)["note"].tolist() == ["one specimen: no scatter"] * 2
    table = exponent_table(lone, **DRAWN)
    assert table["exponent"].isna().all()
    assert table["note"].str.contains("width").all()
    with house_style():
        plate = draw_size_effect(lone, **DRAWN, study="s", split="profile")
    assert "1 width(s)" in plate.caption


def test_a_width_with_too_few_specimens_gives_an_exponent_and_no_interval():
    many, one = strengths((100.0,), count=10, slips=(1,)), strengths((200.0,), count=1, slips=(1,))
    table = exponent_table(pd.concat([many, one]), **DRAWN).query("of == 'stress'")
    assert table["exponent"].notna().all()
    assert table[["exponent_low", "exponent_high"]].isna().all(axis=None)
    assert (table["note"] == "no interval: a width has fewer than three specimens").all()
    assert "nothing can be concluded" in size_effect_reading(table.iloc[0])


def test_specimens_that_never_flow_have_no_flow_stress():
    elastic = strengths((100.0, 200.0), count=4).assign(yield_mpa=np.nan, flow_mpa=np.nan)
    notes = strength_table(elastic, **DRAWN)["note"].unique().tolist()
    assert notes == ["no specimen yields", "no curve reaches 0.5 %"]
    assert exponent_table(elastic, **DRAWN)["exponent"].isna().all()


def test_the_figure_shows_every_specimen_and_the_fit():
    table = strengths((100.0, 200.0, 400.0), count=10)
    with house_style():
        plate = draw_size_effect(table, **DRAWN, study="s", split="profile")
    left = plate.figure.axes[0]
    assert sum(len(line.get_xdata()) for line in left.lines[::2]) == len(table)
    slope = np.polyfit(np.log(left.lines[1].get_xdata()), np.log(left.lines[1].get_ydata()), 1)[0]
    row = exponent_table(table, **DRAWN).iloc[0]
    assert slope == pytest.approx(row["exponent"])
