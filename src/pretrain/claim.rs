//! Whose a run's folder is: `pretraining.json` says which settings and which corpus its files belong to. Nothing that is of
//! others, or of nobody known, is written over.

use super::PretrainError;
use super::error::unwritten;
use crate::export::atomic;
use serde_json::{Value, json};
use std::path::Path;

/// Format number of `pretraining.json`, the folder's and the checkpoint's. The first format had no number.
pub const FORMAT: u32 = 2;

/// The file's name, in the folder and in the checkpoint.
pub const FILE: &str = "pretraining.json";

/// A run's claim to its folder.
pub struct Claim<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// Settings, engine and dtype: what is known before anything is read.
    pub settings: Value,
}

impl Claim<'_> {
    /// Fails, before any work, where the folder's files are of other settings or not a pre-training's.
    ///
    /// # Errors
    /// Whose they are, as far as that can be told.
    pub fn check(&self) -> Result<(), PretrainError> {
        let Some(known) = self.known()? else { return self.check_strangers() };
        match difference("", &known["settings"], &self.settings) {
            None => Ok(()),
            Some((field, [theirs, ours])) => {
                Err(self.occupied(format!("it holds a pre-training with `{field}` {theirs}, this one has {ours}")))
            }
        }
    }

    /// Makes the folder this run's from here on; fails where what was trained in it read another corpus.
    ///
    /// # Errors
    /// As of `check`; a full disk.
    pub fn take(&self, description: &Value) -> Result<(), PretrainError> {
        let claim = json!({"format": FORMAT, "settings": self.settings, "description": description});
        let known = self.known()?;
        if known.as_ref() == Some(&claim) {
            return Ok(());
        }
        if let Some(known) = known.filter(|_| self.has("snapshot") || self.has("model")) {
            let differs = difference("", &known["description"], description);
            let field = differs.map_or_else(String::new, |(field, _)| format!(": `{field}` differs"));
            return Err(self.occupied(format!("what was trained in it read another corpus{field}")));
        }
        let path = self.folder.join(FILE);
        atomic::write(&path, format!("{claim:#}\n").as_bytes()).map_err(unwritten(&path))
    }

    /// The report of a run that is finished: the last of its files to be written.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn finished(&self) -> Result<Option<Value>, PretrainError> {
        self.read("model/pretraining.json")
    }

    fn known(&self) -> Result<Option<Value>, PretrainError> {
        let known = self.read(FILE)?;
        match &known {
            Some(known) if known["format"] != FORMAT || known.get("description").is_none() => {
                Err(self.occupied(format!("its `{FILE}` is of no format that this version knows")))
            }
            _ => Ok(known),
        }
    }

    fn read(&self, name: &str) -> Result<Option<Value>, PretrainError> {
        match std::fs::read_to_string(self.folder.join(name)) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| self.occupied(format!("its `{name}` cannot be read: {error}"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.occupied(format!("its `{name}` cannot be read: {error}"))),
        }
    }

    /// Files of a folder without a claim that a run would write over.
    fn check_strangers(&self) -> Result<(), PretrainError> {
        let trains = self.settings["vocabulary"].is_object() && !self.has("vocabulary.json");
        let own = if trains {
            &["model", "snapshot", "vocab.txt", "tokenizer_config.json"][..]
        } else {
            &["model", "snapshot"]
        };
        match own.iter().find(|name| self.has(name)) {
            Some(name) => Err(self.occupied(format!("it holds a `{name}` and no `{FILE}` that says of what"))),
            None => Ok(()),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.folder.join(name).exists()
    }

    fn occupied(&self, reason: String) -> PretrainError {
        PretrainError::Occupied { folder: self.folder.to_path_buf(), reason }
    }
}

/// The first field in which two values differ, and what it is in each.
fn difference<'a>(path: &str, one: &'a Value, other: &'a Value) -> Option<(String, [&'a Value; 2])> {
    let (Value::Object(ones), Value::Object(others)) = (one, other) else {
        return (one != other).then(|| (path.to_owned(), [one, other]));
    };
    let names = others.keys().chain(ones.keys().filter(|name| !others.contains_key(*name)));
    names.into_iter().find_map(|name| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        difference(&path, one.get(name).unwrap_or(&Value::Null), other.get(name).unwrap_or(&Value::Null))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(folder: &Path, rate: f64) -> Claim<'_> {
        let settings = json!({"vocabulary": {"size": 100}, "train": {"steps": 10, "learning_rate": rate}});
        Claim { folder, settings }
    }

    fn refusal(result: Result<(), PretrainError>) -> String {
        let PretrainError::Occupied { reason, .. } = result.unwrap_err() else { panic!("another error") };
        reason
    }

    #[test]
    fn a_folder_is_one_pre_trainings() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (claim(folder.path(), 0.5), claim(folder.path(), 0.25));
        one.check().unwrap();
        one.take(&json!({"corpus": "a"})).unwrap();
        one.check().unwrap();
        assert_eq!(refusal(other.check()), "it holds a pre-training with `train.learning_rate` 0.5, this one has 0.25");
        // Nothing was trained yet: another corpus replaces the first.
        one.take(&json!({"corpus": "b"})).unwrap();
        std::fs::create_dir(folder.path().join("model")).unwrap();
        one.take(&json!({"corpus": "b"})).unwrap();
        assert_eq!(
            refusal(one.take(&json!({"corpus": "c"}))),
            "what was trained in it read another corpus: `corpus` differs"
        );
    }

    #[test]
    fn what_is_of_nobody_known_is_left_alone() {
        for (name, said) in [
            ("model", "it holds a `model` and no `pretraining.json` that says of what"),
            ("vocab.txt", "it holds a `vocab.txt` and no `pretraining.json` that says of what"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join(name)).unwrap();
            assert_eq!(refusal(claim(folder.path(), 0.5).check()), said);
        }
        let folder = tempfile::tempdir().unwrap();
        for (text, said) in [
            ("{", "its `pretraining.json` cannot be read: EOF"),
            ("{\"settings\": {}}", "its `pretraining.json` is of no format that this version knows"),
        ] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let refused = refusal(claim(folder.path(), 0.5).check());
            assert!(refused.starts_with(said), "{refused}");
        }
    }
}
