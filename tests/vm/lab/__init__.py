"""The VM lab: a Debian VM with V4L2 test drivers, built, booted under QEMU and judged."""
