"""What the lab's image (lab/) stands on: the programs in place of native ones, and the tables of Debian's packages."""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import ROOT

LAB = ROOT / "tests/layer/lab"
TOOLS = LAB / "tools"
# What openembedded-core's base-passwd leaves in a root: no shadow yet.
PASSWD = "root::0:0:root:/root:/bin/sh\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
GROUP = "root:*:0:\nvideo:*:44:\nnogroup:*:65534:\n"


def load(name: str):
    """A module of the lab, which is no package."""
    sys.path.insert(0, str(LAB))
    try:
        spec = importlib.util.spec_from_file_location(f"lab_{name}", LAB / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(LAB))


class Tools(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        (self.root / "etc").mkdir()
        self.file("passwd").write_text(PASSWD)
        self.file("group").write_text(GROUP)

    def file(self, name: str) -> Path:
        return self.root / "etc" / name

    def line(self, table: str, name: str) -> list[str]:
        found = [line for line in self.file(table).read_text().splitlines() if line.startswith(f"{name}:")]
        self.assertEqual(len(found), 1, f"{name} in {table}")
        return found[0].split(":")

    def run_tool(self, tool: str, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([TOOLS / tool, *arguments], capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], "D": str(self.root)})

    def test_a_user_is_made_as_the_recipes_ask_for_it(self):
        done = self.run_tool("groupadd", "--root", str(self.root), "--system", "livehal")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.run_tool("useradd", "--root", str(self.root), "--system", "--user-group", "--no-create-home", "--home-dir",
                             "/", "--shell", "/usr/sbin/nologin", "--groups", "video,livehal", "camera")
        self.assertEqual(done.returncode, 0, done.stderr)
        name, password, uid, gid, _, home, shell = self.line("passwd", "camera")
        self.assertEqual((name, password, home, shell), ("camera", "!", "/", "/usr/sbin/nologin"))
        self.assertEqual(self.line("group", "camera")[2], gid)
        self.assertTrue(100 < int(uid) < 1000, uid)
        self.assertNotEqual(uid, self.line("group", "livehal")[2])
        for group in ("video", "livehal"):
            self.assertEqual(self.line("group", group)[3], "camera")

    def test_what_cannot_be_is_refused(self):
        for tool, *arguments in (("useradd", "--system", "root"), ("groupadd", "video"), ("useradd", "--gid", "nowhere", "x"),
                                 ("useradd", "--groups", "nowhere", "x"), ("useradd", "--expiredate", "1", "x"),
                                 ("groupmems", "--group", "nowhere", "--add", "root")):
            before = self.file("passwd").read_text(), self.file("group").read_text()
            done = self.run_tool(tool, "--root", str(self.root), *arguments)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertTrue(done.stderr, arguments)
            self.assertEqual((self.file("passwd").read_text(), self.file("group").read_text()), before, arguments)

    def test_passwords_go_into_shadow(self):
        self.assertEqual(self.run_tool("pwconv", "--root", str(self.root)).returncode, 0)
        self.assertEqual(self.line("passwd", "nobody")[1], "x")
        self.assertEqual(self.line("shadow", "nobody")[1], "*")
        self.assertEqual(self.file("shadow").stat().st_mode & 0o777, 0o400)
        self.run_tool("useradd", "--root", str(self.root), "--system", "later")
        self.assertEqual(self.line("shadow", "later")[1], "!")
        self.assertEqual(self.line("passwd", "later")[1], "x")

    def test_the_best_alternative_wins(self):
        for target, priority in (("/usr/bin/busybox", "50"), ("/usr/bin/tar.tar", "100"), ("/usr/bin/other", "20")):
            done = self.run_tool("update-alternatives", "--install", "/usr/bin/tar", "tar", target, priority)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.readlink(self.root / "usr/bin/tar"), "/usr/bin/tar.tar")
        self.assertNotEqual(self.run_tool("update-alternatives", "--remove", "tar", "/usr/bin/other").returncode, 0)


class Debian(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.debian = load("debian")

    def test_a_table_has_no_name_twice(self):
        for table in ("debian.txt", "debian-dev.txt", "sources.txt"):
            lines = [line.split()[0] for line in (LAB / table).read_text().splitlines() if line.split("#")[0].strip()]
            self.assertEqual(len(lines), len(set(lines)), table)
        rows = self.debian.table(LAB / "debian.txt")
        names = [name for package, row in rows.items() if not package.startswith("-") for name in row]
        self.assertEqual(len(names), len(set(names)), "two packages under one name")

    def test_dependencies_are_read_without_versions(self):
        told = self.debian.names("libc6 (>= 2.38), default-dbus-system-bus | dbus-system-bus, libfoo:any [arm64]")
        self.assertEqual(told, [["libc6"], ["default-dbus-system-bus", "dbus-system-bus"], ["libfoo"]])

    def test_users_are_those_of_the_packages_sysusers(self):
        with tempfile.TemporaryDirectory() as scratch:
            tree = Path(scratch) / "tree"
            (tree / "DEBIAN").mkdir(parents=True)
            (tree / "DEBIAN/control").write_text("Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n")
            (tree / "usr/lib/sysusers.d").mkdir(parents=True)
            (tree / "usr/lib/sysusers.d/x.conf").write_text(
                '# a comment\ng readers - -\nu! mover - "Moves things" /var/lib/mover /usr/bin/false\nm mover readers\n')
            (tree / "usr/lib/sysusers.d/basic.conf").write_text("u root 0:0 - /root /bin/bash\n")
            deb = Path(scratch) / "x.deb"
            subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, deb], check=True, capture_output=True)
            users, groups = self.debian.accounts(deb)
        self.assertEqual(groups, ["--system readers"])
        self.assertEqual(users, ["--system --user-group --no-create-home --home-dir /var/lib/mover --shell /usr/bin/false mover"])

    def test_the_documents_say_what_is_built_from_source(self):
        text = (ROOT / "docs/build.md").read_text()
        for name in self.debian.table(LAB / "sources.txt"):
            recipe = re.split(r"[-_]\d", name)[0]
            self.assertTrue(re.search(rf"\b{recipe} \d", text), f"{recipe} and its version in docs/build.md")
        for package in self.debian.table(LAB / "debian.txt"):
            if not package.startswith("-"):
                self.assertTrue(f"`{package}`" in text, f"{package} in docs/build.md")


if __name__ == "__main__":
    unittest.main()
