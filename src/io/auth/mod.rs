//! Permissions for channels and users: from endpoints, from the program's closures, or signed here.

pub(crate) mod authorizer;
pub(crate) mod http;
pub(crate) mod pool;
#[cfg(test)]
mod tests;
