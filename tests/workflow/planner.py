"""Snakemake in forked copies of one process that has imported it: a dry-run costs a third.

Reads one JSON line for each call (arguments, folder, path to import from) and answers with the exit
status and what was said. Nothing of the project is imported here, so every copy of a checkout can
be asked about its own code.
"""

import json
import os
import sys
import tempfile

import jsonschema  # noqa: F401 - imported once, for every call
import yaml  # noqa: F401
from snakemake import cli


def answer(arguments, folder, source):
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(complained.fileno(), 2)
            os.chdir(folder)
            sys.path.insert(0, source)
            os.environ["PYTHONPATH"] = source
            sys.argv = ["snakemake", *arguments]
            status = 1
            try:
                cli.main(arguments)
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else int(end.code is not None)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        complained.seek(0)
        return {"status": status, "stdout": said.read(), "stderr": complained.read()}


for line in sys.stdin:
    print(json.dumps(answer(**json.loads(line))), flush=True)
