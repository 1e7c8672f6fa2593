"""The disk layouts, by wic's own parser.

wic is a program of its own since wrynose and in no registry (the package of that name on PyPI is another); it
was part of openembedded-core, whose history still has it.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import LAYERS, checkouts

# The last commit with wic in it.
LAST = "b9e2a2f584376076c4552bef7309c81b9fe986c0^"
PROGRAM = """
import json, sys
import wic.misc
wic.misc.get_bitbake_var = lambda var, *rest: {"MACHINE": "machine", "IMGDEPLOYDIR": "/deploy",
    "IMAGE_LINK_NAME": "image"}.get(var)
from wic import ksparser
ksparser.get_bitbake_var = wic.misc.get_bitbake_var
parsed = ksparser.KickStart(sys.argv[1])
print(json.dumps({"ptable": parsed.bootloader.ptable, "parts": [
    [p.source, p.part_name or p.label, p.part_type or p.system_id] for p in parsed.partitions if not p.no_table]}))
"""


class Wic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        layers = checkouts()
        if layers is None:
            raise unittest.SkipTest("wic's parser is in the history of openembedded-core; "
                                    "LIVEHAL_LAYERS names no checkouts")
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = Path(scratch.name)
        git = ["git", "-c", "safe.directory=*", "-C", str(layers / "openembedded-core")]
        archive = subprocess.run(git + ["archive", LAST, "scripts/lib"], capture_output=True)
        if archive.returncode:
            raise unittest.SkipTest(f"no history in {layers}/openembedded-core: a shallow clone")
        subprocess.run(["tar", "-x", "-C", scratch.name], input=archive.stdout, check=True)
        cls.environment = {"PATH": os.environ["PATH"],
                           "PYTHONPATH": f"{scratch.name}/scripts/lib:{layers}/bitbake/lib:"
                                         f"{layers}/openembedded-core/meta/lib"}

    def parse(self, layout: Path) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-c", PROGRAM, str(layout)], env=self.environment,
                              capture_output=True, text=True)

    def test_it_reads_every_layout(self):
        layouts = sorted(p for layer in LAYERS for p in layer.glob("files/wic/*.wks"))
        self.assertGreaterEqual(len(layouts), 4)
        for layout in layouts:
            with self.subTest(layout.name):
                done = self.parse(layout)
                self.assertEqual(done.returncode, 0, done.stderr)
                parts = json.loads(done.stdout)["parts"]
                self.assertGreaterEqual(len(parts), 2)
                self.assertTrue(all(kind for _, _, kind in parts), "types as wic understood them")

    def test_it_refuses_a_fault_by_file_and_line(self):
        layout = self.scratch / "wrong.wks"
        text = (LAYERS[0] / "files/wic/livehal-qemuarm64.wks").read_text()
        layout.write_text(text.replace("--fixed-size 512M", "--fixed-size 512Q"))
        done = self.parse(layout)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"{layout}:8", done.stderr)


if __name__ == "__main__":
    unittest.main()
