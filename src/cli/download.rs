//! What a plan still has to download: files that are not here, with their sizes as far as the hub tells them.

use super::fetch::{Wanted, wanted};
use crate::fetch::{Hub, Missing, Sizes};
use crate::plan::Plan;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Questions at once: a hub far away answers each in a tenth of a second, and a plan may have many.
const AT_ONCE: usize = 8;

/// The files that the runs of a plan need and that are not here, in order.
pub fn downloads(plan: &Plan, here: &dyn Hub, hub: &dyn Hub) -> Vec<Missing> {
    let wanted: Vec<Wanted> = wanted(&plan.runs).into_iter().collect();
    let (sizes, next, found) = (Sizes::new(here, hub), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(wanted) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            let missing = missing(&sizes, wanted);
            found.lock().unwrap_or_else(PoisonError::into_inner).extend(missing);
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE.min(wanted.len())).for_each(|_| drop(scope.spawn(work))));
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by(|a, b| (&a.repository, &a.name).cmp(&(&b.repository, &b.name)));
    found
}

fn missing(sizes: &Sizes, wanted: &Wanted) -> Vec<Missing> {
    match wanted {
        Wanted::Checkpoint(repository) => sizes.checkpoint(repository),
        Wanted::WithoutWeights(repository) => sizes.without_weights(repository),
        Wanted::Split(repository, file) => sizes.file(repository, file).into_iter().collect(),
        // No run reads it.
        Wanted::TestSplit(..) => Vec::new(),
    }
}

/// The sum, and a line a file.
pub fn text(missing: &[Missing]) -> String {
    let sum: u64 = missing.iter().filter_map(|file| file.size.as_ref().ok()).sum();
    let unknown: BTreeSet<&String> = missing.iter().filter_map(|file| file.size.as_ref().err()).collect();
    let lines = missing.iter().map(|file| format!("\n  {:>10}  {}/{}", size(file), file.repository, file.name));
    let count = missing.iter().filter(|file| file.size.is_err()).count();
    let reasons = unknown.into_iter().cloned().collect::<Vec<_>>().join("; ");
    let rest = if count > 0 { format!("; {count} of unknown size ({reasons})") } else { String::new() };
    match missing.len() {
        0 => "to download: nothing".into(),
        files => format!("to download: {files} files, {}{rest}{}", megabytes(sum), lines.collect::<String>()),
    }
}

fn size(file: &Missing) -> String {
    file.size.as_ref().map_or("unknown".into(), |size| megabytes(*size))
}

fn megabytes(bytes: u64) -> String {
    if bytes < 100_000 { format!("{:.1} kB", bytes as f64 / 1e3) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}

/// The same for programs; `size` is null where it is unknown, and `unknown` says why.
pub fn json(missing: &[Missing]) -> Value {
    let file = |file: &Missing| {
        json!({
            "repository": file.repository.path(),
            "file": file.name,
            "size": file.size.as_ref().ok(),
            "unknown": file.size.as_ref().err(),
        })
    };
    missing.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Repository;

    fn file(name: &str, size: Result<u64, &str>) -> Missing {
        Missing {
            repository: Repository::model("owner/name", None),
            name: name.into(),
            size: size.map_err(str::to_string),
        }
    }

    // 612 bytes and 90,868,376 bytes are 90,868,988, or 90.9 MB.
    #[test]
    fn sizes_are_summed_and_what_is_unknown_is_counted_apart() {
        let files = [
            file("config.json", Ok(612)),
            file("model.safetensors", Ok(90_868_376)),
            file("vocab.txt", Err("offline")),
        ];
        insta::assert_snapshot!(text(&files), @r"
        to download: 3 files, 90.9 MB; 1 of unknown size (offline)
              0.6 kB  model `owner/name`/config.json
             90.9 MB  model `owner/name`/model.safetensors
             unknown  model `owner/name`/vocab.txt
        ");
        assert_eq!(json(&files)[2]["unknown"], "offline");
        assert_eq!(text(&[]), "to download: nothing");
    }
}
