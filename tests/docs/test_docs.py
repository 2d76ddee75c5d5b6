"""The rules and the runner of commands see what is wrong: each is shown a page that is right, and one with a fault."""

import tempfile
import unittest
from pathlib import Path

import rules
from commands import Fault, Machine, run_page
from pages import Page, slug

RIGHT_RECORD = """# 0001: Why
- Date: 2026-01-31
- Status: accepted
## Context
## Alternatives
## Decision
## Consequences
"""

TEMPLATE = "a:\nParameters:\n  Channel:\n    Type: String\nOutputs:\n  ApiUrl:\n    Value: x\n"
EXPLAINED = {
    "functions/README.md": "| [query](query/README.md) | |\n",
    "functions/query/Cargo.toml": "",
    "functions/query/README.md": "| `from` | |\n",
    "functions/query/src/lib.rs": 'fields.optional("from", parsed)',
    "events/samples/README.md": "| `query/get.json` | |\n",
    "events/samples/query/get.json": "",
    "shared/domain/src/status.rs": 'Self::Sent => "sent",',
    "ARCHITECTURE.md": "| `sent` | |\n",
    "infra/manual/deploy.md": "| `Channel` | |\n",
    "infra/template.yaml": TEMPLATE,
}

# What is right, and what breaks each rule: files by their path.
CASES = {
    rules.every_link_leads_somewhere: (
        {
            "a.md": "[b](b/c.md#two-words) [self](#top-1) [x][ref] <https://example.com>\n# Top\n# Top\n\n[ref]: b\n",
            "b/c.md": '# Two `words`!\n[up](../a.md)\n<a id="here"></a>[here](#here)\n`[no](x)`\n',
            "d.md": "```md\n[no](link.md)\n```\n",
        },
        [
            {"a.md": "[b](b.md)\n"},
            {"a.md": "[b](#b)\n# A\n"},
            {"a.md": "[b](b.md#b)\n", "b.md": "# A\n"},
            {"a.md": "[a\nlong text](b.md)\n"},
            {"a.md": "[b][ref]\n"},
            {"a.md": "[b]\n\n[b]: b.md\n"},
            {"a.md": "[b](http://example.com)\n"},
            {"a.md": "[out](../../../etc)\n"},
            {"a.md": "[b](b.py#L3)\n", "b.py": ""},
            {"a.md": "![picture](b.png)\n"},
        ],
    ),
    rules.every_page_that_a_file_mentions_is_there: (
        {"a/b.md": "# One\n", "c.py": "# see a/b.md#one and b.md\n", "a/d.yaml": "b.md#one"},
        [{"c.py": "# see a/b.md\n"}, {"a/b.md": "# One\n", "c.py": "# see a/b.md#two\n"}],
    ),
    rules.every_path_and_package_in_the_text_is_there: (
        {
            "shared/domain/Cargo.toml": '[package]\nname = "domain"\n',
            "a.md": "`shared/domain/` `shared/<name>/x.rs` `shared/*/x.rs`\n```sh\ncargo test -p domain a_test\n```\n",
        },
        [
            {"a.md": "`shared/domain/src/gone.rs`\n"},
            {"a.md": "```sh\ntests/gone --flag\n```\n"},
            {"a.md": "`cargo run --release -p gone`\n"},
        ],
    ),
    rules.every_file_that_is_named_is_there: (
        {"a/b.rs": "", "c.md": "`a/b.rs` `b.rs` `c.md` `<name>.rs` `*.rs` `serde_json` `a.b`\n"},
        [{"c.md": "`gone.rs`\n"}, {"a/b.rs": "", "c.md": "`c/b.rs`\n"}, {"ab.rs": "", "c.md": "`b.rs`\n"}],
    ),
    rules.every_test_that_is_named_is_there: (
        {"a.md": "`a_rule_that_always_holds_here` `two_words`\n", "a.rs": "fn a_rule_that_always_holds_here() {}"},
        [{"a.md": "`a_rule_that_always_holds_here`\n", "a.rs": "// a_rule_that_always_holds_here"}],
    ),
    rules.every_output_is_one_of_the_stack: (
        {
            "infra/template.yaml": TEMPLATE,
            "a.md": "`output ApiUrl` and the output `x`\n```sh\nA=$(output ApiUrl)\n```\n",
        },
        [
            {"infra/template.yaml": TEMPLATE, "a.md": "`output ApiName`\n"},
            {"infra/template.yaml": TEMPLATE, "a.md": "```sh\noutput Channel\n```\n"},
        ],
    ),
    rules.every_function_sample_status_and_parameter_has_its_row: (
        EXPLAINED,
        [
            *(EXPLAINED | {name: EXPLAINED[name].replace("|", "")} for name in EXPLAINED if name.endswith(".md")),
            EXPLAINED | {"functions/expire/Cargo.toml": ""},
            EXPLAINED | {"events/samples/query/list.json": ""},
            EXPLAINED | {"infra/template.yaml": TEMPLATE.replace("Outputs", "  Branding:\n    Type: String\nOutputs")},
            EXPLAINED | {"shared/domain/src/status.rs": 'Self::Sent => "sent", Self::Paid => "paid",'},
            EXPLAINED | {"functions/query/src/lib.rs": 'optional("from", parsed) optional(&mut fields, "to", TO)'},
            EXPLAINED | {"shared/domain/src/status.rs": ""},
        ],
    ),
    rules.every_code_block_says_what_it_holds: (
        {"a.md": '```sh\ntrue\n```\n```json\n{ "a": 1 }\n```\n```json\n{ "a": … }\n```\n'},
        [{"a.md": "```\ntrue\n```\n"}, {"a.md": "```console\n$ true\n```\n"}, {"a.md": "```json\n{ 'a': 1 }\n```\n"}],
    ),
    rules.every_decision_record_has_the_parts_of_the_template: (
        {
            "decisions/0001-why.md": RIGHT_RECORD.replace("accepted", "superseded by [0002](0002-x.md), in part"),
            "decisions/0002-x.md": RIGHT_RECORD.replace("0001: Why", "0002: X").replace(
                "accepted", "accepted. Since 0003"
            ),
            "decisions/README.md": "| [0001](0001-why.md) | Why |\n| [0002](0002-x.md) | X |\n",
        },
        [
            {"decisions/0001-why.md": RIGHT_RECORD, "decisions/README.md": ""},
            *(
                {
                    "decisions/0001-why.md": RIGHT_RECORD.replace(line, ""),
                    "decisions/README.md": "| [0001](0001-why.md) | Why |\n",
                }
                for line in ("- Date: 2026-01-31\n", "- Status: accepted\n", "## Alternatives\n")
            ),
        ],
    ),
}

# What a page of commands may hold, and what of it is seen to be wrong.
RUN = [
    "```sh\nA=1\n```\ntext\n\n<!-- prints: it is 1 -->\n```sh\necho it is $A\n```\n",
    "<!-- not run: needs an AWS account -->\n```sh\nfalse\n```\n",
    "<!-- run by: tests/run -->\n```sh\nfalse\n```\n",
    "1. In a list:\n   ```sh\n   cat <<END\n   text\n   END\n   ```\n",
    "<!-- serves -->\n```sh\necho ready http://127.0.0.1:1; exec sleep 60\n```\n\n"
    "<!-- prints: 127.0.0.1:1/p -->\n```sh\necho http://127.0.0.1:8080/p\n```\n",
    "<!-- types: typed -->\n<!-- prints: A=typed -->\n```sh\nread -r A\necho A=$A\n```\n\n"
    "<!-- prints: B=typed -->\n```sh\necho B=$A$(cat)\n```\n",
    "```sh\necho hello > in-the-working-directory; ls tests/docs/commands.py\n```\n",
]
REFUSED = {
    "status 1": "```sh\nfalse\n```\n",
    "status 127": "```sh\ntrue\n```\n\n```sh\nno-such-command-as-this\n```\n",
    "A: ": "```sh\necho $A\n```\n",
    "did not print": "<!-- prints: 2 -->\n```sh\necho 1\n```\n",
    "unexpected EOF": "<!-- not run: needs an AWS account -->\n```sh\necho 'one\n```\n",
    "does not say what it must": "<!-- not run -->\n```sh\ntrue\n```\n",
    "does not say what it must;": "<!-- not run: later -->\n```sh\ntrue\n```\n",
    "is no marker": "<!-- skipped: needs an AWS account -->\n```sh\ntrue\n```\n",
    "has no step": "<!-- run by: tests/gone -->\n```sh\ntrue\n```\n",
    "say what it must; Runs": "<!-- serves: forever -->\n```sh\ntrue\n```\n",
    "one way only": "<!-- serves -->\n<!-- run by: tests/run -->\n```sh\ntrue\n```\n",
    "no `ready`": "<!-- serves -->\n```sh\ntrue\n```\n",
}


class WithoutRunner(Machine):
    """No page here needs the local runner, so none is started where a page does not start it."""

    def serve(self, command):
        if "cargo" not in command:
            super().serve(command)


class Docs(unittest.TestCase):
    maxDiff = None

    def test_an_anchor_is_made_as_github_makes_it(self):
        for heading, expected in {
            "Two words": "two-words",
            "What is `paid`, and what isn't?": "what-is-paid-and-what-isnt",
            "[A link](b.md) & more": "a-link--more",
            "dead-letters": "dead-letters",
            "snake_case": "snake_case",
        }.items():
            self.assertEqual(slug(heading), expected)

    def test_every_rule_has_its_cases(self):
        self.assertEqual(set(CASES), set(rules.RULES))

    def test_a_block_without_an_end_is_no_page(self):
        with self.assertRaises(ValueError):
            Page.parse(Path("a.md"), "```sh\ntrue\n")

    def test_commands_that_are_right_are_run(self):
        for text in RUN:
            with self.subTest(text=text):
                self.run_commands(text)

    def test_commands_that_are_wrong_are_refused(self):
        for message, text in REFUSED.items():
            with self.subTest(text=text):
                self.assertRaisesRegex(Fault, message.strip(";"), self.run_commands, text)

    def test_what_is_not_run_is_not_counted(self):
        self.assertEqual([self.run_commands(text) for text in RUN], [2, 0, 0, 1, 2, 2, 1])

    def run_commands(self, text):
        _, ran = run_page(Page.parse(Path("a.md"), text), {"tests/run"}, WithoutRunner)
        return ran


def breaks(rule, files):
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory).resolve()
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return list(rule([Page.read(path) for path in sorted(root.rglob("*.md"))], root))


def accepts(rule):
    return lambda self: self.assertEqual(breaks(rule, CASES[rule][0]), [])


def sees_a_breach(rule):
    def test(self):
        for files in CASES[rule][1]:
            with self.subTest(files=files):
                self.assertTrue(breaks(rule, files))

    return test


for each in rules.RULES:
    setattr(Docs, f"test_{each.__name__}", accepts(each))
    setattr(Docs, f"test_a_breach_is_seen__{each.__name__}", sees_a_breach(each))

if __name__ == "__main__":
    unittest.main()
