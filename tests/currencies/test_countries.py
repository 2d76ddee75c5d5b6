"""The domain's list of countries is that of ISO 3166-1."""

import pathlib
import re
import unittest

import pycountry

LIST = pathlib.Path(__file__).parents[2] / "shared/domain/src/country.rs"


class Countries(unittest.TestCase):
    def test_the_codes_are_those_of_iso_3166(self):
        (text,) = re.findall(r'const ISO_3166: &str = "([^"]+)";', LIST.read_text("utf-8"))
        codes = text.replace("\\\n", "").split()
        self.assertEqual(codes, sorted(country.alpha_2 for country in pycountry.countries))


if __name__ == "__main__":
    unittest.main()
