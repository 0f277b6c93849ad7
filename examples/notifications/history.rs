//! The file that keeps an inbox. The protocol has no history, so that a program must keep what it needs.

use std::{
    fmt, fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{channels::User, inbox::Inbox};

/// The only version of the format so far. Later programs recognise it by this number.
const VERSION: u32 = 1;

/// The file of one user. Only one program may use it at a time.
#[derive(Debug, Clone)]
pub(crate) struct History {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Contents {
    version: u32,
    notifications: Inbox,
}

/// The reason why an inbox could not be loaded or saved.
#[derive(Debug)]
pub(crate) enum HistoryError {
    /// An error of the operating system.
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    /// This program did not write the file. The file is left as it is.
    Corrupted { path: PathBuf, reason: String },
}

impl History {
    pub(crate) fn of(directory: &Path, user: &User) -> Self {
        Self { path: directory.join(format!("{user}.json")) }
    }

    /// The inbox as it was last saved, or an empty one.
    pub(crate) fn load(&self) -> Result<Inbox, HistoryError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Inbox::default()),
            Err(source) => return Err(self.io("read", source)),
        };
        match serde_json::from_slice::<Contents>(&text) {
            Ok(contents) if contents.version == VERSION => Ok(contents.notifications),
            Ok(contents) => Err(self.corrupted(format!("version {} is unknown", contents.version))),
            Err(error) => Err(self.corrupted(error.to_string())),
        }
    }

    /// Replaces the file. Even if the program or the machine stops, the file is the old one or the new one: the new one
    /// is written beside it, and gets its name when it is complete.
    pub(crate) fn save(&self, inbox: &Inbox) -> Result<(), HistoryError> {
        let contents = Contents { version: VERSION, notifications: inbox.clone() };
        let text = serde_json::to_vec_pretty(&contents).map_err(|error| self.io("write", error.into()))?;
        self.replace(&text).map_err(|source| self.io("write", source))
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let new = self.path.with_extension("json.new");
        let mut file = fs::File::create(&new)?;
        file.write_all(text)?;
        // Without this, the name may reach the disk before the contents.
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }

    fn io(&self, operation: &'static str, source: io::Error) -> HistoryError {
        HistoryError::Io { operation, path: self.path.clone(), source }
    }

    fn corrupted(&self, reason: String) -> HistoryError {
        HistoryError::Corrupted { path: self.path.clone(), reason }
    }
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { operation, path, source } => write!(f, "history: {operation} {path:?}: {source}"),
            Self::Corrupted { path, reason } => write!(f, "history: {path:?} is corrupted: {reason}"),
        }
    }
}

impl std::error::Error for HistoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Corrupted { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::DataDirectory;

    fn history(directory: &DataDirectory) -> History {
        History::of(directory.path(), &User::parse("ann").expect("a valid id"))
    }

    fn names(directory: &DataDirectory) -> Vec<String> {
        let entries = fs::read_dir(directory.path()).expect("a readable directory").flatten();
        entries.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect()
    }

    #[test]
    fn a_saved_inbox_is_loaded_and_no_other_file_is_left() {
        let directory = DataDirectory::open(None).expect("a directory");
        let history = history(&directory);
        assert_eq!(history.load().expect("no file is an empty inbox"), Inbox::default());
        let mut inbox = Inbox::default();
        for round in 0..2 {
            inbox.receive(User::parse("bob").ok(), format!("ż \" \n {round}"));
            history.save(&inbox).expect("a writable directory");
            assert_eq!(history.load().expect("a whole file"), inbox);
        }
        assert_eq!(names(&directory), ["ann.json"]);
    }

    #[test]
    fn a_corrupted_file_is_reported_and_left_as_it_is() {
        let directory = DataDirectory::open(None).expect("a directory");
        let history = history(&directory);
        let one = r#"{"id":1,"from":null,"text":"x","opened":false}"#;
        let files = [
            String::new(),
            "\u{0}".to_owned(),
            "{}".to_owned(),
            r#"{"version":1,"notifications":["#.to_owned(),
            r#"{"version":2,"notifications":[]}"#.to_owned(),
            format!(r#"{{"version":1,"notifications":[{one},{one}]}}"#),
            r#"{"version":1,"notifications":[{"id":1,"from":"../x","text":"x","opened":false}]}"#.to_owned(),
        ];
        for text in files {
            fs::write(&history.path, &text).expect("a writable directory");
            let error = history.load().expect_err("corrupted");
            assert!(matches!(error, HistoryError::Corrupted { .. }), "{text}: {error}");
            assert!(error.to_string().contains("ann.json"), "{error}");
            assert_eq!(fs::read_to_string(&history.path).expect("readable"), text);
        }
        fs::write(&history.path, [0xff]).expect("a writable directory");
        assert!(matches!(history.load(), Err(HistoryError::Corrupted { .. })));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_unchanged() {
        let directory = DataDirectory::open(None).expect("a directory");
        let history = history(&directory);
        history.save(&Inbox::default()).expect("a writable directory");
        fs::create_dir(history.path.with_extension("json.new")).expect("a writable directory");
        let mut inbox = Inbox::default();
        inbox.receive(None, "x".to_owned());
        assert!(matches!(history.save(&inbox), Err(HistoryError::Io { operation: "write", .. })));
        assert_eq!(history.load().expect("the old file"), Inbox::default());
    }
}
