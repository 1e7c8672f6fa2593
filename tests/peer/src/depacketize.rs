//! H.264 out of RTP payloads (RFC 6184): single NAL units, STAP-A and FU-A.

use anyhow::{Result, bail};

const START_CODE: [u8; 4] = [0, 0, 0, 1];
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Assembles one access unit in Annex B form from its payloads, in order.
#[derive(Debug, Default)]
pub struct Assembler {
    data: Vec<u8>,
    in_fragment: bool,
    nal_types: Vec<u8>,
}

impl Assembler {
    /// Adds the payload of the next packet.
    ///
    /// # Errors
    /// Naming the rule of RFC 6184 the payload breaks.
    pub fn push(&mut self, payload: &[u8]) -> Result<()> {
        let [indicator, rest @ ..] = payload else {
            bail!("empty payload");
        };
        if indicator & 0x80 != 0 {
            bail!("forbidden_zero_bit set");
        }
        let kind = indicator & 0x1f;
        if self.in_fragment && kind != FU_A {
            bail!("NAL type {kind} inside a fragmented NAL unit");
        }
        match kind {
            1..=23 => self.nal(payload),
            STAP_A => self.aggregate(rest),
            FU_A => self.fragment(*indicator, rest),
            _ => bail!("NAL type {kind} is not allowed in packetization mode 1"),
        }
    }

    fn nal(&mut self, nal: &[u8]) -> Result<()> {
        let [header, ..] = nal else {
            bail!("empty NAL unit");
        };
        self.nal_types.push(header & 0x1f);
        self.data.extend_from_slice(&START_CODE);
        self.data.extend_from_slice(nal);
        Ok(())
    }

    fn aggregate(&mut self, mut rest: &[u8]) -> Result<()> {
        if rest.is_empty() {
            bail!("STAP-A without NAL units");
        }
        while let [high, low, tail @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((nal, after)) = tail.split_at_checked(length) else {
                bail!("STAP-A NAL unit of {length} bytes in {} bytes", tail.len());
            };
            self.nal(nal)?;
            rest = after;
        }
        if !rest.is_empty() {
            bail!("STAP-A with a stray byte");
        }
        Ok(())
    }

    fn fragment(&mut self, indicator: u8, rest: &[u8]) -> Result<()> {
        let [header, body @ ..] = rest else {
            bail!("FU-A without a header");
        };
        let (start, end) = (header & 0x80 != 0, header & 0x40 != 0);
        match (start, end) {
            (true, true) => bail!("FU-A with start and end bit"),
            (true, false) if self.in_fragment => bail!("FU-A starts inside another"),
            (false, _) if !self.in_fragment => bail!("FU-A goes on without a start"),
            _ => {}
        }
        if start {
            self.nal_types.push(header & 0x1f);
            self.data.extend_from_slice(&START_CODE);
            self.data.push((indicator & 0xe0) | (header & 0x1f));
        }
        self.data.extend_from_slice(body);
        self.in_fragment = !end;
        Ok(())
    }

    /// The access unit, its NAL types in order; an unfinished fragment is an error.
    ///
    /// # Errors
    /// When the last fragment did not end.
    pub fn finish(self) -> Result<(Vec<u8>, Vec<u8>)> {
        if self.in_fragment {
            bail!("access unit ends inside a fragmented NAL unit");
        }
        Ok((self.data, self.nal_types))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assemble(payloads: &[&[u8]]) -> Result<(Vec<u8>, Vec<u8>)> {
        let mut a = Assembler::default();
        for p in payloads {
            a.push(p)?;
        }
        a.finish()
    }

    #[test]
    fn aggregate_single_and_fragments_make_one_access_unit() {
        let (data, types) = assemble(&[
            &[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2],
            &[0x7c, 0x85, 0xaa],
            &[0x7c, 0x45, 0xbb],
            &[0x06, 9],
        ])
        .unwrap();
        assert_eq!(types, [7, 8, 5, 6]);
        assert_eq!(
            data,
            [
                0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0x65, 0xaa, 0xbb, 0, 0, 0, 1,
                6, 9
            ]
        );
    }

    #[test]
    fn broken_payloads_are_refused() {
        let broken: [&[&[u8]]; 8] = [
            &[&[]],
            &[&[0x78]],
            &[&[0x78, 0, 9, 1]],
            &[&[0x78, 0, 1, 1, 7]],
            &[&[0x7c, 0x05, 1]],
            &[&[0x7c, 0x85, 1]],
            &[&[0x7c, 0xc5, 1]],
            &[&[0x1d, 1]],
        ];
        for payloads in broken {
            assert!(assemble(payloads).is_err(), "{payloads:?}");
        }
    }
}
