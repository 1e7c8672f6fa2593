//! RTCP in and out (RFC 3550, RFC 4585, RFC 5104).

use bytes::BytesMut;
use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::packet::Packet;
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::{
    SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
};
use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};

/// What one RTCP packet says, as far as it is used here.
#[derive(Debug)]
pub(crate) enum Feedback {
    /// PLI for this source.
    KeyFrame(u32),
    /// FIR for this source, with its sequence number: a repetition is the same request.
    Fir(u32, u8),
    /// Sequence numbers missing from this source.
    Nack(u32, Vec<u16>),
    /// Transport-wide feedback.
    Transport(TransportLayerCc),
    /// The receiver's estimate in bit/s.
    Remb(f32),
    /// A reception report.
    Reception(ReceptionReport),
    /// A sender report.
    Sender(SenderReport),
    /// BYE.
    Bye,
}

/// Parses a compound packet; unknown parts are left out.
///
/// # Errors
/// A text when it is not RTCP at all.
pub(crate) fn parse(mut compound: &[u8]) -> Result<Vec<Feedback>, String> {
    let packets = rtc_rtcp::packet::unmarshal(&mut compound).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    for p in &packets {
        let any = p.as_any();
        if let Some(p) = any.downcast_ref::<TransportLayerCc>() {
            out.push(Feedback::Transport(p.clone()));
        } else if let Some(p) = any.downcast_ref::<ReceiverReport>() {
            out.extend(p.reports.iter().cloned().map(Feedback::Reception));
        } else if let Some(p) = any.downcast_ref::<SenderReport>() {
            out.extend(p.reports.iter().cloned().map(Feedback::Reception));
            out.push(Feedback::Sender(p.clone()));
        } else if let Some(p) = any.downcast_ref::<PictureLossIndication>() {
            out.push(Feedback::KeyFrame(p.media_ssrc));
        } else if let Some(p) = any.downcast_ref::<FullIntraRequest>() {
            let entries = p.fir.iter();
            out.extend(entries.map(|e| Feedback::Fir(e.ssrc, e.sequence_number)));
        } else if let Some(p) = any.downcast_ref::<TransportLayerNack>() {
            let lost = p.nacks.iter().flat_map(|n| n.packet_list()).collect();
            out.push(Feedback::Nack(p.media_ssrc, lost));
        } else if let Some(p) = any.downcast_ref::<ReceiverEstimatedMaximumBitrate>() {
            out.push(Feedback::Remb(p.bitrate));
        } else if any.is::<Goodbye>() {
            out.push(Feedback::Bye);
        }
    }
    Ok(out)
}

/// A sender report with its canonical name; the first compound packet of a source.
pub(crate) fn sender_report(report: SenderReport, cname: &str) -> Option<BytesMut> {
    let ssrc = report.ssrc;
    compound(&[Box::new(report), Box::new(description(ssrc, cname))])
}

/// A receiver report with its canonical name and, if given, the most the peer should send (REMB).
pub(crate) fn receiver_report(
    ssrc: u32,
    reports: Vec<ReceptionReport>,
    cname: &str,
    remb: Option<ReceiverEstimatedMaximumBitrate>,
) -> Option<BytesMut> {
    let mut packets: Vec<Box<dyn Packet>> = vec![
        Box::new(ReceiverReport {
            ssrc,
            reports,
            ..Default::default()
        }),
        Box::new(description(ssrc, cname)),
    ];
    if let Some(remb) = remb {
        packets.push(Box::new(remb));
    }
    compound(&packets)
}

/// Picture loss indication from `sender_ssrc` about `media_ssrc`.
pub(crate) fn picture_loss(sender_ssrc: u32, media_ssrc: u32) -> Option<BytesMut> {
    compound(&[Box::new(PictureLossIndication {
        sender_ssrc,
        media_ssrc,
    })])
}

/// Generic NACK.
pub(crate) fn nack(sender_ssrc: u32, media_ssrc: u32, lost: &[u16]) -> Option<BytesMut> {
    compound(&[Box::new(TransportLayerNack {
        sender_ssrc,
        media_ssrc,
        nacks: nack_pairs_from_sequence_numbers(lost),
    })])
}

/// Good-bye: the peer is told that the source ends.
pub(crate) fn goodbye(ssrc: u32) -> Option<BytesMut> {
    compound(&[
        Box::new(ReceiverReport {
            ssrc,
            ..Default::default()
        }),
        Box::new(Goodbye {
            sources: vec![ssrc],
            ..Default::default()
        }),
    ])
}

fn description(ssrc: u32, cname: &str) -> SourceDescription {
    SourceDescription {
        chunks: vec![SourceDescriptionChunk {
            source: ssrc,
            items: vec![SourceDescriptionItem {
                sdes_type: SdesType::SdesCname,
                text: cname.as_bytes().to_vec().into(),
            }],
        }],
    }
}

/// `None` only if the library cannot write what it was given, which the tests rule out for
/// everything above.
fn compound(packets: &[Box<dyn Packet>]) -> Option<BytesMut> {
    rtc_rtcp::packet::marshal(packets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(bytes: Option<BytesMut>) -> Vec<Feedback> {
        parse(&bytes.unwrap()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert!(matches!(
            first(picture_loss(1, 2)).as_slice(),
            [Feedback::KeyFrame(2)]
        ));
        match first(nack(1, 2, &[65_535, 0, 3])).as_slice() {
            [Feedback::Nack(2, lost)] => assert_eq!(lost, &[65_535, 0, 3]),
            other => panic!("{other:?}"),
        }
        let report = SenderReport {
            ssrc: 5,
            rtp_time: 9,
            ..Default::default()
        };
        match first(sender_report(report, "x")).as_slice() {
            [Feedback::Sender(r)] => assert_eq!((r.ssrc, r.rtp_time), (5, 9)),
            other => panic!("{other:?}"),
        }
        assert!(matches!(first(goodbye(4)).as_slice(), [Feedback::Bye]));
        let remb = ReceiverEstimatedMaximumBitrate {
            sender_ssrc: 1,
            bitrate: 1e6,
            ssrcs: vec![2],
        };
        match first(receiver_report(
            1,
            vec![ReceptionReport::default()],
            "x",
            Some(remb),
        ))
        .as_slice()
        {
            [Feedback::Reception(_), Feedback::Remb(b)] => assert!((b - 1e6).abs() < 1e4),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn mutated_rtcp_never_panics() {
        let mut seed = Vec::new();
        for b in [
            picture_loss(1, 2),
            nack(1, 2, &[1, 9, 500]),
            goodbye(3),
            receiver_report(1, vec![ReceptionReport::default()], "name", None),
        ] {
            seed.extend_from_slice(&b.unwrap());
        }
        // Transport-wide feedback: header, 5 packets from 7, one run-length chunk, deltas.
        seed.extend_from_slice(&[
            0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0, 5, 0, 0, 1, 0, 0x20, 5, 1, 2, 3, 4,
            5, 0,
        ]);
        let mut state = 9u64;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize
        };
        for _ in 0..50_000 {
            let mut b = seed.clone();
            let from = (next() % (b.len() / 4)) * 4;
            b.drain(..from);
            for _ in 0..1 + next() % 5 {
                let at = next() % b.len();
                b[at] = (next() % 256) as u8;
            }
            b.truncate(1 + next() % b.len());
            if let Ok(feedback) = parse(&b) {
                for f in feedback {
                    if let Feedback::Transport(t) = f {
                        let bounds = super::super::congestion::BitrateBounds {
                            start: 1,
                            min: 1,
                            max: 2,
                        };
                        let mut c = super::super::congestion::Congestion::new(bounds);
                        c.on_transport_feedback(std::time::Instant::now(), &t);
                    }
                }
            }
        }
    }
}
