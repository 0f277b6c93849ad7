//! Protection against the program's own code: panics, forks, re-entrant calls, threads that do not end.

pub(crate) mod fork;
pub(crate) mod reentrancy;
pub(crate) mod user_code;
pub(crate) mod worker;
