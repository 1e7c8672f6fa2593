"""What do_fetch, do_unpack and do_populate_lic demand of every recipe, as openembedded-core's license.bbclass and insane.bbclass have it.

What they find stops a build long after parsing; nothing but a build, or this, finds it before.
"""

import hashlib
import re
import tempfile
import unittest
from pathlib import Path

from support import MACHINES, ROOT, Recipes, bb, checkouts, layer_files

# Texts of openembedded-core, by path below COREBASE.
OPENEMBEDDED = {"meta/COPYING.MIT": "3da9cfbcb788c80a0384361b4de20420"}
# What has no do_populate_lic: images, by image.bbclass.
IMAGES = {"livehal_image", "core-image", "image"}


def inherited(d) -> set[str]:
    """The names of the classes that a recipe has, classes of classes, too."""
    return {Path(file).stem for file in d.getVar("__inherit_cache", False) or []}


def unpacked(d) -> Path | None:
    """The directory of the repository that is unpacked to S; None where it is somebody else's."""
    return ROOT if d.getVar("LIVEHAL_SOURCES") else None


def faults(d) -> list[str]:
    """What do_populate_lic has against a recipe."""
    if inherited(d) & IMAGES or d.getVar("LICENSE") == "CLOSED":
        return []
    found = []
    texts = (d.getVar("LIC_FILES_CHKSUM") or "").split()
    if not texts and d.getVar("SRC_URI"):
        found.append("fetches files and has no LIC_FILES_CHKSUM")
    for text in texts:
        kind, _, path, _, _, parameters = bb.fetch2.decodeurl(text)
        if kind != "file" or not path or not re.fullmatch("[0-9a-f]{32}", parameters.get("md5", "")):
            found.append(f"not a file with its MD5: {text}")
            continue
        core = d.getVar("COREBASE") + "/"
        if path.startswith(core):
            wanted = OPENEMBEDDED.get(path.removeprefix(core))
        elif unpacked(d):
            file = unpacked(d) / path
            copied = any(file.is_relative_to(ROOT / source) for source in d.getVar("LIVEHAL_SOURCES").split())
            wanted = hashlib.md5(file.read_bytes()).hexdigest() if copied and file.is_file() else None
        elif "://github.com/" in d.getVar("SRC_URI"):
            continue  # of a repository that only a build fetches
        else:
            wanted = None
        if wanted != parameters["md5"]:
            found.append(f"{path} is {wanted or 'not there'}, not {parameters['md5']}")
    return found


class Licences(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = Path(scratch.name)
        cls.recipes = Recipes(cls.scratch)

    def for_every_recipe(self, check):
        """For every machine, too."""
        for recipe in layer_files(".bb"):
            for machine in MACHINES:
                d = self.recipes.parse(recipe, machine, LIVEHAL_HAWKBIT_SERVER="updates.example")
                with self.subTest(recipe.name, machine=machine):
                    check(d)

    def test_every_recipe_shows_its_licence(self):
        self.for_every_recipe(lambda d: self.assertEqual(faults(d), []))

    def test_one_that_does_not_is_found(self):
        keys = next(p for p in layer_files(".bb") if p.name.startswith("livehal-development-keys_"))
        live777 = next(p for p in layer_files(".bb") if p.name.startswith("live777_"))
        for recipe, line in (
                (keys, ""), (keys, "file://${COREBASE}/LICENSE;md5=3da9cfbcb788c80a0384361b4de20420"),
                (keys, "file://${COREBASE}/meta/COPYING.MIT"), (live777, "file://LICENSES/No.txt;md5=" + "0" * 32),
                (live777, "file://LICENSES/BSD-2-Clause.txt;md5=" + "0" * 32),
                (live777, "file://CHANGELOG.md;md5=" + hashlib.md5((ROOT / "CHANGELOG.md").read_bytes()).hexdigest())):
            wrong = self.scratch / recipe.name
            text = re.sub("^LIC_FILES_CHKSUM = .*$", "", recipe.read_text(), flags=re.M)
            text = text.replace("live777-crates.inc", "recipes-rust/live777/live777-crates.inc")
            wrong.write_text(text + (f'\nLIC_FILES_CHKSUM = "{line}"\n' if line else "\n"))
            with self.subTest(recipe.name, line=line):
                self.assertEqual(len(faults(self.recipes.parse(wrong))), 1)

    def test_a_recipe_without_sources_needs_none(self):
        bundle = next(p for p in layer_files(".bb") if p.name.startswith("livehal-bundle_"))
        d = self.recipes.parse(bundle)
        self.assertFalse(d.getVar("LIC_FILES_CHKSUM"))
        self.assertEqual(faults(d), [])

    def test_s_is_where_something_is_unpacked(self):
        """do_unpack warns of an S that is not there, and a warning fails the layer's own checks."""
        def check(d):
            sources = (d.getVar("SRC_URI") or "").split()
            s = d.getVar("S", False)
            self.assertNotIn("${WORKDIR}", s)
            if not sources or inherited(d) & IMAGES:
                return
            below = d.getVar("S").removeprefix(d.getVar("UNPACKDIR")).strip("/")
            made = {""}
            for source in sources:
                kind, _, _, _, _, parameters = bb.fetch2.decodeurl(source)
                made.add(parameters.get("subdir", "") if kind == "file" else
                         parameters.get("destsuffix", d.getVar("BP")) if kind == "git" else "")
            self.assertIn(below, made, f"S = {s}")
        self.for_every_recipe(check)

    def test_every_file_that_is_named_is_there(self):
        """do_fetch looks beside the recipe, in directories of the machine first."""
        def check(d):
            recipe = Path(d.getVar("FILE"))
            machines = d.getVar("COMPATIBLE_MACHINE")
            overrides = [d.getVar("MACHINE"), d.getVar("MACHINE_OVERRIDES")]
            if machines and not any(re.match(machines, name) for name in overrides):
                return
            beside = [recipe.parent / name / machine for name in (d.getVar("BP"), d.getVar("BPN"), "files")
                      for machine in (*overrides, "")]
            for source in (d.getVar("SRC_URI") or "").split():
                kind, _, path, _, _, _ = bb.fetch2.decodeurl(source)
                if kind == "file":
                    places = [ROOT] if d.getVar("LIVEHAL_SOURCES") else beside
                    self.assertTrue(any((place / path).exists() for place in places), path)
        self.for_every_recipe(check)

    def test_the_texts_of_openembedded_are_those(self):
        """And it has a text for every licence that a recipe names."""
        layers = checkouts()
        if layers is None:
            self.skipTest("LIVEHAL_LAYERS names no checkouts")
        core = layers / "openembedded-core"
        for path, wanted in OPENEMBEDDED.items():
            self.assertEqual(hashlib.md5((core / path).read_bytes()).hexdigest(), wanted, path)
        texts = core / "meta/files/common-licenses"
        self.for_every_recipe(lambda d: self.assertEqual(
            {n for n in re.split(r"[\s&|()]+", d.getVar("LICENSE")) if n and not (texts / n).is_file()}, set()))


if __name__ == "__main__":
    unittest.main()
