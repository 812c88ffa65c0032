//! The reference engine: every model said in the plainest way, in candle tensors, with candle's autograd.
//!
//! Slow, and the oracle: it is held to the published implementations by golden tests, and is itself the yardstick of
//! any faster engine. Gradients come from candle; the optimizer is plain loops over slices ([`adam`]).

pub mod adam;
mod beam_span;
mod bilstm;
mod elmo;
mod heads;
mod language_model;
mod layout;
mod loss;
mod model;
mod modernbert;
mod ops;
mod outputs;
mod texts;
mod xlnet;

use super::adam::clip_factor;
use super::dropout::Masks;
use super::input::{check_batch, check_layers, check_names};
use super::{
    Divisors, Engine, EngineError, EngineState, NamedArray, Prediction, Predictor, StepLoss, StepPart, Update,
};
use crate::encode::Batch;
use crate::family::{Encoder, EncoderConfig, Parameter, parameters};
use crate::task::Head;
use candle_core::{Device, Tensor, Var};
use layout::Layout;
use model::{Forward, Weights};
use outputs::Outputs;

/// A BERT-like encoder with a head, its gradients and its moments, on the CPU in 32-bit floats.
pub struct Reference {
    config: EncoderConfig,
    head: Head,
    num_labels: usize,
    parameters: Vec<Parameter>,
    variables: Vec<Var>,
    gradients: Vec<Vec<f32>>,
    first_moments: Vec<Vec<f32>>,
    second_moments: Vec<Vec<f32>>,
    loss: StepLoss,
}

impl Reference {
    /// An engine starting from `values`, in the order of [`parameters`].
    ///
    /// # Errors
    /// Values that do not fit the config's parameters.
    pub fn new(
        config: EncoderConfig,
        head: Head,
        num_labels: usize,
        values: Vec<NamedArray>,
    ) -> Result<Reference, EngineError> {
        check_layers(&config, head)?;
        let parameters = parameters(&config, head, num_labels);
        check_names(&parameters, &values)?;
        let variables = values.into_iter().map(variable).collect::<Result<Vec<_>, _>>()?;
        let (gradients, first_moments, second_moments) = (Vec::new(), Vec::new(), Vec::new());
        let loss = StepLoss::default();
        Ok(Reference {
            config,
            head,
            num_labels,
            parameters,
            variables,
            gradients,
            first_moments,
            second_moments,
            loss,
        })
    }

    /// The output of the embeddings and of each layer for a batch, `[T][H]` each, without dropout.
    ///
    /// # Errors
    /// Ids that do not fit the model.
    pub fn hidden_states(&self, batch: &Batch) -> Result<Vec<Vec<Vec<f32>>>, EngineError> {
        check_batch(batch, &self.config, self.num_labels)?;
        let weights = self.weights(false)?;
        let states = self.forward(&weights, batch, None)?.hidden_states(batch)?;
        Ok(states.iter().map(Tensor::to_vec2).collect::<Result<_, _>>()?)
    }

    fn weights(&self, graph: bool) -> Result<Weights, EngineError> {
        let tensor = |(parameter, var): (&Parameter, &Var)| {
            let trained = graph && parameter.is_trained(self.head) && !parameter.frozen;
            let mut tensor = if trained { var.as_tensor().clone() } else { var.as_detached_tensor() };
            if tensor.rank() == 3 && parameter.path.ends_with(".weight") {
                tensor = tensor.flatten_from(1)?; // [H, N, D], a dense weight cut into heads
            }
            Ok((parameter.path.clone(), if parameter.transposed { tensor.t()? } else { tensor }))
        };
        let tensors = self.parameters.iter().zip(&self.variables).map(tensor).collect::<Result<_, EngineError>>()?;
        Ok(Weights { tensors })
    }

    /// The parameters that are trained.
    fn trained(&self) -> impl Iterator<Item = (&Parameter, &Var)> {
        let head = self.head;
        self.parameters.iter().zip(&self.variables).filter(move |(parameter, _)| parameter.is_trained(head))
    }

    fn forward<'a>(
        &'a self,
        weights: &'a Weights,
        batch: &Batch,
        masks: Option<Masks>,
    ) -> Result<Forward<'a>, EngineError> {
        Ok(Forward { config: &self.config, weights, masks, layout: Layout::new(batch, &self.config, &Device::Cpu)? })
    }

    /// Head outputs, and the loss where targets are known.
    fn outputs(
        &self,
        forward: &Forward,
        batch: &Batch,
        by: Divisors,
    ) -> Result<(Outputs, Option<Tensor>), EngineError> {
        let hidden = || forward.under_the_head(forward.encode(batch)?);
        let mut auxiliary = None;
        let outputs = match self.head {
            Head::Span => Outputs::Spans(forward.every_token(&hidden()?, self.head)?),
            Head::BeamSpan => forward.beam_span(&hidden()?, batch)?,
            Head::Tokens => Outputs::Tokens(forward.every_token(&hidden()?, self.head)?),
            Head::FeatureBased(how) => {
                // A frozen encoder has no dropout, in training either.
                let states = self.forward(forward.weights, batch, None)?.hidden_states(batch)?;
                Outputs::Tokens(forward.feature_based(how, &states)?)
            }
            Head::Pretraining => forward.pretraining(&hidden()?, &batch.targets)?,
            Head::Classification | Head::Regression | Head::Choice => Outputs::Sequences(match &self.config.encoder {
                Encoder::Elmo(own) => forward.classify_texts(own, batch, self.head)?,
                Encoder::Constant => forward.constant()?,
                _ => {
                    let hidden = hidden()?;
                    auxiliary = forward.auxiliary_loss(&hidden, batch, by)?;
                    forward.classify(&hidden, self.head)?
                }
            }),
        };
        let loss = loss::loss(&outputs, &batch.targets, &forward.layout, by)?;
        let loss = loss.map(|loss| auxiliary.map_or(Ok(loss.clone()), |beside| loss + beside)).transpose()?;
        Ok((outputs, loss))
    }

    fn add_gradients(&mut self, store: &candle_core::backprop::GradStore) -> Result<(), EngineError> {
        self.make_room();
        let mut sums = std::mem::take(&mut self.gradients);
        for (sum, (_, var)) in sums.iter_mut().zip(self.trained()) {
            let Some(gradient) = store.get(var) else { continue };
            let gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
            sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += value);
        }
        self.gradients = sums;
        Ok(())
    }

    /// Gradients and moments exist from the first training step on: an engine that only predicts needs neither.
    fn make_room(&mut self) {
        let lengths: Vec<usize> = self.trained().map(|(parameter, _)| parameter.len()).collect();
        for buffer in [&mut self.gradients, &mut self.first_moments, &mut self.second_moments] {
            if buffer.is_empty() {
                *buffer = lengths.iter().map(|length| vec![0.0; *length]).collect();
            }
        }
    }

    /// A buffer of the trained parameters' by their names.
    fn named(&self, buffer: &[Vec<f32>]) -> Vec<NamedArray> {
        self.trained().zip(buffer).map(|((parameter, _), values)| named(parameter, values.clone())).collect()
    }
}

impl Predictor for Reference {
    fn predict(&self, batch: &Batch) -> Result<Prediction, EngineError> {
        check_batch(batch, &self.config, self.num_labels)?;
        let weights = self.weights(false)?;
        let forward = self.forward(&weights, batch, None)?;
        let (outputs, loss) = self.outputs(&forward, batch, Divisors::of_prediction(batch))?;
        let loss_sum = loss.map(|loss| loss.to_scalar::<f32>().map(f64::from)).transpose()?;
        Ok(Prediction { logits: outputs.logits(&forward.layout.lengths)?, loss_sum })
    }
}

impl Engine for Reference {
    fn accumulate(&mut self, batch: &Batch, part: &StepPart) -> Result<(), EngineError> {
        check_batch(batch, &self.config, self.num_labels)?;
        let weights = self.weights(true)?;
        let forward = self.forward(&weights, batch, Some(Masks::new(part)))?;
        let (_, loss) = self.outputs(&forward, batch, Divisors::of_step(part, batch))?;
        let loss = loss.ok_or_else(|| EngineError::Input("a training batch has hidden targets".into()))?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        let store = loss.backward()?;
        drop((forward, loss));
        self.add_gradients(&store)?;
        self.loss.add(value);
        Ok(())
    }

    fn loss(&self) -> Result<f64, EngineError> {
        Ok(self.loss.sum)
    }

    fn update(&mut self, update: &Update) -> Result<f64, EngineError> {
        self.make_room();
        self.loss.updated = true;
        let norm = adam::global_norm(&self.gradients);
        let clip = clip_factor(norm, update.max_grad_norm);
        let (mut first, mut second) =
            (std::mem::take(&mut self.first_moments), std::mem::take(&mut self.second_moments));
        let moments = first.iter_mut().zip(&mut second);
        for (((parameter, var), gradient), (first, second)) in self.trained().zip(&self.gradients).zip(moments) {
            let mut values = var.flatten_all()?.to_vec1::<f32>()?;
            let slot = adam::Slot { values: &mut values, gradient, first, second, decays: parameter.decays() };
            adam::step(slot, &update.at(parameter.rate_share), clip);
            var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
        }
        (self.first_moments, self.second_moments) = (first, second);
        self.gradients.iter_mut().for_each(|gradient| gradient.fill(0.0));
        Ok(norm)
    }

    fn gradients(&self) -> Result<Vec<NamedArray>, EngineError> {
        Ok(self.named(&self.gradients))
    }

    fn parameters(&self) -> Result<Vec<NamedArray>, EngineError> {
        let array = |(parameter, var): (&Parameter, &Var)| -> Result<NamedArray, EngineError> {
            Ok(named(parameter, var.flatten_all()?.to_vec1()?))
        };
        self.parameters.iter().zip(&self.variables).map(array).collect()
    }

    fn save(&self) -> Result<EngineState, EngineError> {
        Ok(EngineState {
            parameters: self.parameters()?,
            first_moments: self.named(&self.first_moments),
            second_moments: self.named(&self.second_moments),
        })
    }

    fn restore(&mut self, state: &EngineState) -> Result<(), EngineError> {
        check_names(&self.parameters, &state.parameters)?;
        let trained: Vec<Parameter> = self.trained().map(|(parameter, _)| parameter.clone()).collect();
        for moments in [&state.first_moments, &state.second_moments].into_iter().filter(|moments| !moments.is_empty()) {
            check_names(&trained, moments)?;
        }
        for (var, array) in self.variables.iter().zip(&state.parameters) {
            var.set(&Tensor::from_slice(&array.values, array.shape.as_slice(), &Device::Cpu)?)?;
        }
        let values = |arrays: &[NamedArray]| arrays.iter().map(|array| array.values.clone()).collect();
        self.first_moments = values(&state.first_moments);
        self.second_moments = values(&state.second_moments);
        self.gradients.clear();
        Ok(())
    }
}

fn named(parameter: &Parameter, values: Vec<f32>) -> NamedArray {
    NamedArray { name: parameter.name.clone(), shape: parameter.shape.clone(), values }
}

fn variable(array: NamedArray) -> Result<Var, EngineError> {
    Ok(Var::from_vec(array.values, array.shape, &Device::Cpu)?)
}
