//! The least that sending can cost: AES-128-GCM over every packet and one segmented send (UDP
//! GSO) a viewer and frame, from one socket to as many on loopback, paced like the stream.

use std::io::IoSlice;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};
use nix::time::{ClockId, clock_gettime};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// RTP header with one extension, as the server's packets have it.
const HEADER: usize = 20;
const TAG: usize = 16;

/// One frame: bytes of media in so many packets.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Bytes of media.
    pub bytes: usize,
    /// Packets.
    pub packets: usize,
}

/// Sends `frames` at `fps` to `viewers` sockets and returns the processor time of the sending
/// thread, kernel included.
pub fn run(frames: &[Frame], fps: u32, viewers: usize, cpu: usize) -> Result<Duration> {
    let receivers: Vec<UdpSocket> = (0..viewers)
        .map(|_| UdpSocket::bind("127.0.0.1:0"))
        .collect::<std::io::Result<_>>()?;
    let targets = receivers
        .iter()
        .map(|r| match r.local_addr()? {
            std::net::SocketAddr::V4(a) => Ok(a),
            std::net::SocketAddr::V6(a) => Err(anyhow!("{a}")),
        })
        .collect::<Result<Vec<SocketAddrV4>>>()?;
    let stop = Arc::new(AtomicBool::new(false));
    let draining = drain(receivers, Arc::clone(&stop))?;
    let frames = frames.to_vec();
    let sender = std::thread::spawn(move || {
        peer::process::pin_thread(cpu);
        send_all(&frames, fps, &targets)
    });
    let cost = sender.join().map_err(|_| anyhow!("the sender panicked"))?;
    stop.store(true, Ordering::Relaxed);
    draining.join().map_err(|_| anyhow!("the drain panicked"))?;
    cost
}

/// Reads everything away, so that full buffers do not make sending cheap.
fn drain(sockets: Vec<UdpSocket>, stop: Arc<AtomicBool>) -> Result<std::thread::JoinHandle<()>> {
    for s in &sockets {
        s.set_nonblocking(true)?;
    }
    Ok(std::thread::spawn(move || {
        let mut buffer = [0u8; 2048];
        while !stop.load(Ordering::Relaxed) {
            for s in &sockets {
                while s.recv(&mut buffer).is_ok() {}
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }))
}

fn send_all(frames: &[Frame], fps: u32, targets: &[SocketAddrV4]) -> Result<Duration> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let keys = targets
        .iter()
        .enumerate()
        .map(|(i, _)| {
            let key = UnboundKey::new(&AES_128_GCM, &[i as u8; 16]).map_err(|_| anyhow!("key"))?;
            Ok(LessSafeKey::new(key))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut buffer = Vec::with_capacity(1 << 16);
    let mut counter = 0u64;
    let (start, before) = (Instant::now(), cpu_time()?);
    for (n, frame) in frames.iter().enumerate() {
        for (key, target) in keys.iter().zip(targets) {
            let segment = seal(key, frame, &mut buffer, &mut counter)?;
            send(&socket, &buffer, segment, *target)?;
        }
        let next = start + Duration::from_secs(1) * (n as u32 + 1) / fps;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(cpu_time()? - before)
}

/// Fills `buffer` with the frame's packets, protected; returns the bytes of each but the last.
fn seal(
    key: &LessSafeKey,
    frame: &Frame,
    buffer: &mut Vec<u8>,
    counter: &mut u64,
) -> Result<usize> {
    buffer.clear();
    let share = frame.bytes.div_ceil(frame.packets.max(1)).max(1);
    let mut left = frame.bytes;
    while left > 0 {
        let length = left.min(share);
        left -= length;
        *counter += 1;
        let mut nonce = [0u8; 12];
        nonce[4..].copy_from_slice(&counter.to_be_bytes());
        let header = buffer.len();
        buffer.resize(header + HEADER + length, 0x55);
        let (head, payload) = buffer[header..].split_at_mut(HEADER);
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&*head),
                payload,
            )
            .map_err(|_| anyhow!("seal"))?;
        buffer.extend_from_slice(tag.as_ref());
    }
    Ok(HEADER + share + TAG)
}

/// One segmented send; 64 segments and 64 KiB are the kernel's bounds.
fn send(socket: &UdpSocket, data: &[u8], segment: usize, to: SocketAddrV4) -> Result<()> {
    let most = segment * (64_000 / segment).min(64);
    let address = SockaddrIn::from(to);
    for burst in data.chunks(most) {
        let size = u16::try_from(segment)?;
        let gso = [ControlMessage::UdpGsoSegments(&size)];
        let control: &[ControlMessage<'_>] = if burst.len() > segment { &gso } else { &[] };
        sendmsg(
            socket.as_raw_fd(),
            &[IoSlice::new(burst)],
            control,
            MsgFlags::empty(),
            Some(&address),
        )?;
    }
    Ok(())
}

fn cpu_time() -> Result<Duration> {
    let t = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    Ok(Duration::new(t.tv_sec() as u64, t.tv_nsec() as u32))
}
