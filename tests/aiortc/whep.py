"""Plays one WHEP stream with aiortc and prints what was decoded as one JSON object.

Time stamps that do not rise are an error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import urllib.request

import numpy
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

import strip


def post(url: str, offer: str, token: str | None) -> tuple[str, str]:
    """(answer, session URL)."""
    headers = {"Content-Type": "application/sdp"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, offer.encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as reply:
        base = url.split("/whep/")[0]
        return reply.read().decode(), base + reply.headers["Location"]


async def play(url: str, frames: int, limit: float, token: str | None) -> dict:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("video", direction="recvonly")
    track = asyncio.get_running_loop().create_future()
    pc.on("track", track.set_result)
    await pc.setLocalDescription(await pc.createOffer())
    start = time.monotonic()
    answer, session = await asyncio.to_thread(post, url, pc.localDescription.sdp, token)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    video = await asyncio.wait_for(track, limit)
    result = {"frames": 0, "pts": [], "strips": [], "hashes": [], "first_frame_s": None}
    while result["frames"] < frames:
        left = limit - (time.monotonic() - start)
        frame = await asyncio.wait_for(video.recv(), max(left, 0.01))
        if result["first_frame_s"] is None:
            result["first_frame_s"] = time.monotonic() - start
        result["frames"] += 1
        if result["pts"] and frame.pts <= result["pts"][-1]:
            raise ValueError(f"time stamp {frame.pts} after {result['pts'][-1]}")
        result["pts"].append(frame.pts)
        result["width"], result["height"] = frame.width, frame.height
        found = strip.read(frame)
        if found:
            result["strips"].append(found)
        else:
            luma = numpy.frombuffer(frame.planes[0], numpy.uint8)
            result["hashes"].append(hash(luma.tobytes()))
    reports = (await pc.getStats()).values()
    inbound = [r for r in reports if r.type == "inbound-rtp"]
    result["packets_lost"] = sum(r.packetsLost for r in inbound)
    request = urllib.request.Request(session, method="DELETE")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())
    await pc.close()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--limit", type=float, default=30.0, help="seconds")
    parser.add_argument("--token")
    a = parser.parse_args()
    print(json.dumps(asyncio.run(play(a.url, a.frames, a.limit, a.token))))


if __name__ == "__main__":
    main()
