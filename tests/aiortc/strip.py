"""The strip of a test picture, read from its description: 3 rows of 32 cells."""

from __future__ import annotations

import numpy


def cell_size(width: int) -> int:
    """Side of a cell; 0 where there is no strip."""
    if width < 256:
        return 0
    if width < 640:
        return 8
    return 16 if width < 2560 else 32


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return crc


def read(frame) -> tuple[int, int] | None:
    """(frame number, capture milliseconds modulo 2^40) of a decoded frame."""
    size = cell_size(frame.width)
    if not size:
        return None
    plane = frame.planes[0]
    luma = numpy.frombuffer(plane, numpy.uint8).reshape(-1, plane.line_size)
    cells = luma[: 3 * size, : 32 * size].reshape(3, size, 32, size)
    quarter = size // 4
    inner = cells[:, quarter:-quarter, :, quarter:-quarter]
    bits = (inner.mean(axis=(1, 3)) > 126).astype(numpy.uint8)
    data = numpy.packbits(bits.reshape(-1)).tobytes()
    if data[0] != 0xA5 or crc16(data[:10]) != int.from_bytes(data[10:], "big"):
        return None
    return int.from_bytes(data[1:5], "big"), int.from_bytes(data[5:10], "big")
