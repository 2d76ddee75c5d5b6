"""Runs the suite against the system that the command-line arguments describe."""

import sys
import unittest

import client
import settings
import suite
from description import Description


def run(under_test, *parts):
    """Runs the suite, or the named parts of it."""
    suite.SETTINGS = under_test
    client.API, client.DESCRIPTION = under_test.api, Description()
    loader = unittest.defaultTestLoader
    parts = parts or under_test.only
    tests = loader.loadTestsFromNames(parts, suite) if parts else loader.loadTestsFromModule(suite)
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    passed = result.testsRun - len(result.failures) - len(result.errors) - len(result.skipped)
    print(
        f"{passed} passed, {len(result.failures) + len(result.errors)} failed, {len(result.skipped)} skipped",
        flush=True,
    )
    return result.wasSuccessful()


if __name__ == "__main__":
    sys.exit(0 if run(settings.from_arguments()) else 1)
