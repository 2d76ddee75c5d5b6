"""Holds files against what .editorconfig promises of them, and prints each line that breaks a promise.

    git ls-files -z | promises.py

A line may be longer than it promises where it cannot be broken: a row of a Markdown table, and a line whose first space
to break at comes after the limit.
"""

import pathlib
import re
import sys

import editorconfig

# What may stand before the first word of a line: indentation, and the sign of a comment, a list or a quotation.
LEAD = re.compile(r"\s*(?:(?://[/!]?|#|--|[-*>]|\d+\.)\s+)*")


def main():
    names = [name for name in sys.stdin.read().split("\0") if name and pathlib.Path(name).is_file()]
    found = [f"{name}:{problem}" for name in names for problem in problems(pathlib.Path(name))]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


def problems(path):
    """Yields each broken promise of a file as `line: what`. A binary file promises nothing."""
    content = path.read_bytes()
    if b"\0" in content:
        return
    promised = editorconfig.get_properties(str(path.resolve()))
    try:
        text = content.decode(promised["charset"])
    except UnicodeDecodeError as error:
        yield f"1: is not {promised['charset']}: {error.reason}"
        return
    if text and promised["insert_final_newline"] == "true" and not text.endswith("\n"):
        yield f"{text.count(chr(10)) + 1}: does not end with a newline"
    longest = promised["max_line_length"]
    for number, line in enumerate(text.split("\n"), 1):
        if "\r" in line:
            yield f"{number}: has a carriage return"
        if line != line.rstrip():
            yield f"{number}: ends with white space"
        if promised["indent_style"] == "space" and line.startswith("\t"):
            yield f"{number}: is indented with a tab"
        if longest != "off" and len(line) > int(longest) and can_be_broken(path, line, int(longest)):
            yield f"{number}: has {len(line)} columns, and at most {longest} are promised"


def can_be_broken(path, line, longest):
    """Returns whether a line that is too long could be made two."""
    if path.suffix == ".md" and line.startswith("|"):
        return False
    start = LEAD.match(line).end()
    return " " in line[start:longest]


if __name__ == "__main__":
    sys.exit(main())
