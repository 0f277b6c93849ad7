//! What this process has in its memory, freed or not.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
};

use super::disguise::Disguised;

const BLOCK: usize = 1 << 20;

/// The allocator writes its own notes over the beginning of what is freed.
const NOTES: usize = 16;

pub(crate) fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("Linux has it").count()
}

/// How often this stands in any memory that can be written.
pub(crate) fn copies(secret: &Disguised) -> usize {
    let memory = File::open("/proc/self/mem").expect("Linux has it");
    let needle = secret.bytes().len() - NOTES;
    let first = secret.bytes().nth(NOTES).expect("longer than the notes");
    let mut block = vec![0; BLOCK];
    let mut copies = 0;
    for (mut start, end) in writable() {
        while start < end {
            let length = BLOCK.min(usize::try_from(end - start).expect("it fits into memory"));
            // Some that are mapped for devices cannot be read.
            let Ok(count) = memory.read_at(&mut block[..length], start) else { break };
            let windows = block[..count].windows(needle).filter(|window| window[0] == first);
            copies += windows.filter(|window| is_end_of(secret, window)).count();
            if count < length || start + count as u64 == end {
                break;
            }
            // What stands across the border is seen in the next block.
            start += (count - needle + 1) as u64;
        }
    }
    copies
}

fn is_end_of(secret: &Disguised, window: &[u8]) -> bool {
    secret.bytes().skip(NOTES).eq(window.iter().copied())
}

/// Where the mappings that can be read and written begin and end.
fn writable() -> Vec<(u64, u64)> {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux has it");
    let lines = maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")));
    let address = |text: &str| u64::from_str_radix(text, 16).expect("hexadecimal digits");
    lines
        .filter_map(|line| line.split(' ').next()?.split_once('-'))
        .map(|(start, end)| (address(start), address(end)))
        .collect()
}
