//! The directory of the histories.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// The directory that the user has chosen, or a temporary one that is removed when this value is dropped.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    is_temporary: bool,
}

impl DataDirectory {
    pub(crate) fn open(wanted: Option<PathBuf>) -> Result<Self, Box<dyn std::error::Error>> {
        let Some(path) = wanted else {
            let path = fresh().map_err(|error| format!("temporary directory: {error}"))?;
            return Ok(Self { path, is_temporary: true });
        };
        fs::create_dir_all(&path).map_err(|error| format!("directory {path:?}: {error}"))?;
        Ok(Self { path, is_temporary: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a new directory. A directory that exists already is not used, because another user of the machine may have
/// made it.
fn fresh() -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let name = format!("pusher-notifications-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| path),
        }
    }
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        if self.is_temporary {
            // A directory that cannot be removed is left to the system, which empties the folder of temporary files.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_directory_is_new_and_is_removed_while_a_chosen_one_stays() {
        let temporary = DataDirectory::open(None).expect("a directory");
        let wanted = temporary.path().join("a/b");
        for _ in 0..2 {
            assert_eq!(DataDirectory::open(Some(wanted.clone())).expect("a directory").path(), wanted);
            assert!(wanted.is_dir());
        }
        let other = DataDirectory::open(None).expect("a directory");
        assert_ne!(other.path(), temporary.path());
        let path = temporary.path().to_owned();
        drop(temporary);
        assert!(!path.exists() && other.path().exists());
    }

    #[test]
    fn an_error_names_the_directory() {
        let file = env::current_exe().expect("this test");
        let error = DataDirectory::open(Some(file.join("x"))).expect_err("below a file");
        assert!(error.to_string().starts_with("directory "), "{error}");
    }
}
