"""Runs the tests beside it and reports in the words of `cargo test`: report.py [MODULE...]"""

import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    sys.path.insert(0, str(HERE))
    loader = unittest.TestLoader()
    if sys.argv[1:]:
        suite = loader.loadTestsFromNames(sys.argv[1:])
    else:
        suite = loader.discover(str(HERE))
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    for test, reason in result.skipped:
        print(f"SKIPPED: {test.id()}: {reason}")
    # A fault of a subTest is reported with its test: one test fails once.
    bad = {getattr(test, "test_case", test).id() for test, _ in result.failures + result.errors}
    # A class that is skipped as a whole is none of the tests that ran.
    skipped = [test for test, _ in result.skipped if isinstance(test, unittest.TestCase)]
    good = result.testsRun - len(bad) - len(skipped)
    print(f"test result: {'FAILED' if bad else 'ok'}. {good} passed; {len(bad)} failed; 0 ignored")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
