"""Run every check and write the page: ``python -m verification``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from strainprint.files import whole_directory
from strainprint.report.figures.style import house_style
from verification import (
    convergence,
    elasticity,
    flow,
    invariances,
    pairs,
    pile_ups,
    whole_specimens,
)
from verification.populations import Effort
from verification.record import Check, CheckFunction, write_figure, write_page

CHECKS: tuple[CheckFunction, ...] = (
    elasticity.hooke_and_burgers,
    pairs.pair_force,
    pairs.nucleation,
    elasticity.image_force,
    elasticity.side_traction,
    whole_specimens.macroscopic_relation,
    whole_specimens.one_dipole,
    pile_ups.pile_up,
    pile_ups.double_ended,
    pile_ups.source_between_locks,
    pile_ups.slip_band,
    flow.taylor,
    flow.yield_and_size,
    flow.bursts,
    invariances.symmetry,
    invariances.determinism,
    invariances.energy,
    convergence.time_steps,
    convergence.velocity_cutoff,
    convergence.map_pitch,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks; returns 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m verification", description=__doc__)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/verification"),
        help="folder of the figures; the page is written beside it, with the suffix .md",
    )
    parser.add_argument(
        "--samples", type=int, default=50, help="specimens of each kind in statistical checks"
    )
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--only",
        action="append",
        choices=[check.__name__ for check in CHECKS],
        help="run this check alone and write its figure only; may be given more than once",
    )
    options = parser.parse_args(arguments)
    if options.samples < 2 or options.cores < 1:
        parser.error("--samples must be 2 or more, --cores 1 or more")
    effort = Effort(samples=options.samples, cores=options.cores)
    done: list[Check] = []
    with house_style():
        for check in CHECKS:
            if options.only and check.__name__ not in options.only:
                continue
            done.append(check(effort))
            print(f"{done[-1].verdict:>9}  {done[-1].title}: {done[-1].found}", flush=True)
        if options.only:
            options.out.mkdir(parents=True, exist_ok=True)
            for result in done:
                write_figure(result, options.out)
        else:
            with whole_directory(options.out) as folder:
                folder.mkdir()
                for result in done:
                    write_figure(result, folder)
            page = options.out.with_suffix(".md")
            write_page(done, page, options.out.name, effort.samples)
    failed = [result.title for result in done if result.passed is False]
    for title in failed:
        print(f"FAILED: {title}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
