//! What the library logs, for a callback of the program.
