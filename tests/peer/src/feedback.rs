//! RTCP a viewer sends.

use anyhow::{Result, anyhow};
use bytes::Bytes;
use rtc_rtcp::packet::Packet;
use rtc_rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, StatusChunkTypeTcc, StatusVectorChunk, SymbolSizeTypeTcc,
    SymbolTypeTcc, TransportLayerCc,
};
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};

/// SSRC this side signs its feedback with.
pub const SENDER_SSRC: u32 = 1;

/// A compound of one packet.
///
/// # Errors
/// When it does not marshal.
pub fn single(packet: Box<dyn Packet>) -> Result<Vec<u8>> {
    rtc_rtcp::packet::marshal(&[packet])
        .map(|b| b.to_vec())
        .map_err(|e| anyhow!("RTCP: {e}"))
}

/// Picture loss indication.
///
/// # Errors
/// See [`single`].
pub fn pli(media_ssrc: u32) -> Result<Vec<u8>> {
    single(Box::new(PictureLossIndication {
        sender_ssrc: SENDER_SSRC,
        media_ssrc,
    }))
}

/// Full intra request with its sequence number.
///
/// # Errors
/// See [`single`].
pub fn fir(media_ssrc: u32, sequence_number: u8) -> Result<Vec<u8>> {
    single(Box::new(FullIntraRequest {
        sender_ssrc: SENDER_SSRC,
        media_ssrc: 0,
        fir: vec![FirEntry {
            ssrc: media_ssrc,
            sequence_number,
        }],
    }))
}

/// Generic NACK.
///
/// # Errors
/// See [`single`].
pub fn nack(media_ssrc: u32, missing: &[u16]) -> Result<Vec<u8>> {
    single(Box::new(TransportLayerNack {
        sender_ssrc: SENDER_SSRC,
        media_ssrc,
        nacks: nack_pairs_from_sequence_numbers(missing),
    }))
}

/// Receiver estimated maximum bit rate.
///
/// # Errors
/// See [`single`].
pub fn remb(media_ssrc: u32, bps: u64) -> Result<Vec<u8>> {
    single(Box::new(ReceiverEstimatedMaximumBitrate {
        sender_ssrc: SENDER_SSRC,
        bitrate: bps as f32,
        ssrcs: vec![media_ssrc],
    }))
}

/// Receiver report with one block.
///
/// # Errors
/// See [`single`].
pub fn receiver_report(block: ReceptionReport) -> Result<Vec<u8>> {
    single(Box::new(ReceiverReport {
        ssrc: SENDER_SSRC,
        reports: vec![block],
        profile_extensions: Bytes::new(),
    }))
}

/// Arrivals waiting to be reported as transport-wide congestion feedback.
#[derive(Debug, Default)]
pub struct TransportFeedback {
    arrivals: Vec<(u64, u64)>,
    highest: Option<u64>,
    count: u8,
    reported_to: Option<u64>,
}

/// Unit of reference time: 64 ms.
const REFERENCE_US: u64 = 64_000;
/// Packets one report covers at most.
const MAX_SPAN: u64 = 200;

impl TransportFeedback {
    /// Notes a packet.
    pub fn arrived(&mut self, seq: u16, arrived_ns: u64) {
        let extended = match self.highest {
            None => (1 << 16) + u64::from(seq),
            Some(h) => h.saturating_add_signed(i64::from(seq.wrapping_sub(h as u16) as i16)),
        };
        self.highest = Some(self.highest.map_or(extended, |h| h.max(extended)));
        self.arrivals.push((extended, arrived_ns / 1000));
    }

    /// Reports everything since the last report.
    ///
    /// # Errors
    /// See [`single`].
    pub fn report(&mut self, media_ssrc: u32) -> Result<Option<Vec<u8>>> {
        self.arrivals.sort_unstable();
        self.arrivals.dedup_by_key(|a| a.0);
        if let Some(done) = self.reported_to {
            self.arrivals.retain(|a| a.0 > done);
        }
        let all = std::mem::take(&mut self.arrivals);
        let (Some(&(_, first_us)), Some(&(last, _))) = (all.first(), all.last()) else {
            return Ok(None);
        };
        let base = self
            .reported_to
            .map_or(all[0].0, |d| d + 1)
            .max(last.saturating_sub(MAX_SPAN));
        self.reported_to = Some(last);
        self.count = self.count.wrapping_add(1);
        let reference = first_us / REFERENCE_US;
        let (symbols, recv_deltas) = encode(&all, base, last, reference * REFERENCE_US);
        single(Box::new(TransportLayerCc {
            sender_ssrc: SENDER_SSRC,
            media_ssrc,
            base_sequence_number: base as u16,
            packet_status_count: symbols.len() as u16,
            reference_time: (reference & 0xff_ffff) as u32,
            fb_pkt_count: self.count,
            packet_chunks: symbols.chunks(7).map(vector).collect(),
            recv_deltas,
        }))
        .map(Some)
    }
}

fn encode(
    all: &[(u64, u64)],
    base: u64,
    last: u64,
    start_us: u64,
) -> (Vec<SymbolTypeTcc>, Vec<RecvDelta>) {
    let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
    // The receiver adds up the rounded deltas, so the next one starts from their sum.
    let mut told_us = start_us as i64;
    let mut arrivals = all.iter().skip_while(|a| a.0 < base).peekable();
    for seq in base..=last {
        let Some(&(_, us)) = arrivals.next_if(|a| a.0 == seq) else {
            symbols.push(SymbolTypeTcc::PacketNotReceived);
            continue;
        };
        let ticks = (us as i64 - told_us).div_euclid(250);
        let symbol = if (0..=255).contains(&ticks) {
            SymbolTypeTcc::PacketReceivedSmallDelta
        } else {
            SymbolTypeTcc::PacketReceivedLargeDelta
        };
        let ticks = ticks.clamp(i64::from(i16::MIN), i64::from(i16::MAX));
        told_us += ticks * 250;
        symbols.push(symbol);
        deltas.push(RecvDelta {
            type_tcc_packet: symbol,
            delta: ticks * 250,
        });
    }
    (symbols, deltas)
}

fn vector(symbols: &[SymbolTypeTcc]) -> PacketStatusChunk {
    let mut symbol_list = symbols.to_vec();
    symbol_list.resize(7, SymbolTypeTcc::PacketNotReceived);
    PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
        type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
        symbol_size: SymbolSizeTypeTcc::TwoBit,
        symbol_list,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc_shared::marshal::Unmarshal;

    #[test]
    fn a_report_says_what_arrived_and_when() {
        let mut f = TransportFeedback::default();
        let t0 = 1_000_000_000_000;
        f.arrived(65534, t0);
        f.arrived(0, t0 + 3_000_000);
        f.arrived(65535, t0 + 5_000_000);
        f.arrived(2, t0 + 200_000_000);
        let bytes = f.report(9).unwrap().unwrap();
        let cc = TransportLayerCc::unmarshal(&mut Bytes::from(bytes)).unwrap();
        assert_eq!(
            (cc.base_sequence_number, cc.packet_status_count),
            (65534, 5)
        );
        let deltas: Vec<i64> = cc.recv_deltas.iter().map(|d| d.delta).collect();
        assert_eq!(deltas[1..], [5000, -2000, 197_000]);
        assert!(f.report(9).unwrap().is_none());
        f.arrived(4, t0 + 300_000_000);
        let bytes = f.report(9).unwrap().unwrap();
        let cc = TransportLayerCc::unmarshal(&mut Bytes::from(bytes)).unwrap();
        assert_eq!((cc.base_sequence_number, cc.packet_status_count), (3, 2));
    }
}
