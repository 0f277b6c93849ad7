//! Permissions for channels and users: from endpoints, from closures of the program, or signed here.

mod authorizer;
pub(crate) mod failure;
pub(crate) mod http;
pub(crate) mod pool;
#[cfg(test)]
mod tests;
