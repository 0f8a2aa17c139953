"""Coverage-guided fuzzing of the map readers: mutations that reach new lines are kept and go on.

``make fuzz-guided SECONDS=60``. The arguments are libFuzzer's; with files instead of options it
reads those again, such as ``.fuzz/found/crash-...`` of an earlier run. The first byte of an input
chooses the sample whose name and declaration it gets, the others are the file.
"""

import sys
from pathlib import Path

try:
    import atheris
except ModuleNotFoundError:
    sys.exit(
        "atheris is not installed, and nothing was fuzzed. "
        "Install it: pip install -c envs/constraints.txt -e '.[fuzz]'"
    )

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["strainprint.maps"]):
    from reader_oracle import usable, write_samples

FOLDER = Path(".fuzz").absolute()  # corpus and findings; git ignores it


def main(arguments):
    for name in ("samples", "corpus", "found"):
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
    samples = write_samples(FOLDER / "samples")
    for number, (path, content, _, _) in enumerate(samples):
        seed = FOLDER / "corpus" / f"{number:02d}-{path.name}"
        seed.write_bytes(bytes([number]) + content)

    def read_one(data):
        if not data:
            return
        path, _, _, declaration = samples[data[0] % len(samples)]
        path.write_bytes(data[1:])
        usable(path, declaration)

    options = [
        # Memory and time are the oracle's; this one ends a hang, in seconds of the clock.
        "-rss_limit_mb=0", "-timeout=300", f"-artifact_prefix={FOLDER}/found/",
        "-print_final_stats=1",
    ]  # fmt: skip
    named = any(not argument.startswith("-") for argument in arguments)
    corpus = [] if named else [str(FOLDER / "corpus")]
    atheris.Setup([sys.argv[0], *options, *arguments, *corpus], read_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
