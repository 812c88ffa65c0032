//! ELMo under GLUE's sentence encoder in loops over 64-bit floats, written from the papers and AllenNLP's modules alone, one
//! example at a time. No line is shared with the engines.

use std::collections::BTreeMap;

type Vector = Vec<f64>;

/// Arrays by name, shapes aside.
pub type Arrays = BTreeMap<String, Vector>;

/// Sizes of the model under test.
pub struct Plain {
    pub character_size: usize,
    pub max_characters: usize,
    pub filters: Vec<(usize, usize)>,
    pub highways: usize,
    pub cells: usize,
    pub size: usize,
    pub layers: usize,
    pub clips: (f64, f64),
    pub units: usize,
    pub text_layers: usize,
    pub attention: bool,
    pub arrays: Arrays,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softmax(values: &[f64]) -> Vector {
    let total: f64 = values.iter().map(|value| value.exp()).sum();
    values.iter().map(|value| value.exp() / total).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Plain {
    fn array(&self, name: &str) -> &[f64] {
        &self.arrays[name]
    }

    /// `x W + b`, W `[in, out]`.
    fn affine(&self, weight: &str, bias: &str, x: &[f64]) -> Vector {
        let (weight, bias) = (self.array(weight), self.array(bias));
        let out = bias.len();
        (0..out).map(|j| bias[j] + (0..x.len()).map(|i| x[i] * weight[i * out + j]).sum::<f64>()).collect()
    }

    /// `W x + b`, W `[out, in]`.
    fn linear(&self, path: &str, x: &[f64]) -> Vector {
        let (weight, bias) = (self.array(&format!("{path}.weight")), self.array(&format!("{path}.bias")));
        bias.iter().enumerate().map(|(j, b)| b + dot(&weight[j * x.len()..(j + 1) * x.len()], x)).collect()
    }

    /// Ids as AllenNLP's, less one: begin and end of word 258 and 259, padding 260.
    fn character_ids(&self, word: &[usize]) -> Vec<usize> {
        let mut ids = vec![258];
        ids.extend(word.iter().take(self.max_characters - 2));
        ids.push(259);
        ids.resize(self.max_characters, 260);
        ids
    }

    fn embedded(&self, word: &[usize]) -> Vector {
        let table = self.array("elmo.char_embed");
        let e = self.character_size;
        let rows: Vec<&[f64]> = self.character_ids(word).iter().map(|id| &table[id * e..(id + 1) * e]).collect();
        let mut x = Vector::new();
        for (which, (width, count)) in self.filters.iter().enumerate() {
            let weight = self.array(&format!("elmo.CNN.W_cnn_{which}")); // [1, width, e, count]
            let bias = self.array(&format!("elmo.CNN.b_cnn_{which}"));
            for k in 0..*count {
                let mut best = f64::NEG_INFINITY;
                for place in 0..=self.max_characters - width {
                    let mut sum = bias[k];
                    for w in 0..*width {
                        for d in 0..e {
                            sum += weight[(w * e + d) * count + k] * rows[place + w][d];
                        }
                    }
                    best = best.max(sum);
                }
                x.push(best.max(0.0));
            }
        }
        for layer in 0..self.highways {
            let path = format!("elmo.CNN_high_{layer}");
            let carry = self.affine(&format!("{path}.W_carry"), &format!("{path}.b_carry"), &x);
            let transform = self.affine(&format!("{path}.W_transform"), &format!("{path}.b_transform"), &x);
            let one = |i: usize| sigmoid(carry[i]) * transform[i].max(0.0) + (1.0 - sigmoid(carry[i])) * x[i];
            x = (0..x.len()).map(one).collect();
        }
        self.affine("elmo.CNN_proj.W_proj", "elmo.CNN_proj.b_proj", &x)
    }

    /// One direction of a layer of the language model, in reading order.
    fn language_model(&self, direction: usize, layer: usize, inputs: &[Vector]) -> Vec<Vector> {
        let path = format!("elmo.RNN_{direction}.RNN.MultiRNNCell.Cell{layer}.LSTMCell");
        let (weight, bias) = (self.array(&format!("{path}.W_0")), self.array(&format!("{path}.B")));
        let projection = self.array(&format!("{path}.W_P_0"));
        let (cells, size) = (self.cells, self.size);
        let (mut cell, mut hidden) = (vec![0.0; cells], vec![0.0; size]);
        let mut outputs = Vec::new();
        for x in inputs {
            let joined: Vector = x.iter().chain(&hidden).copied().collect();
            let gate = |which: usize, q: usize| {
                let column = which * cells + q;
                bias[column] + (0..2 * size).map(|i| joined[i] * weight[i * 4 * cells + column]).sum::<f64>()
            };
            let mut output = vec![0.0; cells];
            for q in 0..cells {
                let new = sigmoid(gate(2, q) + 1.0) * cell[q] + sigmoid(gate(0, q)) * gate(1, q).tanh();
                cell[q] = new.clamp(-self.clips.0, self.clips.0);
                output[q] = sigmoid(gate(3, q)) * cell[q].tanh();
            }
            let project = |p: usize| (0..cells).map(|q| output[q] * projection[q * size + p]).sum::<f64>();
            hidden = (0..size).map(|p| project(p).clamp(-self.clips.1, self.clips.1)).collect();
            outputs.push(hidden.clone());
        }
        outputs
    }

    /// The mixed states of a text's words, words as bytes.
    fn elmo(&self, text: &[Vec<usize>]) -> Vec<Vector> {
        let framed = [&[vec![256]], text, &[vec![257]]].concat();
        let embedded: Vec<Vector> = framed.iter().map(|word| self.embedded(word)).collect();
        let mut states: Vec<[Vec<Vector>; 2]> = vec![[embedded.clone(), embedded]];
        for layer in 0..self.layers {
            let before = states.last().unwrap().clone();
            let mut both: [Vec<Vector>; 2] = Default::default();
            for (direction, input) in before.into_iter().enumerate() {
                let reversed = |mut list: Vec<Vector>| {
                    if direction == 1 {
                        list.reverse();
                    }
                    list
                };
                let mut output = reversed(self.language_model(direction, layer, &reversed(input.clone())));
                if layer > 0 {
                    for (output, input) in output.iter_mut().zip(&input) {
                        output.iter_mut().zip(input).for_each(|(output, input)| *output += input);
                    }
                }
                both[direction] = output;
            }
            states.push(both);
        }
        let shares = softmax(self.array("mix.weights"));
        let scale = self.array("mix.scale")[0];
        let mixed = |at: usize| {
            let value = |d: usize| {
                let state = |layer: usize| states[layer][d / self.size][at][d % self.size];
                scale * (0..states.len()).map(|layer| shares[layer] * state(layer)).sum::<f64>()
            };
            (0..2 * self.size).map(value).collect()
        };
        (1..=text.len()).map(mixed).collect()
    }

    /// `torch.nn.LSTM`, both directions of one layer.
    fn bilstm(&self, path: &str, layer: usize, inputs: &[Vector]) -> Vec<Vector> {
        let mut outputs = vec![Vector::new(); inputs.len()];
        for suffix in ["", "_reverse"] {
            let get = |what: &str| self.array(&format!("{path}.{what}_l{layer}{suffix}"));
            let (w, u, b, c) = (get("weight_ih"), get("weight_hh"), get("bias_ih"), get("bias_hh"));
            let (mut cell, mut hidden) = (vec![0.0; self.units], vec![0.0; self.units]);
            for step in 0..inputs.len() {
                let at = if suffix.is_empty() { step } else { inputs.len() - 1 - step };
                let x = &inputs[at];
                let gate = |which: usize, r: usize| {
                    let row = which * self.units + r;
                    let input = dot(&w[row * x.len()..(row + 1) * x.len()], x);
                    input + dot(&u[row * self.units..(row + 1) * self.units], &hidden) + b[row] + c[row]
                };
                let new = |r: usize| sigmoid(gate(1, r)) * cell[r] + sigmoid(gate(0, r)) * gate(2, r).tanh();
                let cells: Vector = (0..self.units).map(new).collect();
                let states: Vector = (0..self.units).map(|r| sigmoid(gate(3, r)) * cells[r].tanh()).collect();
                (cell, hidden) = (cells, states);
                outputs[at].extend(&hidden);
            }
        }
        outputs
    }

    fn maximum(words: &[Vector]) -> Vector {
        (0..words[0].len()).map(|d| words.iter().map(|word| word[d]).fold(f64::NEG_INFINITY, f64::max)).collect()
    }

    /// Logits of an example of one or two texts; `regression` has no hidden layer.
    pub fn logits(&self, texts: &[Vec<Vec<usize>>], regression: bool) -> Vector {
        let encode = |text: &Vec<Vec<usize>>| {
            (0..self.text_layers).fold(self.elmo(text), |states, layer| self.bilstm("lstm", layer, &states))
        };
        let encoded: Vec<Vec<Vector>> = texts.iter().map(encode).collect();
        let read = |which: usize| {
            let own = &encoded[which];
            if !(self.attention && texts.len() == 2) {
                return Self::maximum(own);
            }
            let other = &encoded[1 - which];
            let attends = |word: &Vector| {
                let shares = softmax(&other.iter().map(|key| dot(word, key)).collect::<Vector>());
                let sum = |d: usize| shares.iter().zip(other).map(|(share, key)| share * key[d]).sum();
                word.iter().copied().chain((0..word.len()).map(sum)).collect()
            };
            Self::maximum(&self.bilstm("attended", 0, &own.iter().map(attends).collect::<Vec<Vector>>()))
        };
        let mut x = read(0);
        if texts.len() == 2 {
            let v = read(1);
            let difference: Vector = x.iter().zip(&v).map(|(u, v)| (u - v).abs()).collect();
            let product: Vector = x.iter().zip(&v).map(|(u, v)| u * v).collect();
            x = [x, v, difference, product].concat();
        }
        if regression {
            return self.linear("classifier", &x);
        }
        let hidden: Vector = self.linear("classifier.dense", &x).iter().map(|value| value.tanh()).collect();
        self.linear("classifier.out_proj", &hidden)
    }

    /// Mean over the examples of cross entropy, or of the squared error.
    pub fn loss(&self, examples: &[Vec<Vec<Vec<usize>>>], targets: &[f64], regression: bool) -> f64 {
        let one = |(texts, target): (&Vec<Vec<Vec<usize>>>, &f64)| {
            let logits = self.logits(texts, regression);
            if regression { (logits[0] - target).powi(2) } else { -softmax(&logits)[*target as usize].ln() }
        };
        examples.iter().zip(targets).map(one).sum::<f64>() / examples.len() as f64
    }
}
