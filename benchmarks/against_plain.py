"""Do specimens of the simulator have the strength of those of the plain version?

Single specimens part wherever an event tips over; means must not. The same crystals are compressed
by both (benchmarks/plain_specimens.py), and the mean differences are printed with their standard
errors. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from plain_specimens import PlainSpecimen
from specimens import MATERIAL, summarise

from strainprint.seeds import generator
from strainprint.specimens.crystal import CrystalSettings, place_crystal
from strainprint.specimens.loading import LoadingSettings, Specimen
from strainprint.specimens.rules import DynamicsSettings

NAMES = ("peak_mpa", "flow_mpa", "dislocations", "steps_at_sides")


def compared(width_nm, slip_systems, index, strain):
    """Results of both for one crystal, ours first."""
    crystal = place_crystal(
        width_nm,
        slip_systems,
        CrystalSettings(),
        MATERIAL,
        generator(0, "against the plain version", width_nm, slip_systems, index),
    )
    dynamics = DynamicsSettings()
    ours = Specimen(crystal, MATERIAL, dynamics, LoadingSettings())
    plain = PlainSpecimen(crystal, MATERIAL, dynamics)
    return [
        summarise(crystal, curve, specimen.state)
        for curve, specimen in ((ours.load(strain, sense=-1), ours), (plain.load(strain), plain))
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=float, nargs="+", default=[62.5, 125.0])
    parser.add_argument("--specimens", type=int, default=24, help="per width")
    parser.add_argument("--slip-systems", type=int, choices=(1, 2), default=2)
    parser.add_argument("--strain", type=float, default=0.01)
    options = parser.parse_args()
    result = {"strain": options.strain, "specimens": options.specimens}
    for width in options.widths:
        rows = np.array(
            [
                compared(width, options.slip_systems, index, options.strain)
                for index in range(options.specimens)
            ],
            float,
        )
        change = rows[:, 0] - rows[:, 1]
        error = change.std(axis=0, ddof=1) / np.sqrt(len(change))
        print(f"{width:g} nm, {len(rows)} specimens to {100 * options.strain:g} %:")
        found = {}
        for k, name in enumerate(NAMES):
            plain = rows[:, 1, k].mean()
            print(
                f"    {name}: {change[:, k].mean():+.2f} ± {error[k]:.2f} of {plain:.1f}, "
                f"median {np.median(change[:, k]):+.2f}"
            )
            found[name] = {"difference": change[:, k].mean(), "error": error[k], "plain": plain}
        result[f"{width:g}"] = found
    print(json.dumps(result))


if __name__ == "__main__":
    main()
