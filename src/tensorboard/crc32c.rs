//! CRC-32C (Castagnoli), the checksum of TFRecord frames, and the mask TensorFlow puts over it.
//!
//! Reflected polynomial 0x82F63B78, start and end inverted (RFC 3720, appendix B.4). The mask exists because the CRC of
//! bytes that contain their own CRC is a constant.

/// One entry a byte value.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = shifted(byte as u32);
        byte += 1;
    }
    table
}

/// Eight shifts of the register, as a table entry holds them.
const fn shifted(mut register: u32) -> u32 {
    let mut bit = 0;
    while bit < 8 {
        register = if register & 1 == 1 { (register >> 1) ^ 0x82F6_3B78 } else { register >> 1 };
        bit += 1;
    }
    register
}

/// The checksum of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    let step = |register: u32, byte: &u8| (register >> 8) ^ TABLE[((register ^ u32::from(*byte)) & 0xFF) as usize];
    !bytes.iter().fold(!0, step)
}

/// The checksum as a TFRecord frame holds it: rotated right by 15, plus a constant.
pub fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        // Appendix B.4, whose bytes are printed in transmission order: 32 bytes of zeros "aa 36 91 8a", and so on.
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        let increasing: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&increasing), 0x46DD_794E);
        let decreasing: Vec<u8> = (0..32).rev().collect();
        assert_eq!(crc32c(&decreasing), 0x113F_DB5C);
        // The check value of the catalogues.
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(b""), 0);
    }
}
