//! ELMo's language model (Peters et al. 2018, Section 3; Kim et al. 2016 for the characters; bilm-tf's training code), said in
//! the plainest way. Nothing of it is trained here.
//!
//! A word's characters are convolved, the maximum over the word's places goes through ReLU, highway layers and a projection:
//!
//! ```text
//! x ← g max(W x + b, 0) + (1 - g) x           g = σ(W_carry x + b_carry)           both weights `[in, out]`
//! ```
//!
//! Each direction is a stack of LSTMs whose state is a projection of the cell's output, both clipped; from the second layer on
//! the layer's input is added. Gates stand in the order i, g, f, o, and the forget gate's bias is one more than in the file:
//!
//! ```text
//! a = [x; h'] W + B       c = clip(σ(a_f + 1) c' + σ(a_i) tanh(a_g))        h = clip(σ(a_o) tanh(c) W_P)
//! ```
//!
//! States begin at zero for every text. (AllenNLP's module goes on from where its last batch ended, so that what it says of a
//! text depends on the texts before.)
//!
//! N words of all texts, `<S>` and `</S>` among them; C characters of a word, E width of a character, K filters of a width,
//! F filters of all, P width of a direction, Q units of a cell, S texts, L longest text.

use super::bilstm::sigmoid;
use super::layout::Layout;
use super::model::Forward;
use crate::encode::{Batch, Words};
use crate::family::{Elmo, language_model_cell};
use candle_core::{Device, IndexOp, Result, Tensor};

impl Forward<'_> {
    /// The last layer's states of both directions `[N, 2 P]`; `seen` is shown those below: the words' twice, then each layer's.
    pub fn elmo(&self, own: &Elmo, batch: &Batch, seen: &mut dyn FnMut(&Tensor)) -> Result<Tensor> {
        let words = Words::of(batch, own.max_characters);
        let layout = Layout::of(words.lengths.clone(), self.config, &Device::Cpu)?;
        let embedded = self.embedded_words(own, &words)?; // [N, P]
        let mut directions = [embedded.clone(), embedded];
        for layer in 0..self.config.num_hidden_layers {
            seen(&Tensor::cat(&directions, 1)?); // [N, 2 P]
            for (which, states) in directions.iter_mut().enumerate() {
                let output = self.language_model_layer(own, (which, layer), &layout, states)?;
                *states = if layer == 0 { output } else { (output + &*states)? };
            }
        }
        Tensor::cat(&directions, 1)
    }

    /// From characters `[N, C]` to `[N, P]`.
    fn embedded_words(&self, own: &Elmo, words: &Words) -> Result<Tensor> {
        let characters = Tensor::new(words.characters.as_slice(), &Device::Cpu)?;
        let shape = (words.tokens.len(), own.max_characters, own.character_size);
        let characters = self.weights.get("char_embed")?.index_select(&characters, 0)?.reshape(shape)?; // [N, C, E]
        let convolved = |at: usize| self.convolved(at, &characters);
        let convolved = (0..own.filters.len()).map(convolved).collect::<Result<Vec<_>>>()?;
        let mut x = Tensor::cat(&convolved, 1)?; // [N, F]
        for layer in 0..own.highway_layers {
            x = self.highway(&format!("CNN_high_{layer}"), &x)?;
        }
        self.affine("CNN_proj.W_proj", "CNN_proj.b_proj", &x)
    }

    /// Filters of one width w over all places of a word, and the best place: `[N, C, E]` to `[N, K]`.
    fn convolved(&self, at: usize, characters: &Tensor) -> Result<Tensor> {
        let weight = self.weights.get(&format!("CNN.W_cnn_{at}"))?.squeeze(0)?; // [w, E, K]
        let (words, length, _) = characters.dims3()?;
        let (width, size, filters) = weight.dims3()?;
        let places = length - width + 1;
        let shifted = (0..width).map(|by| characters.narrow(1, by, places)).collect::<Result<Vec<_>>>()?;
        let windows = Tensor::cat(&shifted, 2)?.reshape((words * places, width * size))?; // [N (C - w + 1), w E]
        let best = windows.matmul(&weight.flatten(0, 1)?)?.reshape((words, places, filters))?.max(1)?; // [N, K]
        best.broadcast_add(self.weights.get(&format!("CNN.b_cnn_{at}"))?)?.relu()
    }

    fn highway(&self, path: &str, x: &Tensor) -> Result<Tensor> {
        let gate = sigmoid(&self.affine(&format!("{path}.W_carry"), &format!("{path}.b_carry"), x)?)?;
        let moved = self.affine(&format!("{path}.W_transform"), &format!("{path}.b_transform"), x)?.relu()?;
        x + (gate * (moved - x)?)?
    }

    /// `x W + b` with W `[in, out]`.
    fn affine(&self, weight: &str, bias: &str, x: &Tensor) -> Result<Tensor> {
        x.matmul(self.weights.get(weight)?)?.broadcast_add(self.weights.get(bias)?)
    }

    /// One direction of a layer, `[N, P]` to `[N, P]`.
    fn language_model_layer(
        &self,
        own: &Elmo,
        (direction, layer): (usize, usize),
        layout: &Layout,
        x: &Tensor,
    ) -> Result<Tensor> {
        let path = language_model_cell(direction, layer);
        let get = |name: &str| self.weights.get(&format!("{path}.{name}"));
        let (cells, size) = (own.cell_size, self.config.embedding_size);
        let [input, recurrent] = [0, size].map(|row| get("W_0").and_then(|both| both.narrow(0, row, size)));
        let (recurrent, projection) = (recurrent?, get("W_P_0")?); // [P, 4 Q], [Q, P]
        let (to_rectangle, to_rows) = layout.in_direction(direction == 1)?;
        let projected = x.matmul(&input?)?.broadcast_add(get("B")?)?.index_select(&to_rectangle, 0)?;
        let projected = projected.reshape((layout.lengths.len(), layout.longest, 4 * cells))?; // [S, L, 4 Q]
        let mut hidden = Tensor::zeros((layout.lengths.len(), size), x.dtype(), x.device())?; // [S, P]
        let mut cell = Tensor::zeros((layout.lengths.len(), cells), x.dtype(), x.device())?; // [S, Q]
        let mut outputs = Vec::with_capacity(layout.longest);
        for t in 0..layout.longest {
            let gates = (projected.i((.., t))?.contiguous()? + hidden.matmul(&recurrent)?)?; // [S, 4 Q]
            let gate = |which: usize| gates.narrow(1, which * cells, cells)?.contiguous();
            let kept = (sigmoid(&(gate(2)? + 1.0)?)? * cell)?;
            cell = clipped(&(kept + (sigmoid(&gate(0)?)? * gate(1)?.tanh()?)?)?, own.cell_clip)?;
            let output = (sigmoid(&gate(3)?)? * cell.tanh()?)?;
            hidden = clipped(&output.matmul(projection)?, own.projection_clip)?;
            outputs.push(hidden.clone());
        }
        Tensor::stack(&outputs, 1)?.flatten(0, 1)?.index_select(&to_rows, 0) // [S L, P] to [N, P]
    }
}

fn clipped(x: &Tensor, bound: f64) -> Result<Tensor> {
    x.clamp(-bound, bound)
}
