//! RTP: access units packetised once, headers written per viewer.

mod depacketize;
mod frame;
mod h264;
mod header;

pub(crate) use depacketize::H264Depacketizer;
pub(crate) use frame::{RtpFrame, ntp, rtp_time};
pub(crate) use h264::{nals, packetize};
pub(crate) use header::{Extensions, HeaderTemplate, PacketFields};

/// RTP clock of every video codec here, in Hz (RFC 6184 section 8.2.1).
pub(crate) const CLOCK_RATE: u32 = 90_000;

/// Largest UDP payload sent: fits IPv6's minimum MTU of 1,280 with room for a tunnel.
pub(crate) const MAX_DATAGRAM: usize = 1_200;

/// Largest RTP payload: what a datagram leaves after the header with its extensions, the
/// retransmission's original sequence number (RFC 4588) and the longest SRTP tag.
pub(crate) const MAX_PAYLOAD: usize = MAX_DATAGRAM - header::MAX_HEADER - 2 - 16;
