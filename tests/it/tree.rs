//! The tree keeps its own rules: modules in dependency order, each library in its place, every file introduced.
//!
//! Read from the sources as text: comments and strings aside, `crate::x` and `use crate::{x, y::z}` are what one module
//! can say of another. Rules about printing and the environment leave out unit tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A source file: its path below `src`, and its text without comments and string contents.
struct Source {
    path: String,
    code: String,
}

impl Source {
    /// The module of `src/lib.rs` that it belongs to.
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().expect("a path has a first part")
    }

    /// The code before the unit tests; none of a file of unit tests.
    fn without_tests(&self) -> &str {
        if self.path.ends_with("/tests.rs") {
            return "";
        }
        self.code.split("#[cfg(test)]\nmod ").next().expect("a split has a first part")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    rust_files(&root().join("src"), &mut paths);
    let read = |path: PathBuf| Source {
        code: code_of(&fs::read_to_string(&path).expect("a source is UTF-8")),
        path: path.strip_prefix(root().join("src")).expect("it is below src").to_string_lossy().into_owned(),
    };
    paths.into_iter().map(read).collect()
}

/// The text without `//` comments and without what stands between double quotes.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let (mut rest, mut quoted) = (text, false);
    while let Some(character) = rest.chars().next() {
        let mut taken = character.len_utf8();
        if quoted {
            taken = if character == '\\' { 1 + rest[1..].chars().next().map_or(0, char::len_utf8) } else { taken };
            quoted = character != '"';
        } else if rest.starts_with("//") {
            taken = rest.find('\n').unwrap_or(rest.len());
        } else if rest.starts_with("'\"'") {
            taken = 3;
        } else {
            quoted = character == '"';
            code.push(character);
        }
        rest = &rest[taken..];
    }
    code
}

/// The modules of `lib.rs`, in its order.
fn modules() -> Vec<String> {
    let library = fs::read_to_string(root().join("src/lib.rs")).expect("the library has a root");
    let name = |line: &str| line.strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_string);
    library.lines().filter_map(name).collect()
}

/// First names after each `crate::`, groups opened: `crate::{a, b::{c, d}}` names a and b.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (position, _) in code.match_indices("crate::") {
        let before = code[..position].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let after = &code[position + "crate::".len()..];
        match after.strip_prefix('{') {
            Some(group) => names.extend(group_names(group)),
            None => names.extend([identifier(after)]),
        }
    }
    names
}

/// First names of a `use` group's entries, from just after its brace.
fn group_names(group: &str) -> Vec<String> {
    let (mut depth, mut entry, mut names) = (0, String::new(), Vec::new());
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(identifier(std::mem::take(&mut entry).trim())),
            _ if depth == 0 => entry.push(character),
            _ => {}
        }
    }
    names.push(identifier(entry.trim()));
    names.retain(|name| !name.is_empty());
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether `word` stands in the code as the beginning of a name.
fn mentions(code: &str, word: &str) -> bool {
    code.match_indices(word)
        .any(|(position, _)| !code[..position].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_'))
}

/// Fails with the files that mention any of the words outside the modules where they may.
fn only_in(words: &[&str], allowed: &[&str], code: fn(&Source) -> &str) {
    let strays: Vec<String> = sources()
        .iter()
        .filter(|source| !allowed.iter().any(|place| source.path.starts_with(place)))
        .flat_map(|source| {
            let found = words.iter().filter(|word| mentions(code(source), word));
            found.map(|word| format!("src/{}: `{word}`", source.path)).collect::<Vec<_>>()
        })
        .collect();
    assert!(strays.is_empty(), "only allowed in {allowed:?}:\n{}", strays.join("\n"));
}

#[test]
fn every_module_uses_only_those_above_it() {
    let modules = modules();
    let rank = |name: &str| modules.iter().position(|module| module == name);
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.path != "lib.rs" && source.path != "main.rs") {
        let own = rank(source.module()).unwrap_or_else(|| panic!("src/{} is in no module of lib.rs", source.path));
        for used in crate_paths(&source.code) {
            if rank(&used).is_some_and(|used| used > own) {
                wrong.push(format!("src/{} uses `{used}`, which stands below `{}`", source.path, source.module()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tensors_stay_in_the_engine() {
    only_in(&["candle_core", "candle_nn", "candle_transformers"], &["engine", "export"], |source| &source.code);
}

#[test]
fn cuda_is_reached_only_from_the_fast_engine() {
    only_in(&["cudarc"], &["engine/fast/cuda"], |source| &source.code);
}

#[test]
fn network_stays_in_fetch() {
    only_in(&["hf_hub", "ureq", "TcpStream"], &["fetch"], Source::without_tests);
}

#[test]
fn data_frames_stay_in_dataset_and_report() {
    only_in(&["polars"], &["dataset", "report"], |source| &source.code);
}

#[test]
fn environment_and_printing_stay_in_the_command_line() {
    let words =
        ["std::env::", "env::var", "println!", "eprintln!", "print!", "eprint!", "dbg!", "stdout()", "stderr()"];
    only_in(&words, &["cli", "main.rs"], Source::without_tests);
}

#[test]
fn unsafe_code_stays_in_the_fast_engine_and_the_allocator() {
    only_in(&["unsafe "], &["engine/fast", "allocations.rs"], |source| &source.code);
}

#[test]
fn every_file_opens_with_what_it_is() {
    let mut paths = Vec::new();
    for folder in ["src", "tests", "examples"] {
        rust_files(&root().join(folder), &mut paths);
    }
    let opening = |path: &PathBuf| fs::read_to_string(path).expect("a source is UTF-8").starts_with("//! ");
    let silent: Vec<_> = paths.iter().filter(|path| !opening(path)).collect();
    assert!(silent.is_empty(), "these files do not open with `//! `: {silent:?}");
}

/// Places that exist on one machine only. Spelt in pieces, so that this file does not name them.
#[test]
fn no_tracked_file_names_a_place_of_some_machine() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|output| output.status.success()) else {
        println!("not checked: git does not list this tree");
        return;
    };
    let names = String::from_utf8(listed.stdout).expect("our file names are UTF-8");
    let places =
        [["/wo", "rk/"], ["/ro", "ot/"], ["/fa", "rm/"], ["/home", "/"], [".cargo/", "registry"]].map(|p| p.concat());
    let beside = ["../", "shared"].concat();
    let mut found = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty() && *name != "Cargo.lock") {
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        let beside = Some(&beside).filter(|_| name != ".ci/run");
        found.extend(places.iter().chain(beside).filter(|p| text.contains(*p)).map(|p| format!("{name}: `{p}`")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn comments_and_strings_are_not_code() {
    let text =
        "let a = \"crate::cli \\\" unsafe\"; // crate::report\nlet b = '\"'; use crate::{task::Task, plan::{Run, x}};";
    assert_eq!(code_of(text), "let a = \"; \nlet b = ; use crate::{task::Task, plan::{Run, x}};");
    let names: Vec<String> = crate_paths(&code_of(text)).into_iter().collect();
    assert_eq!(names, ["plan", "task"]);
}
