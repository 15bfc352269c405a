//! The logins of image registries: a table for each, `[registries."host:port"]`. Knows no registry.

use std::sync::Arc;

use secrecy::SecretString;
use toml::de::{DeTable, DeValue};

use super::values::Registry;
use crate::model::{Diagnostic, SourceFile, Span};

/// Name of the section.
pub(super) const SECTION: &str = "registries";

/// Reads the section; every mistake in it is reported.
pub(super) fn read(table: &DeTable<'_>, file: &Arc<SourceFile>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Registry> {
    let mut registries = Vec::new();
    for (host, value) in table {
        let at = Span::new(file, host.span());
        let DeValue::Table(inner) = value.get_ref() else {
            let help = "write `[registries.\"registry.example.org\"]`, and below it `user` and `password_file`";
            let diagnostic = Diagnostic::error("settings::wrong-type", "a registry is a table of its own");
            diagnostics.push(diagnostic.at(at, "").help(help));
            continue;
        };
        let (mut user, mut password) = (None, None);
        for (name, value) in inner {
            let place = Span::new(file, name.span());
            let DeValue::String(text) = value.get_ref() else {
                let message = format!("`{}` of a registry is a text in quotes", name.get_ref());
                diagnostics.push(Diagnostic::error("settings::wrong-type", message).at(place, ""));
                continue;
            };
            match &**name.get_ref() {
                "user" => user = Some(text.to_string()),
                "password" => password = Some(text.to_string()),
                "password_file" => match std::fs::read_to_string(&**text) {
                    Ok(content) => password = Some(content.trim_end_matches(['\r', '\n']).to_owned()),
                    Err(error) => {
                        let message = format!("cannot read `{text}`: {error}");
                        diagnostics.push(Diagnostic::error("settings::bad-value", message).at(place, ""));
                    }
                },
                other => {
                    let message = format!("unknown setting `{other}` of a registry");
                    let diagnostic = Diagnostic::error("settings::unknown-key", message).at(place, "not a setting");
                    diagnostics.push(diagnostic.help("its settings are `user`, and `password` or `password_file`"));
                }
            }
        }
        match (user, password) {
            (Some(user), Some(password)) if !user.is_empty() && !password.is_empty() => registries.push(Registry {
                host: host.get_ref().to_string(),
                user,
                password: SecretString::from(password),
            }),
            _ => {
                let message = format!("the login of registry `{}` is not whole", host.get_ref());
                let diagnostic = Diagnostic::error("settings::bad-value", message).at(at, "");
                diagnostics.push(diagnostic.help("give `user`, and `password` or `password_file`"));
            }
        }
    }
    registries
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn check(text: &str) -> (Vec<Registry>, Vec<String>) {
        let file = Arc::new(SourceFile { name: "conducto.toml".into(), text: text.into() });
        let table = DeTable::parse(&file.text).unwrap();
        let DeValue::Table(section) = table.get_ref().get(SECTION).unwrap().get_ref() else { panic!() };
        let mut diagnostics = Vec::new();
        let found = read(section, &file, &mut diagnostics);
        (found, diagnostics.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_login_comes_from_the_file_or_from_one_that_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("password");
        std::fs::write(&secret, "s3cret\n").unwrap();
        let text = format!(
            "[registries.\"r.example.org:5000\"]\nuser = \"u\"\npassword_file = \"{}\"\n\
             [registries.\"docker.io\"]\nuser = \"v\"\npassword = \"p\"\n",
            secret.display()
        );
        let (found, wrong) = check(&text);
        assert_eq!(wrong, [""; 0]);
        let mut logins: Vec<_> =
            found.iter().map(|one| (one.host.as_str(), one.user.as_str(), one.password.expose_secret())).collect();
        logins.sort_unstable();
        assert_eq!(logins, [("docker.io", "v", "p"), ("r.example.org:5000", "u", "s3cret")]);
    }

    #[test]
    fn what_is_not_whole_is_reported_where_it_stands() {
        let (found, wrong) = check("[registries.a]\nuser = \"u\"\n[registries.b]\nuser = 1\npasswort = \"x\"\n");
        assert!(found.is_empty());
        let all = wrong.join("\n");
        for words in ["1:13 the login of registry `a`", "4:1 `user`", "5:1 unknown setting `passwort`"] {
            assert!(all.contains(words), "{all}");
        }
    }
}
