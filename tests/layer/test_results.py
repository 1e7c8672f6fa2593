"""How the results of the image's cases are judged."""

import ast
import unittest

from oe_results import ELSEWHERE, faults
from support import LAYERS

CASES = LAYERS[0] / "lib/oeqa/runtime/cases"
GOOD = {"livehal_dbus.LivehalDbusTest.test_a_call_starts_it": {"status": "PASSED"}}
GOOD |= {name: {"status": "SKIPPED", "log": "needs an image"} for name in ELSEWHERE}


class Results(unittest.TestCase):
    """Everything passes, but what cannot."""

    def test_good_ones(self) -> None:
        self.assertEqual(faults(GOOD), [])

    def test_a_failure(self) -> None:
        for status in ("FAILED", "ERROR", "UNKNOWN"):
            with self.subTest(status):
                results = GOOD | {"livehal_units.LivehalUnitsTest.test_it": {"status": status, "log": "why"}}
                self.assertEqual(faults(results), [f"livehal_units.LivehalUnitsTest.test_it: {status}: why"])

    def test_a_skip_that_nobody_knows_of(self) -> None:
        results = GOOD | {"ssh.SSHTest.test_ssh": {"status": "SKIPPED", "log": "depends on ping"}}
        self.assertEqual(faults(results), ["ssh.SSHTest.test_ssh: SKIPPED: depends on ping"])

    def test_what_cannot_pass_there_does_not(self) -> None:
        name = next(iter(ELSEWHERE))
        self.assertIn("it was to say", faults(GOOD | {name: {"status": "PASSED"}})[0])

    def test_nothing_ran(self) -> None:
        self.assertEqual(len(faults({})), len(ELSEWHERE) + 1)

    def test_the_list_names_cases(self) -> None:
        there = {f"{file.stem}.{part.name}.{function.name}"
                 for file in CASES.glob("*.py") for part in ast.parse(file.read_text()).body
                 if isinstance(part, ast.ClassDef)
                 for function in part.body if isinstance(function, ast.FunctionDef)}
        self.assertEqual(set(ELSEWHERE) - there, set())


if __name__ == "__main__":
    unittest.main()
