//! Prints the figures of all rounds as a table of medians.

use std::{env::consts, fs, thread};

/// The figures of one run of one case, in the order of the table's headings. A figure that this platform does not
/// provide is NaN.
pub(crate) type Figures<const N: usize = 2> = [f64; N];

/// The figures of all cases, measured one right after the other.
pub(crate) type Round<const N: usize = 2> = Vec<Figures<N>>;

/// Prints the median of each figure, and the median over the rounds of its ratio to the first case of the same round.
/// Ratios are taken within a round, because a noisy machine is about equally noisy there.
pub(crate) fn print<const N: usize>(title: &str, headings: [&str; N], cases: &[&str], rounds: &[Round<N>]) {
    println!("\n{title}");
    let headings: String = headings.iter().map(|heading| format!("{heading:>14}{:>10}", "ratio")).collect();
    println!("{:<40}{headings}", "");
    for (row, case) in cases.iter().enumerate() {
        let figure = |column: usize| number(median(rounds.iter().map(|round| round[row][column])));
        let ratio = |column: usize| fraction(median_ratio(rounds, [row, 0], column));
        let figures: String = (0..N).map(|column| format!("{:>14}{:>10}", figure(column), ratio(column))).collect();
        println!("{case:<40}{figures}");
    }
}

/// The median over the rounds of the ratio of one case to another.
pub(crate) fn median_ratio<const N: usize>(rounds: &[Round<N>], [of, to]: [usize; 2], column: usize) -> f64 {
    median(rounds.iter().map(|round| round[of][column] / round[to][column]))
}

/// Prints the machine on which the figures were measured.
pub(crate) fn print_machine() {
    let cores = thread::available_parallelism().map_or_else(|_| "?".to_owned(), |cores| cores.to_string());
    let model = cpu_model().map_or_else(String::new, |model| format!(", {model}"));
    println!("\nmachine: {cores} cores, {} {}{model}", consts::OS, consts::ARCH);
}

/// The model of the processor. Other systems than Linux report it only through a library.
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

/// The figure with one decimal if it is small, and with separators of thousands.
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
