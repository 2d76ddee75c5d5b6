"""Runs the shell commands of every page, as a reader pastes them.

The `sh` and `bash` blocks of a page run one after the other in one shell, in a directory that looks like the project's
root, against a local runner of the page's own. Where a page says http://127.0.0.1:8080, that runner's address is put.
A comment directly above a block says what is different about it:

    <!-- serves -->           It starts a server in another terminal, which prints `ready`; the blocks below meet it.
    <!-- in AWS -->           It runs with the AWS CLI, against an emulator with a stack like the deployed one.
    <!-- run by: PATH -->     The step PATH of tests/run runs it.
    <!-- not run: REASON -->  No test can run it on one machine, for this reason.
    <!-- types: TEXT -->      TEXT is what it reads from the keyboard.
    <!-- prints: TEXT -->     TEXT is in what it prints. One comment for each text.

A block that is not run here has to be right shell at least.
"""

import argparse
import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from pages import ROOT, Block, Page, pages
from rules import SHELLS

ADDRESS = "http://127.0.0.1:8080"
READY = re.compile(r"^ready (http://\S+)$", re.MULTILINE)
MARKER = re.compile(r"(?P<kind>serves|in AWS|run by|not run|types|prints)(?:: *(?P<text>.*))?")
# What separates the output of one block from the next one's: no command prints it.
SEPARATOR = "\x1e"
GROUP_SECONDS = 180
READY_SECONDS = 120

# The page whose first block in AWS defines what the others use.
PRELUDE = ROOT / "infra/manual/deploy.md"
# The page whose reader has met a failure.
RUNBOOK = ROOT / "infra/manual/runbook.md"

# Of the reader's own environment, what a build needs; nothing else may change what a command does.
INHERITED = re.compile(r"(HOME|PATH|LANG|TERM|TMPDIR|RUNNER)|(CARGO|RUST|AWS_LC)\w*")
# `cargo`, as the reader calls it from the project's root. The local runner takes a port that is free.
CARGO = r"""#!/bin/sh
verb=$1
shift
case "$verb $*" in
  *'--port '*) ;;
  'run -p local '*' -- '* | 'run -p local -- '*) set -- "$@" --port 0 ;;
  'run -p local'*) set -- "$@" -- --port 0 ;;
esac
exec "$DOCS_CARGO" "$verb" --quiet --locked --manifest-path "$DOCS_ROOT/Cargo.toml" "$@"
"""

# `aws`, which finds SQS in no other way (AWS CLI 1.46).
AWS = r"""#!/bin/sh
exec "$DOCS_AWS" --endpoint-url "$AWS_ENDPOINT_URL" "$@"
"""

# `jq`, of which PyPI has the engine and not the program.
JQ = f"""#!{sys.executable}
import jq, json, sys
raw = sys.argv[1] == "-r"
program, *files = sys.argv[1 + raw :]
text = open(files[0]).read() if files else sys.stdin.read()
for value in jq.compile(program).input_text(text):
    print(value if raw and isinstance(value, str) else json.dumps(value))
"""


class Fault(Exception):
    """A command that does not do what its page says, or a marker that does not say what it must."""


@dataclass
class Command:
    """A block of commands, with the way in which it is run, what is typed meanwhile, and what it has to print."""

    place: str
    block: Block
    way: str = "here"
    types: str = ""
    prints: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page, block, steps):
        path = page.path.relative_to(ROOT) if page.path.is_relative_to(ROOT) else page.path
        command = cls(f"{path}:{block.line}", block)
        for marker in block.markers:
            command._mark(marker, steps)
        shell = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
        if shell.returncode != 0:
            raise Fault(f"{command.place}: {shell.stderr.strip()}")
        return command

    def _mark(self, marker, steps):
        found = MARKER.fullmatch(marker)
        if not found:
            raise Fault(f"{self.place}: <!-- {marker} --> is no marker; {__doc__}")
        kind, text = found["kind"], (found["text"] or "").strip()
        if kind == "run by" and text not in steps:
            raise Fault(f"{self.place}: tests/run has no step {text or 'without a name'}")
        enough = {"run by": True, "not run": len(text.split()) >= 3, "types": bool(text), "prints": bool(text)}
        if not enough.get(kind, not text):
            raise Fault(f"{self.place}: <!-- {marker} --> does not say what it must; {__doc__}")
        if kind == "prints":
            self.prints.append(text)
        elif kind == "types":
            self.types = text
        elif self.way == "here":
            self.way = kind
        else:
            raise Fault(f"{self.place}: it can be run in one way only")

    def script(self):
        """Returns what a shell runs: a line that begins its output, and the block, at the keyboard or without one."""
        keyboard = f"<<'TYPED'\n{self.types}\nTYPED" if self.types else "< /dev/null"
        return f"printf '\\036\\n'\n{{\n{self.block.text}}} {keyboard}\n"


class Machine:
    """A directory that looks like the project's root and leaves it alone, with what the commands of a page meet."""

    def __init__(self, directory, page):
        self.page, self.servers, self.address, self.cloud = page, [], None, None
        self.directory = Path(directory) / "chat2pay"
        self.directory.mkdir()
        for entry in ROOT.iterdir():
            if entry.name not in (".git", "target"):
                (self.directory / entry.name).symlink_to(entry)
        own, installed = Path(directory) / "bin", Path(sys.executable).parent
        own.mkdir()
        for name, script in {"cargo": CARGO, "aws": AWS, "jq": JQ}.items():
            (own / name).write_text(script)
            (own / name).chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
        self.environment |= {
            "DOCS_AWS": str(installed / "aws"),
            "DOCS_CARGO": shutil.which("cargo") or "cargo",
            "DOCS_ROOT": str(ROOT),
            "PATH": os.pathsep.join([str(own), str(installed), os.environ["PATH"]]),
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            end(server, signal.SIGTERM)

    def run(self, commands):
        """Runs what can be run, and returns how many blocks that were."""
        commands = [command for command in commands if command.way not in ("run by", "not run")]
        for way, group in itertools.groupby(commands, lambda command: command.way):
            if way == "serves":
                for command in group:
                    self.serve(command.block.text)
            elif way == "in AWS":
                prelude, variables = self.account()
                self._run(list(group), prelude, variables)
            else:
                if not self.address:
                    self.serve("cargo run -p local")
                self._run(list(group))
        return len(commands)

    def _run(self, group, prelude="", variables=None):
        """Runs blocks in one shell and says which one failed."""
        bash = any(command.block.language == "bash" for command in group)
        shell = ["bash", "-o", "pipefail"] if bash else ["sh"]
        script = "".join(command.script() for command in group)
        script = prelude + (script.replace(ADDRESS, self.address) if self.address else script)
        with tempfile.TemporaryFile("w+") as output:
            process = self._start([*shell, "-eu", "-c", script], output, variables)
            try:
                status = process.wait(GROUP_SECONDS)
            except subprocess.TimeoutExpired:
                status = f"none after {GROUP_SECONDS} seconds"
            finally:
                end(process, signal.SIGKILL)
            output.seek(0)
            printed = output.read().split(SEPARATOR)[1:]
        if status != 0:
            failed = group[max(len(printed) - 1, 0)]
            raise Fault(f"{failed.place}: status {status}\n{failed.block.text}printed:{''.join(printed[-1:])}")
        for command, text in zip(group, printed, strict=True):
            for wanted in command.prints:
                if wanted not in text:
                    raise Fault(f"{command.place}: it did not print {wanted}, but:{text}")

    def serve(self, command):
        """Starts a server and waits until it is ready. The blocks that follow meet it."""
        log = self.directory.parent / f"server-{len(self.servers)}.log"
        with log.open("w") as output:
            server = self._start(["sh", "-eu", "-c", command], output)
        self.servers.append(server)
        limit = time.monotonic() + READY_SECONDS
        while time.monotonic() < limit:
            if ready := READY.search(log.read_text()):
                self.address = ready[1]
                return
            if server.poll() is not None:
                break
            time.sleep(0.1)
        raise Fault(f"no `ready` from: {command.strip()}\n{log.read_text()}")

    def account(self):
        """Returns what a page's commands in AWS begin with, and the variables by which they find their account."""
        if not self.cloud:
            # It needs packages that the rest does not.
            from cloud import Cloud

            self.cloud = Cloud(self.directory.parent)
            self.servers.append(self.cloud.process)
            if self.page.path == RUNBOOK:
                self.cloud.fail_something()
        defined = next(block.text for block in Page.read(PRELUDE).blocks if "in AWS" in block.markers)
        return "" if self.page.path == PRELUDE else defined, self.cloud.variables

    def _start(self, arguments, output, variables=None):
        return subprocess.Popen(
            arguments,
            cwd=self.directory,
            env=self.environment | (variables or {}),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def end(process, first):
    """Ends a process with everything that it started."""
    for sign in (first, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


def steps():
    """Returns the commands that tests/run names, and tests/run itself."""
    script = (ROOT / "tests/run").read_text()
    return {"tests/run"} | set(re.findall(r"^step .*?(tests/[\w/-]+)(?= |$)", script, re.MULTILINE))


def run_page(page, known, machine=Machine):
    """Runs the commands of a page. Returns how many blocks it has and how many of them were run."""
    commands = [Command.of(page, block, known) for block in page.blocks if block.language in SHELLS]
    with tempfile.TemporaryDirectory() as directory, machine(directory, page) as here:
        return len(commands), here.run(commands)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="*", type=lambda name: Page.read(Path(name).resolve()), help="all by default")
    chosen, known, faults, total, ran = parser.parse_args().page or pages(), steps(), 0, 0, 0
    for page in chosen:
        try:
            blocks, done = run_page(page, known)
        except Fault as fault:
            print(fault, file=sys.stderr)
            faults += 1
            continue
        total, ran = total + blocks, ran + done
        if blocks:
            print(f"{page.path.relative_to(ROOT)}: {done} of {blocks} blocks run", flush=True)
    print(f"{total} blocks of commands, {ran} of them run here, {faults} pages at fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
