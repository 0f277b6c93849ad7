//! The library itself: its version, and its log.

pub(crate) mod log;

use std::ffi::c_char;

use crate::capi::ffi::results::{self, Failure};

/// The version of the interface: the major number in the upper half, the minor number in the lower.
const PUSHER_ABI_VERSION: u32 = 0x0001_0002;

/// The header has it.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn pusher_abi_version() -> u32 {
    PUSHER_ABI_VERSION
}

/// The header has it.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn pusher_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

exports! {
    fn pusher_abi_check(program: u32) {
        let (major, minor) = (program >> 16, program & 0xffff);
        if major == PUSHER_ABI_VERSION >> 16 && program <= PUSHER_ABI_VERSION {
            return Ok(());
        }
        let text = format!(
            "the program was built for version {major}.{minor} of the interface, and this is {}.{}",
            PUSHER_ABI_VERSION >> 16,
            PUSHER_ABI_VERSION & 0xffff
        );
        Err(Failure::Misuse(results::PUSHER_ERR_ABI, text.into()))
    }
}
