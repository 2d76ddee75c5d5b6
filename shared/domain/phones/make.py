"""Makes the tables about phone numbers from libphonenumber's metadata, as the Python package `phonenumbers` carries it.

    python make.py            writes the tables beside this file
    python make.py --check    fails if one of them is not what this script makes of the pinned metadata

README.md says what is in them.
"""

import itertools
import random
import re
import struct
import sys
from functools import cache
from pathlib import Path

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberFormat

HERE = Path(__file__).parent
VERSION = phonenumbers.__version__
NON_GEOGRAPHIC = "001"
# The kinds of numbers that make a number valid, as `phonenumberutil._number_type_helper` goes through them.
KINDS = (
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
    "fixed_line",
    "mobile",
)


def metadata(calling_code, region):
    """Returns the metadata of a region, or of a calling code that belongs to none."""
    if region == NON_GEOGRAPHIC:
        return PhoneMetadata.metadata_for_nongeo_region(calling_code, None)
    return PhoneMetadata.metadata_for_region(region, None)


# ----------------------------------------------------------------------------------------------------------------------
# Patterns. Those of the metadata are regular expressions of digits, classes, groups, alternatives and counts.


def parse(pattern):
    """Returns the syntax tree of a pattern, made of tuples so that it can be a key."""
    position = 0

    def alternatives():
        nonlocal position
        options = [sequence()]
        while position < len(pattern) and pattern[position] == "|":
            position += 1
            options.append(sequence())
        return ("or", tuple(options))

    def sequence():
        items = []
        while position < len(pattern) and pattern[position] not in "|)":
            items.append(repeated())
        return ("then", tuple(items))

    def repeated():
        nonlocal position
        item = atom()
        if pattern[position : position + 1] == "?":
            position += 1
            return ("repeat", item, 0, 1)
        if pattern[position : position + 1] == "{":
            end = pattern.index("}", position)
            counts = [int(count) for count in pattern[position + 1 : end].split(",")]
            position = end + 1
            return ("repeat", item, counts[0], counts[-1])
        return item

    def atom():
        nonlocal position
        character = pattern[position]
        if character == "(":
            position += 3 if pattern.startswith("(?:", position) else 1
            group = alternatives()
            assert pattern[position] == ")", pattern
            position += 1
            return group
        if character == "[":
            end = pattern.index("]", position)
            digits, rest = set(), pattern[position + 1 : end]
            while rest:
                last = rest[2] if rest[1:2] == "-" else rest[0]
                digits |= set(range(int(rest[0]), int(last) + 1))
                rest = rest[3:] if rest[1:2] == "-" else rest[1:]
            position = end + 1
            return ("digit", frozenset(digits))
        if pattern.startswith("\\d", position):
            position += 2
            return ("digit", frozenset(range(10)))
        position += 1
        if character == "$":
            return ("then", ())
        return ("digit", frozenset([int(character)]))

    tree = alternatives()
    assert position == len(pattern), pattern
    return tree


@cache
def steps(pending):
    """Returns what can come next where these trees remain: pairs of digits and what then remains, None for the end."""
    if not pending:
        return (None,)
    first, rest = pending[0], pending[1:]
    match first:
        case ("digit", digits):
            return ((digits, rest),)
        case ("then", items):
            return steps(items + rest)
        case ("or", options):
            return tuple(itertools.chain.from_iterable(steps((option, *rest)) for option in options))
        case ("repeat", item, least, most):
            skipped = steps(rest) if least == 0 else ()
            taken = steps((item, ("repeat", item, max(least - 1, 0), most - 1), *rest)) if most > 0 else ()
            return skipped + taken
    raise ValueError(first)


class Language:
    """What remains to be matched of some patterns, each with the lengths that it is restricted to, if it is to any."""

    def __init__(self, items):
        self.items = frozenset(items)

    @staticmethod
    def of(descriptions, with_lengths):
        """Returns the language of these descriptions together."""
        return Language(
            ((parse(description.national_number_pattern),), description.possible_length if with_lengths else ())
            for description in descriptions
            if description and description.national_number_pattern
        )

    def after(self, digit):
        """Returns what remains after a digit."""
        return Language(
            (step[1], lengths)
            for pending, lengths in self.items
            for step in steps(pending)
            if step and digit in step[0]
        )

    def ends(self, length):
        """Returns whether a number may end here, after so many digits."""
        return any(None in steps(pending) and (not lengths or length in lengths) for pending, lengths in self.items)

    def __eq__(self, other):
        return self.items == other.items

    def __hash__(self):
        return hash(self.items)


# ----------------------------------------------------------------------------------------------------------------------
# The automaton


class Automaton:
    """The smallest automaton that reads a number's digits, its calling code first, and ends in what the number is.

    States are rows of ten successors, by digit, and a verdict; state 0 is the one that nothing leads out of.
    """

    def __init__(self):
        self.rows = {((0,) * 10, 0): 0}
        by_prefix = {}
        for calling_code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
            by_prefix[str(calling_code)] = self.of_calling_code(calling_code, regions)
        self.root = self.of_prefix("", by_prefix)

    def state(self, successors, verdict):
        return self.rows.setdefault((tuple(successors), verdict), len(self.rows))

    def of_prefix(self, prefix, by_prefix):
        """Returns the state after these digits, the first ones of a calling code or all of it."""
        if prefix in by_prefix:
            return by_prefix[prefix]
        if not any(code.startswith(prefix) for code in by_prefix):
            return 0
        return self.state((self.of_prefix(f"{prefix}{digit}", by_prefix) for digit in range(10)), 0)

    def of_calling_code(self, calling_code, regions):
        """Returns the state after a calling code."""
        plans = [metadata(calling_code, region) for region in regions]
        main = Language.of([plans[0].general_desc], with_lengths=False)
        start = tuple(
            (
                # A region with leading digits has every number that begins so, valid or not, and no other.
                leading_digits(plan),
                Language.of([plan.general_desc], with_lengths=True),
                Language.of([getattr(plan, kind) for kind in KINDS], with_lengths=True),
            )
            for plan in plans
        )

        @cache
        def build(main, states, length):
            successors = [
                build(
                    main.after(digit),
                    tuple(
                        (lead(leading, digit), all_.after(digit), kinds.after(digit)) for leading, all_, kinds in states
                    ),
                    length + 1,
                )
                if main.items or any(all_.items for _, all_, _ in states)
                else 0
                for digit in range(10)
            ]
            return self.state(successors, self.verdict(main, states, length, regions))

        def lead(leading, digit):
            """Returns what remains of a region's leading digits: True once they are there, False if they cannot be."""
            if not isinstance(leading, Language):
                return leading
            rest = leading.after(digit)
            return rest.ends(0) or (rest if rest.items else False)

        return build(main, start, 0)

    @staticmethod
    def verdict(main, states, length, regions):
        """Returns the region of a valid number, and whether its calling code's main region has numbers of its form."""
        region = 0
        for (leading, all_, kinds), name in zip(states, regions, strict=True):
            valid = all_.ends(length) and kinds.ends(length)
            if leading is True or (leading is None and valid):
                region = region_number(name) if valid else 0
                break
        return region << 1 | main.ends(length)

    def table(self):
        """Returns the table: rows of eleven numbers, the root being row 1."""
        order = {0: 0, self.root: 1}
        rows = {number: row for row, number in self.rows.items()}
        for number in rows:
            order.setdefault(number, len(order))
        assert len(order) < 1 << 16
        ordered = sorted(rows, key=order.get)
        return b"".join(
            struct.pack("<11H", *(order[next_] for next_ in rows[number][0]), rows[number][1]) for number in ordered
        )


def leading_digits(plan):
    """Returns the language of a region's leading digits; None if it has none."""
    return Language([((parse(plan.leading_digits),), ())]) if plan.leading_digits else None


def region_number(region):
    """Returns a region as a number: 1 to 676 for AA to ZZ, 677 for what belongs to no country."""
    if region == NON_GEOGRAPHIC:
        return 677
    first, second = (ord(letter) - ord("A") for letter in region)
    return first * 26 + second + 1


def national_prefixes():
    """Returns the lines of the table of national prefixes: one for each calling code that has any."""
    for calling_code, regions in sorted(COUNTRY_CODE_TO_REGION_CODE.items()):
        plan = metadata(calling_code, regions[0])
        if plan.national_prefix_for_parsing:
            lengths = ",".join(map(str, plan.general_desc.possible_length))
            yield "\t".join((str(calling_code), lengths, *parsing(plan)))


def parsing(plan):
    """Returns the pattern of a plan's national prefixes, and what takes the place of what it matches."""
    # Python writes a group as \1, Rust as ${1}.
    replacement = (plan.national_prefix_transform_rule or "").replace("\\1", "${1}").replace("\\2", "${2}")
    return plan.national_prefix_for_parsing or "", replacement


def countries():
    """Returns the lines of the table of countries: calling code, international prefix, own national prefixes."""
    for calling_code, regions in sorted(COUNTRY_CODE_TO_REGION_CODE.items()):
        main = parsing(metadata(calling_code, regions[0]))
        for region in regions:
            if region != NON_GEOGRAPHIC:
                plan = metadata(calling_code, region)
                own = parsing(plan) if parsing(plan) != main else ()
                yield "\t".join((region, str(calling_code), plan.international_prefix or "", *own))


# ----------------------------------------------------------------------------------------------------------------------
# The judged numbers


def judge(number):
    """Returns what libphonenumber makes of a number: its region, the form to write it in, or None."""
    if len(number) > 16:
        return None
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None
    form = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    if not phonenumbers.is_valid_number(parsed) or len(form) > 16:
        return None
    if form == number:
        return phonenumbers.region_code_for_number(parsed)
    return form if judge(form) and not judge(form).startswith("+") else None


def examples():
    """Yields (calling code, region, national number) of every example that the metadata has."""
    for calling_code, regions in sorted(COUNTRY_CODE_TO_REGION_CODE.items()):
        for region in regions:
            plan = metadata(calling_code, region)
            for kind in KINDS:
                description = getattr(plan, kind)
                if description and description.example_number:
                    yield calling_code, region, description.example_number


def sample(tree, source):
    """Returns a random text that a pattern matches."""
    match tree:
        case ("digit", digits):
            return str(source.choice(sorted(digits)))
        case ("then", items):
            return "".join(sample(item, source) for item in items)
        case ("or", options):
            return sample(source.choice(options), source)
        case ("repeat", item, least, most):
            return "".join(sample(item, source) for _ in range(source.randint(least, most)))
    raise ValueError(tree)


def old_forms(region, number):
    """Yields forms in which a country's mobile numbers used to be written."""
    if region == "AR" and number.startswith("9"):
        for area in (2, 3, 4):
            yield f"{number[1 : area + 1]}15{number[area + 1 :]}"
            yield f"0{number[1 : area + 1]}15{number[area + 1 :]}"
    if region == "BR" and len(number) == 11:
        yield number[:2] + number[3:]
    if region == "MX":
        yield f"1{number}"
        yield f"044{number}"
        yield f"045{number}"


def mutations(calling_code, region, number, source):
    """Yields a national number and what people and programs make of it."""
    main = metadata(calling_code, COUNTRY_CODE_TO_REGION_CODE[calling_code][0])
    yield number
    for plan in (main, metadata(calling_code, region)):
        if plan.national_prefix:
            yield f"{plan.national_prefix}{number}"
    yield f"0{number}"
    yield f"{calling_code}{number}"
    yield f"{number}{source.randint(0, 9)}"
    yield f"{source.randint(1, 9)}{number}"
    yield number[:-1]
    yield number[1:]
    # Another number of the same length, most of whose digits are right.
    place = source.randrange(len(number))
    yield f"{number[:place]}{source.randint(0, 9)}{number[place + 1 :]}"
    yield from old_forms(region, number)
    if main.national_prefix_for_parsing:
        for _ in range(3):
            prefix = sample(parse(main.national_prefix_for_parsing), source)
            yield f"{prefix}{number}"
            yield f"{prefix}{number[len(prefix) :]}"
            yield prefix


def samples(calling_code, region, source):
    """Yields random numbers of each kind that a region has, one of each."""
    plan = metadata(calling_code, region)
    for kind in KINDS:
        description = getattr(plan, kind)
        if description and description.national_number_pattern:
            yield sample(parse(description.national_number_pattern), source)


def judged():
    """Returns the lines of the table of judged numbers: a calling code with a region, and its numbers."""
    source = random.Random(VERSION)
    seen = set()
    for (calling_code, region), group in itertools.groupby(examples(), key=lambda example: example[:2]):
        line = [f"+{calling_code} {region}"]
        for _, _, example in group:
            candidates = mutations(calling_code, region, example, source)
            for national in itertools.chain(candidates, samples(calling_code, region, source)):
                number = f"+{calling_code}{national}"
                if national and number not in seen:
                    seen.add(number)
                    line.append(national + as_written(calling_code, region, judge(number)))
        yield " ".join(line)


def forms(calling_code, region, parsed):
    """Yields a number as people in its region, and people who write to them, type it."""
    plan = metadata(calling_code, region)
    digits = phonenumbers.national_significant_number(parsed)
    national = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
    international = phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)
    yield national
    yield digits
    yield f"{plan.national_prefix or 0}{digits}"
    yield international
    yield international.removeprefix("+")
    yield international.replace("+", "00")
    yield international.replace(" ", f" ({plan.national_prefix or 0})", 1)
    yield international.replace("+", f"{plan.preferred_international_prefix or plan.international_prefix} ")


def typed():
    """Returns the lines of the table of typed numbers: a region and a number, and forms with what they are read as."""
    seen = set()
    for calling_code, region, example in examples():
        number = f"+{calling_code}{example}"
        if region == NON_GEOGRAPHIC or number in seen or judge(number) != region:
            continue
        seen.add(number)
        line = [f"{region} {number}"]
        for text in dict.fromkeys(forms(calling_code, region, phonenumbers.parse(number, None))):
            if re.fullmatch(r"[-+() \d./]+", text):
                form = read(text, region)
                line.append(text if form == number else f"{text}>{form or ''}")
        yield "\t".join(line)


def read(text, region):
    """Returns the E.164 form of the valid number that libphonenumber reads in a text typed in a region, or None."""
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    form = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    return form if judge(form) and not judge(form).startswith("+") else None


def as_written(calling_code, region, verdict):
    """Returns a verdict as it stands behind a number: nothing for a valid one of its line's region."""
    match verdict:
        case None:
            return "-"
        case form if form.startswith("+"):
            return ">" + form.removeprefix(f"+{calling_code}")
        case other:
            return "" if other == region else f"={other}"


def files():
    """Returns what each file has to hold."""
    plans = Automaton().table()
    head = f"# libphonenumber's metadata {VERSION}, by make.py"
    return {
        "numbering_plans.bin": plans,
        "national_prefixes.tsv": "\n".join((head, *national_prefixes(), "")).encode(),
        "countries.tsv": "\n".join((head, *countries(), "")).encode(),
        "judged.txt": "\n".join((head, *judged(), "")).encode(),
        "typed.txt": "\n".join((head, *typed(), "")).encode(),
    }


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    stale = []
    for name, content in files().items():
        path = HERE / name
        if check and (not path.exists() or path.read_bytes() != content):
            stale.append(name)
        if not check:
            path.write_bytes(content)
            print(f"{name}: {len(content)} bytes")
    if stale:
        sys.exit(f"not what make.py makes of phonenumbers {VERSION}: {', '.join(stale)}")


if __name__ == "__main__":
    main()
