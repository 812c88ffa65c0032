//! Bytes of an event file: protobuf fields, events, TFRecord frames, and how far a file is whole.

use super::crc32c::masked;

/// Bytes of a frame around its content: length, its checksum, the content's checksum.
const LENGTH: usize = 8;
const CHECKSUM: usize = 4;

/// Wire types of protobuf.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn field(number: u64, wire: u64, content: &[u8]) -> Vec<u8> {
    [&varint(number << 3 | wire), content].concat()
}

fn bytes_field(number: u64, content: &[u8]) -> Vec<u8> {
    field(number, BYTES, &[&varint(content.len() as u64), content].concat())
}

/// A field that is a number of variable length.
pub fn varint_field(number: u64, value: u64) -> Vec<u8> {
    field(number, VARINT, &varint(value))
}

/// An `Event`: its wall time, then `body`, encoded fields.
pub fn event(wall_time: f64, body: &[u8]) -> Vec<u8> {
    [&field(1, FIXED64, &wall_time.to_le_bytes()), body].concat()
}

/// The event every file begins with.
pub fn version(wall_time: f64) -> Vec<u8> {
    event(wall_time, &bytes_field(3, b"brain.Event:2"))
}

/// The `summary` field of an event. TensorBoard's scalars are 32-bit.
pub fn summary(scalars: &[(&str, f64)]) -> Vec<u8> {
    let value = |(tag, value): &(&str, f64)| {
        let number = field(2, FIXED32, &(*value as f32).to_le_bytes());
        bytes_field(1, &[bytes_field(1, tag.as_bytes()), number].concat())
    };
    bytes_field(5, &scalars.iter().map(value).collect::<Vec<_>>().concat())
}

/// `content` as one TFRecord frame.
pub fn framed(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), content, &masked(content).to_le_bytes()].concat()
}

/// Bytes of the leading frames that are whole and belong to `step` or earlier ones.
pub fn length_until(bytes: &[u8], step: u64) -> usize {
    let mut kept = 0;
    while let Some(content) = first_frame(&bytes[kept..]) {
        if step_of(content) > step {
            break;
        }
        kept += LENGTH + CHECKSUM + content.len() + CHECKSUM;
    }
    kept
}

/// The content of the frame at the beginning, if it is all there and its checksums are right.
fn first_frame(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let (length_checksum, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    let (content, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let checksum = rest.first_chunk::<CHECKSUM>()?;
    let whole =
        u32::from_le_bytes(*length_checksum) == masked(length) && u32::from_le_bytes(*checksum) == masked(content);
    whole.then_some(content)
}

/// The step of an event of ours: the field after the wall time; 0 for the version event, which has none.
fn step_of(content: &[u8]) -> u64 {
    const WALL_TIME: usize = 1 + 8;
    match content.get(WALL_TIME..).and_then(<[u8]>::split_first) {
        Some((&key, rest)) if u64::from(key) == 2 << 3 | VARINT => {
            let bytes = rest.iter().take(10).scan(true, |more, byte| {
                more.then(|| {
                    *more = byte & 0x80 != 0;
                    *byte
                })
            });
            bytes.enumerate().fold(0, |value, (i, byte)| value | u64::from(byte & 0x7F).wrapping_shl(7 * i as u32))
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_has_seven_bits_a_byte() {
        // protobuf.dev, "Base 128 Varints": 150 is 96 01.
        assert_eq!(varint(150), [0x96, 0x01]);
        assert_eq!(varint(0), [0]);
    }

    #[test]
    fn an_event_is_what_protobuf_makes_of_it() {
        // python: Event(wall_time=1.5, step=300, summary=Summary(value=[Summary.Value(tag="loss", simple_value=0.5)]))
        //         .SerializeToString().hex()
        let mut body = varint_field(2, 300);
        body.extend(summary(&[("loss", 0.5)]));
        let hexadecimal: String = event(1.5, &body).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hexadecimal, "09000000000000f83f10ac022a0d0a0b0a046c6f7373150000003f");
    }

    #[test]
    fn the_step_of_an_event_is_read_back() {
        for step in [1, 127, 128, 300, 1 << 40] {
            assert_eq!(step_of(&event(0.0, &varint_field(2, step))), step);
        }
        assert_eq!(step_of(&version(0.0)), 0);
    }

    #[test]
    fn frames_after_the_step_and_torn_frames_are_not_counted() {
        let frame = |step| framed(&event(0.0, &varint_field(2, step)));
        let file = [framed(&version(0.0)), frame(1), frame(2), frame(3)].concat();
        let until = |count: usize| file.len() - (3 - count) * frame(1).len();
        assert_eq!(length_until(&file, 2), until(2));
        assert_eq!(length_until(&file, 99), file.len());
        assert_eq!(length_until(&file[..file.len() - 1], 99), until(2));
        let mut damaged = file.clone();
        damaged[until(1) - 6] ^= 1;
        assert_eq!(length_until(&damaged, 99), until(0));
    }
}
