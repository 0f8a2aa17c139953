"""The command line: one specimen or one map at a time, by the functions the workflow calls.

Exit status: 0 done, 1 some files were refused and the rest is done, 2 nothing could be done.
Heavy modules are imported by the subcommand that needs them, so that help is instant.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from strainprint import __version__
from strainprint.errors import BadInputError

DONE, PARTLY, FAILED, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status; bad input is a message, not a traceback."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(message)s",
        stream=sys.stderr,
    )
    try:
        return int(options.run(options))
    except BadInputError as error:
        print(f"strainprint: {error}", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"strainprint: {where}{error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("strainprint: stopped; no file is left half written", file=sys.stderr)
        return INTERRUPTED
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strainprint",
        description="Read a crystal's deformation history from its strain map.",
        epilog="The whole study, from simulation to report: snakemake --cores all",
    )
    parser.add_argument("--version", action="version", version=f"strainprint {__version__}")
    parser.add_argument("--verbose", action="store_true", help="say what is being done")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    simulate = commands.add_parser(
        "simulate",
        help="simulate specimens",
        description="Simulate specimens: load them along every path, unload, relax, reload. By "
        "default they are compressed to 0.1, 1 and 10 %. Everything else has the defaults of the "
        "workflow's config, or what a config says. A specimen that breaks a physical check is set "
        "apart with its last state; the exit status then is 1, or 2 where none is left.",
        epilog="example: strainprint simulate --width-nm 125 --slip-systems 2 --prior-strains 0.01 "
        "--path back='compress 0.01, unload, pull 0.01' --out specimens.h5",
    )
    simulate.add_argument(
        "--width-nm", type=float, required=True, metavar="NM", help="width of the specimens"
    )
    simulate.add_argument(
        "--slip-systems", type=int, choices=(1, 2), required=True, help="+30°, or +30° and -30°"
    )
    simulate.add_argument(
        "--specimens", type=int, default=1, metavar="N", help="how many (default 1)"
    )
    simulate.add_argument(
        "--seed", type=int, default=0, help="same seed, same specimens (default 0)"
    )
    simulate.add_argument(
        "--prior-strains",
        type=float,
        nargs="*",
        metavar="STRAIN",
        help="strains of one earlier load each (default 0.001 0.01 0.1; with --path, none)",
    )
    simulate.add_argument(
        "--path",
        action="append",
        metavar="NAME=STEPS",
        help="a sequence of loads, e.g. back='compress 0.01, unload, pull 0.02'; may be given "
        "several times",
    )
    simulate.add_argument(
        "--sense",
        choices=("compression", "tension"),
        help="of the prior strains and of every reload (default compression)",
    )
    simulate.add_argument(
        "--config",
        type=Path,
        metavar="FILE.yaml",
        help="take material, crystal, dynamics, loading, strains and paths from the section "
        "`specimens` of a config; the options above come before it",
    )
    simulate.add_argument("--out", type=Path, required=True, metavar="FILE.h5", help="HDF5 file")
    simulate.set_defaults(run=_simulate)

    draw = commands.add_parser(
        "draw",
        help="draw simulated specimens",
        description="Draw each specimen after each of its strain paths, as SVG and PNG: the body "
        "with its slip steps, dislocations with their sign, sources and obstacles, and the "
        "stress-strain curve beside it.",
    )
    draw.add_argument("specimens", type=Path, metavar="specimens.h5", help="from `simulate`")
    draw.add_argument("--specimen", type=int, metavar="INDEX", help="only this one, 0 the first")
    draw.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    draw.set_defaults(run=_draw)

    measure = commands.add_parser(
        "measure",
        help="measure strain maps of simulated specimens",
        description="Write every map as HDF5 with units and as 8-bit PNG, and maps.csv.",
    )
    measure.add_argument("specimens", type=Path, metavar="specimens.h5", help="from `simulate`")
    measure.add_argument(
        "--reload",
        choices=("small", "large", "both"),
        default="both",
        help="reload by 0.1 %%, 1 %% or both (default both)",
    )
    measure.add_argument(
        "--study",
        choices=("published", "audited"),
        default="published",
        help="grid on the deformed body as the paper's, or on the reference body "
        "(default published)",
    )
    measure.add_argument(
        "--instrument",
        nargs="+",
        metavar="KEY=VALUE",
        help="measure as a digital image correlation would, its pixel being the grid's 2 nm: "
        "subset_px, step_px, window_points and, if wanted, noise_px and lost_step_px",
    )
    measure.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    measure.set_defaults(run=_measure)

    read = commands.add_parser(
        "read",
        help="read a strain map that a correlation tool wrote",
        description="Read a map of DaVis, VIC, GOM, ARAMIS, MatchID, DICe, Ncorr, OpenCorr, "
        "pyvale, EBSD-linked deformation gradients or a picture, and write it as HDF5 with units, "
        "masks and provenance. What the file does not say goes into a declaration; without it, the "
        "message names the lines to write.",
    )
    read.add_argument("map", type=Path, metavar="MAP", help="the tool's file")
    read.add_argument(
        "--declare",
        type=Path,
        metavar="FILE.yaml",
        help="what the file does not say (default: the .yaml of the same name beside it)",
    )
    read.add_argument("--out", type=Path, required=True, metavar="FILE.h5")
    read.set_defaults(run=_read)

    predict = commands.add_parser(
        "predict",
        help="tell the prior strain from maps or pictures",
        description="Classify maps (HDF5 from `measure` or `read`, files of correlation tools) and "
        "8-bit grey PNGs. Several networks count as an ensemble. A file that cannot be used is "
        "named at the end and does not stop the others.",
    )
    predict.add_argument("maps", type=Path, nargs="+", metavar="MAP", help="maps or pictures")
    predict.add_argument(
        "--declare",
        type=Path,
        metavar="FILE.yaml",
        help="what the tools' files do not say, for those without a .yaml of their own beside them",
    )
    who = predict.add_mutually_exclusive_group(required=True)
    who.add_argument(
        "--predictor",
        type=Path,
        metavar="DIR",
        help="predictor of a study and split: ensemble, calibration, curves, domain",
    )
    who.add_argument(
        "--network",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="directory of a trained network alone; may be given several times",
    )
    predict.add_argument(
        "--level",
        type=float,
        default=0.9,
        help="share of maps for which sets and intervals are to hold (default 0.9)",
    )
    predict.add_argument(
        "--saliency",
        type=Path,
        metavar="FOLDER",
        help="draw where in each map the lead network looks",
    )
    predict.add_argument(
        "--curves",
        type=Path,
        metavar="FOLDER",
        help="predict the stress-strain curve of each small-reload map (needs --predictor)",
    )
    predict.add_argument("--out", type=Path, required=True, metavar="predictions.csv")
    predict.set_defaults(run=_predict)

    import_keras = commands.add_parser(
        "import-keras",
        help="make the published network one of ours",
        description="Read the paper's published weights (Keras 2.1 HDF5) into a network directory.",
    )
    import_keras.add_argument("weights", type=Path, metavar="weights.hdf5")
    import_keras.add_argument("directory", type=Path, metavar="DIR")
    import_keras.set_defaults(run=_import_keras)

    status = commands.add_parser(
        "status",
        help="say what the workflow's run has done, is doing, could not do, and why",
        description="One line on the last run of the workflow in a folder: done, running, failed "
        "and why, and an estimate of the time left.",
    )
    status.add_argument(
        "--directory", type=Path, default=Path(), metavar="FOLDER", help="as given to snakemake"
    )
    status.add_argument("--stages", action="store_true", help="and one line for every rule")
    status.set_defaults(run=_status)
    return parser


def _simulate(options: argparse.Namespace) -> int:
    from strainprint.specimens.simulate import simulate_shard, specimens_of_config

    if options.specimens < 1 or options.seed < 0:
        raise BadInputError(
            f"--specimens {options.specimens} --seed {options.seed}",
            allowed="1 specimen or more, a seed of 0 or more",
        )
    manifest = options.out.with_suffix(".json")
    if manifest == options.out:
        raise BadInputError("the manifest goes beside it as .json", where=options.out)
    settings = specimens_of_config(options.config) if options.config else {}
    if options.path:
        settings["paths"] = dict(_named_path(text) for text in options.path)
        settings["prior_strains"] = []
    if options.prior_strains is not None:
        settings["prior_strains"] = options.prior_strains
    if options.sense:
        settings["loading"] = {**settings.get("loading", {}), "sense": options.sense}
    lost = simulate_shard(
        options.out,
        manifest,
        width_nm=options.width_nm,
        slip_systems=options.slip_systems,
        first=0,
        count=options.specimens,
        seed=options.seed,
        **settings,
    )
    left = options.specimens - len(lost)
    print(f"{left} specimens in {options.out}, described in {manifest}")
    return DONE if not lost else PARTLY if left else FAILED


def _named_path(text: str) -> tuple[str, list[str]]:
    """Return name and steps of ``NAME=STEP, STEP ...``."""
    name, equals, steps = text.partition("=")
    if not equals:
        raise BadInputError(f"--path {text!r}", allowed="NAME='compress 0.01, unload, pull 0.02'")
    return name.strip(), [step.strip() for step in steps.split(",")]


def _draw(options: argparse.Namespace) -> int:
    from strainprint.report.figures.specimen_states import draw_specimens

    drawn = draw_specimens(options.specimens, options.out, specimen=options.specimen)
    print(f"{len(drawn)} drawings in {options.out}, each as PNG and SVG")
    return DONE


def _measure(options: argparse.Namespace) -> int:
    from strainprint.maps.instrument import Instrument
    from strainprint.maps.measure import measure_to_folder
    from strainprint.specimens.naming import RELOADS

    reloads = RELOADS if options.reload == "both" else (options.reload,)
    written = measure_to_folder(
        options.specimens,
        options.out,
        study=options.study,
        reloads=reloads,
        instrument=Instrument.from_texts(options.instrument) if options.instrument else None,
    )
    print(f"{len(written)} maps in {options.out}, listed in {options.out / 'maps.csv'}")
    return DONE


def _read(options: argparse.Namespace) -> int:
    from strainprint.maps.declaration import read_declaration
    from strainprint.maps.measured_map import write_measured_map
    from strainprint.maps.readers.recognise import read_map

    declared = None if options.declare is None else read_declaration(options.declare)
    measured = read_map(options.map, declared)
    write_measured_map(options.out, measured)
    rows, columns = measured.shape
    print(
        f"{options.map}: {measured.attributes['source_tool']}, {rows} x {columns} points, "
        f"{measured.valid.mean():.1%} with a value; written to {options.out}"
    )
    return DONE


def _predict(options: argparse.Namespace) -> int:
    from strainprint.prediction.classify import Judge, classify_files
    from strainprint.report.wording import counted

    refused = classify_files(
        options.maps,
        Judge.load(options.network, options.predictor, level=options.level),
        options.out,
        declaration=options.declare,
        saliency_folder=options.saliency,
        curves_folder=options.curves,
    )
    read = len(options.maps) - len(refused)
    if read:
        print(f"{read} of {len(options.maps)} files classified in {options.out}")
    for file in refused:
        print(f"strainprint: {file.reason}", file=sys.stderr)
    if refused:
        print(f"strainprint: {counted(len(refused), 'file')} refused", file=sys.stderr)
    return DONE if not refused else PARTLY if read else FAILED


def _status(options: argparse.Namespace) -> int:
    from strainprint.status import stage_lines, status_line

    print(status_line(options.directory))
    for line in stage_lines(options.directory) if options.stages else []:
        print(f"  {line}")
    return DONE


def _import_keras(options: argparse.Namespace) -> int:
    from strainprint.networks.published_weights import import_keras

    import_keras(options.weights, options.directory)
    print(f"network written to {options.directory}")
    return DONE
