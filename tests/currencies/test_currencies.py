"""The domain's table of currencies is ISO 4217's list one, without what nobody pays in."""

import pathlib
import re
import unittest

import iso4217
import pycountry

TABLE = pathlib.Path(__file__).parents[2] / "shared/domain/src/currency/table.rs"

# What the lists have and the domain has not, with the reason: nobody is asked to pay in it.
NOT_PAID_IN = {
    "BOV": "a fund: the Mvdol of Bolivia",
    "CHE": "a fund by the list: the WIR euro, a complementary currency",
    "CHW": "a fund by the list: the WIR franc, a complementary currency",
    "CLF": "a fund: a unit of account of Chile",
    "COU": "a fund: a unit of account of Colombia",
    "MXV": "a fund: a unit of account of Mexico",
    "USN": "a fund: the US dollar of the next day",
    "UYI": "a fund: a unit of account of Uruguay",
    "UYW": "an index of Uruguay by which pensions are paid",
    "XAD": "a unit of account of the Arab Monetary Fund, which list two has among the funds (amendment 179)",
    "XAG": "a precious metal: silver",
    "XAU": "a precious metal: gold",
    "XBA": "a unit of the European bond market",
    "XBB": "a unit of the European bond market",
    "XBC": "a unit of the European bond market",
    "XBD": "a unit of the European bond market",
    "XDR": "a special drawing right",
    "XPD": "a precious metal: palladium",
    "XPT": "a precious metal: platinum",
    "XSU": "a unit of account of the ALBA states",
    "XTS": "a code for testing",
    "XUA": "a unit of account of the African Development Bank",
    "XXX": "no currency",
}


def table(name):
    """Returns the rows of one of the domain's tables as a dictionary of codes and decimals."""
    found = re.search(rf"const {name}: &\[Entry\] = &\[\n(.*?)\n\];", TABLE.read_text("utf-8"), re.DOTALL)
    rows = [line for line in found[1].splitlines() if line.strip()]
    parsed = [re.match(r'    Entry::new\("([A-Z]{3})", (\d)\)', row) for row in rows]
    assert all(parsed), rows
    return {row[1]: int(row[2]) for row in parsed}


IN_FORCE = table("IN_FORCE")
FORMER = table("FORMER")


class Currencies(unittest.TestCase):
    def test_the_codes_are_those_of_pycountry_but_for_what_nobody_pays_in(self):
        listed = {currency.alpha_3 for currency in pycountry.currencies}
        self.assertEqual(sorted(listed - IN_FORCE.keys()), sorted(NOT_PAID_IN))
        self.assertEqual(sorted(IN_FORCE.keys() - listed), [])

    def test_the_codes_are_those_of_the_published_list_but_for_what_nobody_pays_in(self):
        listed = {currency.code for currency in iso4217.Currency}
        self.assertEqual(sorted(listed - IN_FORCE.keys()), sorted(NOT_PAID_IN))
        self.assertEqual(sorted(IN_FORCE.keys() - listed), [])

    def test_the_minor_units_are_those_of_the_published_list(self):
        listed = {currency.code: currency.exponent for currency in iso4217.Currency}
        self.assertEqual(IN_FORCE, {code: listed[code] for code in IN_FORCE})
        # A fund's minor units stay what they were when requests were made in it.
        still_listed = FORMER.keys() & listed.keys()
        self.assertEqual({code: FORMER[code] for code in still_listed}, {code: listed[code] for code in still_listed})

    def test_a_former_currency_is_in_no_list_or_nobody_pays_in_it(self):
        listed = {currency.code for currency in iso4217.Currency}
        self.assertEqual({code for code in FORMER if code in listed and code not in NOT_PAID_IN}, set())
        self.assertEqual(FORMER.keys() & IN_FORCE.keys(), set())


if __name__ == "__main__":
    unittest.main()
