"""Every recipe through BitBake's own parser, and its sources through BitBake's own fetcher."""

import multiprocessing
import os
import re
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

from support import CACHE, LAYERS, MACHINES, ROOT, Recipes, bb, layer_files, quiet

LIVE777 = ROOT / "meta-livehal/recipes-rust/live777/live777_0.1.0.bb"
DAEDALUS = ROOT / "meta-livehal/recipes-rust/daedalus/daedalus_0.1.0.bb"
MODULE = ROOT / "meta-livehal/recipes-kernel/daedalus-v4l2/daedalus-v4l2_0.1.0.bb"
PEER = ROOT / "meta-livehal/recipes-rust/live777-peer/live777-peer_0.1.0.bb"


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = Path(scratch.name)
        cls.recipes = Recipes(cls.scratch)


class Parsing(Case):
    def test_every_recipe_parses_for_every_machine(self):
        recipes = layer_files(".bb")
        self.assertGreater(len(recipes), 10)
        for recipe in recipes:
            for machine in MACHINES:
                with self.subTest(recipe.name, machine=machine):
                    d = self.recipes.parse(recipe, machine, LIVEHAL_HAWKBIT_SERVER="updates.example")
                    self.assertTrue(d.getVar("SUMMARY"))
                    self.assertTrue(d.getVar("LICENSE"))
                    for name in d.keys():
                        d.getVar(name)  # every expression is evaluated

    def test_every_append_parses(self):
        appends = layer_files(".bbappend")
        self.assertGreater(len(appends), 3)
        for append in appends:
            with self.subTest(append.name):
                # BitBake reads an append only after its recipe: alone, it is a recipe.
                recipe = self.scratch / (append.name.split("_")[0].removesuffix(".bbappend") + "_1.bb")
                recipe.write_text(append.read_text())
                d = self.recipes.parse(recipe, "raspberrypi5")
                for name in d.keys():
                    d.getVar(name)
                # Without the distribution it changes nothing: yocto-check-layer's demand.
                for line in append.read_text().splitlines():
                    if line[:1].isalpha() and ("=" in line or "()" in line):
                        self.assertIn(":livehal", line)

    def test_every_patch_says_what_becomes_of_it_upstream_and_is_applied(self):
        patches = layer_files(".patch")
        self.assertGreaterEqual(len(patches), 1)
        for patch in patches:
            self.assertRegex(patch.read_text(), r"(?m)^Upstream-Status: (Pending|Submitted|Backport|Inappropriate) \[.+\]$")
            appends = "".join(p.read_text() for p in patch.parent.parent.glob("*.bb*"))
            self.assertIn(f"file://{patch.name}", appends)

    def test_an_error_is_told_by_file_and_line(self):
        broken = self.scratch / "broken_1.0.bb"
        broken.write_text(LIVE777.read_text() + "\nSRC_URI[ = oops\n")
        line = len(broken.read_text().splitlines())
        with self.assertRaises(bb.parse.ParseError) as caught:
            self.recipes.parse(broken)
        self.assertIn(str(broken), str(caught.exception))
        self.assertEqual(caught.exception.lineno, line)

    def test_the_distribution_and_the_machine_parse(self):
        for conf in layer_files(".conf"):
            if conf.parent.name not in ("distro", "machine"):
                continue
            with self.subTest(conf.name):
                stubs = self.scratch / "stubs/conf/machine/include/arm/armv8-2a"
                stubs.mkdir(parents=True, exist_ok=True)
                (stubs / "tune-cortexa55.inc").touch()
                d = self.recipes.store("qemuarm64")
                d = bb.parse.handle(str(conf), d, include=True)
                self.assertTrue(d.getVar("DISTRO_NAME") or d.getVar("KERNEL_DEVICETREE"))


class Live777(Case):
    def test_the_preset_is_the_machines(self):
        wanted = {"raspberrypi5": "native-rpi", "rdk-x5": "native-rdk",
                  "qemuarm64": "native-generic-v4l2"}
        known = tomllib.loads((ROOT / "services/live777/Cargo.toml").read_text())["features"]
        for machine, preset in wanted.items():
            d = self.recipes.parse(LIVE777, machine)
            flags = d.getVar("CARGO_BUILD_FLAGS").split()
            self.assertIn("--frozen", flags)
            features = flags[flags.index("--features") + 1].split(",")
            self.assertEqual(features, [preset, "webui"])
            self.assertLessEqual(set(features), known.keys())

    def test_nasm_is_needed_on_x86_only(self):
        self.assertNotIn("nasm-native", self.recipes.parse(LIVE777).getVar("DEPENDS") or "")
        d = self.recipes.parse(LIVE777, MACHINE_OVERRIDES="x86-64")
        self.assertIn("nasm-native", d.getVar("DEPENDS"))

    def test_its_version_is_the_repositorys(self):
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
        self.assertEqual(self.recipes.parse(LIVE777).getVar("PV"), version)
        d = self.recipes.store("qemuarm64")
        d = bb.parse.handle(str(LAYERS[0] / "conf/distro/livehal.conf"), d, include=True)
        self.assertEqual(d.getVar("DISTRO_VERSION"), version)
        for recipe in LAYERS[0].rglob("livehal-*_*.bb"):
            self.assertTrue(recipe.stem.endswith(f"_{version}"), recipe)

    def test_the_tree_is_its_source(self):
        d = self.recipes.parse(LIVE777)
        urls = [u for u in d.getVar("SRC_URI").split() if u.startswith("file://")]
        self.assertEqual(len(urls), len(d.getVar("LIVEHAL_SOURCES").split()))
        for url in urls:
            self.assertTrue((ROOT / bb.fetch2.decodeurl(url)[2]).exists(), url)
        # No build directory, no editor's leftovers, and nothing that is not in git.
        self.assertNotIn("file://target", d.getVar("SRC_URI"))

    def test_another_tree_can_be_named(self):
        other = self.scratch / "other"
        d = self.recipes.parse(LIVE777, LIVEHAL_TREE=str(other), LIVEHAL_REVISION="0" * 40)
        self.assertTrue(d.getVar("SRC_URI").startswith(f"git://{other};"), d.getVar("SRC_URI"))
        self.assertTrue(d.getVar("FILESEXTRAPATHS").startswith(f"{other}:"))

    def test_cargo_finds_its_whole_workspace_in_what_is_copied(self):
        copy = self.scratch / "copy"
        d = self.recipes.parse(LIVE777)
        for path in d.getVar("LIVEHAL_SOURCES").split():
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            subprocess.check_call(["cp", "-a", str(ROOT / path), str((copy / path).parent)])
        done = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version=1",
                               f"--manifest-path={copy}/Cargo.toml"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_release_is_a_commit(self):
        commit = "0123456789abcdef0123456789abcdef01234567"
        d = self.recipes.parse(LIVE777, LIVEHAL_REVISION=commit)
        first = d.getVar("SRC_URI").split()[0]
        self.assertTrue(first.startswith(f"git://{ROOT};protocol=file;nobranch=1"), first)
        self.assertEqual(d.getVar("SRCREV_livehal"), commit)
        self.assertNotIn("file://services", d.getVar("SRC_URI"))

    def test_a_release_is_no_branch(self):
        for revision in ("main", "0123456", "0123456789ABCDEF0123456789abcdef01234567"):
            with self.subTest(revision), self.assertRaises(Exception) as caught:
                d = self.recipes.parse(LIVE777, LIVEHAL_REVISION=revision)
                d.getVar("SRC_URI")
            self.assertIsInstance(caught.exception, (bb.BBHandledException, bb.data_smart.ExpansionError))


class FFmpeg(Case):
    """The append, as FFmpeg's configure is told by it."""

    APPEND = LAYERS[0] / "recipes-multimedia/ffmpeg/ffmpeg_%.bbappend"

    def configured(self, footage: str, distribution: bool = True) -> tuple[list[str], dict[str, set[str]]]:
        recipe = self.scratch / "ffmpeg_1.bb"
        recipe.write_text(self.APPEND.read_text())
        other = {} if distribution else {"OVERRIDES": "linux"}
        d = self.recipes.parse(recipe, LIVEHAL_FFMPEG=footage, **other)
        options = (d.getVar("EXTRA_FFCONF") or "").split()
        enabled = {}
        for option in options:
            match = re.fullmatch("--enable-(decoder|demuxer|parser|protocol)=(.*)", option)
            if match:
                enabled.setdefault(match[1], set()).update(match[2].split(","))
            else:
                self.assertRegex(option, "^--disable-")
        self.packages = d.getVar("PACKAGECONFIG")
        return options, enabled

    def test_it_decodes_what_the_daemon_asks_for_and_nothing_else(self):
        unit = (ROOT / "services/ffmpeg/src/unit.rs").read_text()
        asked = set(re.findall(r'=> c"(\w+)"', unit))
        self.assertEqual(len(asked), 3)
        options, enabled = self.configured("0")
        self.assertEqual(enabled, {"decoder": asked})
        self.assertLessEqual({"--disable-everything", "--disable-autodetect", "--disable-network", "--disable-programs"}, set(options))

    def test_footage_is_read_from_files_only_and_extends_it(self):
        _, without = self.configured("0")
        _, enabled = self.configured("1")
        self.assertLess(without["decoder"], enabled["decoder"])
        self.assertEqual((enabled["demuxer"], enabled["protocol"]), ({"matroska", "mov"}, {"file"}))

    def test_it_is_under_the_lgpl_and_needs_no_library_of_others(self):
        self.configured("1")
        self.assertEqual(self.packages, "avcodec avformat")
        # Each of these is opened: services/ffmpeg/src/loader.rs.
        opened = re.findall(r'soname\("(\w+)"', (ROOT / "services/ffmpeg/src/loader.rs").read_text())
        self.assertEqual(set(opened), {*self.packages.split(), "avutil"})

    def test_another_distributions_is_as_it_was(self):
        options, _ = self.configured("1", distribution=False)
        self.assertEqual((options, self.packages), ([], None))


class Decoder(Case):
    def test_every_file_that_is_installed_is_there(self):
        sources = re.findall(r"\$\{S\}/(\S+)", DAEDALUS.read_text())
        self.assertEqual(len(sources), 8)
        for source in sources:
            self.assertTrue((ROOT / source).is_file(), source)
        # And none of its own is left out.
        ours = {str(p.relative_to(ROOT)) for directory in ("dbus", "systemd", "conf")
                for p in (ROOT / directory).rglob("*") if p.is_file()
                and re.search("daedalus|Decoder1", p.name)}
        self.assertEqual(set(sources), ours)

    def test_versions_agree(self):
        header = (ROOT / "kernel/daedalus-v4l2/daedalus.h").read_text()
        release = re.search(r'#define DAEDALUS_RELEASE\s+"(.*)"', header)[1]
        for recipe in (DAEDALUS, MODULE):
            self.assertEqual(self.recipes.parse(recipe).getVar("PV"), release)

    def test_the_module_is_built_from_its_directory_under_its_licence(self):
        d = self.recipes.parse(MODULE)
        self.assertEqual(d.getVar("LICENSE"), "GPL-2.0-only")
        self.assertTrue((ROOT / d.getVar("B").removeprefix(d.getVar("S") + "/") / "Kbuild").is_file())
        for source in (ROOT / "kernel/daedalus-v4l2").rglob("*.[ch]"):
            self.assertRegex(source.read_text(), "SPDX-License-Identifier: .*GPL-2.0", source)

    def test_it_is_in_every_image_of_the_distribution(self):
        group = LAYERS[0] / "recipes-core/packagegroups/packagegroup-livehal.bb"
        kernel = LAYERS[0] / "recipes-kernel/linux/linux-livehal.inc"
        name = "packagegroup-livehal-decoder"
        for machine in MACHINES:
            d = bb.parse.handle(str(LAYERS[0] / "conf/distro/livehal.conf"), self.recipes.store(machine), include=True)
            for decoder, there in ((d.getVar("LIVEHAL_DECODER"), True), ("0", False)):
                with self.subTest(machine, decoder=decoder):
                    d = self.recipes.parse(group, machine, LIVEHAL_DECODER=decoder)
                    self.assertEqual(name in d.getVar("RDEPENDS:packagegroup-livehal").split(), there)
                    recipe = self.scratch / "linux_1.bb"
                    recipe.write_text(kernel.read_text())
                    d = self.recipes.parse(recipe, machine, LIVEHAL_DECODER=decoder)
                    self.assertEqual("file://livehal-decoder.cfg" in d.getVar("SRC_URI").split(), there)

    def test_it_needs_ffmpegs_libraries_and_their_licence_flag(self):
        name = "packagegroup-livehal-decoder"
        d = self.recipes.parse(LAYERS[0] / f"recipes-multimedia/packagegroups/{name}.bb")
        self.assertEqual(d.getVar("LICENSE_FLAGS"), "commercial_ffmpeg")
        wanted = {"daedalus", "daedalus-v4l2", "libavcodec", "libavformat", "libavutil"}
        self.assertEqual(set(d.getVar(f"RDEPENDS:{name}").split()), wanted)


# Libraries of others inside crates, whose manifests tell the licence of the binding alone.
INSIDE = {"openh264-sys2": "BSD-2-Clause", "turbojpeg-sys": "IJG AND BSD-3-Clause AND Zlib"}


class Licences(Case):
    """LICENSE of a program has what each crate asks for that is linked into it."""

    def test_the_servers_are_named(self):
        for preset in ("native-rpi", "native-generic-v4l2", "native-rdk"):
            self.check(LIVE777, "live777", "--no-default-features", f"--features={preset},webui")

    def test_the_viewers_are_named(self):
        self.check(PEER, "peer")

    def test_the_decoders_are_named(self):
        self.check(DAEDALUS, "daedalus")

    def test_one_that_is_missing_is_found(self):
        self.assertTrue(granted("MIT OR Apache-2.0", {"MIT"}))
        self.assertTrue(granted("(MIT/Apache-2.0) AND IJG", {"MIT", "IJG"}))
        self.assertFalse(granted("(MIT OR Apache-2.0) AND IJG", {"MIT"}))
        self.assertFalse(granted("Apache-2.0 WITH LLVM-exception", {"Apache-2.0"}))

    def check(self, recipe: Path, package: str, *options: str):
        named = set(self.recipes.parse(recipe).getVar("LICENSE").split()) - {"&"}
        tree = subprocess.check_output(
            ["cargo", "tree", "--package", package, "--edges=normal", "--prefix=none",
             "--target=aarch64-unknown-linux-gnu", "--format={p}\t{l}", *options], cwd=ROOT, text=True)
        wanted = dict(line.removesuffix(" (*)").split("\t") for line in tree.splitlines() if line)
        self.assertGreater(len(wanted), 50)
        for crate, text in wanted.items():
            inside = INSIDE.get(crate.split()[0])
            wanted[crate] = f"({text}) AND {inside}" if inside else text
        missing = {crate: text for crate, text in wanted.items() if not granted(text, named)}
        self.assertEqual(missing, {})
        # And nothing that no crate asks for.
        self.assertEqual({one for one in named if all(granted(t, named - {one}) for t in wanted.values())}, set())


def granted(expression: str, named: set[str]) -> bool:
    """Whether an SPDX expression holds with these licences."""
    words = re.findall(r"[()]|[^()\s]+(?: WITH [^()\s]+)?", expression.replace("/", " OR "))
    meaning = {"AND": "and", "OR": "or", "(": "(", ")": ")"}
    # nothing but these words and truth values is evaluated
    return eval(" ".join(meaning.get(word, str(word in named)) for word in words))


class Images(Case):
    IMAGES = LAYERS[0] / "recipes-core/images"

    def test_a_release_with_a_debug_feature_is_not_built(self):
        release = self.IMAGES / "livehal-image-release.bb"
        self.assertFalse(self.recipes.parse(release).getVar("__SKIPPED"))
        for feature in ("ssh-server-openssh", "empty-root-password", "tools-debug", "package-management"):
            d = self.recipes.parse(release, IMAGE_FEATURES=feature)
            self.assertIn(feature, d.getVar("__SKIPPED") or "", feature)

    def test_only_the_development_image_says_a_token_on_its_console(self):
        d = self.recipes.parse(LAYERS[0] / "recipes-core/packagegroups/packagegroup-livehal.bb")
        self.assertIn("livehal-identity-console", d.getVar("RDEPENDS:packagegroup-livehal-development").split())
        self.assertNotIn("livehal-identity-console", d.getVar("RDEPENDS:packagegroup-livehal").split())

    def test_the_development_image_has_what_the_runtime_cases_call(self):
        d = self.recipes.parse(LAYERS[0] / "recipes-core/packagegroups/packagegroup-livehal.bb")
        packages = d.getVar("RDEPENDS:packagegroup-livehal-development").split()
        cases = "".join(p.read_text() for p in (LAYERS[0] / "lib/oeqa/runtime/cases").glob("*.py"))
        # Busybox and systemd have the others.
        for command, package in {"curl ": "curl", "findmnt ": "util-linux-findmnt", "live777-peer ": "live777-peer",
                                 "setpriv ": "util-linux-setpriv", "ss --": "iproute2-ss",
                                 "systemd-analyze ": "systemd-analyze"}.items():
            self.assertIn(f'"{command}', cases)
            self.assertIn(package, packages)

    def test_what_needs_a_boot_selection_program_is_left_out_in_a_way_that_works(self):
        distribution = (LAYERS[0] / "conf/distro/livehal.conf").read_text()
        self.assertIn('PACKAGE_CLASSES ?= "package_deb"', distribution)
        for machine in MACHINES:
            d = self.recipes.parse(self.IMAGES / "livehal-image.bb", machine)
            # openembedded-core says of it: "Debian package install does not support BAD_RECOMMENDATIONS".
            self.assertFalse(d.getVar("BAD_RECOMMENDATIONS"), machine)
            excluded = (d.getVar("PACKAGE_EXCLUDE") or "").split()
            self.assertEqual("rauc-mark-good" in excluded, machine != "qemuarm64", machine)

    def test_a_release_is_not_signed_by_development_keys(self):
        bundle = LAYERS[0] / "recipes-core/bundles/livehal-bundle_0.1.0.bb"
        d = self.recipes.parse(bundle, LIVEHAL_RELEASE="1")
        self.assertIn("RAUC_KEY_FILE", d.getVar("__SKIPPED") or "")
        keys = {"RAUC_KEY_FILE": "/keys/key.pem", "RAUC_CERT_FILE": "/keys/cert.pem",
                "RAUC_KEYRING_FILE": "/keys/ca.pem"}
        d = self.recipes.parse(bundle, LIVEHAL_RELEASE="1", **keys)
        self.assertFalse(d.getVar("__SKIPPED"))
        self.assertEqual(d.getVar("RAUC_SLOT_rootfs"), "livehal-image-release")
        self.assertEqual(self.recipes.parse(bundle).getVar("RAUC_SLOT_rootfs"), "livehal-image")
        self.assertNotIn("libp11-native", d.getVar("DEPENDS") or "")

    def test_a_key_that_is_gone_is_named(self):
        bundle = LAYERS[0] / "recipes-core/bundles/livehal-bundle_0.1.0.bb"
        keys = self.scratch / "keys"
        keys.mkdir()
        d = self.recipes.parse(bundle, LIVEHAL_KEYS_DIR=str(keys), RAUC_CERT_FILE=str(self.scratch / "cert.pem"))
        there = bb.utils.get_context()["livehal_signing_files"]
        for name, hint in (("RAUC_KEY_FILE", "clean livehal-development-keys"), ("RAUC_CERT_FILE", "is not there")):
            with self.assertLogs("BitBake") as told, self.assertRaises(bb.BBHandledException):
                there(d, name)
            self.assertIn(d.getVar(name), told.output[0])
            self.assertTrue(told.output[0].endswith(hint) or f"`bitbake -c {hint}`" in told.output[0], told.output)
            Path(d.getVar(name)).touch()
        there(d, "RAUC_KEY_FILE", "RAUC_CERT_FILE")
        there(self.recipes.parse(bundle, RAUC_KEY_FILE="pkcs11:object=livehal"), "RAUC_KEY_FILE")

    def test_a_key_in_a_token_needs_its_module(self):
        bundle = LAYERS[0] / "recipes-core/bundles/livehal-bundle_0.1.0.bb"
        keys = {"RAUC_KEY_FILE": "pkcs11:token=release;object=livehal", "RAUC_CERT_FILE": "/keys/cert.pem"}
        self.assertIn("RAUC_PKCS11_MODULE", self.recipes.parse(bundle, **keys).getVar("__SKIPPED") or "")
        module = "/usr/lib/softhsm/libsofthsm2.so"
        d = self.recipes.parse(bundle, RAUC_PKCS11_MODULE=module, **keys)
        self.assertFalse(d.getVar("__SKIPPED"))
        self.assertIn("libp11-native", d.getVar("DEPENDS"))
        for name in ("RAUC_PKCS11_MODULE", "OPENSSL_ENGINES"):
            self.assertTrue(d.getVarFlag(name, "export"), name)
        # BitBake splits this at its colons, and warns of a file that is not there.
        self.assertEqual(d.getVarFlag("do_bundle", "file-checksums"), "/keys/cert.pem:False")


class Crates(Case):
    def test_they_are_those_of_cargo_lock(self):
        done = subprocess.run([ROOT / "scripts/update-crates-inc.py", "--check"], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
        wanted = {(p["name"], p["version"], p["checksum"]) for p in lock if "source" in p}
        d = self.recipes.parse(LIVE777)
        found = set()
        for url in d.getVar("SRC_URI").split():
            if url.startswith("crate://"):
                name, version = url.split("/")[-2:]
                checksum = d.getVarFlag("SRC_URI", f"{name}-{version}.sha256sum")
                found.add((name, version, checksum))
        self.assertEqual(found, wanted)

    def test_bitbake_fetches_and_checks_every_one(self):
        d = self.fetching()
        urls = [u for u in d.getVar("SRC_URI").split() if u.startswith("crate://")]
        context = multiprocessing.get_context("fork")
        with context.Pool(8) as pool:
            faults = [f for f in pool.imap_unordered(Fetch(d), urls, chunksize=4) if f]
        self.assertEqual(faults, [])

    def test_a_crate_that_is_another_is_refused(self):
        d = self.fetching()
        url = next(u for u in d.getVar("SRC_URI").split() if u.startswith("crate://"))
        self.assertIsNone(Fetch(d)(url))
        name, version = url.split("/")[-2:]
        d.setVarFlag("SRC_URI", f"{name}-{version}.sha256sum", "0" * 64)
        fetch = bb.fetch2.Fetch([url], d, cache=False)
        with quiet(), self.assertRaises(bb.fetch2.ChecksumError):
            bb.fetch2.verify_checksum(fetch.ud[url], d)

    def fetching(self):
        d = self.recipes.parse(LIVE777)
        downloads = CACHE / "downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        d.setVar("DL_DIR", str(downloads))
        d.setVar("PERSISTENT_DIR", str(self.scratch / "persistent"))
        d.setVar("BB_STRICT_CHECKSUM", "1")
        d.setVar("FETCHCMD_wget", "wget --tries=2 --timeout=60")
        d.setVar("PATH", os.environ["PATH"])
        d.setVar("T", str(self.scratch))
        d.setVar("BB_CACHEDIR", str(self.scratch / "cache"))
        bb.fetch2.fetcher_init(d)
        return d


class Fetch:
    """Fetches one URL and compares its checksum; None, or what is wrong."""

    def __init__(self, d):
        self.d = d

    def __call__(self, url: str) -> str | None:
        try:
            with quiet():
                fetch = bb.fetch2.Fetch([url], self.d, cache=False)
                fetch.download()
                bb.fetch2.verify_checksum(fetch.ud[url], self.d)
        except bb.fetch2.BBFetchException as fault:
            return f"{url}: {fault}"
        return None


if __name__ == "__main__":
    unittest.main()
