"""oelint-adv finds nothing."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import ROOT, layer_files

# Rules that do not fit, and why. A single line that breaks a rule says so beside it (nooelint).
SUPPRESSED = {
    "oelint.task.noanonpython": "how a recipe refuses a configuration before anything is built",
    "oelint.var.licenseremotefile": "recipes of this repository have the licence of the layer",
    "oelint.var.mandatoryvar.HOMEPAGE": "recipes of this repository have no page of their own",
    "oelint.vars.homepageping": "needs the internet",
    "oelint.vars.mispell.unknown": "variables of RAUC, of the BSPs and of this layer are unknown to it",
}


def lint(*files: Path) -> list[str]:
    """Findings, without those about the generated list of crates."""
    command = [str(Path(sys.executable).with_name("oelint-adv")), "--release", "wrynose", "--quiet",
               "--hide", "info", "--exit-zero", "--jobs", "2"]
    for rule in SUPPRESSED:
        command += ["--suppress", rule]
    done = subprocess.run(command + [str(f) for f in files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    return sorted({line.replace(f"{ROOT}/", "") for line in lines
                   if line.strip() and "-crates.inc:" not in line})


class Lint(unittest.TestCase):
    def test_the_layers_are_clean(self):
        files = [f for f in layer_files(".bb", ".bbappend", ".bbclass", ".inc")
                 if not f.name.endswith("-crates.inc")]
        self.assertEqual(lint(*files), [])

    def test_it_finds_what_is_wrong(self):
        with tempfile.TemporaryDirectory() as scratch:
            recipe = Path(scratch) / "wrong_1.0.bb"
            recipe.write_text('SUMMARY = "Wrong"\nLICENSE = "MIT"\nDEPENDS_append = " foo"\n')
            self.assertTrue(any("DESCRIPTION" in line for line in lint(recipe)))


if __name__ == "__main__":
    unittest.main()
