#!/usr/bin/python3
"""useradd, groupadd, groupmems, usermod, pwconv and grpconv on the files of a root that is being built.

shadow's own, as OpenEmbedded patches it, changes a root without chroot; Debian's does not, under pseudo. This takes
the options that recipes use, by the name that it is called by, and refuses any other.
"""

import argparse
import os
import re
import sys
from pathlib import Path

# login.defs: SYS_UID_MIN to SYS_UID_MAX, given from above, as useradd does.
SYSTEM = range(999, 100, -1)
USERS = range(1000, 60000)


class Table:
    """A file of lines with fields between colons."""

    def __init__(self, root: Path, name: str, mode: int, make: bool = False):
        self.path = root / "etc" / name
        self.mode = mode
        self.there = self.path.exists() or make
        text = self.path.read_text() if self.path.exists() else ""
        self.rows = [line.split(":") for line in text.splitlines() if line]

    def row(self, name: str) -> list[str] | None:
        return next((row for row in self.rows if row[0] == name), None)

    def write(self):
        if not self.there:
            return
        new = self.path.with_name(f"{self.path.name}+")
        new.write_text("".join(":".join(row) + "\n" for row in self.rows))
        new.chmod(self.mode)
        new.replace(self.path)


class Accounts:
    def __init__(self, root: Path):
        self.passwd = Table(root, "passwd", 0o644, make=True)
        self.group = Table(root, "group", 0o644, make=True)
        self.shadow = Table(root, "shadow", 0o400)
        self.gshadow = Table(root, "gshadow", 0o400)

    def write(self):
        for table in (self.passwd, self.group, self.shadow, self.gshadow):
            table.write()

    def free(self, system: bool) -> str:
        taken = {row[2] for row in self.passwd.rows + self.group.rows}
        return next(str(one) for one in (SYSTEM if system else USERS) if str(one) not in taken)

    def groupadd(self, name: str, gid: str | None, system: bool):
        if self.group.row(name):
            sys.exit(f"groupadd: group '{name}' already exists")
        self.group.rows.append([name, "x", gid or self.free(system), ""])
        if self.gshadow.there:
            self.gshadow.rows.append([name, "!", "", ""])

    def join(self, user: str, groups: str):
        for name in filter(None, groups.split(",")):
            row = self.group.row(name) or sys.exit(f"group '{name}' does not exist")
            members = list(filter(None, row[3].split(",")))
            if user not in members:
                row[3] = ",".join([*members, user])

    def useradd(self, o: argparse.Namespace):
        if self.passwd.row(o.name):
            sys.exit(f"useradd: user '{o.name}' already exists")
        uid = o.uid or self.free(o.system)
        if o.gid:
            row = self.group.row(o.gid) or next((r for r in self.group.rows if r[2] == o.gid), None)
            gid = row[2] if row else sys.exit(f"useradd: group '{o.gid}' does not exist")
        else:
            self.groupadd(o.name, None if any(r[2] == uid for r in self.group.rows) else uid, o.system)
            gid = self.group.row(o.name)[2]
        password = o.password or "!"
        self.passwd.rows.append([o.name, "x" if self.shadow.there else password, uid, gid, o.comment,
                                 o.home_dir or f"/home/{o.name}", o.shell or "/bin/sh"])
        if self.shadow.there:
            self.shadow.rows.append([o.name, password, "", "0", "99999", "7", "", "", ""])
        self.join(o.name, o.groups)

    def pwconv(self):
        """Passwords go into shadow; without one there is no way in."""
        self.shadow.there = True
        for row in self.passwd.rows:
            if not self.shadow.row(row[0]):
                self.shadow.rows.append([row[0], row[1] if row[1] != "x" else "*", "", "0", "99999", "7", "", "", ""])
            row[1] = "x"

    def grpconv(self):
        self.gshadow.there = True
        for row in self.group.rows:
            if not self.gshadow.row(row[0]):
                self.gshadow.rows.append([row[0], "*", "", row[3]])
            row[1] = "x"


def options(program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=program)
    add = parser.add_argument
    add("-R", "--root", type=Path, default=Path(os.environ.get("D") or "/nowhere"))
    if program in ("useradd", "groupadd", "usermod"):
        add("-r", "--system", action="store_true")
        add("-g", "--gid")
        add("name")
    if program in ("useradd", "usermod"):
        add("-u", "--uid")
        add("-U", "--user-group", action="store_true")
        add("-M", "--no-create-home", action="store_true")
        add("-N", "--no-user-group", action="store_true")
        add("-d", "--home-dir", "--home")
        add("-s", "--shell")
        add("-c", "--comment", default="")
        add("-G", "--groups", default="")
        add("-p", "--password", default="")
        add("-a", "--append", action="store_true")
        add("-L", "--lock", action="store_true")
    if program == "groupmems":
        add("-g", "--group", required=True)
        add("-a", "--add", required=True)
    return parser.parse_args()


def main():
    program = os.path.basename(sys.argv[0])
    o = options(program)
    if not (o.root / "etc").is_dir():
        sys.exit(f"{program}: {o.root}/etc is not there")
    accounts = Accounts(o.root)
    if program == "useradd":
        accounts.useradd(o)
    elif program == "groupadd":
        accounts.groupadd(o.name, o.gid, o.system)
    elif program == "groupmems":
        accounts.join(o.add, o.group)
    elif program == "usermod":
        row = accounts.passwd.row(o.name) or sys.exit(f"usermod: user '{o.name}' does not exist")
        if o.groups and not o.append:
            sys.exit("usermod: --groups without --append is not known here")
        accounts.join(o.name, o.groups)
        if o.shell:
            row[6] = o.shell
        if o.password or o.lock:
            (accounts.shadow.row(o.name) or row)[1] = o.password or "!"
    elif re.fullmatch("pwconv|grpconv", program):
        getattr(accounts, program)()
    else:
        sys.exit(f"{program}: not known here")
    accounts.write()


if __name__ == "__main__":
    main()
