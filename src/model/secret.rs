//! Whose a secret is, and how it may be called. Knows no values.

use std::fmt;

/// Bytes of the longest value. A system gives no program more than twice that in one variable.
pub const LARGEST_SECRET: usize = 64 * 1024;

/// Bytes of the longest name.
const LONGEST_NAME: usize = 200;

/// Variables that are Conducto's to set.
const OURS: [&str; 3] = ["HOME", "TMPDIR", "__RUN_BY_WORKER__"];

/// Whose secret it is. The later ones win over the earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretScope {
    /// Everybody's.
    Organisation,
    /// That of one repository, by its name.
    Repository(String),
    /// That of one person, by login or e-mail.
    User(String),
}

impl SecretScope {
    /// Makes the scope of a repository. Forges do not tell upper case from lower in their names.
    pub fn repository(full_name: &str) -> Self {
        Self::Repository(full_name.to_lowercase())
    }

    /// Makes the scope of a person.
    pub fn user(login: &str) -> Self {
        Self::User(login.to_lowercase())
    }

    /// Returns the word for its kind.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Organisation => "org",
            Self::Repository(_) => "repository",
            Self::User(_) => "user",
        }
    }

    /// Returns whose it is within its kind; nothing to say for the organisation.
    pub fn subject(&self) -> &str {
        match self {
            Self::Organisation => "",
            Self::Repository(subject) | Self::User(subject) => subject,
        }
    }

    /// Puts both together again; nothing for a word that is none.
    pub fn from_parts(word: &str, subject: &str) -> Option<Self> {
        match word {
            "org" => Some(Self::Organisation),
            "repository" => Some(Self::Repository(subject.to_owned())),
            "user" => Some(Self::User(subject.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for SecretScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organisation => f.write_str("the organisation"),
            Self::Repository(name) => write!(f, "repository {name}"),
            Self::User(login) => write!(f, "user {login}"),
        }
    }
}

/// Says what keeps a text from being the name of a secret: it becomes the name of a variable.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check_secret_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty()
        || name.len() > LONGEST_NAME
        || !name.bytes().all(is_plain)
        || name.as_bytes()[0].is_ascii_digit()
    {
        let words = "cannot be the name of a secret: letters, digits and `_` make one, and no digit begins it";
        return Err(format!("`{name}` {words}"));
    }
    if name.starts_with("CONDUCTO_") || OURS.contains(&name) {
        return Err(format!("`{name}` cannot be the name of a secret: Conducto sets this variable itself"));
    }
    Ok(())
}

/// Says what keeps a text from being the value of a secret. Never shows it.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check_secret_value(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("the value is empty; to have no such secret, delete it".to_owned());
    }
    if value.len() > LARGEST_SECRET {
        return Err(format!("the value has {} bytes; at most {LARGEST_SECRET} are kept", value.len()));
    }
    if value.contains('\0') {
        return Err("the value holds a null byte, which no variable can; encode it, for example as base64".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_variables_that_conducto_does_not_set() {
        for good in ["TOKEN", "_x1", "aws_key", "CONDUCTO"] {
            assert_eq!(check_secret_name(good), Ok(()));
        }
        for bad in ["", "1A", "A-B", "A=B", "Ä", "A B", "CONDUCTO_TOKEN", "HOME", &"A".repeat(201)] {
            assert!(check_secret_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_that_is_refused_is_not_shown() {
        assert_eq!(check_secret_value("several\nlines\n"), Ok(()));
        for bad in [String::new(), "hunter2\0".to_owned(), "hunter2".repeat(10_000)] {
            assert!(!check_secret_value(&bad).unwrap_err().contains("hunter2"));
        }
    }

    #[test]
    fn scopes_come_back_from_their_parts_and_people_win_over_repositories() {
        let scopes = [SecretScope::Organisation, SecretScope::repository("Acme/API"), SecretScope::user("Ada")];
        assert!(scopes.is_sorted());
        for scope in scopes {
            assert_eq!(SecretScope::from_parts(scope.word(), scope.subject()), Some(scope));
        }
    }
}
