"""The project's Markdown files: their headings, links, code spans and code blocks, with the line of each."""

import re
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,})(?P<language>[^\s`]*)[^`]*$")
HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *#*$")
COMMENT = re.compile(r"^ *<!-- *(?P<text>.*?) *-->$")
ANCHOR = re.compile(r"""<a (?:id|name)=["'](?P<name>[^"']+)["']""")
SPAN = re.compile(r"(?P<marks>`+)(?P<text>.+?)(?P=marks)")
# [text](target) and ![text](target "title"); the text may hold one level of brackets.
INLINE_LINK = re.compile(
    r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\((?P<target>[^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?: \"[^\"]*\")?\)"
)
AUTOLINK = re.compile(r"<(?P<target>https?://[^>\s]+)>")
REFERENCE = re.compile(r"^ {0,3}\[(?P<name>[^\]^]+)\]: +(?P<target>\S+)$")
REFERRED = re.compile(r"\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])+)\]\[(?P<name>[^\[\]]*)\]")


@dataclass
class Block:
    """A fenced code block, with the comments on the lines directly above it."""

    line: int
    language: str
    text: str
    markers: list[str]


@dataclass
class Page:
    """One Markdown file."""

    path: Path
    text: str
    headings: list[tuple[int, str]] = field(default_factory=list)
    prose: list[tuple[int, str]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)

    @classmethod
    def read(cls, path):
        return cls.parse(path, path.read_text())

    @classmethod
    def parse(cls, path, text):
        page, block, fence = cls(path, text), None, None
        for number, line in enumerate(text.splitlines(), 1):
            found = FENCE.match(line)
            if block is None and found:
                fence = found
                block = Block(number, found["language"], "", page._markers(number))
            elif block is None:
                page.prose.append((number, line))
                if heading := HEADING.match(line):
                    page.headings.append((number, heading["text"]))
            elif found and not found["language"] and found["marks"].startswith(fence["marks"]):
                page.blocks.append(block)
                block = None
            else:
                block.text += line.removeprefix(fence["indent"]) + "\n"
        if block is not None:
            raise ValueError(f"{path}:{block.line}: a code block without an end")
        return page

    def _markers(self, line):
        """The comments directly above a line, in their order."""
        markers = []
        for number, text in reversed(self.prose):
            line -= 1
            comment = COMMENT.match(text)
            if number != line or not comment:
                break
            markers.insert(0, comment["text"])
        return markers

    @cached_property
    def anchors(self):
        """What a link may name after the #, as GitHub makes it of the headings."""
        names, seen = set(), {}
        for _, heading in self.headings:
            name = slug(heading)
            count = seen[name] = seen.get(name, -1) + 1
            names.add(f"{name}-{count}" if count else name)
        names.update(found["name"] for _, line in self.prose for found in ANCHOR.finditer(line))
        return names

    def links(self):
        """Every link's line and target, and None as the target of a reference that is defined nowhere."""
        defined = {found["name"].lower(): found["target"] for _, line in self.prose if (found := REFERENCE.match(line))}
        for number, line in self._text():
            bare = SPAN.sub(lambda span: "`" * len(span[0]), line)
            if reference := REFERENCE.match(bare):
                yield number, reference["target"]
                continue
            for pattern in (INLINE_LINK, AUTOLINK):
                for found in pattern.finditer(bare):
                    yield number, found["target"]
            for found in REFERRED.finditer(bare):
                if (found["name"] or found["text"]).lower() not in defined:
                    yield number, None

    def spans(self):
        """Every code span's line and text."""
        for number, line in self._text():
            for found in SPAN.finditer(line):
                yield number, found["text"].strip()

    def _text(self):
        """The prose with the lines of a paragraph joined, for a link or a span may go on in the next line."""
        start, joined = 0, ""
        for number, line in [*self.prose, (0, "")]:
            if not line.strip() or line.startswith(("#", "|")) or re.match(r" *([-*]|\d+\.) ", line):
                if joined:
                    yield start, joined
                start, joined = number, line.strip()
            else:
                start = start if joined else number
                joined = f"{joined} {line.strip()}".strip()
        if joined:
            yield start, joined


def slug(heading):
    """Returns the anchor that GitHub gives a heading: lower case, without punctuation, spaces as hyphens
    (https://docs.github.com/en/get-started/writing-on-github, "Basic writing and formatting syntax", section links)."""
    text = INLINE_LINK.sub(lambda link: link[0][1 : link[0].index("](")], heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def tracked(*patterns):
    """The project's files of these patterns, also those that are not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted({ROOT / name for name in names.split("\0") if name and (ROOT / name).exists()})


def pages():
    """Every Markdown file of the project."""
    return [Page.read(path) for path in tracked("*.md")]
