//! From the figures of all rounds to a table of medians.

use std::{env::consts, fs, thread};

/// What one run of one case measures, in the order of the table's headings. NaN is a figure that this platform does not
/// give.
pub(crate) type Figures = [f64; 2];

/// The figures of all cases, measured one soon after the other.
pub(crate) type Round = Vec<Figures>;

/// Prints the median of each figure, and the median over the rounds of its ratio to the first case of the same round.
/// Ratios are taken within a round because a noisy machine is about equally noisy there.
pub(crate) fn print(title: &str, headings: [&str; 2], cases: &[&str], rounds: &[Round]) {
    println!("\n{title}");
    println!("{:<30}{:>14}{:>10}{:>18}{:>10}", "", headings[0], "ratio", headings[1], "ratio");
    for (row, case) in cases.iter().enumerate() {
        let figure = |column: usize| median(rounds.iter().map(|round| round[row][column]));
        let ratio = |column: usize| median_ratio(rounds, [row, 0], column);
        println!(
            "{case:<30}{:>14}{:>10}{:>18}{:>10}",
            number(figure(0)),
            fraction(ratio(0)),
            number(figure(1)),
            fraction(ratio(1))
        );
    }
}

/// The median over the rounds of the ratio of one case to another.
pub(crate) fn median_ratio(rounds: &[Round], [of, to]: [usize; 2], column: usize) -> f64 {
    median(rounds.iter().map(|round| round[of][column] / round[to][column]))
}

/// Prints what the figures were measured on.
pub(crate) fn print_machine() {
    let cores = thread::available_parallelism().map_or_else(|_| "?".to_owned(), |cores| cores.to_string());
    let model = cpu_model().map_or_else(String::new, |model| format!(", {model}"));
    println!("\nmachine: {cores} cores, {} {}{model}", consts::OS, consts::ARCH);
}

/// Only Linux tells it without a library.
fn cpu_model() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

pub(crate) fn fraction(ratio: f64) -> String {
    if ratio.is_nan() { "-".to_owned() } else { format!("{ratio:.2}") }
}

/// With a decimal where it means something, and with separators where they help.
pub(crate) fn number(figure: f64) -> String {
    if figure.is_nan() {
        return "-".to_owned();
    }
    if figure < 100.0 {
        return format!("{figure:.1}");
    }
    let digits = format!("{figure:.0}");
    let (head, groups) = digits.split_at((digits.len() - 1) % 3 + 1);
    let groups = groups.as_bytes().chunks(3).map(String::from_utf8_lossy);
    groups.fold(head.to_owned(), |text, group| text + "," + &group)
}
