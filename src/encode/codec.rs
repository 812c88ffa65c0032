//! Encoded splits as bytes: every number a variable-length integer (LEB128: 7 bits a byte, lowest first, the high bit
//! says that more follow), because nearly all are small. A SQuAD window takes about 5 bytes a token so, not 17.
//!
//!     split    = examples sequences tokens truncated answers_lost count feature*count
//!     feature  = example together length id*length type_id*length target window
//!     target   = 0 | 1 class | 2 bits-of-f32 | 3 start end | 4 label*length | 5 right
//!              | 6 count next (place word)*count
//!     window   = 0 | 1 class_token first_context_token tokens (gap width most_context)*tokens
//!
//! `gap` is a token's start minus the previous token's end, `width` its end minus its start, both zigzag (0, -1, 1, …
//! as 0, 1, 2, …). Reading never trusts a length: it grows with what is really there, and every misfit gives `None`.

use super::{Encoded, EncodingCounts, Features, Target, Window};

/// The bytes of an encoded split.
pub fn write(encoded: &Encoded) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.report.tokens as usize * 5);
    let report = &encoded.report;
    let counts = [report.examples as u64, report.sequences as u64, report.tokens, report.truncated as u64];
    counts.into_iter().for_each(|count| number(&mut out, count));
    number(&mut out, report.answers_lost as u64);
    number(&mut out, encoded.features.len() as u64);
    encoded.features.iter().for_each(|features| write_features(&mut out, features));
    out
}

/// The encoded split of bytes that [`write()`] made, or `None` for any others.
pub fn read(bytes: &[u8]) -> Option<Encoded> {
    let mut reader = Reader { bytes };
    let report = EncodingCounts {
        examples: reader.size()?,
        sequences: reader.size()?,
        tokens: reader.number()?,
        truncated: reader.size()?,
        answers_lost: reader.size()?,
    };
    let count = reader.size()?;
    let features = (0..count).map(|_| reader.features()).collect::<Option<Vec<_>>>()?;
    reader.bytes.is_empty().then_some(Encoded { features, report })
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn signed(out: &mut Vec<u8>, value: i64) {
    number(out, (value.wrapping_shl(1) ^ (value >> 63)) as u64);
}

fn write_features(out: &mut Vec<u8>, features: &Features) {
    number(out, features.example as u64);
    number(out, features.together as u64);
    number(out, features.input_ids.len() as u64);
    features.input_ids.iter().chain(&features.token_type_ids).for_each(|id| number(out, u64::from(*id)));
    match &features.target {
        None => number(out, 0),
        Some(Target::Class(class)) => [1, u64::from(*class)].into_iter().for_each(|value| number(out, value)),
        Some(Target::Value(value)) => [2, u64::from(value.to_bits())].into_iter().for_each(|value| number(out, value)),
        Some(Target::Span(start, end)) => {
            [3, u64::from(*start), u64::from(*end)].into_iter().for_each(|value| number(out, value));
        }
        Some(Target::Tokens(labels)) => {
            number(out, 4);
            // One more, so that no label is the small number 0.
            labels.iter().for_each(|label| number(out, u64::from(label.wrapping_add(1))));
        }
        Some(Target::Choice(right)) => [5, u64::from(*right)].into_iter().for_each(|value| number(out, value)),
        Some(Target::Masked { words, next }) => {
            [6, words.len() as u64, next.map_or(0, |next| 1 + u64::from(next))]
                .into_iter()
                .for_each(|n| number(out, n));
            words.iter().flat_map(|(place, word)| [*place, *word]).for_each(|value| number(out, u64::from(value)));
        }
    }
    match &features.window {
        None => number(out, 0),
        Some(window) => write_window(out, window),
    }
}

fn write_window(out: &mut Vec<u8>, window: &Window) {
    number(out, 1);
    number(out, window.class_token as u64);
    number(out, window.first_context_token as u64);
    number(out, window.offsets.len() as u64);
    let mut previous = 0;
    for (&(start, end), &most) in window.offsets.iter().zip(&window.max_context) {
        signed(out, i64::from(start) - i64::from(previous));
        signed(out, i64::from(end) - i64::from(start));
        number(out, u64::from(most));
        previous = end;
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn smalls(&mut self, count: usize) -> Option<Vec<u32>> {
        // A number has at least one byte, so a larger count is a lie: refuse it before memory is reserved.
        if count > self.bytes.len() {
            return None;
        }
        (0..count).map(|_| self.small()).collect()
    }

    fn masked(&mut self) -> Option<Target> {
        let (count, next) = (self.size()?, self.small()?);
        let both = self.smalls(2 * count)?;
        let words = both.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        Some(Target::Masked { words, next: next.checked_sub(1) })
    }

    fn features(&mut self) -> Option<Features> {
        let (example, together, length) = (self.size()?, self.size()?, self.size()?);
        let input_ids = self.smalls(length)?;
        let token_type_ids = self.smalls(length)?;
        let target = match self.number()? {
            0 => None,
            1 => Some(Target::Class(self.small()?)),
            2 => Some(Target::Value(f32::from_bits(self.small()?))),
            3 => Some(Target::Span(self.small()?, self.small()?)),
            4 => Some(Target::Tokens(self.smalls(length)?.into_iter().map(|label| label.wrapping_sub(1)).collect())),
            5 => Some(Target::Choice(self.small()?)),
            6 => Some(self.masked()?),
            _ => return None,
        };
        let window = match self.number()? {
            0 => None,
            1 => Some(self.window()?),
            _ => return None,
        };
        Some(Features { example, together, input_ids, token_type_ids, target, window })
    }

    fn window(&mut self) -> Option<Window> {
        let (class_token, first_context_token, count) = (self.size()?, self.size()?, self.size()?);
        let mut window = Window { class_token, first_context_token, offsets: Vec::new(), max_context: Vec::new() };
        let mut previous = 0;
        for _ in 0..count {
            let start = self.signed()?.checked_add(previous)?;
            let end = self.signed()?.checked_add(start)?;
            window.offsets.push((u32::try_from(start).ok()?, u32::try_from(end).ok()?));
            window.max_context.push(self.number()? == 1);
            previous = end;
        }
        Some(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn sample() -> Encoded {
        let plain = Features {
            example: 300,
            together: 1,
            input_ids: vec![101, 2054, 102],
            token_type_ids: vec![0, 0, 1],
            target: Some(Target::Value(-2.5)),
            window: None,
        };
        let offsets = vec![(0, 3), (3, 4), (1000, 1100), (1000, 1100)];
        let max_context = vec![true, false, true, true];
        let window = Window { class_token: 1, first_context_token: 2, offsets, max_context };
        let windowed = Features { target: Some(Target::Span(2, 70_000)), window: Some(window), ..plain.clone() };
        let class = Features { target: Some(Target::Class(u32::MAX)), ..plain.clone() };
        let labels = vec![crate::encode::UNLABELLED, 0, 8].into_iter().cycle().take(plain.input_ids.len()).collect();
        let tagged = Features { target: Some(Target::Tokens(labels)), ..plain.clone() };
        let choice = Features { together: 4, target: Some(Target::Choice(3)), ..plain.clone() };
        let words = vec![(1, 70_000), (2, 0)];
        let masked = Features { target: Some(Target::Masked { words: words.clone(), next: Some(1) }), ..plain.clone() };
        let unasked = Features { target: Some(Target::Masked { words, next: None }), ..plain.clone() };
        let report = EncodingCounts { examples: 3, sequences: 4, tokens: 12, truncated: 1, answers_lost: 2 };
        Encoded {
            features: vec![
                plain.clone(),
                windowed,
                class,
                tagged,
                choice,
                masked,
                unasked,
                Features { target: None, ..plain },
            ],
            report,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(read(&write(&sample())), Some(sample()));
        assert_eq!(read(&write(&Encoded::default())), Some(Encoded::default()));
    }

    // LEB128 of 300 = 0b10_0101100: low seven bits 0101100 with the high bit set (0xac), then 10 (0x02).
    #[test]
    fn numbers_are_leb128() {
        let mut out = Vec::new();
        number(&mut out, 300);
        signed(&mut out, -1);
        assert_eq!(out, [0xac, 0x02, 0x01]);
    }

    #[test]
    fn every_truncation_and_any_extra_byte_is_refused() {
        let bytes = write(&sample());
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None, "cut to {length} bytes");
        }
        assert_eq!(read(&[bytes, vec![0]].concat()), None);
    }

    #[test]
    fn a_length_that_lies_reserves_no_memory() {
        let mut bytes = vec![0, 0, 0, 0, 0, 1, 0];
        number(&mut bytes, u64::MAX);
        assert_eq!(read(&bytes), None);
    }
}
