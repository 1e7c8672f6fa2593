#!/usr/bin/env python3
"""Archives of sources for the lab's image: sources.py DIRECTORY

Fetches what sources.txt names from Debian's pool into DIRECTORY, a DL_DIR. What is there is not fetched again. Whether
it is the right file is for BitBake to say: the recipes have its checksum.
"""

import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path

from debian import HERE, table
from lab.debian import mirror


def main() -> int:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, (path,) in table(HERE / "sources.txt").items():
        if (directory / name).exists():
            continue
        part = directory / f"{name}.part"
        try:
            with urllib.request.urlopen(f"{mirror()}/{path}", timeout=60) as answer, part.open("wb") as out:
                shutil.copyfileobj(answer, out)
        except (urllib.error.URLError, TimeoutError) as fault:
            print(f"error: {path}: {fault}. Debian has another version of it now? Put {name} into {directory}",
                  file=sys.stderr)
            return 1
        part.rename(directory / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
