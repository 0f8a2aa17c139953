"""Sentences that the numbers support, made from the tables and never written beforehand.

Every function takes rows of the report's tables as mappings and returns plain text. A claim of
better or worse rests on the paired difference whose interval excludes zero; anything else is said
to be unresolved at this size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from strainprint.report import paper
from strainprint.report.statistics import Interval, wilson_interval
from strainprint.report.wording import (
    capital,
    class_label,
    counted,
    listed,
    method_label,
    model_label,
    number,
    percent,
    percent_range,
    points,
    points_range,
    slip_label,
    width_label,
)

Row = Mapping[str, Any]
_REFERENCES = ("shape-only", "baseline")


def interval_of(row: Row) -> Interval:
    """Return the confidence interval of a row of Table 1."""
    return Interval(float(row["ci_low"]), float(row["ci_high"]))


def named(model: str) -> str:
    """Return a model's name as it stands inside a sentence."""
    fixed = {
        "shape-only": "the shape-only baseline",
        "baseline": "the correlation baseline",
        "ensemble": "the ensemble",
    }
    return fixed.get(model, model_label(model))


def what_was_run(
    summaries: Sequence[Row],
    specimens: Sequence[Row],
    networks: Sequence[str],
    *,
    seeds: Sequence[int],
    threads: int,
) -> str:
    """Return what this page rests on: specimens, widths, strains, maps, networks, seeds, threads.

    Parameters
    ----------
    summaries
        Rows of ``summary.csv``, one for each study and split.
    specimens
        Rows of one ``specimens.csv``.
    networks
        Names of the trained networks.
    seeds, threads
        Training seeds, and threads of each training.
    """
    first = summaries[0]
    widths = sorted({float(row["width_nm"]) for row in specimens})
    slips = sorted({int(row["slip_systems"]) for row in specimens})
    classes = dict.fromkeys(class_label(row["prior_strain"]) for row in specimens)
    studies = list(dict.fromkeys(str(row["study"]) for row in summaries))
    splits = list(dict.fromkeys(str(row["split"]) for row in summaries))
    return (
        f"{counted(int(first['specimens']), 'specimen')} of "
        f"{counted(len(widths), 'width')} ({listed([width_label(w) for w in widths])}; "
        f"{listed([slip_label(s) for s in slips])}) were simulated, each loaded to prior strains "
        f"of {listed(list(classes))}, and measured on reload: "
        f"{counted(int(first['maps']), 'map')} in each study ({listed(studies)}). "
        f"{counted(len(networks), 'network')} "
        f"({listed([f'seed {seed}' for seed in seeds])}; {counted(threads, 'thread')} for each "
        f"training) were trained for each study and split ({listed(splits)})."
    )


def headline(row: Row, by_model: Mapping[str, Row]) -> str:
    """Return a model's accuracy with its interval, beside chance and both baselines."""
    beside = [
        f"{named(name)} {percent(by_model[name]['accuracy'])} "
        f"({percent_range(*interval_of(by_model[name]))})"
        for name in _REFERENCES
    ]
    return (
        f"On {counted(int(row['n_test']), 'test map')} of "
        f"{counted(int(row['n_specimens']), 'specimen')} {named(row['model'])} named the prior "
        f"strain rightly for {percent(row['accuracy'])} of the maps (95 % interval "
        f"{percent_range(*interval_of(row))}). "
        f"Always naming the commonest class would reach {percent(row['chance'])}, "
        f"{listed(beside)}."
    )


def protocol(study: Mapping[str, Any], split: str) -> str:
    """Return in words what a study and a split let a model know beside the slip pattern."""
    seen = (
        "pictures on the deformed body, whose length tells the prior strain"
        if study.get("frame") == "deformed"
        else "pictures on the undeformed body"
    )
    dealt = (
        "none of a specimen that trained"
        if split == "specimen"
        else "of specimens whose other maps trained"
    )
    return f"{seen}, {dealt}"


def printed(row: Row) -> str:
    """Return what the paper prints for a model, with the interval that its test maps allow."""
    theirs = float(row["paper_accuracy"])
    if math.isnan(theirs):
        return ""
    return (
        f"The paper prints {percent(theirs, 2)} for its own "
        f"({percent_range(row['paper_low'], row['paper_high'])} on {paper.TEST_MAPS} test maps of "
        f"its own specimens)."
    )


def comparison(row: Row, reference: Row) -> str:
    """Return whether a model beats a baseline on the same test maps, and by how much."""
    column = str(reference["model"]).replace("-", "_")
    difference = float(row[f"minus_{column}"])
    low, high = float(row[f"minus_{column}_low"]), float(row[f"minus_{column}_high"])
    who, other = capital(named(row["model"])), named(reference["model"])
    if math.isnan(low):
        return (
            f"{who} and {other} differ by {points(difference)} points, on too few specimens for an "
            f"interval: nothing can be concluded."
        )
    numbers = f"{points(difference)} points (paired, 95 % interval {points_range(low, high)})"
    overlap = interval_of(row).overlaps(interval_of(reference))
    if low > 0:
        note = (
            " Their own intervals overlap, but the difference on the same maps excludes zero."
            if overlap
            else ""
        )
        return f"{who} is better than {other}: {numbers}.{note}"
    if high < 0:
        return f"{who} is worse than {other}: {numbers}."
    note = " and their own intervals overlap" if overlap else ""
    return (
        f"{who} cannot be told from {other} at this size: the difference of {numbers} includes "
        f"zero{note}."
    )


def shape_against_chance(row: Row, *, of: str = "") -> str:
    """Return whether outline and grey statistics alone give the class away.

    ``of`` says in which study and split, where the text does not stand below their name.
    """
    interval = interval_of(row)
    where = f" ({of})" if of else ""
    numbers = f"{percent(row['accuracy'])} ({percent_range(*interval)})"
    if interval.low > row["chance"]:
        return (
            f"Height, width and grey statistics alone{where} reach {numbers}, "
            f"above chance ({percent(row['chance'])}): part of any accuracy here can come without "
            f"reading the slip pattern."
        )
    return (
        f"Height, width and grey statistics alone{where} reach {numbers}, which cannot be told "
        f"from chance ({percent(row['chance'])})."
    )


def resolution(rows: Sequence[Row]) -> str:
    """Return how wide the intervals are and which differences this run cannot see.

    Parameters
    ----------
    rows
        Rows of one Table 1.
    """
    models = [row for row in rows if row["model"] != "chance"]
    widths = [100 * (float(r["ci_high"]) - float(r["ci_low"])) for r in models]
    halves = [
        50 * (float(r[f"minus_{c}_high"]) - float(r[f"minus_{c}_low"]))
        for r in models
        for c in ("shape_only", "baseline")
    ]
    halves = [value for value in halves if not math.isnan(value)]
    unseen = (
        f" Two models must differ by about {np.median(halves):.0f} points before their paired "
        f"difference stands clear of zero; smaller differences cannot be concluded."
        if halves
        else ""
    )
    few, many = f"{min(widths):.0f}", f"{max(widths):.0f}"
    wide = few if few == many else f"{few} to {many}"
    return (
        f"With {counted(int(rows[0]['n_test']), 'test map')} of "
        f"{counted(int(rows[0]['n_specimens']), 'specimen')} the 95 % interval of an accuracy is "
        f"{wide} points wide.{unseen}"
    )


def ranking(rows: Sequence[Row]) -> str:
    """Return whether the intervals of networks and ensemble set any two of them apart."""
    learned = [row for row in rows if row["model"] not in {"chance", *_REFERENCES}]
    best = max(learned, key=lambda row: float(row["ci_low"]))
    worst = min(learned, key=lambda row: float(row["ci_high"]))
    if interval_of(best).overlaps(interval_of(worst)):
        return (
            "The intervals of all networks and the ensemble overlap: this run does not rank them."
        )
    return (
        f"The intervals of {named(best['model'])} ({percent_range(*interval_of(best))}) and "
        f"{named(worst['model'])} ({percent_range(*interval_of(worst))}) do not overlap."
    )


def against_paper(row: Row) -> str:
    """Return where the paper's number lies against our interval, empty where it prints none."""
    printed = float(row["paper_accuracy"])
    if math.isnan(printed):
        return ""
    theirs = wilson_interval(round(printed * paper.TEST_MAPS), paper.TEST_MAPS)
    ours = interval_of(row)
    if not theirs.overlaps(ours):
        place = "above" if theirs.low > ours.high else "below"
        verdict = f"lies {place} our interval ({percent_range(*ours)})"
    else:
        verdict = f"overlaps ours ({percent_range(*ours)})"
    return (
        f"For {named(row['model'])} the paper prints {percent(printed, 2)}; as a share of its "
        f"{paper.TEST_MAPS} test maps that is {percent_range(*theirs)}, which {verdict}. The maps "
        f"are not the same (own simulator, other numbers of specimens and widths), so this "
        f"compares results, not implementations."
    )


def cells(rows: Sequence[Row]) -> str:
    """Return how much a single cell of Table 2 can bear."""
    single = [row for row in rows if row["reload"] != "all"]
    filled = [row for row in single if int(row["n"]) > 0]
    if not filled:
        return "No cell has a test map."
    counts = [int(row["n"]) for row in filled]
    widths = [100 * (float(row["wilson_high"]) - float(row["wilson_low"])) for row in filled]
    few, many = min(counts), max(counts)
    held = counted(many, "test map") if few == many else f"{few} to {counted(many, 'test map')}"
    empty = len(single) - len(filled)
    missing = f" {counted(empty, 'cell')} without a test map." if empty else ""
    return (
        f"A cell rests on {held}; its Wilson interval is {np.median(widths):.0f} points wide "
        f"(median over cells), so single cells rank neither widths nor loadings.{missing}"
    )


def split_leak(profile: Row, specimen: Row, profile_summary: Row) -> str:
    """Return what sharing specimens between training and test does to a model's accuracy.

    Parameters
    ----------
    profile, specimen
        Rows of Table 1 of one study and model, on either split.
    profile_summary
        ``summary.csv`` of the profile split.
    """
    share = float(profile_summary["test_maps_with_sibling_in_training"])
    difference = float(profile["accuracy"]) - float(specimen["accuracy"])
    if interval_of(profile).overlaps(interval_of(specimen)):
        verdict = "the intervals overlap, so an effect of siblings is neither shown nor excluded"
    elif difference > 0:
        verdict = "the intervals do not overlap: siblings in training raise the accuracy"
    else:
        verdict = "the intervals do not overlap, and the split without siblings scores higher"
    return (
        f"Split by profile, {percent(share)} of the test maps have a sibling of the same specimen "
        f"in training; split by specimen, none. {capital(named(profile['model']))} reaches "
        f"{percent(profile['accuracy'])} and {percent(specimen['accuracy'])} "
        f"({points(difference)} points); {verdict}."
    )


def study_leak(published: Row, audited: Row, names: tuple[str, str]) -> str:
    """Return how far two ways of measuring differ in what the shape alone tells.

    Parameters
    ----------
    published, audited
        Rows ``shape-only`` of Table 1 of two studies on one split.
    names
        Names of the two studies.
    """
    if interval_of(published).overlaps(interval_of(audited)):
        verdict = "the intervals overlap"
    else:
        verdict = "the intervals do not overlap"
    return (
        f"Shape alone reaches {percent(published['accuracy'])} "
        f"({percent_range(*interval_of(published))}) in study {names[0]} and "
        f"{percent(audited['accuracy'])} ({percent_range(*interval_of(audited))}) in study "
        f"{names[1]}: {verdict}."
    )


def curve_reading(rows: Sequence[Row], method: str, summary: Row) -> str:
    """Return how well neighbours predict curves, against the mean curve of the subset.

    Parameters
    ----------
    rows
        Rows of ``curve_errors.csv``.
    method
        E.g. ``k5``.
    summary
        ``summary.csv`` of the same study and split.
    """
    total = {str(r["method"]): r for r in rows if r["width_nm"] == r["prior_strain"] == "all"}
    if method not in total or not int(total[method]["n"]):
        return "No test map with a small reload: no curve was predicted."
    row = total[method]
    low = float(row["median_rmse_minus_subset_mean_low"])
    high = float(row["median_rmse_minus_subset_mean_high"])
    if math.isnan(low):
        verdict = "one specimen alone allows no comparison with the mean curve of the subset"
    else:
        gap = (
            f"the median difference to the mean curve of the same width and slip is "
            f"{points(float(row['median_rmse_minus_subset_mean']))} points "
            f"({points_range(low, high)}; below zero is better)"
        )
        if high < 0:
            verdict = f"{gap}: the maps tell more than width and slip do"
        elif low > 0:
            verdict = f"{gap}: worse than knowing width and slip only"
        else:
            verdict = f"{gap}: not told apart from knowing width and slip only"
    limits = float(row["median_relative_rmse_low"]), float(row["median_relative_rmse_high"])
    interval = "no interval" if math.isnan(limits[0]) else percent_range(*limits)
    share = float(summary["nearest_neighbour_same_specimen"])
    sibling = (
        f" Where it is allowed, the nearest neighbour of {percent(share)} of the test maps is the "
        f"same specimen."
        if share > 0
        else ""
    )
    return (
        f"The curve of {method_label(method)} has a median relative RMSE of "
        f"{percent(float(row['median_relative_rmse']))} ({interval}) and "
        f"a median yield-stress error of {number(row['median_yield_stress_error_mpa'], 1)} MPa on "
        f"{counted(int(row['n']), 'test map')}; {verdict}.{sibling}"
    )


def reference_states(rows: Sequence[Row]) -> str:
    """Return how many reference states came to rest and how many maps are nearly uniform."""
    states = sum(int(row["specimens"]) for row in rows)
    resting = sum(float(row["relaxed_fraction"]) * int(row["specimens"]) for row in rows)
    floored = sum(int(row["range_floored_maps"]) for row in rows)
    maps = sum(int(row["maps"]) for row in rows)
    empty = sum(float(row["dislocations_median"]) == 0 for row in rows)
    quiet = (
        f" In {empty} of {len(rows)} groups the median reference state retains no dislocation."
        if empty
        else ""
    )
    return (
        f"{percent(resting / states)} of {counted(states, 'reference state')} had come to rest "
        f"before the reload; {floored} of {counted(maps, 'map')} have a strain range so small that "
        f"their picture is nearly uniform.{quiet}"
    )


def saliency_reading(randomization: Sequence[Row], deletion: Sequence[Row]) -> str:
    """Return what the two checks allow to say about saliency maps.

    Parameters
    ----------
    randomization, deletion
        Rows of ``saliency_randomization.csv`` and ``saliency_deletion.csv``.
    """
    if not deletion:
        return "No test map: saliency could not be checked."
    said = []
    for kind in dict.fromkeys(str(row["kind"]) for row in randomization):
        last = [row for row in randomization if row["kind"] == kind][-1]
        left = float(last["rank_correlation_median"])
        fate = (
            "much of it shows the picture and not what was learned"
            if left > 0.5
            else "it hangs on what was learned"
            if left < 0.2
            else "part of it shows the picture and not what was learned"
        )
        said.append(
            f"With every parameter drawn anew, {kind} saliency keeps a rank correlation of "
            f"{number(left)} with that of the trained network: {fate}."
        )
    areas = {str(row["order"]): row for row in deletion}
    for order, row in areas.items():
        if order == "random":
            continue
        high, low = float(row["minus_random_high"]), float(row["minus_random_low"])
        verdict = (
            "by an amount that so few specimens leave open"
            if math.isnan(high)
            else "sooner than in a random order"
            if high < 0
            else "later than in a random order"
            if low > 0
            else "no sooner or later than in a random order, as far as these maps tell"
        )
        by = "brightness alone, which needs no network" if order == "brightness" else order
        what = "," if order == "brightness" else " saliency,"
        said.append(f"Blanked by {by}{what} answers fade {verdict}.")
    return " ".join(said)


WHAT_DIFFERS = (
    "Beside the paper: its specimens were never published, ours come from our own simulator; its "
    "891 test maps are of six widths and dealt out map by map; its correlation baseline is a "
    "random forest, ours the classifier that cross-validation chose; its intervals are not printed "
    "but worked out here from its number of test maps, as if they were independent. Intervals that "
    "overlap are no agreement: they leave both open."
)


def paper_verdict(row: Row) -> str:
    """Return where the paper's interval lies against ours, empty where either is unknown."""
    theirs = Interval(float(row["paper_low"]), float(row["paper_high"]))
    low = float(row["ci_low"] if "ci_low" in row else row["wilson_low"])
    high = float(row["ci_high"] if "ci_high" in row else row["wilson_high"])
    if any(math.isnan(value) for value in (*theirs, low, high)):
        return ""
    if theirs.low > high:
        return "above ours"
    return "below ours" if theirs.high < low else "overlaps ours"


def cells_against_paper(rows: Sequence[Row]) -> str:
    """Return in how many cells of Table 2 the paper's interval lies apart from ours."""
    verdicts = [paper_verdict(row) for row in rows if row["reload"] != "all" and int(row["n"])]
    verdicts = [verdict for verdict in verdicts if verdict]
    if not verdicts:
        return "No cell stands beside one of the paper: it has other widths."
    apart = [verdict for verdict in verdicts if verdict != "overlaps ours"]
    higher = sum(verdict == "above ours" for verdict in apart)
    return (
        f"Of {counted(len(verdicts), 'cell')} that the paper has too, its interval lies above ours "
        f"in {higher}, below in {len(apart) - higher}, and overlaps in {len(verdicts) - len(apart)}"
        f". With so few maps in a cell an overlap says little."
    )


def counts_against_paper(rows: Sequence[Row]) -> str:
    """Return how our number of maps compares with the paper's."""
    shared = [row for row in rows if not math.isnan(float(row["paper_total"]))]
    ours = sum(int(row["total"]) for row in rows)
    if not shared:
        return f"{counted(ours, 'map')}; none of the widths is the paper's."
    theirs = sum(int(row["paper_total"]) for row in shared)
    return (
        f"{counted(ours, 'map')} here; the paper has {counted(theirs, 'map')} in the "
        f"{counted(len(shared), 'subset')} that both have, and {counted(paper.MAPS, 'map')} in its "
        f"24 subsets."
    )


def confused(rows: Sequence[Row]) -> str:
    """Return where a network's errors lie, beside what the paper says of its own.

    Parameters
    ----------
    rows
        Rows of a ``confusion_{model}.csv``.
    """
    wrong = {
        (str(row["prior_strain"]), column.removeprefix("named_")): int(row[column])
        for row in rows
        for column in row
        if column.startswith("named_") and column != f"named_{row['prior_strain']}"
    }
    total = sum(wrong.values())
    theirs = sum(paper.CONFUSED.values())
    commonest = paper.CONFUSED["0.01", "0.001"]
    printed = (
        f"The paper’s network errs on {theirs} of {paper.TEST_MAPS} test maps, and on {commonest} "
        f"of these ({percent(commonest / theirs, 0)}) it takes 1 % for 0.1 %."
    )
    empty = [class_label(row["prior_strain"]) for row in rows if not int(row["n"])]
    missing = f" No test map of class {listed(empty)}." if empty else ""
    if not total:
        return f"The lead network made no error here.{missing} {printed}"
    (true, named_as), count = max(wrong.items(), key=lambda item: item[1])
    interval = wilson_interval(count, total)
    return (
        f"The lead network erred on {counted(total, 'test map')}, most often by taking "
        f"{class_label(true)} for {class_label(named_as)}: {count} of {total} "
        f"({percent_range(*interval)}).{missing} {printed}"
    )
