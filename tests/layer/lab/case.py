"""A test with a machine of its own."""

import unittest

from disk import Disk
from lab import host
from lab.cache import LabError
from machine import MACHINES, TOOLS, Machine, base, say


def new_disk(image: str, name: str) -> Disk:
    """A new disk of the newest build; the tests are skipped where nobody built it."""
    host.need(*TOOLS)
    try:
        return Disk(base(image), MACHINES / f"{name}.qcow2").reset()
    except LabError as fault:
        raise unittest.SkipTest(str(fault)) from None


class Boots(unittest.TestCase):
    """A machine on a disk as it was built."""

    maxDiff = None
    image = "livehal-image"

    @classmethod
    def setUpClass(cls):
        cls.machine = Machine(new_disk(cls.image, f"test-{cls.__name__.lower()}"))
        cls.addClassCleanup(cls.machine.kill)
        cls.machine.start()
        seconds = cls.machine.wait_page()
        say(f"{cls.__name__}: the page is there after {seconds:.0f} s")
