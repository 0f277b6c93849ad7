//! The figures of the source: sizes, comments, visibility, names and imports.
//!
//! `cargo test --test figures` prints them, and fails if one is over its limit. With `-- --root PATH` it prints those of
//! another crate, whose `lib.rs` is in that folder. With `-- --sentences` it lists the sentences without a subject.

#[path = "tidy/measure/mod.rs"]
mod measure;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

use measure::{
    figures::{COMMENTS, Figures},
    sentences::{HEADLESS, of_comments},
    sources::{Source, sources},
};

struct Limit {
    name: &'static str,
    value: fn(&Figures) -> f64,
    max: f64,
}

const LIMITS: [Limit; 3] = [
    Limit { name: "p90 of functions", value: |figures| figures.function_lines.percentile(90) as f64, max: 18.0 },
    Limit { name: "p99 of functions", value: |figures| figures.function_lines.percentile(99) as f64, max: 32.0 },
    Limit { name: "`pub(..)` per 1,000 code lines", value: Figures::restricted_per_1000, max: 65.0 },
];

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().collect();
    let root = arguments.iter().skip_while(|argument| *argument != "--root").nth(1).map(PathBuf::from);
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = sources(root.as_deref().unwrap_or(&own));
    if arguments.iter().any(|argument| argument == "--sentences") {
        list_headless(&sources);
        return ExitCode::SUCCESS;
    }
    let figures = Figures::of(&sources);
    println!("| figure | value |\n|---|---|");
    for (name, value) in figures.rows() {
        println!("| {name} | {value} |");
    }
    let is_within = root.is_some() || keeps_limits(&figures);
    if is_within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn keeps_limits(figures: &Figures) -> bool {
    let passed: Vec<_> = LIMITS.iter().filter(|limit| (limit.value)(figures) > limit.max).collect();
    for Limit { name, value, max } in &passed {
        eprintln!("{name}: {:.1} is more than {max}", value(figures));
    }
    passed.is_empty()
}

fn list_headless(sources: &[Source]) {
    for source in sources.iter().filter(|source| source.is_production) {
        let sentences = of_comments(&source.code, &COMMENTS);
        for sentence in sentences.iter().filter(|sentence| sentence.begins_with_any(&HEADLESS)) {
            println!("{}:{}: {}", source.path, sentence.line, sentence.text);
        }
    }
}
