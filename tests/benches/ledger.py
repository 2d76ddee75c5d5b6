"""Writes what was measured into the tables of PERFORMANCE.md.

Each table stands between two comments. The first one names the table and says which columns it shows, and under which
headings:

    <!-- table starts: row "function", first_answer_ms "first answer (ms)" -->
    …
    <!-- end -->

The rows come from files of JSON, one object a line, with the fields `table`, `row` and the columns.
"""

import argparse
import json
import re
import sys
from pathlib import Path

BLOCK = re.compile(r"(<!-- table (\S+): (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
COLUMN = re.compile(r'(\w+) "([^"]*)"')


def rows_of(files):
    """Returns the rows of each table, in the order in which they were measured."""
    tables = {}
    for file in files:
        for line in file.read_text().splitlines():
            row = json.loads(line)
            tables.setdefault(row["table"], []).append(row)
    return tables


def text(value):
    """Returns a cell's text: whole numbers with separators, and nothing where there is no value."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,}".removesuffix(".0")
    return str(value).replace("|", "\\|")


def table(columns, rows):
    """Returns a table in Markdown. Numbers stand at the right."""
    titles = [title for _, title in columns]
    numeric = [all(isinstance(row.get(name), (int, float, type(None))) for row in rows) for name, _ in columns]
    lines = [titles, ["--:" if right else "---" for right in numeric]]
    lines += [[text(row.get(name)) for name, _ in columns] for row in rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def written(page, tables):
    """Returns the page with the tables that were measured."""

    def replace(match):
        head, name, columns, _, end = match.groups()
        if name not in tables:
            return match[0]
        return f"{head}\n{table(COLUMN.findall(columns), tables.pop(name))}\n{end}"

    page = BLOCK.sub(replace, page)
    if tables:
        sys.exit(f"no place on the page for: {', '.join(tables)}")
    return page


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    page = written(arguments.page.read_text(), rows_of(arguments.files))
    whole = arguments.page.with_suffix(".new")
    whole.write_text(page)
    whole.replace(arguments.page)


if __name__ == "__main__":
    main()
