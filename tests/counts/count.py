"""Runs functions under valgrind, each against a stand-in for Lambda's runtime API, and counts.

Counted are the instructions from the process's start until the function asks for its second event, and those of each
of the events after it, with the allocations that they take. The table, the bus, the provider and the phone are the
local runner's, over plain HTTP: there is no handshake, and no certificate is verified.
"""

import argparse
import json
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "benches"))

from functions import Events, WrongAnswer, check, encoded, environment
from runtime_api import LambdaFunction, NoAnswer

COUNTS = json.loads((Path(__file__).parent / "counts.json").read_text())
# A count differs a little from run to run: tables of hashes have random seeds.
TOLERANCE = 1.05
WARM_EVENTS = 10
ALLOCATES = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"}


class Failed(Exception):
    """A function cannot be counted."""


@dataclass
class Counted:
    """What a process did."""

    instructions: int
    allocations: int


def count(function, binary, events, variables, profile):
    """Returns what a function does from its start until it asks for the event after these."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", binary]
    with tempfile.TemporaryFile() as log:
        try:
            with LambdaFunction(command, variables, log, function) as process:
                for event in events:
                    check(function, process.invoke(event).json())
                # The instructions until here are the events'.
                process.wait_until_idle()
        except (NoAnswer, WrongAnswer) as error:
            log.seek(0)
            raise Failed(f"{error}\n{log.read().decode(errors='replace')}") from error
    return read(profile.read_text())


def read(profile):
    """Reads what callgrind has counted (https://valgrind.org/docs/manual/cl-format.html)."""
    names = {}
    allocations = 0
    called = None
    for line in profile.splitlines():
        if match := re.match(r"(c?fn)=\((\d+)\)(?: (.+))?", line):
            kind, number, name = match.groups()
            if name:
                names[number] = name.removesuffix("'2")
            called = names[number] if kind == "cfn" else None
        elif called in ALLOCATES and (match := re.match(r"calls=(\d+)", line)):
            allocations += int(match[1])
    return Counted(int(re.search(r"^(?:summary|totals): (\d+)", profile, re.MULTILINE)[1]), allocations)


def row(function, started, warmed):
    """Returns the row of a function: what it does to its first answer, and for each event after that."""
    return {
        "row": function,
        "start_millions": round(started.instructions / 1e6, 2),
        "warm_millions": round((warmed.instructions - started.instructions) / WARM_EVENTS / 1e6, 3),
        "warm_allocations": round((warmed.allocations - started.allocations) / WARM_EVENTS),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", choices=COUNTS, required=True, help="how the binaries are built")
    parser.add_argument("--base", required=True, help="where the local runner is")
    parser.add_argument("--binaries", type=Path, required=True, help="the folder of the functions' binaries")
    parser.add_argument("--profiles", type=Path, required=True, help="the folder to write callgrind's profiles to")
    parser.add_argument("functions", nargs="*", metavar="FUNCTION")
    arguments = parser.parse_args()
    expected = COUNTS[arguments.build]
    functions = arguments.functions or expected
    if unknown := set(functions) - set(expected):
        parser.error(f"no such function: {', '.join(unknown)}")
    variables = {**environment(arguments.base), "AGENT_REQUESTS_PER_MINUTE": "30", "LINK_TTL_SECONDS": "3600"}
    over = []
    with tempfile.TemporaryFile() as log, Events(arguments.binaries, variables, log) as events:
        for function in functions:
            binary = arguments.binaries / function
            try:
                counted = [
                    count(function, binary, [encoded(events.of(function)) for _ in range(number)], variables, profile)
                    for number, profile in (
                        (1, arguments.profiles / f"{function}.start"),
                        (1 + WARM_EVENTS, arguments.profiles / f"{function}.warm"),
                    )
                ]
            except (Failed, NoAnswer, WrongAnswer) as error:
                log.seek(0)
                sys.exit(f"{function}: {error}\n{log.read().decode(errors='replace')}")
            found = {**row(function, *counted), "binary_bytes": binary.stat().st_size}
            print(json.dumps({"table": "counts", **found, **at_most(expected[function])}), flush=True)
            over += [
                f"{function}: {column} is {found[column]}, and was {value}"
                for column, value in expected[function].items()
                if column in found and found[column] > value * TOLERANCE
            ]
            start_at_most = expected[function].get("start_at_most", found["start_millions"])
            if found["start_millions"] > start_at_most:
                over.append(f"{function}: it may start with {start_at_most} million instructions at most")
    if over:
        sys.exit("more than it was:\n" + "\n".join(over))


def at_most(expected):
    return {name: value for name, value in expected.items() if name == "start_at_most"}


if __name__ == "__main__":
    main()
