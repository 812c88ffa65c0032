//! Texts over ELMo.

use super::*;

/// Widths that fill no vector, tile or panel; clips that are reached; words longer than their room.
pub fn elmo(attention: bool, task: &str) -> EncoderConfig {
    let text = format!(
        r#"{{"model_type": "elmo", "lstm": {{"use_skip_connections": true, "projection_dim": 10, "cell_clip": 0.5,
            "proj_clip": 0.2, "dim": 21, "n_layers": 2}}, "char_cnn": {{"activation": "relu", "filters": [[1, 5], [3, 18]],
            "n_highway": 2, "embedding": {{"dim": 6}}, "n_characters": 262, "max_characters_per_token": 9}},
            "text_hidden_size": 11, "text_num_layers": 2, "text_attention": {attention}, "classifier_hidden_size": 13,
            "dropout": 0.2, "elmo_dropout": 0.3}}"#
    );
    EncoderConfig::parse(&text).unwrap().for_task(crate::task::find(task).unwrap())
}

/// Texts of up to 29 words of up to 12 bytes, of which there are three; some texts have none.
fn texts(head: Head, labels: usize, count: usize, sequences: usize, round: u32) -> Batch {
    let stream = Stream::new(6, Purpose::Synthetic);
    let draw = |row: usize, at: u64, below: u32| stream.bits(u64::from(round), row as u32, at) % below;
    let one = |row: usize| {
        let (mut input_ids, mut token_type_ids) = (Vec::new(), Vec::new());
        for text in 0..count {
            input_ids.push(512);
            for word in 0..draw(row, text as u64, 30) {
                let at = 100 * (u64::from(word) + 1) + 5000 * text as u64;
                let length = 1 + draw(row, at, 12);
                input_ids.extend(
                    (1..=length)
                        .map(|byte| 97 + draw(row, at + u64::from(byte), 3) + if byte == length { 256 } else { 0 }),
                );
            }
            input_ids.push(513);
            token_type_ids.resize(input_ids.len(), text as u32);
        }
        let target = match head {
            Head::Regression => Target::Value(draw(row, 99, 500) as f32 / 100.0),
            _ => Target::Class(draw(row, 99, labels as u32)),
        };
        Features { example: row, input_ids, token_type_ids, target: Some(target), window: None, together: 1 }
    };
    Batch::pack(&(0..sequences).map(one).collect::<Vec<_>>())
}

#[test]
fn steps_over_elmo_follow_the_reference_engine() {
    let cases = [("sst2", true, 1), ("mnli", true, 2), ("mrpc", false, 2), ("stsb", true, 2)];
    for (task, attention, count) in cases {
        let config = elmo(attention, task);
        let task = crate::task::find(task).unwrap();
        let (head, labels) = (task.head, task.num_labels());
        let batches = |round: u32| texts(head, labels, count, if round.is_multiple_of(2) { 7 } else { 4 }, round);
        stay_together_on_every_isa(&config, (head, labels), &batches, &format!("{task}"));
    }
}

/// Several micro-batches by two workers, the same bytes every time, and nothing frozen moves.
#[test]
fn texts_give_the_same_bytes_every_time() {
    let (config, head) = (elmo(true, "mnli"), Head::Classification);
    let values = start(&config, head, 3);
    let batch = texts(head, 3, 2, 100, 0);
    let moved = || {
        let mut engine = Cpu::with(Isa::best(), config.clone(), head, 3, &values, 2).unwrap();
        engine.accumulate(&batch, &StepPart::whole(1, 0, &batch)).unwrap();
        engine.update(&update(0)).unwrap();
        engine.parameters().unwrap()
    };
    let first = moved();
    assert!((0..3).all(|_| moved() == first));
    for (before, after) in values.iter().zip(&first) {
        assert_eq!(before.values == after.values, before.name.starts_with("elmo."), "{}", before.name);
    }
}
