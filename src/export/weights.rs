//! `model.safetensors`: the parameters by the names Hugging Face's classes have for them.
//!
//! An encoder's checkpoint may lack the family's prefix `bert.` (saved as `BertModel`) or spell LayerNorm `gamma` and `beta`
//! (converted from TensorFlow); a fine-tuned one has the prefix and `weight`, `bias`. Tensors lie in the order of their
//! names, and the header says `format: pt`, without which `transformers` refuses the file.

use super::{ExportError, atomic, config};
use crate::engine::NamedArray;
use crate::family::{Family, Projection};
use crate::task::{Head, Task};
use safetensors::{Dtype, SafeTensorError, View, serialize_to_file};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Parts of an encoder that belong under the family's prefix.
const ENCODER_PARTS: [&str; 4] = ["embeddings.", "encoder.", "transformer.", "pooler."];

/// Parameters by Hugging Face's name, in order.
pub type Named<'a> = BTreeMap<String, &'a NamedArray>;

/// The parameters under their names.
pub fn named<'a>(parameters: &'a [NamedArray], family: &Family) -> Named<'a> {
    parameters.iter().map(|array| (hugging_face_name(&array.name, family), array)).collect()
}

fn hugging_face_name(name: &str, family: &Family) -> String {
    let bare = !name.starts_with(family.prefix) && ENCODER_PARTS.iter().any(|part| name.starts_with(part));
    let prefix = if bare { family.prefix } else { "" };
    let spelt = match name.rsplit_once('.') {
        Some((path, "gamma")) => format!("{path}.weight"),
        Some((path, "beta")) => format!("{path}.bias"),
        _ => name.to_string(),
    };
    format!("{prefix}{spelt}")
}

/// Holds the head and the word embeddings against the config; `transformers` would fill a missing head with random
/// numbers and only warn. A family without classes has nobody who would.
pub fn check_head(parameters: &Named, config: &Map<String, Value>, task: &Task, head: Head) -> Result<(), ExportError> {
    let family = config::family(config)?;
    if family.class.is_empty() {
        return Ok(());
    }
    let architecture = config::architecture(config, head)?.unwrap_or_else(|| "a BiLSTM over features".into());
    let size = |key| config.get(family.field(key)).and_then(Value::as_u64).unwrap_or_default() as usize;
    let inputs = if let Head::FeatureBased(how) = head { how.outputs() } else { size("hidden_size") };
    let width = if family.projection == Projection::Never { "hidden_size" } else { "embedding_size" };
    let outputs = if head == Head::BeamSpan { 1 } else { task.num_labels() };
    let (bias, head) = (family.classifier_bias(head), family.classifier(head));
    let expected = [
        (format!("{head}.weight"), vec![outputs, inputs]),
        (format!("{head}.bias"), vec![task.num_labels()]),
        (family.tensor("embeddings.word_embeddings.weight"), vec![size("vocab_size"), size(width)]),
    ];
    let without_bias = (!bias).then(|| format!("{head}.bias"));
    for (name, shape) in expected.into_iter().filter(|(name, _)| Some(name) != without_bias.as_ref()) {
        let found = parameters.get(&name).map(|array| &array.shape);
        if found != Some(&shape) {
            let found = found.map_or("nothing".to_string(), |shape| format!("{shape:?}"));
            return Err(ExportError::Parameter { name, architecture, found, expected: shape });
        }
    }
    Ok(())
}

/// Writes the file; a tensor at a time is turned into bytes, so that no second copy of the model is in memory.
pub fn write(path: &Path, parameters: &Named) -> Result<(), ExportError> {
    let tensors = parameters.iter().map(|(name, array)| (name.as_str(), Tensor(array)));
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let fill = |partial: &Path| serialize_to_file(tensors, Some(metadata), partial);
    atomic::with(path, fill).map_err(|error: SafeTensorError| match error {
        SafeTensorError::IoError(error) => ExportError::File { path: path.into(), error },
        error => ExportError::Safetensors { path: path.into(), error },
    })
}

/// An array as the safetensors library reads it: 32-bit floats, little endian.
struct Tensor<'a>(&'a NamedArray);

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.0.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.0.values.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::find;
    use serde_json::json;

    fn bert() -> &'static Family {
        crate::family::find("bert").unwrap()
    }

    fn array(name: &str, shape: &[usize]) -> NamedArray {
        let count: usize = shape.iter().product();
        NamedArray {
            name: name.to_string(),
            shape: shape.to_vec(),
            values: (0..count).map(|i| i as f32 + 0.5).collect(),
        }
    }

    #[test]
    fn names_get_the_prefix_and_the_spelling_of_today() {
        assert_eq!(hugging_face_name("embeddings.LayerNorm.gamma", bert()), "bert.embeddings.LayerNorm.weight");
        assert_eq!(
            hugging_face_name("bert.encoder.layer.0.output.LayerNorm.beta", bert()),
            "bert.encoder.layer.0.output.LayerNorm.bias"
        );
        assert_eq!(hugging_face_name("classifier.bias", bert()), "classifier.bias");
    }

    #[test]
    fn a_head_of_another_size_is_refused_with_both_shapes() {
        let config = json!({"model_type": "bert", "hidden_size": 4, "vocab_size": 3});
        let arrays = [array("classifier.weight", &[3, 4])];
        let error = check_head(
            &named(&arrays, bert()),
            config.as_object().unwrap(),
            find("rte").unwrap(),
            Head::Classification,
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "parameter `classifier.weight` of BertForSequenceClassification: found [3, 4], expected shape [2, 4]"
        );
    }

    #[test]
    fn the_file_is_the_same_whatever_the_order_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let mut arrays = vec![array("x.weight", &[2, 3]), array("a.bias", &[2]), array("z", &[1])];
        write(&a, &named(&arrays, bert())).unwrap();
        arrays.reverse();
        write(&b, &named(&arrays, bert())).unwrap();
        let bytes = std::fs::read(&a).unwrap();
        assert_eq!(bytes, std::fs::read(&b).unwrap());
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let bias = file.tensor("a.bias").unwrap();
        // 0.5 and 1.5 in IEEE 754, little endian
        assert_eq!((bias.shape(), bias.data()), (&[2][..], &[0, 0, 0, 0x3F, 0, 0, 0xC0, 0x3F][..]));
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
    }
}
