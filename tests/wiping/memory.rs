//! The memory of this process, including freed memory.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
};

use super::disguise::Disguised;

const BLOCK: usize = 1 << 20;

/// The allocator writes its own data over the start of a freed block.
const OVERWRITTEN: usize = 16;

pub(crate) fn threads() -> usize {
    fs::read_dir("/proc/self/task").expect("Linux has it").count()
}

/// The number of copies of the secret in all writable memory.
pub(crate) fn copies(secret: &Disguised) -> usize {
    let memory = File::open("/proc/self/mem").expect("Linux has it");
    let needle = secret.bytes().len() - OVERWRITTEN;
    let first = secret.bytes().nth(OVERWRITTEN).expect("longer than the overwritten start");
    let mut block = vec![0; BLOCK];
    let mut copies = 0;
    for (mut start, end) in writable() {
        while start < end {
            let length = BLOCK.min(usize::try_from(end - start).expect("it fits into memory"));
            // Some mappings of devices cannot be read.
            let Ok(count) = memory.read_at(&mut block[..length], start) else { break };
            let windows = block[..count].windows(needle).filter(|window| window[0] == first);
            copies += windows.filter(|window| is_end_of(secret, window)).count();
            if count < length || start + count as u64 == end {
                break;
            }
            // A copy across the border of two blocks is found in the next block.
            start += (count - needle + 1) as u64;
        }
    }
    copies
}

fn is_end_of(secret: &Disguised, window: &[u8]) -> bool {
    secret.bytes().skip(OVERWRITTEN).eq(window.iter().copied())
}

/// The start and the end of every mapping that can be read and written.
fn writable() -> Vec<(u64, u64)> {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux has it");
    let lines = maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")));
    let address = |text: &str| u64::from_str_radix(text, 16).expect("hexadecimal digits");
    lines
        .filter_map(|line| line.split(' ').next()?.split_once('-'))
        .map(|(start, end)| (address(start), address(end)))
        .collect()
}
