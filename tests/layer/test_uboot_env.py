"""Where the RDK X5's boot selection is kept: what RAUC's tools for it are told, by these tools themselves."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
import zlib
from pathlib import Path

from support import LAYERS, MACHINES, Recipes

RECIPE = LAYERS[0] / "recipes-core/rauc/livehal-rauc-conf_0.1.0.bb"
FILES = RECIPE.parent / "livehal-rauc-conf/rdk-x5"
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
MIB = 1 << 20


def environment() -> tuple[str, int, int]:
    """Device, offset and size of fw_env.config's only line."""
    lines = [line.split() for line in (FILES / "fw_env.config").read_text().splitlines()
             if line and not line.startswith("#")]
    assert len(lines) == 1, lines
    return lines[0][0], int(lines[0][1], 16), int(lines[0][2], 16)


def uses_uboot(machine: str) -> bool:
    return "\nbootloader=uboot\n" in (FILES.parent / machine / "system.conf").read_text()


class Image(unittest.TestCase):
    def test_whoever_has_uboot_has_its_tools_and_nobody_else(self):
        self.assertTrue(uses_uboot("rdk-x5"))
        for machine in MACHINES:
            with tempfile.TemporaryDirectory() as scratch, self.subTest(machine):
                d = Recipes(Path(scratch)).parse(RECIPE, machine)
                has = "libubootenv-bin" in (d.getVar("RDEPENDS:livehal-rauc-conf") or "").split()
                self.assertEqual(has, uses_uboot(machine))
                for name in ("fw_env.config", "u-boot-initial-env"):
                    self.assertEqual(f"file://{name}" in d.getVar("SRC_URI").split(), has)
                    self.assertEqual(f"/{name} " in d.getVar("do_install"), has)

    def test_it_is_one_sector_of_the_card_before_the_first_partition(self):
        device, offset, size = environment()
        layout = (LAYERS[0] / "files/wic/livehal-rdk-x5.wks").read_text()
        data = re.search(r'LIVEHAL_DATA_DEVICE:rdk-x5 = "(\S+)p4"', (LAYERS[0] / "conf/distro/livehal.conf").read_text())
        self.assertEqual(device, data[1])
        self.assertEqual((offset, size), (MIB, 512))
        # A card that is written has it: wic counts in KiB.
        self.assertRegex(layout, rf"(?m)^part .*livehal-boot-env-\S+ .* --no-table .*--offset {offset // 1024}$")
        # The first partition begins where the alignment, in KiB, says.
        first = re.search(r"^part (?!.* --no-table).*--align (\d+)", layout, re.M)
        self.assertLessEqual(offset + size, int(first[1]) * 1024)

    def test_a_fresh_card_names_its_first_slot_only(self):
        text = (FILES / "u-boot-initial-env").read_text()
        self.assertEqual(dict(line.split("=", 1) for line in text.splitlines()),
                         {"BOOT_ORDER": "A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "0"})
        conf = (FILES / "system.conf").read_text()
        self.assertIn("\nboot-attempts=3\n", conf)


@unittest.skipUnless(shutil.which("fw_printenv", path=PATH), "apt-get install libubootenv-tool")
class Tools(unittest.TestCase):
    """libubootenv on a file in the card's place."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.card, self.config = Path(scratch.name) / "card", Path(scratch.name) / "fw_env.config"
        device, self.offset, self.size = environment()
        with self.card.open("wb") as file:
            file.truncate(4 * MIB)
        self.config.write_text((FILES / "fw_env.config").read_text().replace(device, str(self.card)))

    def tool(self, name: str, *arguments: str, default: Path = FILES / "u-boot-initial-env") -> subprocess.CompletedProcess:
        return subprocess.run([shutil.which(name, path=PATH), "-c", str(self.config), "-f", str(default), *arguments],
                              capture_output=True, text=True)

    def test_an_empty_sector_reads_as_a_fresh_card(self):
        for name, value in (("BOOT_ORDER", "A"), ("BOOT_A_LEFT", "3"), ("BOOT_B_LEFT", "0")):
            done = self.tool("fw_printenv", name)
            self.assertEqual((done.returncode, done.stdout), (0, f"{name}={value}\n"), done.stderr)
        # Without the file it fails, as `rauc status` would then.
        self.assertNotEqual(self.tool("fw_printenv", "BOOT_ORDER", default=self.card.parent / "none").returncode, 0)

    @unittest.skipUnless(shutil.which("mkenvimage"), "apt-get install u-boot-tools")
    def test_what_the_recipe_puts_into_the_disk_image_reads_as_a_fresh_card(self):
        scratch = self.card.parent
        d = Recipes(scratch).parse(RECIPE, "rdk-x5", DEPLOYDIR=str(scratch), UNPACKDIR=str(FILES))
        subprocess.run(["sh", "-e", "-c", d.getVar("do_deploy")], check=True, capture_output=True)
        sector = (scratch / "livehal-boot-env-rdk-x5.bin").read_bytes()
        self.assertEqual(len(sector), self.size)
        with self.card.open("r+b") as file:
            file.seek(self.offset)
            file.write(sector)
        # Of the sector: another default would be told otherwise.
        (scratch / "other").write_text("BOOT_ORDER=none\n")
        for name, value in (("BOOT_ORDER", "A"), ("BOOT_A_LEFT", "3"), ("BOOT_B_LEFT", "0")):
            self.assertEqual(self.tool("fw_printenv", name, default=scratch / "other").stdout, f"{name}={value}\n")

    def test_what_is_written_is_this_sector_as_uboot_reads_it(self):
        done = self.tool("fw_setenv", "BOOT_ORDER", "B A")
        self.assertEqual(done.returncode, 0, done.stderr)
        data = self.card.read_bytes()
        sector = data[self.offset:self.offset + self.size]
        # A CRC and the variables: of one copy there is no flag between them.
        self.assertEqual(int.from_bytes(sector[:4], "little"), zlib.crc32(sector[4:]))
        self.assertEqual(set(sector[4:].rstrip(b"\0").split(b"\0")),
                         {b"BOOT_ORDER=B A", b"BOOT_A_LEFT=3", b"BOOT_B_LEFT=0"})
        self.assertFalse(any(data[:self.offset]) or any(data[self.offset + self.size:]))
        self.assertEqual(self.tool("fw_printenv", "BOOT_ORDER").stdout, "BOOT_ORDER=B A\n")


if __name__ == "__main__":
    unittest.main()
