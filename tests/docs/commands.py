"""Runs the shell commands of every page, as a reader pastes them.

The `sh` blocks of a page run one after the other in one shell, in a temporary directory that looks like the project's
root, against a local runner of the page's own. Where a page says http://127.0.0.1:8080, that runner's address is put.
A comment directly above a block says what is different about it:

    <!-- serves -->           It starts a server in another terminal, which prints `ready`; the blocks below meet it.
    <!-- prints: TEXT -->     TEXT is in what it prints. One comment for each text.
    <!-- run by: PATH -->     The step PATH of tests/run runs it.
    <!-- not run: REASON -->  No test can run it on one machine, for this reason.

A block that is not run here has to be right shell at least.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pages import ROOT, Page, pages
from rules import SHELLS

ADDRESS = "http://127.0.0.1:8080"
READY = re.compile(r"^ready (http://\S+)$", re.MULTILINE)
MARKER = re.compile(r"(?P<kind>serves|prints|run by|not run)(?:: *(?P<text>.*))?")
# What separates the output of one block from the next one's: no command prints it.
SEPARATOR = "\x1e"
PAGE_SECONDS = 180
READY_SECONDS = 120

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


class Fault(Exception):
    """A command that does not do what its page says, or a marker that does not say what it must."""


class Commands:
    """The shell blocks of one page, divided by what becomes of them."""

    def __init__(self, page, steps):
        self.page, self.blocks = page, []
        for block in page.blocks:
            if block.language in SHELLS:
                self.blocks.append((block, self._markers(block, steps)))

    def place(self, block):
        path = self.page.path
        return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{block.line}"

    def _markers(self, block, steps):
        markers = {"prints": []}
        for text in block.markers:
            found = MARKER.fullmatch(text)
            if not found:
                raise Fault(f"{self.place(block)}: <!-- {text} --> is no marker; {__doc__}")
            kind, value = found["kind"], (found["text"] or "").strip()
            if kind == "prints" and value:
                markers["prints"].append(value)
            elif kind == "run by" and value in steps and (ROOT / value).exists():
                markers[kind] = value
            elif kind == "run by":
                raise Fault(f"{self.place(block)}: tests/run has no step {value or 'without a name'}")
            elif kind == "not run" and len(value.split()) >= 3:
                markers[kind] = value
            elif kind == "serves" and not value:
                markers[kind] = True
            else:
                raise Fault(f"{self.place(block)}: <!-- {text} --> does not say enough; {__doc__}")
        if len([kind for kind in ("serves", "run by", "not run") if kind in markers]) > 1:
            raise Fault(f"{self.place(block)}: it can be run in one way only")
        return markers

    def check_syntax(self):
        for block, _ in self.blocks:
            shell = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
            if shell.returncode != 0:
                raise Fault(f"{self.place(block)}: {shell.stderr.strip()}")

    def run(self, work, start):
        """Runs what can be run; `start` starts a server and answers its address. Returns how many blocks it ran."""
        ran, group, address = 0, [], None
        for block, markers in self.blocks:
            if "not run" in markers or "run by" in markers:
                continue
            ran += 1
            if "serves" in markers:
                self._run_group(work, group, address, start)
                group, address = [], start(block.text)
            else:
                group.append((block, markers["prints"]))
        self._run_group(work, group, address, start)
        return ran

    def _run_group(self, work, group, address, start):
        """Runs blocks in one shell and says which one failed."""
        if not group:
            return
        address = address or start("cargo run -p local")
        script = "".join(f"printf '\\036\\n'\n{block.text}" for block, _ in group).replace(ADDRESS, address)
        shell = "bash" if any(block.language == "bash" for block, _ in group) else "sh"
        with tempfile.TemporaryFile("w+") as output:
            process = subprocess.Popen(
                [shell, "-eu", "-c", script],
                cwd=work.directory, env=work.environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                status = process.wait(PAGE_SECONDS)
            except subprocess.TimeoutExpired:
                status = f"none after {PAGE_SECONDS} seconds"
            finally:
                end(process, signal.SIGKILL)
            output.seek(0)
            printed = output.read().split(SEPARATOR)[1:]
        if status != 0:
            block = group[len(printed) - 1][0]
            raise Fault(f"{self.place(block)}: status {status}\n{block.text}printed:{printed[-1]}")
        for (block, expected), text in zip(group, printed, strict=True):
            for wanted in expected:
                if wanted not in text:
                    raise Fault(f"{self.place(block)}: it did not print {wanted}, but:{text}")


class Work:
    """A directory that looks like the project's root and leaves it alone, and the servers that were started from it."""

    def __init__(self, directory):
        self.directory, self.servers = Path(directory) / "chat2pay", []
        self.directory.mkdir()
        for entry in ROOT.iterdir():
            if entry.name not in (".git", "target"):
                (self.directory / entry.name).symlink_to(entry)
        shim = Path(directory) / "bin" / "cargo"
        shim.parent.mkdir()
        shim.write_text(CARGO)
        shim.chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
        self.environment["DOCS_CARGO"] = shutil.which("cargo") or "cargo"
        self.environment["DOCS_ROOT"] = str(ROOT)
        tools = [str(shim.parent), str(Path(sys.executable).parent)]
        self.environment["PATH"] = os.pathsep.join([*tools, os.environ["PATH"]])

    def start(self, command):
        """Starts what a block says and waits until it is ready. Returns its address."""
        log = self.directory.parent / f"server-{len(self.servers)}.log"
        with log.open("w") as output:
            server = subprocess.Popen(
                ["sh", "-eu", "-c", command],
                cwd=self.directory, env=self.environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.servers.append(server)
        limit = time.monotonic() + READY_SECONDS
        while time.monotonic() < limit:
            if ready := READY.search(log.read_text()):
                return ready[1]
            if server.poll() is not None:
                break
            time.sleep(0.1)
        raise Fault(f"no `ready` from: {command.strip()}\n{log.read_text()}")

    def stop(self):
        for server in self.servers:
            end(server, signal.SIGTERM)
        self.servers.clear()


def end(process, first):
    """Ends a process with everything that it started."""
    for sign in (first, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


def steps():
    """The commands that tests/run names, and tests/run."""
    script = (ROOT / "tests/run").read_text()
    return {"tests/run"} | set(re.findall(r"^step .*?(tests/[\w/-]+)(?= |$)", script, re.MULTILINE))


def run_page(page, known):
    commands = Commands(page, known)
    commands.check_syntax()
    with tempfile.TemporaryDirectory() as directory:
        work = Work(directory)
        try:
            return commands, commands.run(work, work.start)
        finally:
            work.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="*", type=lambda name: Page.read(Path(name).resolve()), help="all by default")
    chosen, known, faults, total, ran = parser.parse_args().page or pages(), steps(), 0, 0, 0
    for page in chosen:
        if not any(block.language in SHELLS for block in page.blocks):
            continue
        try:
            commands, done = run_page(page, known)
        except Fault as fault:
            print(fault, file=sys.stderr)
            faults += 1
            continue
        total, ran = total + len(commands.blocks), ran + done
        print(f"{page.path.relative_to(ROOT)}: {done} of {len(commands.blocks)} blocks run")
    print(f"{total} blocks of commands, {ran} of them run here, {faults} pages at fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
