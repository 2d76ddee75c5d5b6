"""Runs functions under valgrind, each against a stand-in for Lambda's runtime API that has one event, and counts.

Counted is everything from the process's start until the function asks for its second event. The table, the bus, the
provider and the phone are the local runner's, over plain HTTP: there is no handshake, and no certificate is verified.
"""

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

from functions import WrongAnswer, check, environment, event_of
from runtime_api import LambdaFunction, NoAnswer

# For each function the most million instructions that it may take to its answer: a tenth more than it takes.
MILLIONS_AT_MOST = {
    "create": 5.3,
    "query": 4.0,
    "cancel": 4.3,
    "link-click": 6.1,
    "payment-webhook": 5.7,
    "delivery-report": 4.5,
    "desk": 1.3,
    "webhook-endpoints": 4.5,
    "publish": 3.9,
    "expire": 32,
    "refund": 5.7,
    "reconcile": 14.5,
    "notify": 2.7,
    "webhooks": 4.4,
}


def count(binary, event, variables, profile):
    """Returns how many instructions a function takes to its first answer, and the answer."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", binary]
    with tempfile.TemporaryFile() as log:
        try:
            with LambdaFunction(command, variables, log) as function:
                answer = function.invoke(json.dumps(event).encode()).json()
                # The instructions until here are the event's.
                function.wait_until_idle()
        except NoAnswer as error:
            log.seek(0)
            sys.exit(f"{binary.name} did not answer: {error}\n{log.read().decode(errors='replace')}")
        # Valgrind says what it has counted when it ends.
        log.seek(0)
        counted = re.search(r"Collected : (\d+)", log.read().decode(errors="replace"))
    return int(counted[1]), answer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="print the names of the functions that are counted")
    parser.add_argument("--base", help="where the local runner is")
    parser.add_argument("--binaries", type=Path, help="the folder of the functions' binaries")
    parser.add_argument("--profiles", type=Path, help="the folder to write profiles to, for callgrind_annotate")
    parser.add_argument("functions", nargs="*", choices=[[], *MILLIONS_AT_MOST], default=[])
    arguments = parser.parse_args()
    if arguments.list:
        print(*MILLIONS_AT_MOST, sep="\n")
        return
    over = []
    variables = environment(arguments.base)
    for name in arguments.functions:
        most = MILLIONS_AT_MOST[name]
        event = event_of(name, arguments.binaries, variables)
        profile = arguments.profiles / f"{name}.callgrind" if arguments.profiles else "/dev/null"
        counted, answer = count(arguments.binaries / name, event, variables, profile)
        try:
            check(name, answer)
        except WrongAnswer as error:
            sys.exit(f"{error}, so its count says nothing")
        print(f"{name}: {counted / 1e6:.2f} million instructions to the first answer, of {most} at most", flush=True)
        if counted > most * 1e6:
            over.append(name)
    if over:
        sys.exit(f"more instructions than they may take: {', '.join(over)}")


if __name__ == "__main__":
    main()
