"""The stand-ins of the boards' disk images (lab/boards): each says what it is, and so do the documents."""

import re
import unittest

from support import ROOT

BOARDS = ROOT / "tests/layer/lab/boards"


class StandIns(unittest.TestCase):
    def test_each_says_so(self):
        files = [p for p in BOARDS.rglob("*") if p.suffix in (".bb", ".bbappend", ".inc") or p.name in ("Makefile", "config.txt")]
        self.assertGreater(len(files), 7)
        for file in files:
            self.assertIn("STAND-IN", file.read_text(), file)

    def test_the_documents_name_each(self):
        text = (ROOT / "docs/build.md").read_text()
        section = re.search(r"^### The boards' disk images$(.*?)^##", text, re.M | re.S)[1]
        for file in BOARDS.rglob("*"):
            if file.suffix in (".bb", ".bbappend", ".inc"):
                name = re.split(r"_[\d%g]", file.stem)[0]
                self.assertIn(name, section, file)
        recipe = (BOARDS / "recipes-bsp/board-stand-ins/board-stand-ins_1.0.bb").read_text()
        packages = re.findall(r'^STAND_INS.*?= "([^"]*)"', recipe, re.M)
        self.assertEqual(len(packages), 2)
        for package in " ".join(packages).replace("\\", " ").split():
            if not re.search(r"-firmware-", package):
                self.assertIn(package, section)


if __name__ == "__main__":
    unittest.main()
