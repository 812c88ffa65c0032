//! Heads over the encoder's output: what a family puts between encoder and classifier is its [`Pooler`].
//!
//! B sequences of E examples, T tokens of all of them, M masked ones, H hidden size, V words.

use super::model::Forward;
use super::ops::{activate, linear};
use super::outputs::Outputs;
use crate::encode::Targets;
use crate::engine::dropout::Site;
use crate::family::{Pooler, Read, last_layer};
use crate::task::Head;
use candle_core::{Error, Result, Tensor};

impl Forward<'_> {
    /// Logits of a sequence head, `[E, labels]`, of one that chooses `[B, 1]`: the token that is read through the pooler,
    /// dropout and the classifier.
    pub fn classify(&self, hidden: &Tensor, head: Head) -> Result<Tensor> {
        let read = match self.config.read() {
            Read::Mean => self.layout.means(hidden)?,
            Read::First | Read::Last if self.config.bilstm_layers > 0 => self.read_whole(hidden)?, // [B, H]
            Read::First | Read::Last => hidden.index_select(&self.layout.read_tokens, 0)?,         // [B, H]
            Read::Compared => self.layout.compared(hidden)?,                                       // [B, 4 H]
            Read::Words => return Err(Error::Msg("texts are read by their words".into())),
        };
        self.answer(&read, head)
    }

    /// The same of what is read of each sequence, `[B, …]`.
    pub fn answer(&self, read: &Tensor, head: Head) -> Result<Tensor> {
        let pooled = self.pool(read, head)?; // [B, H]
        let pooled = if head == Head::Choice { pooled } else { self.add_together(&pooled)? }; // [E, H]
        let pooled = self.classifier_dropout(&pooled, head)?;
        self.weights.linear(last_layer(head), &pooled)
    }

    /// The states of each example's sequences added (GPT, Section 3.3): `[B, H]` to `[E, H]`.
    fn add_together(&self, pooled: &Tensor) -> Result<Tensor> {
        let ((sequences, hidden), together) = (pooled.dims2()?, self.layout.together);
        if together == 1 {
            Ok(pooled.clone())
        } else {
            pooled.reshape((sequences / together, together, hidden))?.sum(1)
        }
    }

    /// Dropout before the classifier, of rows that are examples or, where one is chosen, sequences; these share their example's
    /// mask in families that have it so.
    fn classifier_dropout(&self, pooled: &Tensor, head: Head) -> Result<Tensor> {
        let ((rows, hidden), together) = (pooled.dims2()?, self.layout.together);
        let examples = self.layout.lengths.len() / together;
        let (Some(masks), shared) = (self.masks, self.config.family.pooler(head).is_some_and(|it| it.shares_dropout))
        else {
            return Ok(pooled.clone());
        };
        if rows > examples && !shared {
            return self.sequence_dropout(pooled, Site::Classifier, head);
        }
        let ones = Tensor::ones((examples, hidden), pooled.dtype(), pooled.device())?;
        let first = masks.first_sequence / together;
        let masks = self.dropout(&ones, Site::Classifier, self.config.head_dropout(head), first)?; // [E, H]
        let by_example = pooled.reshape((examples, rows / examples, hidden))?;
        by_example.broadcast_mul(&masks.unsqueeze(1)?)?.reshape((rows, hidden))
    }

    /// Logits that are the same for every sequence, `[B, labels]`.
    pub fn constant(&self) -> Result<Tensor> {
        let logits = self.weights.get("classifier.bias")?;
        logits.unsqueeze(0)?.repeat((self.layout.lengths.len(), 1))
    }

    /// Logits of every token, `[T, labels]`: in some families the pooler, then dropout and the last layer.
    pub fn every_token(&self, hidden: &Tensor, head: Head) -> Result<Tensor> {
        let pooler = self.config.family.pooler(head);
        let hidden = pooler.map_or(Ok(hidden.clone()), |pooler| self.pooler(pooler, hidden))?;
        let hidden = self.token_dropout(&hidden, Site::Classifier, self.config.head_dropout(head))?;
        self.weights.linear(last_layer(head), &hidden)
    }

    /// Both heads of pre-training. The words' logits share the embedding table and are computed of masked tokens only.
    pub fn pretraining(&self, hidden: &Tensor, targets: &Targets) -> Result<Outputs> {
        let next = self.classify(hidden, Head::Pretraining)?; // [B, 2]
        let masked = match targets {
            Targets::Masked { words, .. } => words.iter().map(|(token, _)| *token).collect(),
            _ => Vec::new(),
        };
        if masked.is_empty() {
            return Ok(Outputs::Masked { words: None, next });
        }
        let states = hidden.index_select(&Tensor::new(masked, hidden.device())?, 0)?; // [M, H]
        let states = self.weights.linear("cls.predictions.transform.dense", &states)?;
        let states = activate(&states, self.config.hidden_act)?;
        let path = "cls.predictions.transform.LayerNorm";
        let states = self.weights.layer_norm(path, &states, self.config.layer_norm_eps)?;
        let table = self.weights.get("embeddings.word_embeddings.weight")?; // [V, H]
        let words = linear(&states, table, self.weights.get("cls.predictions.bias")?)?; // [M, V]
        Ok(Outputs::Masked { words: Some(words), next })
    }

    fn pool(&self, read: &Tensor, head: Head) -> Result<Tensor> {
        match self.config.family.pooler(head) {
            None => Ok(read.clone()),
            Some(pooler) if pooler.drops_input => {
                self.pooler(pooler, &self.sequence_dropout(read, Site::Pooler, head)?)
            }
            Some(pooler) => self.pooler(pooler, read),
        }
    }

    /// What stands between encoder and classifier, of rows `[…, H]`.
    fn pooler(&self, pooler: &Pooler, read: &Tensor) -> Result<Tensor> {
        if pooler.path.is_none() {
            return Ok(read.clone());
        }
        let pooled = activate(&self.weights.linear("pooler.dense", read)?, pooler.activation)?;
        match pooler.norm {
            Some(_) => self.weights.layer_norm("pooler.LayerNorm", &pooled, self.config.layer_norm_eps),
            None => Ok(pooled),
        }
    }

    /// Dropout of states whose rows are sequences.
    pub fn sequence_dropout(&self, x: &Tensor, site: Site, head: Head) -> Result<Tensor> {
        let first = self.masks.map_or(0, |masks| masks.first_sequence);
        self.dropout(x, site, self.config.head_dropout(head), first)
    }
}
