//! Pre-shared keys by identity, and the file that they stand in.
//!
//! ```text
//! # One key a line: the identity, then the key in hexadecimal or as text in quotes.
//! sensor-17:7365637265742d6b65792d3137
//! urn:imei:490154203237518:"correct horse battery"
//! ```
//!
//! A key in hexadecimal is what stands behind the last colon, a key in quotes what stands between
//! the first `:"` and the quote that ends the line; so identities may have colons. Empty lines and
//! lines that begin with `#` say nothing.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The longest identity, in bytes, that every implementation takes (RFC 4279, section 5.3).
const LONGEST_IDENTITY: usize = 128;
/// The longest key, in bytes, that every implementation takes (RFC 4279, section 5.3).
const LONGEST_KEY: usize = 64;

/// Pre-shared keys by identity.
#[derive(Default)]
pub struct Keys(HashMap<Arc<str>, Box<[u8]>>);

/// Keeps keys out of logs.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} identities)", self.0.len())
    }
}

/// What is wrong with one line of a file of keys. It never holds any of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct KeyError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to write instead.
    pub reason: String,
}

/// Why a file of keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file can't be read.
    #[error("{0}: {1}")]
    Unreadable(String, std::io::Error),
    /// Lines in it are wrong: all of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<KeyError>),
}

impl Keys {
    /// Reads a file of keys. With them comes a warning when others may read the file too.
    ///
    /// # Errors
    /// When it can't be read, or lines in it are wrong.
    pub fn read(path: &Path) -> Result<(Self, Option<String>), KeyFileError> {
        let file = path.display().to_string();
        let unreadable = |error| KeyFileError::Unreadable(file.clone(), error);
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let warning = readable_by_others(path).map_err(unreadable)?;
        let keys = Self::parse(&text, &file).map_err(KeyFileError::Wrong)?;
        Ok((keys, warning))
    }

    /// Reads what stands in a file of keys.
    ///
    /// # Errors
    /// All lines that are wrong.
    pub fn parse(text: &str, file: &str) -> Result<Self, Vec<KeyError>> {
        let (mut keys, mut wrong) = (Self::default(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let put = parse_line(line).and_then(|(identity, key)| keys.insert(identity, key));
            if let Err(reason) = put {
                wrong.push(KeyError { file: file.to_owned(), line: index + 1, reason });
            }
        }
        if wrong.is_empty() { Ok(keys) } else { Err(wrong) }
    }

    /// Adds a key.
    ///
    /// # Errors
    /// When the identity has a key already, or one of the two is empty or too long.
    pub fn insert(&mut self, identity: &str, key: Vec<u8>) -> Result<(), String> {
        match (identity.len(), key.len()) {
            (0, _) => Err("the identity is empty".to_owned()),
            (_, 0) => Err("the key is empty".to_owned()),
            (LONGEST_IDENTITY.., _) if identity.len() > LONGEST_IDENTITY => {
                Err(format!("the identity has more than {LONGEST_IDENTITY} bytes"))
            }
            (_, length) if length > LONGEST_KEY => {
                Err(format!("the key has more than {LONGEST_KEY} bytes"))
            }
            _ if self.0.contains_key(identity) => {
                Err(format!("the identity `{}` has a key already", identity.escape_debug()))
            }
            _ => {
                self.0.insert(identity.into(), key.into());
                Ok(())
            }
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, identity: &str) -> Option<(Arc<str>, &[u8])> {
        self.0.get_key_value(identity).map(|(identity, key)| (identity.clone(), &**key))
    }
}

fn parse_line(line: &str) -> Result<(&str, Vec<u8>), String> {
    if let Some(rest) = line.strip_suffix('"')
        && let Some((identity, key)) = rest.split_once(":\"")
    {
        return Ok((identity, key.into()));
    }
    let expected = "write `identity:key`, the key in hexadecimal or as text in quotes";
    let (identity, hex) = line.rsplit_once(':').ok_or(expected)?;
    let digit = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Option<Vec<u8>> = hex.chars().map(digit).collect();
    match digits {
        Some(digits) if digits.len().is_multiple_of(2) => {
            Ok((identity, digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
        }
        Some(_) => Err("the key has an odd number of hexadecimal digits".to_owned()),
        None => Err(format!("the key is not in hexadecimal; {expected}")),
    }
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> std::io::Result<Option<String>> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)?.permissions().mode();
    Ok((mode & 0o044 != 0).then(|| {
        let file = path.display();
        format!(
            "{file}: others may read the keys (mode {:o}); say `chmod 600 {file}`",
            mode & 0o777
        )
    }))
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> std::io::Result<Option<String>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_may_have_colons_and_keys_may_be_text() {
        let text = "# keys\n\n a:00ff\nurn:imei:4901:\"a:\"b\"\nx:y:0a0B\r\n";
        let keys = Keys::parse(text, "keys").unwrap();
        let key = |identity: &str| keys.get(identity).map(|(_, key)| key.to_vec());
        assert_eq!(keys.len(), 3);
        assert_eq!(key("a"), Some(vec![0, 0xff]));
        assert_eq!(key("urn:imei:4901"), Some(b"a:\"b".to_vec()));
        assert_eq!(key("x:y"), Some(vec![0x0a, 0x0b]));
        assert_eq!(format!("{keys:?}"), "Keys(3 identities)");
    }

    #[test]
    fn every_wrong_line_is_named_and_no_key_is_told() {
        let long = format!("{}:00", "i".repeat(129));
        let text = ["secret", "a:secret", "a:123", ":00", "a:", "a:\"\"", &long, "b:00", "b:01"];
        let wrong = Keys::parse(&text.join("\n"), "keys").unwrap_err();
        let told: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "keys:1: write `identity:key`, the key in hexadecimal or as text in quotes",
                "keys:2: the key is not in hexadecimal; write `identity:key`, the key in hexadecimal or as text in quotes",
                "keys:3: the key has an odd number of hexadecimal digits",
                "keys:4: the identity is empty",
                "keys:5: the key is empty",
                "keys:6: the key is empty",
                "keys:7: the identity has more than 128 bytes",
                "keys:9: the identity `b` has a key already",
            ]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_warned_of() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a:00").unwrap();
        let warning = |mode| {
            std::fs::set_permissions(file.path(), PermissionsExt::from_mode(mode)).unwrap();
            Keys::read(file.path()).unwrap().1
        };
        assert_eq!(warning(0o600), None);
        assert!(warning(0o640).unwrap().contains("mode 640"));
        assert!(
            Keys::read(Path::new("/nowhere/keys")).unwrap_err().to_string().contains("/nowhere")
        );
    }
}
