//! Where the histories lie.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A directory that was asked for, or a temporary one that is removed when this is dropped.
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

/// Makes a directory that nobody has made before. A name that exists already, as a trap perhaps, is not used.
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
            // What cannot be removed is left to the system, which empties the directory for temporary files.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_directory_is_fresh_and_goes_and_another_stays() {
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
    fn what_cannot_be_a_directory_is_told_by_name() {
        let file = env::current_exe().expect("this test");
        let error = DataDirectory::open(Some(file.join("x"))).expect_err("below a file");
        assert!(error.to_string().starts_with("directory "), "{error}");
    }
}
