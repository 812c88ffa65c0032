//! Tells the program which source it was built from: `REPRO_COMMIT` (empty outside a checkout), `REPRO_DIRTY`, and the
//! versions of libraries that records name, read from `Cargo.lock`.

use std::process::Command;

fn main() {
    let git = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_string())
    };
    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_default();
    let changes = git(&["status", "--porcelain", "--", "src", "build.rs", "Cargo.toml", "Cargo.lock"]);
    println!("cargo::rustc-env=REPRO_COMMIT={commit}");
    println!("cargo::rustc-env=REPRO_DIRTY={}", changes.is_none_or(|changes| !changes.is_empty()));
    println!("cargo::rustc-env=REPRO_CANDLE_CORE_VERSION={}", locked("candle-core"));
    println!("cargo::rustc-env=REPRO_TOKENIZERS_VERSION={}", locked("tokenizers"));
    for path in ["src", "Cargo.toml", "Cargo.lock", "build.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    if let Some(head) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={head}");
    }
}

fn locked(package: &str) -> String {
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{package}\"")));
    let version = entry.and_then(|entry| entry.lines().find_map(|line| line.strip_prefix("version = ")));
    version.unwrap_or_default().trim_matches('"').to_string()
}
