//! The engine over a machine: stages a batch, records or replays its step, reads back what the trainer asks for.

use super::adam::{moves, update};
use super::arena::Arena;
use super::batch::{self, Room, Staged};
use super::machine::Machine;
use super::model::{Model, ModelAt};
use super::operations::Operations;
use super::passes::Passes;
use super::shape::Shape;
use crate::encode::{Batch, Targets};
use crate::engine::Precision;
use crate::engine::fast::flat::FlatLayout;
use crate::engine::input::{check_batch, check_names};
use crate::engine::{Engine, EngineError, EngineState, Logits, NamedArray, Prediction, Predictor, StepPart, Update};
use crate::family::{Activation, Computation, EncoderConfig, Parameter, Pooler, parameters};
use crate::task::Head;
use std::cell::RefCell;

/// A BERT-like encoder with a head, its gradients and its moments, on one machine.
pub struct Accelerated<M: Machine> {
    machine: M,
    config: EncoderConfig,
    head: Head,
    shape: Shape,
    parameters: Vec<Parameter>,
    model: Model,
    at: ModelAt,
    session: RefCell<Session>,
}

/// What changes with every batch.
#[derive(Default)]
struct Session {
    /// For prediction and for training: a prediction of many sequences must not enlarge what keeps every layer.
    arenas: [Option<Arena>; 2],
    /// Whether the newest batch was trained on.
    training: bool,
    words: Vec<u32>,
    slot: usize,
    /// A batch that is on its way, and its slot.
    ahead: Option<(Batch, StepPart, usize)>,
    /// Whether the training arena's sum of losses is that of a step already updated.
    updated: bool,
    /// Losses of the step's parts that an arena now gone had summed.
    carried: f64,
    /// Sequences of the step.
    sequences: usize,
}

/// Whether there are kernels for a head.
pub fn has_head(head: Head) -> bool {
    matches!(head, Head::Classification | Head::Regression | Head::Span)
}

/// Refuses a model that there are no kernels for.
///
/// # Errors
/// What it needs.
pub fn check(config: &EncoderConfig, head: Head) -> Result<(), EngineError> {
    match missing(config, head) {
        Some(missing) => Err(EngineError::Device(format!("a GPU has no {missing} yet, expected `--device cpu`"))),
        None => Ok(()),
    }
}

/// What a model needs that there are no kernels for.
pub(super) fn missing(config: &EncoderConfig, head: Head) -> Option<&'static str> {
    let plain = |pooler: &Pooler| {
        pooler.path.is_some() && pooler.activation == Activation::Tanh && !pooler.drops_input && pooler.classifier_bias
    };
    let lacks = [
        (config.family.computation != Computation::PostNorm, "layers like this family's"),
        (!config.family.embedding_norm, "embeddings without LayerNorm"),
        (config.causal, "causal attention"),
        (!has_head(head), "head for tagging, choices, pre-training or a beam search"),
        (config.projects() || config.embedding_size != config.hidden_size, "factorised embeddings"),
        (config.family.shared_layers, "layers that share their parameters"),
        (config.first_position > 0, "positions that begin after padding's"),
        (config.type_vocab_size == 0, "embeddings without segments"),
        (config.layerwise_lr_decay != 1.0, "rates that differ between layers"),
        (config.bilstm_layers > 0, "BiLSTM under a head"),
        (!config.family.pooler(head).is_none_or(plain), "head like this family's"),
        (head == Head::Span && config.head_dropout(head) > 0.0, "dropout before a span head"),
    ];
    lacks.into_iter().find(|(lacks, _)| *lacks).map(|(_, what)| what)
}

/// Bytes that cuBLASLt may use beside the operands.
pub const WORKSPACE: usize = 32 << 20;

/// Device memory in bytes of an engine whose largest batch has this many tokens and sequences.
pub fn memory(
    config: &EncoderConfig,
    head: Head,
    shape: &Shape,
    tokens: usize,
    sequences: usize,
    train: bool,
) -> usize {
    let layout = FlatLayout::new(config, head, shape.labels);
    let room = Room::of(tokens, sequences);
    let activations = Arena::bytes(shape, config.num_hidden_layers, room, train);
    Model::bytes(layout.len, shape.precision, train) + activations + 2 * room.bytes() + WORKSPACE
}

/// Device memory in bytes that predictions of so many tokens and sequences take beside training.
pub fn prediction_memory(config: &EncoderConfig, shape: &Shape, tokens: usize, sequences: usize) -> usize {
    Arena::bytes(shape, config.num_hidden_layers, Room::of(tokens, sequences), false)
}

impl<M: Machine> Accelerated<M> {
    /// An engine starting from `values`, in the order of [`parameters`].
    ///
    /// # Errors
    /// Values that do not fit the config's parameters; widths the kernels are not written for; too little memory.
    pub fn on(
        machine: M,
        config: EncoderConfig,
        head: Head,
        precision: Precision,
        num_labels: usize,
        values: &[NamedArray],
    ) -> Result<Accelerated<M>, EngineError> {
        check(&config, head)?;
        let parameters = parameters(&config, head, num_labels);
        check_names(&parameters, values)?;
        let shape = Shape::new(&config, num_labels, precision)?;
        let layout = FlatLayout::new(&config, head, num_labels);
        let model = Model::new(&machine, layout, precision, values)?;
        let at = model.at(&config);
        let session = RefCell::new(Session::default());
        Ok(Accelerated { machine, config, head, shape, parameters, model, at, session })
    }

    /// Asks for everything a batch needs; what comes out is read by `download`, which waits.
    fn run(&self, batch: &Batch, part: &StepPart, training: bool) -> Result<(), EngineError> {
        let mut session = self.session.borrow_mut();
        let room = Room::of(batch.tokens(), batch.len());
        self.make_room(&mut session, room, training)?;
        let slot = session.sent(&self.machine, batch, part)?;
        let begins = !training || std::mem::replace(&mut session.updated, false);
        if begins && training {
            session.carried = 0.0;
        }
        if training {
            session.sequences = part.sequences;
        }
        let arena = session.arena().expect("room was made above");
        if begins {
            self.machine.clear(arena.head.total, 8)?;
        }
        self.machine.take(slot, arena.staged, room.bytes())?;
        let (machine, shape) = (&self.machine, &self.shape);
        let staged = Staged::at(arena.staged, room);
        let on = Operations { machine, shape, staged, room, partials: arena.partials };
        let targets = self.targets(&batch.targets);
        let passes = Passes { on, config: &self.config, model: &self.at, arena, training, targets };
        let mut key = batch::graph_key(batch, room, training);
        key.targets = targets;
        machine.replay(key, &mut || {
            passes.forward()?;
            if training { passes.backward() } else { Ok(()) }
        })
    }

    /// Targets of another head's kind are as good as hidden.
    fn targets(&self, targets: &Targets) -> u32 {
        match (self.head, targets) {
            (Head::Classification, Targets::Classes(_))
            | (Head::Regression, Targets::Values(_))
            | (Head::Span, Targets::Spans(_)) => batch::kind(targets),
            _ => 0,
        }
    }

    fn make_room(&self, session: &mut Session, room: Room, training: bool) -> Result<(), EngineError> {
        session.training = training;
        let old = session.arena().map(|arena| arena.room);
        let wanted = old.map_or(room, |old| old.union(room));
        if old == Some(wanted) {
            return Ok(());
        }
        self.machine.forget();
        if let (Some(arena), true) = (session.arena(), training && !session.updated) {
            session.carried += self.total(arena)?;
        }
        let place = &mut session.arenas[usize::from(training)];
        *place = None; // the old one must go before the new one comes
        let layers = self.config.num_hidden_layers;
        let arena = Arena::new(&self.machine, &self.shape, layers, wanted, training);
        *place = Some(arena.map_err(|error| self.with_estimate(&error, wanted, training))?);
        Ok(())
    }

    fn with_estimate(&self, error: &EngineError, room: Room, training: bool) -> EngineError {
        let bytes = memory(&self.config, self.head, &self.shape, room.tokens, room.sequences, training);
        let (tokens, megabytes) = (room.tokens, bytes as f64 / 1e6);
        EngineError::Device(format!(
            "{error}; {tokens} tokens at once are estimated to take {megabytes:.0} MB, fewer take less"
        ))
    }

    fn download<T: bytemuck::Pod>(
        &self,
        pick: impl Fn(&Arena) -> super::machine::Address,
        count: usize,
    ) -> Downloaded<T> {
        let session = self.session.borrow();
        let arena = session.arena().expect("a batch has run");
        let mut values = vec![T::zeroed(); count];
        self.machine.download(pick(arena), bytemuck::cast_slice_mut(&mut values))?;
        Ok(values)
    }

    /// Sum of the losses, not yet divided.
    fn total(&self, arena: &Arena) -> Result<f64, EngineError> {
        let mut bytes = [0; 8];
        self.machine.download(arena.head.total, &mut bytes)?;
        Ok(f64::from_le_bytes(bytes))
    }

    fn logits(&self, batch: &Batch) -> Result<Logits, EngineError> {
        let at = |arena: &Arena| arena.head.logits;
        if self.head == Head::Span {
            let values: Vec<f32> = self.download(at, 2 * batch.tokens())?;
            let ends = |pair: &[u32]| 2 * pair[0] as usize..2 * pair[1] as usize;
            let side = |side: usize| {
                let own = |pair: &[u32]| values[ends(pair)].iter().skip(side).step_by(2).copied().collect();
                batch.cumulative_lengths.windows(2).map(own).collect()
            };
            return Ok(Logits::Span { start: side(0), end: side(1) });
        }
        let labels = self.shape.labels;
        let values: Vec<f32> = self.download(at, batch.len() * labels)?;
        Ok(Logits::Sequence(values.chunks(labels).map(<[f32]>::to_vec).collect()))
    }

    /// Gradients and moments, made before the first step; addresses change then.
    fn make_training(&mut self) -> Result<(), EngineError> {
        if self.model.make_room(&self.machine)? {
            self.machine.forget();
            self.at = self.model.at(&self.config);
        }
        Ok(())
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }
}

type Downloaded<T> = Result<Vec<T>, EngineError>;

impl Session {
    /// That of the newest batch.
    fn arena(&self) -> Option<&Arena> {
        self.arenas[usize::from(self.training)].as_ref()
    }

    /// Writes a batch and begins to copy it; returns its slot.
    fn send<M: Machine>(&mut self, machine: &M, batch: &Batch, part: &StepPart) -> Result<usize, EngineError> {
        batch::write(batch, part, &mut self.words);
        self.slot = 1 - self.slot;
        machine.send(self.slot, bytemuck::cast_slice(&self.words))?;
        Ok(self.slot)
    }

    /// The slot of a batch that was sent ahead, or is sent now.
    fn sent<M: Machine>(&mut self, machine: &M, batch: &Batch, part: &StepPart) -> Result<usize, EngineError> {
        match self.ahead.take_if(|(ahead, at, _)| ahead == batch && at == part) {
            Some((_, _, slot)) => Ok(slot),
            None if self.ahead.is_some() => {
                // The batch on its way is a later one: it keeps its slot.
                let later = self.slot;
                let slot = self.send(machine, batch, part)?;
                self.slot = later;
                Ok(slot)
            }
            None => self.send(machine, batch, part),
        }
    }
}

impl<M: Machine> Predictor for Accelerated<M> {
    fn predict(&self, batch: &Batch) -> Result<Prediction, EngineError> {
        check_batch(batch, &self.config, self.shape.labels)?;
        let part = StepPart::whole(0, 0, batch);
        self.run(batch, &part, false)?;
        let known = self.targets(&batch.targets) > 0;
        let loss_sum = if known { Some(self.download::<f64>(|arena| arena.head.total, 1)?[0]) } else { None };
        Ok(Prediction { logits: self.logits(batch)?, loss_sum })
    }
}

impl<M: Machine> Engine for Accelerated<M> {
    fn accumulate(&mut self, batch: &Batch, part: &StepPart) -> Result<(), EngineError> {
        check_batch(batch, &self.config, self.shape.labels)?;
        if self.targets(&batch.targets) == 0 {
            return Err(EngineError::Input("a training batch has hidden targets".into()));
        }
        self.make_training()?;
        self.run(batch, part, true)
    }

    fn loss(&self) -> Result<f64, EngineError> {
        let session = self.session.borrow();
        let arena = session.arenas[1].as_ref();
        let own = arena.map(|arena| self.total(arena)).transpose()?.unwrap_or_default();
        Ok((session.carried + own) / session.sequences.max(1) as f64)
    }

    fn prepare(&mut self, batch: &Batch, part: &StepPart) -> Result<(), EngineError> {
        check_batch(batch, &self.config, self.shape.labels)?;
        let session = self.session.get_mut();
        let slot = session.send(&self.machine, batch, part)?;
        session.ahead = Some((batch.clone(), *part, slot));
        Ok(())
    }

    fn update(&mut self, values: &Update) -> Result<f64, EngineError> {
        self.make_training()?;
        self.session.get_mut().updated = true;
        let flat = self.model.flat();
        self.machine.upload(flat.moves, &moves(values))?;
        update(&self.machine, &flat)?;
        let mut norm = [0u8; 8];
        self.machine.download(flat.norm_at(), &mut norm)?;
        Ok(f64::from_le_bytes(norm))
    }

    fn gradients(&self) -> Result<Vec<NamedArray>, EngineError> {
        let zeros = |parameter: &Parameter| NamedArray {
            name: parameter.name.clone(),
            shape: parameter.shape.clone(),
            values: vec![0.0; parameter.len()],
        };
        let read = self.model.read_training(&self.machine)?;
        Ok(read.map_or_else(|| self.parameters.iter().map(zeros).collect(), |[gradients, _, _]| gradients))
    }

    fn parameters(&self) -> Result<Vec<NamedArray>, EngineError> {
        self.model.read(&self.machine)
    }

    fn save(&self) -> Result<EngineState, EngineError> {
        let [_, first_moments, second_moments] = self.model.read_training(&self.machine)?.unwrap_or_default();
        Ok(EngineState { parameters: self.parameters()?, first_moments, second_moments })
    }

    fn restore(&mut self, state: &EngineState) -> Result<(), EngineError> {
        check_names(&self.parameters, &state.parameters)?;
        for moments in [&state.first_moments, &state.second_moments] {
            if !moments.is_empty() {
                check_names(&self.parameters, moments)?;
            }
        }
        self.machine.forget();
        self.model.write(&self.machine, &state.parameters)?;
        self.model.write_moments(&self.machine, &state.first_moments, &state.second_moments)?;
        self.at = self.model.at(&self.config);
        let session = self.session.get_mut();
        (session.ahead, session.updated, session.carried) = (None, true, 0.0);
        session.arenas.iter().flatten().try_for_each(|arena| arena.clear(&self.machine))
    }
}
