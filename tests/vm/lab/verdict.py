"""Whether a run was good: what it says itself, and what the kernel said."""

import re
from pathlib import Path

# What the kernel prints when it has noticed that something is wrong with it.
KERNEL_TROUBLE = re.compile(
    r"Call Trace|BUG:|WARNING:|Oops|[Kk]ernel panic|general protection fault|"
    r"Unable to handle kernel|UBSAN:|KASAN:|KFENCE:|KCSAN:|refcount_t: |list_(add|del) corruption|"
    r"blocked for more than \d+ seconds|soft lockup|detected stalls|self-detected stall|"
    r"possible (circular|recursive) locking|scheduling while atomic|Kernel BUG|"
    r"cut here|Bad page state|Out of memory: Killed|segfault at|trap invalid opcode|"
    r"unhandled signal \d+")
# Lines of the kernel's log that are shown with a complaint.
SHOWN = 6


def judge(out: Path, console: Path, qemu: int | None) -> list[str]:
    """The reasons why a run has failed; none if it is good.

    `out` holds what the VM left, `console` its serial console; `qemu` is QEMU's exit status, None
    where it had to be ended.
    """
    reasons = []
    if qemu is None:
        reasons.append("the machine did not power off in time and was ended")
    elif qemu != 0:
        reasons.append(f"QEMU ended with status {qemu}")
    reasons += _result(out)
    # dmesg first: the console has not every line, but those of a kernel that died.
    logs = [out / "dmesg.log", console]
    reasons += [f"no {log.name}: the kernel's messages are not known"
                for log in logs if not log.exists() or log.stat().st_size == 0]
    for log in logs:
        if log.exists() and (lines := kernel_trouble(log.read_text(errors="replace"))):
            reasons.append(f"kernel warning in {log.name}:\n    " + "\n    ".join(lines[:SHOWN]))
            break
    return reasons


def _result(out: Path) -> list[str]:
    """What is wrong with the result that the scenario left."""
    try:
        text = (out / "result").read_text().strip()
    except FileNotFoundError:
        return ["no result: the scenario did not come to its end"]
    if text in ("124", "137"):
        return [f"the scenario took longer than its limit (status {text})"]
    if text != "0":
        return [f"the scenario failed with status {text or 'unknown'}"]
    return []


def kernel_trouble(text: str) -> list[str]:
    """The lines of a kernel log that tell of trouble."""
    return [line.strip() for line in text.splitlines() if KERNEL_TROUBLE.search(line)]


def as_wanted(reasons: list[str], must_fail: tuple[str, ...]) -> bool:
    """Whether a run went as it should: each reason against it was wanted, and each wanted is there."""
    return (all(any(wanted in reason for wanted in must_fail) for reason in reasons)
            and all(any(wanted in reason for reason in reasons) for wanted in must_fail))
