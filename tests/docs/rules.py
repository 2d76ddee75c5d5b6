"""What has to hold in every Markdown file. Each rule yields what breaks it, as `file:line: what`."""

import json
import re
from pathlib import Path

from pages import ROOT, Page, tracked

SHELLS = {"sh", "bash"}
# Anything else is a typing error, or a shell by another name that no test would run.
LANGUAGES = SHELLS | {"css", "html", "http", "js", "json", "md", "mermaid", "rust", "text", "toml", "yaml"}

# A path in prose or in a command, from the project's root. What holds a placeholder is no path.
TOP_LEVEL = r"(?:\.ci|events|functions|infra|shared|tests)"
PATH = re.compile(rf"(?<![\w./$\"-]){TOP_LEVEL}/[\w./-]*[\w/]")
PLACEHOLDER = re.compile(r"[<>{}*…$]")
FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:css|html|json|mjs|js|md|py|rs|sh|toml|yaml)")
# The build makes these.
MADE = {"agent/element.css.js", "agent/phones.js", "shared/currencies.js"}
# Six words and more are a sentence, and only tests are named by sentences.
TEST = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+){5,}")
PACKAGE = re.compile(r"\bcargo (?:\w+ )+?(?:[^|;&]*? )?(?:-p|--package)[ =]([\w-]+)")
# In other files than Markdown: a mention of a page, and perhaps of its heading.
MENTION = re.compile(r"(?<![\w/.:-])(?P<path>[\w.-]+(?:/[\w.-]+)*\.md)(?:#(?P<anchor>[\w-]+))?")

RECORD = re.compile(r"\d{4}-[\w-]+\.md")
RECORD_SECTIONS = ["Context", "Alternatives", "Decision", "Consequences"]
# What a later record changed may follow.
STATUS = re.compile(r"- Status: (accepted|superseded by \[\d{4}\]\(\d{4}-[\w-]+\.md\))([.,] .+)?")


def every_link_leads_somewhere(pages, root=ROOT):
    by_path = {page.path.resolve(): page for page in pages}
    for page in pages:
        for line, target in page.links():
            here = f"{page.path.relative_to(root)}:{line}"
            if target is None:
                yield f"{here}: a reference that is defined nowhere"
                continue
            if re.match(r"https?://|mailto:", target):
                if target.startswith("http:") and not re.match(r"http://(localhost|127\.0\.0\.1)\b", target):
                    yield f"{here}: {target} is not https"
                continue
            name, _, anchor = target.partition("#")
            path = (page.path.parent / name).resolve() if name else page.path.resolve()
            if not path.is_relative_to(root.resolve()) or not path.exists():
                yield f"{here}: {target} leads to nothing"
            elif anchor and path not in by_path:
                yield f"{here}: {target} names an anchor in what is no page"
            elif anchor and anchor not in by_path[path].anchors:
                yield f"{here}: {target} names a heading that is not there"


def every_page_that_a_file_mentions_is_there(pages, root=ROOT):
    """Comments, scripts and the alarms' descriptions lead to pages, too."""
    by_path = {page.path.resolve(): page for page in pages}
    for path in tracked() if root == ROOT else sorted(root.rglob("*")):
        # What is planted in this folder's tests leads nowhere.
        if path.suffix == ".md" or not path.is_file() or path.resolve().parent == Path(__file__).parent:
            continue
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            for found in MENTION.finditer(line):
                candidates = [(base / found["path"]).resolve() for base in (path.parent, root)]
                page = next((by_path[candidate] for candidate in candidates if candidate in by_path), None)
                if page is None and "/" in found["path"]:
                    yield f"{path.relative_to(root)}:{number}: {found['path']} is not there"
                elif page and found["anchor"] and found["anchor"] not in page.anchors:
                    yield f"{path.relative_to(root)}:{number}: {found[0]} names a heading that is not there"


def all_files(root):
    """Returns the path of every file, from the root, after a slash."""
    return [f"/{path.relative_to(root).as_posix()}" for path in (tracked() if root == ROOT else root.rglob("*"))]


def is_there(name, page, root, files):
    """Returns whether a page names something by its path from the root, from the page, or by the end of its path."""
    return (
        (root / name).exists() or (page.path.parent / name).exists() or any(file.endswith(f"/{name}") for file in files)
    )


def every_path_and_package_in_the_text_is_there(pages, root=ROOT):
    """Code spans and commands name files from the root, and packages; both move, and the text has to move along."""
    files = all_files(root)
    manifests = [path.read_text() for depth in range(1, 4) for path in root.glob("*/" * depth + "Cargo.toml")]
    packages = {name for manifest in manifests for name in re.findall(r'^name = "(.+)"$', manifest, re.MULTILINE)}
    for page in pages:
        blocks = [block for block in page.blocks if block.language in SHELLS]
        lines = [
            (block.line + place, line) for block in blocks for place, line in enumerate(block.text.splitlines(), 1)
        ]
        for line, text in [*page.spans(), *lines]:
            here = f"{page.path.relative_to(root)}:{line}"
            for found in PATH.finditer(text):
                whole = not PLACEHOLDER.match(text[found.end() : found.end() + 1])
                if whole and found[0] not in MADE and not is_there(found[0], page, root, files):
                    yield f"{here}: {found[0]} is not there"
            for package in PACKAGE.findall(text):
                if package not in packages:
                    yield f"{here}: there is no package {package}"


def every_file_that_is_named_is_there(pages, root=ROOT):
    """A file may be named by the end of its path, such as `ports/channel.rs`."""
    files = all_files(root)
    for page in pages:
        for line, text in page.spans():
            if FILE.fullmatch(text) and text not in MADE and not is_there(text, page, root, files):
                yield f"{page.path.relative_to(root)}:{line}: no file is {text}"


def every_test_that_is_named_is_there(pages, root=ROOT):
    """A check-list names the tests that fail when a step is forgotten, so those have to exist."""
    named = {text: (page, line) for page in pages for line, text in page.spans() if TEST.fullmatch(text)}
    found, sources = set(), tracked("*.rs", "*.py") if root == ROOT else root.rglob("*.*")
    for path in sources:
        found.update(re.findall(r"\b(?:fn|def) (\w+)\(", path.read_text()))
    for text in sorted(named.keys() - found):
        page, line = named[text]
        yield f"{page.path.relative_to(root)}:{line}: no test is {text}"


def template_names(root, section):
    """Returns the names in a section of the deployment template."""
    text = (root / "infra/template.yaml").read_text().split(f"\n{section}:\n")[1]
    return set(re.findall(r"^  (\w+):$", re.split(r"^\w", text, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE))


def every_output_is_one_of_the_stack(pages, root=ROOT):
    for page in pages:
        texts = [(block.line, block.text) for block in page.blocks if block.language in SHELLS]
        for line, text in [*page.spans(), *texts]:
            for name in re.findall(r"\boutput ([A-Z]\w+)", text):
                if name not in template_names(root, "Outputs"):
                    yield f"{page.path.relative_to(root)}:{line}: the stack has no output {name}"


def every_function_sample_status_and_parameter_has_its_row(pages, root=ROOT):
    """What the code has and a table explains: forgetting the row is an error that names the table."""
    statuses, query = root / "shared/domain/src/status.rs", root / "functions/query/src/lib.rs"
    samples = root / "events/samples"
    wanted = {
        "functions/README.md": {f"[{path.parent.name}]" for path in root.glob("functions/*/Cargo.toml")},
        "events/samples/README.md": {path.relative_to(samples).as_posix() for path in samples.glob("*/*.json")},
        "ARCHITECTURE.md": set(re.findall(r'Self::\w+ => "(\w+)"', statuses.read_text())),
        "infra/manual/deploy.md": template_names(root, "Parameters"),
        "functions/query/README.md": set(re.findall(r'optional\((?:&mut \w+, )?"(\w+)"', query.read_text())),
    }
    for name, words in wanted.items():
        page = next(page for page in pages if page.path == root / name)
        rows = [line for _, line in page.prose if line.startswith("|")]
        explained = {word for row in rows for found in re.findall(r"`([^`]+)`|(\[[\w-]+\])\(", row) for word in found}
        if not words:
            yield f"{name}: found nothing in the code that it would have to explain"
        for word in sorted(words - explained):
            yield f"{name}: no row for {word}"


def every_code_block_says_what_it_holds(pages, root=ROOT):
    for page in pages:
        for block in page.blocks:
            here = f"{page.path.relative_to(root)}:{block.line}"
            if block.language not in LANGUAGES:
                yield f"{here}: a block of {block.language or 'nothing'}; known are {', '.join(sorted(LANGUAGES))}"
            # An ellipsis stands for what is left out.
            if block.language == "json" and "…" not in block.text:
                try:
                    json.loads(block.text)
                except ValueError as error:
                    yield f"{here}: not JSON: {error}"


def every_decision_record_has_the_parts_of_the_template(pages, root=ROOT):
    records = [page for page in pages if RECORD.fullmatch(page.path.name) and page.path.parent.name == "decisions"]
    for page in records:
        here = page.path.relative_to(root)
        sections = [heading for _, heading in page.headings][1:]
        if [heading for heading in sections if heading in RECORD_SECTIONS] != RECORD_SECTIONS:
            yield f"{here}: its sections are {sections} and not {RECORD_SECTIONS}"
        if not re.search(r"^- Date: \d{4}-\d\d-\d\d$", page.text, re.MULTILINE):
            yield f"{here}: no line `- Date: yyyy-mm-dd`"
        if not re.search(rf"^{STATUS.pattern}$", page.text, re.MULTILINE):
            yield f"{here}: no line `- Status: accepted` or `- Status: superseded by [0000](0000-….md)`"
        number, _, title = page.headings[0][1].partition(": ")
        index = " ".join(Page.read(page.path.parent / "README.md").text.split())
        row = f"[{number}]({page.path.name})"
        if not page.path.name.startswith(number) or row not in index or title not in index:
            yield f"{here}: the index has no row {row} with its title"


RULES = [rule for name, rule in list(globals().items()) if name.startswith("every_")]
