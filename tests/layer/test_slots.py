"""Disk layouts, RAUC's slots, the bundle: that they agree, and what RAUC itself says of them."""

import configparser
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
import unittest.mock
from pathlib import Path

from support import LAYERS, MACHINES, ROOT, Recipes, bb, checkouts, layer_files

LAYER = LAYERS[0]
WKS = {machine: LAYER / f"files/wic/livehal-{machine}.wks" for machine in MACHINES}
SYSTEM = {m: LAYER / f"recipes-core/rauc/livehal-rauc-conf/{m}/system.conf" for m in MACHINES}
KEYS = LAYER / "recipes-core/rauc/livehal-development-keys/livehal-development-keys"
BUNDLE = LAYER / "recipes-core/bundles/livehal-bundle_0.1.0.bb"


TOOLS = {"rauc": "rauc", "mksquashfs": "squashfs-tools", "mkfs.vfat": "dosfstools", "mkfs.ext4": "e2fsprogs"}
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
TOKEN_MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
MISSING = [package for tool, package in TOOLS.items() if not shutil.which(tool, path=PATH)]


def partitions(machine: str) -> list[dict]:
    """The partitions of a layout, in order: device, name or label, size in MiB."""
    found = []
    for line in WKS[machine].read_text().splitlines():
        if not line.startswith("part") or " --no-table" in line:
            continue
        value = lambda option: (re.search(rf"--{option}[ =]([^ ]+)", line) or [None, ""])[1]
        disk = value("ondisk")
        number = len(found) + 1
        found.append({
            "device": f"/dev/{disk}{'p' if disk[-1].isdigit() else ''}{number}",
            "name": value("part-name") or value("label"),
            "source": value("source"),
            "mib": int(value("fixed-size").removesuffix("M")),
        })
    return found


def system_conf(machine: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.read(SYSTEM[machine])
    return parser


def distro(machine: str):
    with tempfile.TemporaryDirectory() as scratch:
        d = Recipes(Path(scratch)).store(machine)
        return bb.parse.handle(str(LAYER / "conf/distro/livehal.conf"), d, include=True)


class Agreement(unittest.TestCase):
    def test_every_layout_is_of_a_machine(self):
        self.assertEqual(sorted(WKS.values()), sorted((LAYER / "files/wic").glob("*.wks")))
        for machine in MACHINES:
            self.assertEqual(distro(machine).getVar("WKS_FILE"), WKS[machine].name)

    def test_slots_are_partitions_of_the_layout_in_pairs_of_one_size(self):
        for machine in MACHINES:
            with self.subTest(machine):
                disk = {p["device"]: p for p in partitions(machine)}
                conf = system_conf(machine)
                slots = [s for s in conf.sections() if s.startswith("slot.")]
                pairs = {}
                for slot in slots:
                    device = conf[slot]["device"]
                    self.assertIn(device, disk)
                    pairs.setdefault(slot.split(".")[1], []).append((device, disk[device]["mib"]))
                for name, slots_of in pairs.items():
                    self.assertEqual(len(slots_of), 2, name)
                    self.assertNotEqual(slots_of[0][0], slots_of[1][0])
                    self.assertEqual(slots_of[0][1], slots_of[1][1], f"sizes of {name}")
                self.assertEqual({conf[s].get("bootname") for s in slots if "rootfs" in s}, {"A", "B"})

    def test_the_data_partition_is_the_last_and_no_slot(self):
        for machine in MACHINES:
            with self.subTest(machine):
                last = partitions(machine)[-1]
                self.assertEqual(last["name"], "data")
                self.assertEqual(distro(machine).getVar("OVERLAYFS_ETC_DEVICE"), last["device"])
                devices = [system_conf(machine)[s].get("device") for s in system_conf(machine).sections()]
                self.assertNotIn(last["device"], devices)

    def test_every_partition_says_its_type(self):
        """wic takes what is copied as it is for FAT, and gives the partition the type of that."""
        # Linux's and FAT's, by GPT and by MBR. Nothing mounts or starts either unasked.
        linux, fat = {"0FC63DAF-8483-4772-8E79-3D69D8477DE4", "0x83"}, {"EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "0xc"}
        for layout in (p for layer in LAYERS for p in (layer / "files/wic").glob("*.wks")):
            text = layout.read_text()
            option = {"gpt": "part-type", "msdos": "system-id"}[re.search(r"--ptable (\w+)", text)[1]]
            for line in re.findall("^part (?!.* --no-table).*$", text, re.M):
                with self.subTest(layout.name, line=line):
                    is_fat = "--fstype=vfat" in line or ".vfat" in line
                    found = re.search(rf" --{option} (\S+)", line)
                    self.assertTrue(found, f"no --{option}")
                    self.assertIn(found[1], fat if is_fat else linux)

    def test_an_image_is_no_larger_than_its_slot(self):
        for machine in MACHINES:
            kib = int(distro(machine).getVar("LIVEHAL_SLOT_KIB"))
            sizes = {p["mib"] * 1024 for p in partitions(machine) if p["name"].startswith("rootfs")}
            self.assertEqual(sizes, {kib}, machine)

    def test_command_lines_of_the_pi_name_its_partitions(self):
        append = (LAYER / "dynamic-layers/raspberrypi/recipes-bsp/bootfiles/rpi-cmdline.bbappend").read_text()
        conf = system_conf("raspberrypi5")
        for number in (0, 1):
            self.assertIn(f"root={conf[f'slot.rootfs.{number}']['device']} ".strip(), append)
        config = (LAYER / "dynamic-layers/raspberrypi/recipes-bsp/bootfiles/rpi-config_git.bbappend").read_text()
        config = config[config.index('"') + 1:config.rindex('"')].replace("\\\n", "").replace("\\n", "\n")
        for number, letter in ((0, "a"), (1, "b")):
            partition = conf[f"slot.boot.{number}"]["device"][-1]
            self.assertRegex(config, rf"\[boot_partition={partition}\]\ncmdline=cmdline-{letter}.txt\n")
        self.assertIn("\ncamera_auto_detect=1\n", config)
        # What follows in config.txt is for both slots again.
        self.assertTrue(config.endswith("\n[all]"))
        self.assertLessEqual(max(map(len, config.splitlines())), 80)

    def test_the_boot_script_of_the_x5_names_the_first_slot(self):
        script = (LAYERS[1] / "recipes-bsp/rdk-x5-boot-script/rdk-x5-boot-script/boot.cmd").read_text()
        number = re.search(r"^setenv rootpart (\d)$", script, re.M)[1]
        self.assertTrue(system_conf("rdk-x5")["slot.rootfs.0"]["device"].endswith(f"p{number}"))

    def test_bundle_and_device_have_the_same_name(self):
        with tempfile.TemporaryDirectory() as scratch:
            recipes = Recipes(Path(scratch))
            for machine in MACHINES:
                d = recipes.parse(BUNDLE, machine)
                conf = system_conf(machine)
                self.assertEqual(d.getVar("RAUC_BUNDLE_COMPATIBLE"), conf["system"]["compatible"])
                classes = {s.split(".")[1] for s in conf.sections() if s.startswith("slot.")}
                self.assertEqual(set(d.getVar("RAUC_BUNDLE_SLOTS").split()), classes)

    def test_only_bundles_read_through_verity_are_accepted(self):
        for machine in MACHINES:
            self.assertEqual(system_conf(machine)["system"]["bundle-formats"], "-plain")


# RAUC's block-hash-index divides an image into blocks of this size and refuses what is left over.
BLOCK = 4096


def image_recipe(machine: str):
    with tempfile.TemporaryDirectory() as scratch:
        return Recipes(Path(scratch)).parse(LAYER / "recipes-core/images/livehal-image.bb", machine)


def image_kib(d, tree_kib: int) -> int:
    """The size of an ext4 that holds a tree, as image.bbclass reckons."""
    least = int(d.getVar("IMAGE_ROOTFS_SIZE") or 65536)  # bitbake.conf's
    wanted = max(tree_kib * float(d.getVar("IMAGE_OVERHEAD_FACTOR")), least) + int(d.getVar("IMAGE_ROOTFS_EXTRA_SPACE"))
    alignment = int(d.getVar("IMAGE_ROOTFS_ALIGNMENT") or 1)  # image_types.bbclass's
    return math.ceil(math.ceil(wanted) / alignment) * alignment


# Odd, even, round and as a real one: 1.1 times these leaves every remainder.
TREES = [*range(180_000, 180_041), 65536, 262_144, 333_333, 1_400_001]


class Blocks(unittest.TestCase):
    """What block-hash-index asks of every image of a bundle."""

    def test_the_root_file_system_is_whole_blocks_whatever_its_size(self):
        for machine in MACHINES:
            d = image_recipe(machine)
            wrong = [kib for kib in TREES if image_kib(d, kib) * 1024 % BLOCK]
            self.assertEqual(wrong, [], machine)

    def test_so_are_the_slots_and_what_else_a_bundle_has(self):
        boot = (LAYER / "dynamic-layers/raspberrypi/recipes-bsp/livehal-boot-image/livehal-boot-image_0.1.0.bb").read_text()
        sizes = dict(re.findall(r'^LIVEHAL_(\w+)_MIB = "(\d+)"', boot, re.M))
        disk = {p["name"]: p["mib"] for p in partitions("raspberrypi5")}
        self.assertEqual((int(sizes["BOOT"]), int(sizes["SELECT"])), (disk["boot-a"], disk["boot-select"]))
        for machine in MACHINES:
            self.assertEqual([p["name"] for p in partitions(machine) if (p["mib"] << 20) % BLOCK], [])
            self.assertEqual(int(distro(machine).getVar("LIVEHAL_SLOT_KIB")) * 1024 % BLOCK, 0)

    @unittest.skipUnless(checkouts(), "LIVEHAL_LAYERS names no checkouts")
    def test_openembedded_reckons_so(self):
        text = (checkouts() / "openembedded-core/meta/classes-recipe/image.bbclass").read_text()
        function = re.search(r"^def get_rootfs_size\(d\):\n(?:(?:[ \t].*)?\n)+", text, re.M)[0]
        utils = types.ModuleType("oe.utils")
        modules = {"oe": types.ModuleType("oe"), "oe.utils": utils}
        modules["oe"].utils = utils
        space = {"bb": bb}
        exec(function, space)
        d = image_recipe("qemuarm64")
        d.setVar("IMAGE_ROOTFS_SIZE", "65536")
        d.setVar("IMAGE_ROOTFS_MAXSIZE", "1572864")
        with unittest.mock.patch.dict(sys.modules, modules):
            for kib in TREES:
                utils.directory_size = lambda _: kib * 1024
                self.assertEqual(space["get_rootfs_size"](d), image_kib(d, kib), kib)

    @unittest.skipUnless(shutil.which("mkfs.ext4", path=PATH), "apt-get install e2fsprogs")
    def test_the_file_systems_own_blocks_are_as_large(self):
        """Below 512 MB mke2fs takes 1 KiB, and a file that did not change is in other blocks of the index."""
        options = image_recipe("qemuarm64").getVar("EXTRA_IMAGECMD:ext4") or "-i 4096"  # image_types.bbclass's
        for mib in (64, 300, 1200):
            with tempfile.NamedTemporaryFile() as file:
                file.truncate(mib << 20)
                subprocess.run([shutil.which("mkfs.ext4", path=PATH), "-q", "-F", *options.split(), file.name], check=True)
                file.seek(1024 + 24)  # s_log_block_size of the superblock
                self.assertEqual(1024 << int.from_bytes(file.read(4), "little"), BLOCK, f"{mib} MiB")


def manifest(machine: str, scratch: Path) -> tuple[str, list[str]]:
    """The manifest that the bundle's recipe stands for, as meta-rauc's class writes it."""
    d = Recipes(scratch).parse(BUNDLE, machine)
    lines = ["[update]"]
    for key in ("compatible", "version", "description"):
        lines.append(f"{key}={d.getVar('RAUC_BUNDLE_' + key.upper())}")
    lines += ["[bundle]", f"format={d.getVar('RAUC_BUNDLE_FORMAT')}"]
    files = []
    for slot in d.getVar("RAUC_BUNDLE_SLOTS").split():
        flags = d.getVarFlags(f"RAUC_SLOT_{slot}") or {}
        name = flags.get("rename") or f"{d.getVar('RAUC_SLOT_' + slot)}-{machine}.{flags['fstype']}"
        files.append(name)
        lines += [f"[image.{slot}]", f"filename={name}"]
        if "adaptive" in flags:
            lines.append(f"adaptive={flags['adaptive']}")
    return "\n".join(lines) + "\n", files


@unittest.skipIf(MISSING, f"apt-get install {' '.join(MISSING)}")
class Rauc(unittest.TestCase):
    """The program of RAUC on small images."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.keys = self.scratch / "keys"
        self.make_keys(self.keys)

    def make_keys(self, directory: Path):
        subprocess.run(["sh", str(KEYS), str(directory)], check=True, capture_output=True)

    def rauc(self, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run(["rauc", *map(str, arguments)], capture_output=True, text=True)

    def bundle(self, machine: str, key: str = "") -> Path:
        made, done = self.made(machine, 8 << 20, key)
        self.assertEqual(done.returncode, 0, done.stderr)
        return made

    def made(self, machine: str, size: int, key: str = "") -> tuple[Path, subprocess.CompletedProcess]:
        """A bundle with images of this size, and what RAUC says of it."""
        content = self.scratch / f"content-{machine}"
        content.mkdir()
        text, files = manifest(machine, self.scratch)
        (content / "manifest.raucm").write_text(text)
        for name in files:
            image, tree = content / name, self.scratch / "tree"
            tree.mkdir(exist_ok=True)
            (tree / "noise").write_bytes(random.Random(name).randbytes(1 << 20))
            with image.open("wb") as file:
                file.truncate(size)
            make = ["mkfs.vfat"] if name.endswith("vfat") else ["mkfs.ext4", "-q", "-d", str(tree)]
            make[0] = shutil.which(make[0], path=PATH)
            subprocess.run(make + [str(image)], check=True, capture_output=True)
        made = self.scratch / f"{machine}.raucb"
        done = self.rauc("bundle", f"--cert={self.keys}/development.cert.pem",
                         f"--key={key or self.keys / 'development.key.pem'}", content, made)
        return made, done

    def test_it_takes_an_image_of_our_size_and_no_other(self):
        """block-hash-index wants whole blocks."""
        d = image_recipe("qemuarm64")
        d.setVar("IMAGE_ROOTFS_SIZE", "0")
        for tree in range(8000, 8004):
            _, done = self.made("qemuarm64", image_kib(d, tree) * 1024)
            self.assertEqual(done.returncode, 0, done.stderr)
            shutil.rmtree(self.scratch / "content-qemuarm64")
            (self.scratch / "qemuarm64.raucb").unlink()
        _, done = self.made("qemuarm64", (8 << 20) + 1024)
        self.assertNotEqual(done.returncode, 0, done.stderr)
        self.assertIn("4096", done.stderr)

    def test_it_makes_a_bundle_of_the_layers_manifest(self):
        for machine in MACHINES:
            with self.subTest(machine):
                done = self.rauc("info", f"--keyring={self.keys}/development.ca.pem",
                                 self.bundle(machine))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stdout, rf"Compatible:\s+'livehal-{machine}'")
                self.assertRegex(done.stdout, r"Bundle Format:\s+verity")
                self.assertRegex(done.stdout, r"Adaptive:\s+block-hash-index")

    def test_it_refuses_a_bundle_of_another_key_and_a_damaged_one(self):
        bundle = self.bundle("qemuarm64")
        self.make_keys(self.scratch / "others")
        keyring = f"--keyring={self.scratch}/others/development.ca.pem"
        done = self.rauc("info", keyring, bundle)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("signature", done.stderr.lower())
        data = bytearray(bundle.read_bytes())
        data[-64] ^= 0xFF  # in the signed manifest at the end
        bundle.write_bytes(data)
        self.assertNotEqual(self.rauc("info", f"--keyring={self.keys}/development.ca.pem", bundle).returncode, 0)

    @unittest.skipUnless(TOKEN_MODULE.exists() and shutil.which("softhsm2-util", path=PATH),
                         "apt-get install softhsm2 libengine-pkcs11-openssl")
    def test_it_signs_by_a_key_in_a_token(self):
        """As with RAUC_KEY_FILE and RAUC_PKCS11_MODULE of a release; docs/build.md."""
        conf, pin = self.scratch / "softhsm2.conf", self.scratch / "pin"
        (self.scratch / "tokens").mkdir()
        conf.write_text(f"directories.tokendir = {self.scratch}/tokens\n")
        pin.write_text("1234")
        variables = {"SOFTHSM2_CONF": str(conf), "RAUC_PKCS11_MODULE": str(TOKEN_MODULE)}
        key = self.keys / "development.key.pem"
        with unittest.mock.patch.dict(os.environ, variables):
            for options in (["--init-token", "--free", "--label", "release", "--so-pin", "5678"],
                            ["--import", str(key), "--token", "release", "--label", "livehal", "--id", "01"]):
                subprocess.run(["softhsm2-util", *options, "--pin", "1234"], check=True, capture_output=True)
            key.unlink()
            made = self.bundle("qemuarm64", f"pkcs11:token=release;object=livehal?pin-source={pin}")
        done = self.rauc("info", f"--keyring={self.keys}/development.ca.pem", made)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_it_reads_every_system_conf(self):
        for machine in MACHINES:
            with self.subTest(machine):
                self.assertEqual(self.refusal(SYSTEM[machine].read_text()), "")

    def test_it_refuses_a_system_conf_with_a_fault(self):
        text = SYSTEM["qemuarm64"].read_text()
        for wrong in (text.replace("bootloader=noop", "bootloader=none"),
                      text.replace("[slot.rootfs.1]", "[slot.rootfs.1]\nsize=1"),
                      text.replace("compatible=", "compatable=")):
            self.assertNotEqual(self.refusal(wrong), "")

    def refusal(self, text: str) -> str:
        """What RAUC has against a system.conf; empty if it takes it."""
        directory = self.scratch / "conf"
        (directory / "data").mkdir(parents=True, exist_ok=True)
        conf = directory / "system.conf"
        conf.write_text(text.replace("/var/lib/rauc", str(directory / "data")))
        shutil.copy(self.keys / "development.ca.pem", directory / "keyring.pem")
        backend = directory / "backend"
        backend.write_text("#!/bin/sh\n[ \"$1\" = get-primary ] && echo A || echo good\n")
        backend.chmod(0o755)
        conf.write_text(conf.read_text().replace("/usr/lib/livehal/rauc-boot-backend", str(backend)))
        done = self.rauc(f"--conf={conf}", "info", f"--keyring={directory}/keyring.pem",
                         self.scratch / "no-such-bundle")
        wrong = [line for line in done.stderr.splitlines() if "no-such-bundle" not in line and not line.startswith("rauc-Message")]
        return "\n".join(wrong)


class DevelopmentKeys(unittest.TestCase):
    def test_they_are_made_once_and_no_key_is_in_the_repository(self):
        with tempfile.TemporaryDirectory() as scratch:
            run = lambda: subprocess.run(["sh", str(KEYS), scratch], check=True, capture_output=True)
            run()
            names = sorted(p.name for p in Path(scratch).iterdir())
            self.assertEqual(names, ["development.ca.key.pem", "development.ca.pem",
                                     "development.cert.pem", "development.key.pem"])
            before = {n: (Path(scratch) / n).read_bytes() for n in names}
            for name in names:
                self.assertEqual((Path(scratch) / name).stat().st_mode & 0o077, 0, name)
            run()
            self.assertEqual({n: (Path(scratch) / n).read_bytes() for n in names}, before)
        tracked = subprocess.check_output(["git", "-C", str(ROOT), "ls-files"], text=True).split("\n")
        self.assertEqual([f for f in tracked if re.search(r"\.(key|pem|p12)$", f)], [])


class Kernel(unittest.TestCase):
    def test_fragments_are_lines_that_kconfig_understands(self):
        fragments = layer_files(".cfg")
        self.assertGreaterEqual(len(fragments), 4)
        for fragment in fragments:
            seen = set()
            for line in fragment.read_text().splitlines():
                if not line or line.startswith("# ") and "CONFIG_" not in line:
                    continue
                match = re.fullmatch(r"(CONFIG_[A-Z0-9_]+)=([ymn]|[0-9]+|\"[^\"]*\")", line)
                self.assertTrue(match, f"{fragment.name}: {line}")
                self.assertNotIn(match[1], seen, fragment.name)
                seen.add(match[1])


if __name__ == "__main__":
    unittest.main()
