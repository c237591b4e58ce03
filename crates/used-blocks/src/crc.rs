//! Cyclic redundancy checks that on-disk structures carry, eight bytes a step: the bitmaps of a large
//! file system are hundreds of megabytes.

/// CRC-32 of IEEE 802.3, as in GPT, before the final inversion.
pub(crate) static CRC32: Crc = Crc::new(0xedb8_8320);
/// CRC-32C (Castagnoli), as in ext4, XFS and btrfs, before the final inversion.
pub(crate) static CRC32C: Crc = Crc::new(0x82f6_3b78);
/// CRC-16 (ANSI), as in the group descriptors of ext4. Its value is in the lower half.
pub(crate) static CRC16: Crc = Crc::new(0xa001);

/// A reflected polynomial, in tables.
#[derive(Debug)]
pub(crate) struct Crc([[u32; 256]; 8]);

impl Crc {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the index of a table with 256 entries"
    )]
    const fn new(polynomial: u32) -> Self {
        let mut tables = [[0; 256]; 8];
        let mut byte = 0;
        while byte < 256 {
            let mut value = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                value = (value >> 1) ^ (polynomial * (value & 1));
                bit += 1;
            }
            tables[0][byte] = value;
            byte += 1;
        }
        let mut table = 1;
        while table < 8 {
            let mut byte = 0;
            while byte < 256 {
                let value: u32 = tables[table - 1][byte];
                tables[table][byte] = (value >> 8) ^ tables[0][(value & 0xff) as usize];
                byte += 1;
            }
            table += 1;
        }
        Self(tables)
    }

    /// The value after `bytes`, from the value before them. Neither is inverted.
    pub(crate) fn update(&self, seed: u32, bytes: &[u8]) -> u32 {
        let (steps, rest) = bytes.as_chunks::<8>();
        let mut value = seed;
        for step in steps {
            let mixed = u64::from_le_bytes(*step) ^ u64::from(value);
            value = mixed
                .to_le_bytes()
                .iter()
                .zip(self.0.iter().rev())
                .fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)]);
        }
        for byte in rest {
            let [low, ..] = value.to_le_bytes();
            value = (value >> 8) ^ self.0[0][usize::from(low ^ byte)];
        }
        value
    }
}

/// Whether a structure carries the checksum that it should. A fuzzer takes all for right: it would
/// find one that is, and so what lies behind it, never.
pub(crate) fn agrees(computed: u32, stored: u32) -> bool {
    cfg!(fuzzing) || computed == stored
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of the catalogue of parametrised CRC algorithms, for "123456789".
    #[test]
    fn the_catalogue_agrees() {
        let text = b"123456789";
        assert_eq!(!CRC32.update(!0, text), 0xcbf4_3926);
        assert_eq!(!CRC32C.update(!0, text), 0xe306_9283);
        assert_eq!(CRC16.update(0, text), 0xbb3d);
        assert_eq!(CRC16.update(0xffff, text), 0x4b37);
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let bytes: Vec<u8> = (0..=255).collect();
        for cut in 0..bytes.len() {
            let (one, two) = bytes.split_at(cut);
            let pieces = CRC32C.update(CRC32C.update(!0, one), two);
            assert_eq!(pieces, CRC32C.update(!0, &bytes));
        }
    }
}
