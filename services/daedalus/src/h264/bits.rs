//! Bits as H.264 writes and reads them (ITU-T H.264, 7.2 to 7.4.1 and 9.1).

/// A NAL unit that is being written.
#[derive(Debug)]
pub(super) struct NalWriter<'a> {
    to: &'a mut Vec<u8>,
    /// Bits not yet written, in the lowest `count` places.
    pending: u8,
    count: u32,
    /// Zero bytes at the end of what was written.
    zeros: u32,
}

impl<'a> NalWriter<'a> {
    /// Begins a NAL unit, by a start code and `header`.
    pub(super) fn begin(to: &'a mut Vec<u8>, header: u8) -> Self {
        to.extend_from_slice(&[0, 0, 0, 1, header]);
        Self {
            to,
            pending: 0,
            count: 0,
            zeros: 0,
        }
    }

    /// Writes the lowest `count` bits of `value`, at most 32, the highest first.
    pub(super) fn u(&mut self, count: u32, value: u32) {
        for place in (0..count).rev() {
            self.pending = self.pending << 1 | (value >> place & 1) as u8;
            self.count += 1;
            if self.count == 8 {
                self.byte();
            }
        }
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.u(1, value.into());
    }

    /// Exp-Golomb.
    pub(super) fn ue(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let length = code.ilog2();
        self.u(length, 0);
        // One more than 32 at the most; the highest is always 1.
        self.u(1, 1);
        self.u(length, (code & !(1 << length)) as u32);
    }

    /// Exp-Golomb, signed.
    pub(super) fn se(&mut self, value: i32) {
        let code = if value > 0 {
            2 * value.unsigned_abs() - 1
        } else {
            // The least value has no code.
            value.unsigned_abs().min(i32::MAX as u32) * 2
        };
        self.ue(code);
    }

    /// Ends the unit.
    pub(super) fn end(mut self) {
        self.u(1, 1);
        while self.count != 0 {
            self.u(1, 0);
        }
    }

    fn byte(&mut self) {
        // Two zeros and a byte up to 3 would look like a start code.
        if self.zeros == 2 && self.pending <= 3 {
            self.to.push(3);
            self.zeros = 0;
        }
        self.zeros = if self.pending == 0 { self.zeros + 1 } else { 0 };
        self.to.push(self.pending);
        (self.pending, self.count) = (0, 0);
    }
}

/// The payload of a NAL unit that is being read.
#[derive(Debug, Clone)]
pub(super) struct NalReader<'a> {
    rest: &'a [u8],
    current: u8,
    left: u32,
    zeros: u32,
}

impl<'a> NalReader<'a> {
    /// `payload` comes after the unit's header.
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Self {
            rest: payload,
            current: 0,
            left: 0,
            zeros: 0,
        }
    }

    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            self.byte()?;
        }
        self.left -= 1;
        Some(u32::from(self.current >> self.left & 1))
    }

    fn byte(&mut self) -> Option<()> {
        let (mut first, mut rest) = self.rest.split_first()?;
        if self.zeros >= 2 && *first == 3 {
            (first, rest) = rest.split_first()?;
            self.zeros = 0;
        }
        self.zeros = if *first == 0 { self.zeros + 1 } else { 0 };
        (self.current, self.rest, self.left) = (*first, rest, 8);
        Some(())
    }

    /// Exp-Golomb; none where it is cut off or longer than 32 bits.
    pub(super) fn ue(&mut self) -> Option<u32> {
        let mut length = 0;
        while self.bit()? == 0 {
            length += 1;
            if length > 31 {
                return None;
            }
        }
        let mut code: u32 = 1;
        for _ in 0..length {
            code = code << 1 | self.bit()?;
        }
        Some(code - 1)
    }
}

#[cfg(test)]
#[allow(clippy::unusual_byte_groupings, reason = "grouped by syntax element")]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let values = [0, 1, 2, 3, 7, 8, 254, 255, 65_535, 1 << 30, u32::MAX - 2];
        let mut bytes = Vec::new();
        let mut to = NalWriter::begin(&mut bytes, 0x67);
        values.iter().for_each(|v| to.ue(*v));
        to.end();
        let mut from = NalReader::new(&bytes[5..]);
        for value in &values[..values.len() - 1] {
            assert_eq!(from.ue(), Some(*value));
        }
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        // ITU-T H.264, tables 9-2 and 9-3.
        let written = |write: fn(&mut NalWriter)| {
            let mut bytes = Vec::new();
            let mut to = NalWriter::begin(&mut bytes, 0);
            write(&mut to);
            to.end();
            bytes[5]
        };
        assert_eq!(written(|w| w.ue(0)), 0b1_1000000);
        assert_eq!(written(|w| w.ue(3)), 0b00100_100);
        assert_eq!(written(|w| w.se(1)), 0b010_10000);
        assert_eq!(written(|w| w.se(-1)), 0b011_10000);
        assert_eq!(written(|w| w.se(2)), 0b00100_100);
    }

    #[test]
    fn nothing_looks_like_a_start_code() {
        let mut bytes = Vec::new();
        let mut to = NalWriter::begin(&mut bytes, 0x67);
        for byte in [0, 0, 0, 0, 0, 0, 1, 0, 0, 3] {
            to.u(8, byte);
        }
        to.end();
        assert_eq!(bytes[5..], [0, 0, 3, 0, 0, 3, 0, 0, 3, 1, 0, 0, 3, 3, 0x80]);
    }
}
