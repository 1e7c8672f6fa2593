"""What of the lab can be tested without a machine: python3 -m unittest discover -s tests/vm"""

import os
import select
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from lab.cache import Cache, LabError, digest, run_logged
from lab.scenario import load, names, parse
from lab.verdict import as_wanted, judge, kernel_trouble

# As Linux 6.12 prints them.
QUIET = """\
[    2.1] vivid: loading out-of-tree module taints kernel.
[    2.2] vivid: module verification failed: signature and/or required key missing - tainting kernel
[    2.3] clocksource: timekeeping watchdog on CPU1: hpet wd-wd read-back delay of 148000ns
"""
TROUBLE = {
    "warning": "[    9.1] WARNING: CPU: 1 PID: 412 at kernel/foo.c:12 foo_init+0x1b/0x1000 [foo]",
    "trace": "[    9.1] Call Trace:",
    "bug": "[    9.1] BUG: unable to handle page fault for address: ffffdeadbeef0000",
    "null, arm64": "[ 9.1] Unable to handle kernel NULL pointer dereference at virtual address 08",
    "oops": "[    9.1] Oops: Oops: 0002 [#1] PREEMPT SMP PTI",
    "panic": "[    9.1] Kernel panic - not syncing: sysrq triggered crash",
    "hung": "[  242.1] INFO: task v4l2-ctl:512 blocked for more than 120 seconds.",
    "stall": "[   60.1] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "refcount": "[    9.1] refcount_t: underflow; use-after-free.",
    "ubsan": "[    9.1] UBSAN: array-index-out-of-bounds in drivers/foo.c:7:9",
    "lockup": "[   60.1] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [insmod:99]",
    "a process": "[    9.1] live777[300]: segfault at 8 ip 000 sp 000 error 4 in live777",
}


class Verdict(unittest.TestCase):
    """A run is good only if everything says so."""

    def setUp(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.out = Path(self.directory.name)
        self.console = self.out / "console.log"
        self.lay(console=QUIET, dmesg=QUIET, result="0\n")

    def lay(self, console: str, dmesg: str | None, result: str | None) -> None:
        """What a run leaves."""
        self.console.write_text(console)
        for name, text in (("dmesg.log", dmesg), ("result", result)):
            (self.out / name).unlink(missing_ok=True)
            if text is not None:
                (self.out / name).write_text(text)

    def reasons(self, qemu: int | None = 0) -> str:
        """All reasons in one text."""
        return "\n".join(judge(self.out, self.console, qemu))

    def test_a_good_run(self) -> None:
        self.assertEqual(self.reasons(), "")

    def test_no_result(self) -> None:
        self.lay(QUIET, QUIET, None)
        self.assertIn("no result", self.reasons())

    def test_an_empty_result_is_none(self) -> None:
        self.lay(QUIET, QUIET, "")
        self.assertIn("status unknown", self.reasons())

    def test_a_status(self) -> None:
        self.lay(QUIET, QUIET, "3\n")
        self.assertIn("failed with status 3", self.reasons())

    def test_the_limit(self) -> None:
        self.lay(QUIET, QUIET, "124\n")
        self.assertIn("longer than its limit", self.reasons())

    def test_the_kernel_log_is_missing(self) -> None:
        for dmesg in (None, ""):
            self.lay(QUIET, dmesg, "0\n")
            self.assertIn("no dmesg.log", self.reasons())

    def test_the_kernel_complains(self) -> None:
        for name, line in TROUBLE.items():
            with self.subTest(name):
                self.assertEqual(kernel_trouble(QUIET + line + "\n"), [line])
                self.lay(QUIET, QUIET + line, "0\n")
                self.assertIn("kernel warning in dmesg.log", self.reasons())
                # Too late for dmesg: the console has it.
                self.lay(QUIET + line, QUIET, "0\n")
                self.assertIn("kernel warning in console.log", self.reasons())
                # Both have it: it is told once, of the log that is whole.
                self.lay(QUIET + line, QUIET + line, "0\n")
                self.assertEqual(self.reasons().count("kernel warning in"), 1)
                self.assertIn("kernel warning in dmesg.log", self.reasons())

    def test_qemu(self) -> None:
        self.assertIn("did not power off", self.reasons(None))
        self.assertIn("status 1", self.reasons(1))

    def test_a_run_that_has_to_fail(self) -> None:
        self.lay(QUIET, QUIET, None)
        reasons = judge(self.out, self.console, 0)
        self.assertTrue(as_wanted(reasons, ("no result",)))
        self.assertFalse(as_wanted(reasons, ()))
        self.assertFalse(as_wanted(reasons, ("kernel warning",)))
        self.assertFalse(as_wanted(reasons, ("no result", "kernel warning")))
        self.assertFalse(as_wanted([*reasons, "another"], ("no result",)))
        self.assertFalse(as_wanted([], ("no result",)))


class Entries(unittest.TestCase):
    """The cache holds what is complete."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        environment = mock.patch.dict(os.environ, XDG_CACHE_HOME=directory.name)
        environment.start()
        self.addCleanup(environment.stop)
        self.cache = Cache()
        self.built = 0

    def build(self, work: Path) -> None:
        """Builds an entry."""
        self.built += 1
        (work / "image").write_text("whole")

    def test_built_once(self) -> None:
        for _ in range(2):
            entry = self.cache.get("image", "1", self.build)
            self.assertEqual((entry / "image").read_text(), "whole")
        self.assertEqual(self.built, 1)

    def test_another_key_is_another_entry(self) -> None:
        self.cache.get("image", "1", self.build)
        self.cache.get("image", "2", self.build)
        self.assertEqual(self.built, 2)

    def test_a_build_that_fails_leaves_nothing(self) -> None:
        def fails(work: Path) -> None:
            (work / "image").write_text("half")
            raise LabError("no space")

        with self.assertRaisesRegex(LabError, "no space"):
            self.cache.get("image", "1", fails)
        self.assertEqual(list(self.cache.entries.iterdir()), [])
        self.assertEqual(list(self.cache.partial.iterdir()), [])

    def test_what_a_killed_build_left_is_removed(self) -> None:
        (self.cache.partial / "image-dead").mkdir()
        self.cache.get("image", "1", self.build)
        self.assertEqual(list(self.cache.partial.iterdir()), [])

    def test_older_ones_go(self) -> None:
        old = self.cache.get("image", "1", self.build)
        os.utime(old, (1, 1))
        new = self.cache.get("image", "2", self.build)
        other = self.cache.get("rootfs", "1", self.build)
        self.cache.remove_older()
        self.assertEqual(sorted(self.cache.entries.iterdir()), sorted([new, other]))

    def test_who_comes_second_says_so_and_waits(self) -> None:
        said, order = threading.Event(), []

        def second() -> None:
            with self.cache.locked(self.cache.root / "runs.lock", "the first"):
                order.append("second")

        with mock.patch("lab.cache.say", side_effect=lambda _text: said.set()):
            with self.cache.locked(self.cache.root / "runs.lock", "nobody"):
                thread = threading.Thread(target=second)
                thread.start()
                self.assertTrue(said.wait(60))
                order.append("first")
            thread.join()
        self.assertEqual(order, ["first", "second"])

    def test_the_key_is_of_names_and_contents(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "script"
            keys = set()
            for text in ("one", "two"):
                file.write_text(text)
                keys.add(digest(["6.12"], [file]))
                keys.add(digest(["6.13"], [file]))
            self.assertEqual(len(keys), 4)


class Commands(unittest.TestCase):
    """Builds run other programs."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.log = self.directory / "log"

    def test_a_failure_tells_the_end_of_the_log(self) -> None:
        run_logged(["true"], self.log)
        with self.assertRaisesRegex(LabError, "no such disk"):
            run_logged(["sh", "-c", "echo no such disk; exit 3"], self.log)

    def test_who_ends_the_lab_ends_what_it_runs(self) -> None:
        # The grandchild holds the pipe for as long as it lives.
        fifo = self.directory / "alive"
        os.mkfifo(fifo)
        alive = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, alive)
        script = f"(exec 9>'{fifo}'; echo >&9; exec sleep 60) & wait"
        code = ("import signal, sys\nfrom pathlib import Path\nfrom lab.cache import run_logged\n"
                "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
                "run_logged(['sh', '-c', sys.argv[1]], Path(sys.argv[2]))\n")
        with subprocess.Popen([sys.executable, "-c", code, script, str(self.log)],
                              cwd=Path(__file__).parent) as lab:
            self.assertTrue(select.select([alive], [], [], 30)[0])
            os.read(alive, 1)
            lab.terminate()
            self.assertEqual(lab.wait(30), 9)
        self.assertTrue(select.select([alive], [], [], 30)[0])
        self.assertEqual(os.read(alive, 1), b"")


class Scenarios(unittest.TestCase):
    """What scripts say of themselves."""

    def test_all_can_be_read(self) -> None:
        self.assertIn("smoke", names())
        for name in names():
            self.assertEqual(load(name).name, name)

    def test_the_lines(self) -> None:
        one = parse(Path("x.sh"), "#!/bin/bash\n#: limit 9\n#: modules a b\n#: must-fail no result\n")
        self.assertEqual((one.limit, one.modules, one.must_fail), (9, ("a", "b"), ("no result",)))

    def test_mistakes_are_named(self) -> None:
        for line, wanted in (("limit soon", "limit is a number"), ("limits 9", "limits"),
                             ("architectures amd64 riscv64", "no architecture riscv64"),
                             ("kind slow", "kind is one of test, more, bench")):
            with self.assertRaisesRegex(LabError, wanted):
                parse(Path("x.sh"), f"#: {line}\n")

    def test_one_that_is_not_there(self) -> None:
        with self.assertRaisesRegex(LabError, "no scenario smok; there are: .*smoke"):
            load("smok")


if __name__ == "__main__":
    unittest.main()
