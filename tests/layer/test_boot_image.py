"""The FAT partitions of the Pi, made by the recipe's own shell code and read by another program."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import LAYERS, Recipes

RECIPE = LAYERS[0] / "dynamic-layers/raspberrypi/recipes-bsp/livehal-boot-image/livehal-boot-image_0.1.0.bb"
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
TOOLS = {"mkfs.vfat": "dosfstools", "mcopy": "mtools"}
MISSING = [package for tool, package in TOOLS.items() if not shutil.which(tool, path=PATH)]
# What meta-raspberrypi deploys, in little.
FILES = {"kernel_2712.img": "kernel", "cmdline-a.txt": "root=A", "overlays/one.dtbo": "1", "overlays/two.dtbo": "2"}


def volume(image: Path) -> tuple[int, str]:
    """Volume ID and label of the boot sector: of FAT32 where it has no FAT16 size of tables."""
    sector = image.read_bytes()[:512]
    at = 67 if sector[22:24] == b"\0\0" else 39
    return int.from_bytes(sector[at:at + 4], "little"), sector[at + 4:at + 15].decode().strip()


@unittest.skipIf(MISSING, f"apt-get install {' '.join(MISSING)}")
class BootImage(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.sources = self.scratch / "deployed"
        for name, text in FILES.items():
            (self.sources / name).parent.mkdir(parents=True, exist_ok=True)
            (self.sources / name).write_text(text)

    def deploy(self, name: str, time: int = 1) -> dict[str, Path]:
        """Runs do_deploy; the two images."""
        out, work = self.scratch / name, self.scratch / f"work-{name}"
        out.mkdir()
        work.mkdir()
        (work / "boot-files").write_text("".join(f"{file}\t{file}\n" for file in FILES))
        d = Recipes(self.scratch).parse(RECIPE, "raspberrypi5", DEPLOYDIR=str(out), WORKDIR=str(work),
                                        DEPLOY_DIR_IMAGE=str(self.sources), UNPACKDIR=str(RECIPE.parent / RECIPE.stem.split("_")[0]))
        script = "".join(f"{task}() {{\n{d.getVar(task)}}}\n" for task in ("livehal_vfat", "do_deploy"))
        environment = {"PATH": PATH, "SOURCE_DATE_EPOCH": "1700000000", "TZ": "UTC"}
        for file in self.sources.rglob("*"):
            os.utime(file, (time, time))
        subprocess.run(["sh", "-e", "-c", script + "do_deploy"], cwd=work, env=environment, check=True, capture_output=True)
        return {kind: out / f"livehal-{kind}-raspberrypi5.vfat" for kind in ("boot", "boot-select")}

    def test_each_has_its_own_volume_id(self):
        made = self.deploy("once")
        ids = re.findall(r"livehal_vfat \S+ \S+ (\w+) ([0-9a-f]{8})", RECIPE.read_text())
        self.assertEqual([volume(made["boot"]), volume(made["boot-select"])],
                         [(int(number, 16), label) for label, number in ids])
        self.assertNotEqual(ids[0][1], ids[1][1])

    def test_the_files_are_in_it(self):
        made = self.deploy("once")
        for name, text in FILES.items():
            read = subprocess.check_output(["mcopy", "-i", made["boot"], f"::{name}", "-"], text=True)
            self.assertEqual(read, text)
        read = subprocess.check_output(["mcopy", "-i", made["boot-select"], "::autoboot.txt", "-"], text=True)
        self.assertIn("boot_partition=2", read)

    def test_the_same_files_make_the_same_image(self):
        first, second = self.deploy("first"), self.deploy("second", time=1_600_000_000)
        for kind, image in first.items():
            self.assertEqual(image.read_bytes(), second[kind].read_bytes(), kind)

    def test_what_does_not_fit_is_no_image(self):
        with (self.sources / "kernel_2712.img").open("wb") as file:
            file.truncate(200 << 20)
        with self.assertRaises(subprocess.CalledProcessError) as caught:
            self.deploy("full")
        self.assertIn(b"full", caught.exception.stderr.lower())


class Autoboot(unittest.TestCase):
    """autoboot.txt as the firmware reads it: at most one sector, filters [all], [none] and [tryboot]."""

    def setUp(self):
        self.file = RECIPE.parent / "livehal-boot-image/autoboot.txt"

    def partition(self, tryboot: bool) -> int:
        applies, found = True, None
        for line in self.file.read_text().splitlines():
            if line.startswith("["):
                self.assertIn(line, ("[all]", "[none]", "[tryboot]"))
                applies = line == "[all]" or line == "[tryboot]" and tryboot
            elif applies and line.startswith("boot_partition="):
                found = int(line.removeprefix("boot_partition="))
        return found

    def test_a_fresh_card_starts_its_first_slot_whatever_the_flag_says(self):
        """The other one is empty until the first update."""
        self.assertEqual((self.partition(False), self.partition(True)), (2, 2))

    def test_it_is_a_sector_and_trying_a_slot_is_by_autoboot(self):
        text = self.file.read_text()
        self.assertLessEqual(len(text), 512)
        self.assertIn("[all]\ntryboot_a_b=1\n", text)


if __name__ == "__main__":
    unittest.main()
