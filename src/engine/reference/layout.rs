//! The one place where the reference engine pads: between the packed rows `[T, H]` that dense layers work on and the
//! rectangle `[B, L, H]` that attention is said on.
//!
//! B sequences, T tokens of all of them, L the longest of the batch.

use crate::encode::Batch;
use crate::family::{EncoderConfig, Read};
use candle_core::{Device, Result, Tensor};
use std::ops::Range;

/// Index tensors of a batch, made once and used by every layer.
pub struct Layout {
    /// Tokens of each sequence, `[B]`.
    pub lengths: Vec<usize>,
    /// L.
    pub longest: usize,
    /// Packed row of each cell of the rectangle, `[B · L]`; cells past a sequence's end point at row 0 and are masked.
    pub to_rectangle: Tensor,
    /// Cell of each packed row, `[T]`.
    pub to_rows: Tensor,
    /// 0 for a sequence's own keys, minus infinity past its end: `[B, 1, 1, L]`.
    pub key_mask: Tensor,
    /// Row of each token's position, `[T]`.
    pub position_ids: Tensor,
    /// For a causal model, minus infinity where a key is later than the query: `[1, 1, L, L]`.
    pub causal_mask: Option<Tensor>,
    /// Packed row of the token that is read of each sequence, `[B]`: its first or its last.
    pub read_tokens: Tensor,
    /// Sequences of an example.
    pub together: usize,
    /// Tokens of each sequence's two texts, counted from its first, without special ones.
    texts: [Vec<Range<usize>>; 2],
}

impl Layout {
    /// The layout of a batch on a device.
    pub fn new(batch: &Batch, config: &EncoderConfig, device: &Device) -> Result<Layout> {
        let layout = Layout::of(batch.lengths().collect(), config, device)?;
        Ok(Layout { together: batch.together, texts: [0, 1].map(|text| texts(batch, text)), ..layout })
    }

    /// That of sequences of these lengths, whatever their rows are.
    pub fn of(lengths: Vec<usize>, config: &EncoderConfig, device: &Device) -> Result<Layout> {
        let causal = config.causal;
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let sequences = lengths.len();
        let bounds = bounds(&lengths);
        let starts = &bounds[..sequences];
        let mask = Tensor::from_vec(key_mask(&lengths, longest), (sequences, 1, 1, longest), device)?;
        Ok(Layout {
            to_rectangle: Tensor::new(rectangle(starts, &lengths, longest), device)?,
            to_rows: Tensor::new(rows(&lengths, longest), device)?,
            key_mask: mask,
            position_ids: Tensor::new(positions(&lengths, config.first_position as u32), device)?,
            causal_mask: if causal { Some(causal_mask(longest, device)?) } else { None },
            read_tokens: Tensor::new(read_tokens(&bounds, config.read()), device)?,
            together: 1,
            texts: Default::default(),
            lengths,
            longest,
        })
    }

    /// [`Layout::to_rectangle`] and [`Layout::to_rows`], or the same with each sequence read from its end.
    pub fn in_direction(&self, reverse: bool) -> Result<(Tensor, Tensor)> {
        if !reverse {
            return Ok((self.to_rectangle.clone(), self.to_rows.clone()));
        }
        let device = self.to_rows.device();
        let (mut cells, mut places, mut start) = (Vec::new(), Vec::new(), 0);
        for (b, length) in self.lengths.iter().enumerate() {
            let cell = |at: usize| if at < *length { (start + length - 1 - at) as u32 } else { 0 };
            cells.extend((0..self.longest).map(cell));
            places.extend((0..*length).map(|at| (b * self.longest + length - 1 - at) as u32));
            start += length;
        }
        Ok((Tensor::new(cells, device)?, Tensor::new(places, device)?))
    }

    /// Packed row of each sequence's first token, and of its last, `[B]` each.
    pub fn ends(&self) -> Result<[Tensor; 2]> {
        let bounds = bounds(&self.lengths);
        let tokens = |read: Read| Tensor::new(read_tokens(&bounds, read), self.to_rows.device());
        Ok([tokens(Read::First)?, tokens(Read::Last)?])
    }

    /// `[T, …]` to `[B · L, …]`.
    pub fn pad(&self, rows: &Tensor) -> Result<Tensor> {
        rows.index_select(&self.to_rectangle, 0)
    }

    /// The mean of each sequence's rows: `[T, H]` to `[B, H]`.
    pub fn means(&self, rows: &Tensor) -> Result<Tensor> {
        let whole: Vec<Range<usize>> = self.lengths.iter().map(|length| 0..*length).collect();
        self.means_of(rows, &whole)
    }

    /// [`compared`] of the means of two texts' rows: `[T, H]` to `[B, 4 H]`.
    pub fn compared(&self, rows: &Tensor) -> Result<Tensor> {
        compared(&self.means_of(rows, &self.texts[0])?, &self.means_of(rows, &self.texts[1])?)
    }

    /// The mean of some of each sequence's rows; of none, 0.
    fn means_of(&self, rows: &Tensor, which: &[Range<usize>]) -> Result<Tensor> {
        let (sequences, longest) = (self.lengths.len(), self.longest);
        let own = |at: usize| which[at / longest].contains(&(at % longest));
        let share = |at: usize| if own(at) { 1.0 / which[at / longest].len() as f32 } else { 0.0 };
        let shares: Vec<f32> = (0..sequences * longest).map(share).collect();
        let shares = Tensor::from_vec(shares, (sequences, 1, longest), rows.device())?;
        let cells = self.pad(rows)?.reshape((sequences, longest, rows.dim(1)?))?; // [B, L, H]
        shares.matmul(&cells)?.squeeze(1)
    }

    /// The largest of each sequence's rows, column by column; of equal ones the first: `[T, H]` to `[B, H]`.
    pub fn maxima(&self, rows: &Tensor) -> Result<Tensor> {
        let (sequences, longest) = (self.lengths.len(), self.longest);
        let cells = self.pad(rows)?.reshape((sequences, longest, rows.dim(1)?))?; // [B, L, H]
        let masked = cells.detach().broadcast_add(&self.key_mask.reshape((sequences, longest, 1))?)?;
        cells.gather(&masked.argmax_keepdim(1)?, 1)?.squeeze(1)
    }

    /// `[B · L, …]` to `[T, …]`.
    pub fn pack(&self, cells: &Tensor) -> Result<Tensor> {
        cells.index_select(&self.to_rows, 0)
    }
}

/// `[u; v; |u - v|; u * v]` of `[B, H]` each: `[B, 4 H]`.
pub fn compared(u: &Tensor, v: &Tensor) -> Result<Tensor> {
    Tensor::cat(&[u, v, &(u - v)?.abs()?, &(u * v)?], 1)
}

/// Where each sequence begins, and the number of rows.
fn bounds(lengths: &[usize]) -> Vec<u32> {
    let ends = lengths.iter().scan(0, |end, length| {
        *end += *length as u32;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

/// Where a text lies in each sequence framed as BERT's are: `[CLS]` before the first, `[SEP]` after each.
fn texts(batch: &Batch, text: u32) -> Vec<Range<usize>> {
    let of = |bounds: &[u32]| {
        let types = &batch.token_type_ids[bounds[0] as usize..bounds[1] as usize];
        let second = types.iter().position(|segment| *segment > 0).unwrap_or(types.len());
        let (start, end) = if text == 0 { (1, second) } else { (second, types.len()) };
        start..end.saturating_sub(1).max(start)
    };
    batch.cumulative_lengths.windows(2).map(of).collect()
}

fn read_tokens(bounds: &[u32], read: Read) -> Vec<u32> {
    bounds.windows(2).map(|pair| if read == Read::Last { pair[1] - 1 } else { pair[0] }).collect()
}

fn causal_mask(longest: usize, device: &Device) -> Result<Tensor> {
    let cell = |at: usize| if at % longest > at / longest { f32::NEG_INFINITY } else { 0.0 };
    Tensor::from_vec((0..longest * longest).map(cell).collect(), (1, 1, longest, longest), device)
}

fn rectangle(starts: &[u32], lengths: &[usize], longest: usize) -> Vec<u32> {
    let cell = |start: u32, length: usize, at: usize| if at < length { start + at as u32 } else { 0 };
    let pairs = starts.iter().zip(lengths);
    pairs.flat_map(|(start, length)| (0..longest).map(move |at| cell(*start, *length, at))).collect()
}

fn rows(lengths: &[usize], longest: usize) -> Vec<u32> {
    let sequences = lengths.iter().enumerate();
    sequences.flat_map(|(b, length)| (0..*length).map(move |at| (b * longest + at) as u32)).collect()
}

fn positions(lengths: &[usize], first: u32) -> Vec<u32> {
    lengths.iter().flat_map(|length| first..first + *length as u32).collect()
}

fn key_mask(lengths: &[usize], longest: usize) -> Vec<f32> {
    let value = |at: usize, length: usize| if at < length { 0.0 } else { f32::NEG_INFINITY };
    lengths.iter().flat_map(|length| (0..longest).map(move |at| value(at, *length))).collect()
}
