"""Holds every Markdown file against the rules, and says what breaks them."""

import sys

from pages import pages
from rules import RULES


def main():
    read = pages()
    faults = [fault for rule in RULES for fault in rule(read)]
    for fault in sorted(faults):
        print(fault, file=sys.stderr)
    links = sum(1 for page in read for _ in page.links())
    print(f"{len(read)} pages, {links} links, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
