"""What a check hands over, and the page made of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from strainprint.files import write_whole
from strainprint.report.figures.style import PNG_DPI
from verification.populations import Effort

COMMAND = "make verify"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes
    ----------
    name
        File name of the figure, without suffix.
    title
        Heading, with the number of the check where it is one of the thirteen.
    what
        What was done, in a sentence or two.
    closed_form, source
        What must come out, and where that is from.
    found, tolerance
        The number that came out; how far it may lie from the closed form.
    passed
        None where the check reports a number that has no closed form.
    figure, alternative
        The picture, and what it shows in words.
    """

    name: str
    title: str
    what: str
    closed_form: str
    source: str
    found: str
    tolerance: str
    passed: bool | None
    figure: Figure
    alternative: str

    @property
    def verdict(self) -> str:
        """Return one word for the table."""
        return {True: "holds", False: "**FAILS**", None: "reported"}[self.passed]


CheckFunction = Callable[[Effort], Check]


def panels(count: int = 1) -> tuple[Figure, Sequence[Axes]]:
    """Return a small figure with ``count`` panels side by side."""
    figure = Figure(figsize=(3.4 if count == 1 else 3.1 * count, 2.5))
    axes = figure.subplots(1, count, squeeze=False)[0]
    return figure, list(axes)


def plain_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Label a logarithmic axis with these values alone, as plain numbers."""
    axis.set_ticks(values, [f"{value:g}" for value in values])
    axis.set_ticks([], minor=True)


def write_figure(check: Check, folder: Path) -> None:
    """Write the figure as ``{name}.png``; the same figure gives the same bytes."""
    with write_whole(folder / f"{check.name}.png") as partial:
        check.figure.savefig(partial, format="png", dpi=PNG_DPI, metadata={"Software": None})


def _lines(checks: Sequence[Check], folder: str, samples: int) -> Iterator[str]:
    yield "# Verification of the simulator"
    yield ""
    yield (
        "Every check of the simulator that has a closed form, with what came out; then how far the "
        "results depend on time steps, velocity cut-off, Fourier modes and the pitch of the map. "
        f"`{COMMAND}` writes this page and its figures, and fails where a check does. Statistical "
        f"checks simulated {samples} specimens of each kind, or the share that they name; all have "
        "the library's default settings where nothing else is said. Intervals in brackets are "
        "95 % bootstrap intervals. Symbols: µ shear modulus, ν Poisson's ratio, b Burgers vector, "
        "B drag, C = µb/(2π(1−ν)), E′ = E/(1−ν²), w and h width and height of the pillar."
    )
    yield ""
    yield "| check | closed form | found | tolerance | |"
    yield "|---|---|---|---|---|"
    for check in checks:
        anchor = f"[{check.title}](#{check.name})"
        yield (
            f"| {anchor} | {check.closed_form} | {check.found} | {check.tolerance} "
            f"| {check.verdict} |"
        )
    for check in checks:
        yield ""
        yield f'<a id="{check.name}"></a>'
        yield ""
        yield f"## {check.title}"
        yield ""
        yield check.what
        yield ""
        yield f"- Closed form: {check.closed_form} ({check.source})."
        yield f"- Found: {check.found}; tolerance: {check.tolerance}; {check.verdict}."
        yield ""
        yield f"![{check.alternative}]({folder}/{check.name}.png)"


def write_page(checks: Sequence[Check], page: Path, folder: str, samples: int) -> None:
    """Write the page; figures are linked in ``folder`` beside it."""
    with write_whole(page) as partial:
        partial.write_text("\n".join(_lines(checks, folder, samples)) + "\n", encoding="utf-8")
