"""What has to be so on every machine that has come up; each check is a function that says what is not."""

import re

from lab import verdict
from machine import Machine

DOCUMENTED = {("tcp", 7777), ("udp", 7777), ("udp", 5353), ("tcp", 22)}
# DHCP's clients.
CLIENTS = {("udp", 68), ("udp", 546)}
LOOPBACK = ("127.", "[::1]", "::1")
# What a camera waits for. Anything else between the kernel and its first picture is time that somebody waits.
NEEDED = (
    r"live777\.service", r"livehal-identity\.service", r"var-lib\.mount", r"data\.mount", r"-\.mount", r".*\.slice",
    r"(basic|sysinit|local-fs|local-fs-pre|network-pre|network|sockets|time-set|paths)\.target",
    # The bus that it is on from the beginning, and users and directories for it.
    r"dbus\.(service|socket)", r"systemd-(tmpfiles-setup(-dev|-dev-early)?|sysusers|machine-id-commit|remount-fs)\.service",
    # Names of interfaces, before the network is said to be there.
    r"systemd-(networkd|network-generator|udevd|udev-trigger|udev-load-credentials|resolved|timesyncd)(-\w+)?\.(service|socket)",
    r"systemd-(journald|journald-dev-log|modules-load|sysctl|random-seed|boot-random-seed|userdbd)\.(service|socket)",
    # A development image listens for ssh before anything is started that might.
    r"sshd\.socket", r"(systemd-journald|systemd-journald-dev-log)\.socket", r"tmp\.mount", r"var-volatile\.mount", r"run.*\.mount",
    r"var-volatile-\w+\.service", r"kmod-static-nodes\.service", r"modprobe@.*\.service",
)


def root_is_read_only(machine: Machine) -> str:
    options = machine.ssh("findmnt -no OPTIONS /")
    wrote = machine.ssh("touch /usr/was-here && echo wrote; rm -f /usr/was-here; true", check=False)
    return "" if options.split(",")[0] == "ro" and "wrote" not in wrote else f"/ is mounted {options}; {wrote}"


def state_is_on_the_data_partition(machine: Machine) -> str:
    """One overlay each, whose upper directory is on the partition, and nothing mounted over or in them."""
    mounts = [line.split() for line in machine.ssh("cat /proc/self/mounts").splitlines()]
    found = []
    for place in ("/etc", "/var/lib", "/data"):
        there = [m for m in mounts if m[1] == place or m[1].startswith(place + "/")]
        if len(there) != 1 or there[0][1] != place:
            found.append(f"{place}: {there}")
        elif place == "/data" and there[0][0] != "/dev/vda3":
            found.append(f"/data is {there[0][0]}")
        elif place != "/data" and (there[0][2] != "overlay" or "upperdir=/data/" not in there[0][3]):
            found.append(f"{place} is {there[0]}")
    return "; ".join(found)


def no_unit_failed(machine: Machine) -> str:
    machine.ssh("systemctl is-system-running --wait", check=False, limit=300)
    return machine.ssh("systemctl --failed --no-legend --plain --no-pager")


def the_journal_has_no_errors(machine: Machine) -> str:
    return machine.ssh("journalctl --boot --priority err --quiet --no-pager --output short-monotonic")


def the_kernel_is_content(machine: Machine) -> str:
    return "\n".join(verdict.kernel_trouble(machine.ssh("dmesg") + "\n" + machine.said()))


def only_documented_ports_listen(machine: Machine) -> str:
    found = []
    for line in machine.ssh("ss --listening --tcp --udp --numeric --no-header --processes").splitlines():
        protocol, _, _, _, local, *rest = line.split()
        address, _, port = local.rpartition(":")
        # avahi's second socket has a port of its own at every start.
        own = "avahi-daemon" in "".join(rest) and protocol == "udp"
        if not address.startswith(LOOPBACK) and (protocol, int(port)) not in DOCUMENTED | CLIENTS and not own:
            found.append(line)
    return "\n".join(found)


def nobody_has_a_password(machine: Machine) -> str:
    return passwords(machine.ssh("cat /etc/shadow"))


def passwords(shadow: str) -> str:
    """The accounts of /etc/shadow that have one, or none to be asked for."""
    return "\n".join(line for line in shadow.splitlines() if not re.match(r"[^:]+:[!*]", line))


def nothing_needless_is_waited_for(machine: Machine) -> str:
    """The units between the start of systemd and the camera's."""
    chain = critical_chain(machine)
    units = re.findall(r"([^\s└─]+\.(?:service|target|socket|mount|slice|device|path|timer))", chain)
    found = [unit for unit in units if not any(re.fullmatch(needed, unit) for needed in NEEDED)]
    return f"{', '.join(found)} in:\n{chain}" if found or "live777.service" not in units else ""


def critical_chain(machine: Machine) -> str:
    return machine.ssh("systemd-analyze critical-chain --no-pager live777.service")


ALL = (root_is_read_only, state_is_on_the_data_partition, no_unit_failed, the_journal_has_no_errors, the_kernel_is_content,
       only_documented_ports_listen, nobody_has_a_password, nothing_needless_is_waited_for)


def identity(machine: Machine) -> dict[str, str]:
    """What a device shares with no other, and keeps."""
    names = {"token": "cat /etc/livehal/tokens/admin", "certificate": "cat /etc/livehal/tls/certificate.pem",
             "key": "openssl pkey -pubout -in /etc/livehal/tls/key.pem", "machine-id": "cat /etc/machine-id",
             "hostname": "hostname", "ssh": "cat /etc/ssh/ssh_host_*_key.pub"}
    said = machine.ssh("; ".join(f"echo @{name}; {command}" for name, command in names.items()))
    parts = re.split(r"^@(\S+)\n", said + "\n", flags=re.M)[1:]
    return dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))
