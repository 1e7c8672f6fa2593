#!/usr/bin/env python3
"""Judges what oe-test found on a Debian machine: oe_results.py testresults.json

Every case has to pass but those of ELSEWHERE, which have to say that they cannot: a case that is skipped
for another reason, such as one that stands on a case that failed, is a failure.
"""

import json
import sys

# What a Debian machine under QEMU has not, by case. docs/testimage.md has the same list.
ELSEWHERE = {
    "livehal_camera.LivehalCameraTest.test_the_boards_camera_is_there": "a board with a camera",
    "livehal_rauc.LivehalRaucTest.test_a_file_that_is_no_bundle_is_refused": "an image with slots",
    "livehal_rauc.LivehalRaucTest.test_only_root_uses_it": "an image with slots",
    "livehal_rauc.LivehalRaucTest.test_slots_are_known_and_one_is_booted": "an image with slots",
    "livehal_system.LivehalSystemTest.test_root_is_read_only": "an image: its root is read-only",
    "livehal_system.LivehalSystemTest.test_state_is_writable_and_on_the_data_partition":
        "an image: its data partition",
    "livehal_system.LivehalSystemTest.test_the_name_in_the_network_is_the_devices": "an image: its avahi",
}


def faults(results: dict[str, dict]) -> list[str]:
    """What is not as it should be, of the results of every case."""
    found = [f"{name} did not run" for name in ELSEWHERE if name not in results]
    for name, result in sorted(results.items()):
        status = result["status"]
        if name in ELSEWHERE:
            if status != "SKIPPED":
                found.append(f"{name}: {status}, and it was to say that it needs {ELSEWHERE[name]}")
        elif status != "PASSED":
            found.append(f"{name}: {status}: {result.get('log', '').strip()}")
    if not any(result["status"] == "PASSED" for result in results.values()):
        found.append("no case passed")
    return found


def main() -> int:
    """Prints every case and what is wrong; the exit status."""
    with open(sys.argv[1], encoding="utf-8") as file:
        runs = json.load(file)
    results = {name: result for run in runs.values() for name, result in run["result"].items()}
    for name, result in sorted(results.items()):
        reason = f": {result.get('log', '').strip()}" if result["status"] == "SKIPPED" else ""
        print(f"  {result['status'].lower()} {name}{reason}")
    wrong = faults(results)
    for line in wrong:
        print(f"FAILED: {line}")
    passed = sum(result["status"] == "PASSED" for result in results.values())
    print(f"{passed} cases passed, {len(results) - passed} not, {len(ELSEWHERE)} of them need what is not here")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
