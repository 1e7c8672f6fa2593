// Watches the page's <video>: one record a presented frame in window.__frames, and the strip of
// every decoded frame in window.__decoded.
(() => {
  const COLUMNS = 32, ROWS = 3;

  const cellSize = (width) =>
    width < 256 ? 0 : width < 640 ? 8 : width < 2560 ? 16 : 32;

  const crc16 = (bytes) => {
    let crc = 0xffff;
    for (const byte of bytes) {
      crc ^= byte << 8;
      for (let i = 0; i < 8; i++) {
        crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
      }
    }
    return crc;
  };

  const parse = (bytes) => {
    if (bytes[0] !== 0xa5) return null;
    if (crc16(bytes.subarray(0, 10)) !== (bytes[10] << 8 | bytes[11])) return null;
    const view = new DataView(bytes.buffer);
    return { frame: view.getUint32(1), wall: bytes[5] * 2 ** 32 + view.getUint32(6) };
  };

  // `at(x, y)` is a pixel's brightness, `threshold` lies between black and white.
  const readCells = (size, at, threshold) => {
    const bytes = new Uint8Array(12);
    for (let bit = 0; bit < COLUMNS * ROWS; bit++) {
      const x0 = (bit % COLUMNS) * size + size / 4;
      const y0 = Math.floor(bit / COLUMNS) * size + size / 4;
      let sum = 0;
      for (let y = y0; y < y0 + size / 2; y++) {
        for (let x = x0; x < x0 + size / 2; x++) sum += at(x, y);
      }
      if (sum / (size * size / 4) > threshold) bytes[bit >> 3] |= 0x80 >> (bit & 7);
    }
    return parse(bytes);
  };

  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });

  const readStrip = (video) => {
    const size = cellSize(video.videoWidth);
    if (!size) return null;
    const width = COLUMNS * size, height = ROWS * size;
    canvas.width = width;
    canvas.height = height;
    context.drawImage(video, 0, 0, width, height, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    // Green of full range: black is 0, white 255.
    return readCells(size, (x, y) => data[(y * width + x) * 4 + 1], 128);
  };

  // Every decoded frame, whether the compositor shows it or not.
  const watchDecoder = async (track) => {
    window.__decoded = [];
    const processor = new MediaStreamTrackProcessor({ track, maxBufferSize: 120 });
    const reader = processor.readable.getReader();
    for (;;) {
      const { value: frame, done } = await reader.read();
      if (done) return;
      const size = cellSize(frame.codedWidth);
      const rect = size
        ? { x: 0, y: 0, width: COLUMNS * size, height: ROWS * size }
        : { x: 0, y: 0, width: 64, height: 32 };
      const pixels = new Uint8Array(frame.allocationSize({ rect }));
      const [luma] = await frame.copyTo(pixels, { rect });
      const at = (x, y) => pixels[luma.offset + y * luma.stride + x];
      window.__decoded.push(size ? readCells(size, at, 126) : null);
      frame.close();
    }
  };

  const fnv = (video) => {
    canvas.width = 64;
    canvas.height = 36;
    context.drawImage(video, 0, 0, 64, 36);
    let hash = 0x811c9dc5;
    for (const v of context.getImageData(0, 0, 64, 36).data) {
      hash = Math.imul(hash ^ v, 0x01000193) >>> 0;
    }
    return hash;
  };

  const watch = (video) => {
    window.__frames = [];
    window.__video = video;
    const step = (now, meta) => {
      const strip = readStrip(video);
      window.__frames.push({
        strip,
        hash: strip ? null : fnv(video),
        presented: meta.presentedFrames,
        callback: performance.timeOrigin + now,
        now: performance.timeOrigin + performance.now(),
        receive: meta.receiveTime === undefined ? null : performance.timeOrigin + meta.receiveTime,
        capture: meta.captureTime === undefined ? null : performance.timeOrigin + meta.captureTime,
        processing: meta.processingDuration,
        rtp: meta.rtpTimestamp,
        width: meta.width,
        height: meta.height,
      });
      video.requestVideoFrameCallback(step);
    };
    video.requestVideoFrameCallback(step);
    const [track] = video.srcObject.getVideoTracks();
    watchDecoder(track).catch((error) => console.error('decoder watch', String(error)));
  };

  const playing = [...document.querySelectorAll('video')].find((v) => v.videoWidth > 0);
  if (!playing) return false;
  watch(playing);
  return true;
})()
