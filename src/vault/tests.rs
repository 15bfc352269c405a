//! The vault over real files: what it opens, what it refuses, and what it says then.

use std::{fs, os::unix::fs::PermissionsExt as _};

use proptest::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};

use super::*;

const LABEL: Label<'static> =
    Label { scope: "repository", subject: "acme/api", name: "TOKEN", version: 3, is_masked: true };

fn in_file() -> (tempfile::TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::in_file(folder.path().join("secret-key"));
    (folder, vault)
}

proptest! {
    #[test]
    fn what_was_sealed_is_opened_as_what_it_was_sealed_as_and_as_nothing_else(
        value in "\\PC{0,200}", subject in "[a-z/]{0,9}", name in "[A-Z_]{1,9}", version in 1_u64..9,
        other in ("[a-z/]{0,9}", "[A-Z_]{1,9}", 1_u64..9, any::<bool>()), flip in any::<prop::sample::Index>(),
    ) {
        let key = SecretString::from("7:".to_owned() + &"0a".repeat(32));
        let vault = Vault::given(&key).unwrap();
        let label = Label { scope: "org", subject: &subject, name: &name, version, is_masked: true };
        let sealed = vault.seal(&label, &SecretString::from(value.clone())).unwrap();
        prop_assert_eq!(sealed.key_version, 7);
        let opened = vault.open(&label, &sealed).unwrap();
        prop_assert_eq!(opened.expose_secret(), &value);
        prop_assert!(value.len() < 8 || !sealed.bytes.windows(value.len()).any(|bytes| bytes == value.as_bytes()));
        let moved = Label { subject: &other.0, name: &other.1, version: other.2, is_masked: other.3, ..label.clone() };
        prop_assert_eq!(vault.open(&moved, &sealed).is_ok(), moved == label);
        let mut changed = sealed;
        let at = flip.index(changed.bytes.len());
        changed.bytes[at] ^= 1;
        prop_assert!(vault.open(&label, &changed).is_err());
    }
}

#[test]
fn the_first_need_makes_a_key_that_only_its_owner_can_read_and_that_lasts() {
    let (folder, vault) = in_file();
    let missing = vault.seal(&LABEL, &"x".into()).unwrap_err();
    assert!(matches!(missing, Error::Missing { .. }), "{missing}");
    vault.begin().unwrap();
    vault.begin().unwrap();
    let path = folder.path().join("secret-key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let sealed = vault.seal(&LABEL, &"hunter2".into()).unwrap();
    let later = Vault::in_file(path);
    assert_eq!(later.open(&LABEL, &sealed).unwrap().expose_secret(), "hunter2");
    assert_ne!(later.seal(&LABEL, &"hunter2".into()).unwrap(), sealed, "a nonce serves once");
}

#[test]
fn a_rotation_keeps_old_keys_until_they_are_dropped() {
    let (folder, vault) = in_file();
    vault.begin().unwrap();
    let old = vault.seal(&LABEL, &"hunter2".into()).unwrap();
    vault.add_key().unwrap();
    let new = vault.seal(&LABEL, &"hunter2".into()).unwrap();
    assert_eq!((old.key_version, new.key_version, vault.newest().unwrap()), (1, 2, 2));
    let later = Vault::in_file(folder.path().join("secret-key"));
    for sealed in [&old, &new] {
        assert_eq!(later.open(&LABEL, sealed).unwrap().expose_secret(), "hunter2");
    }
    assert_eq!((vault.drop_old_keys().unwrap(), vault.drop_old_keys().unwrap()), (1, 0));
    assert!(matches!(vault.open(&LABEL, &old).unwrap_err(), Error::NoVersion { version: 1, .. }));
    assert_eq!(vault.open(&LABEL, &new).unwrap().expose_secret(), "hunter2");
}

#[test]
fn a_key_that_is_lost_wrong_or_open_to_others_is_told_with_its_way_out() {
    let (folder, vault) = in_file();
    let path = folder.path().join("secret-key");
    vault.begin().unwrap();
    let sealed = vault.seal(&LABEL, &"hunter2".into()).unwrap();
    let say = || {
        let words = Vault::in_file(path.clone()).open(&LABEL, &sealed).unwrap_err().to_string();
        words.replace(&path.display().to_string(), "<key>")
    };
    let text = fs::read_to_string(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(say().starts_with("`<key>` holds the key of all secrets and has mode 640"), "{}", say());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, format!("1:{}\n", "0a".repeat(32))).unwrap();
    assert!(say().starts_with("version 1 of the key in `<key>` is not the one"), "{}", say());
    fs::write(&path, format!("2:{}\n", "0a".repeat(32))).unwrap();
    assert!(say().contains("version 1 of the key, which is not in `<key>`"), "{}", say());
    fs::write(&path, "1:hunter2\n").unwrap();
    assert!(say().starts_with("entry 1 of `<key>` is no key") && !say().contains("hunter2"), "{}", say());
    fs::remove_file(&path).unwrap();
    assert!(say().starts_with("there are secrets, and `<key>` with their key is missing: put it back"), "{}", say());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(Vault::in_file(path.clone()).open(&LABEL, &sealed).unwrap().expose_secret(), "hunter2");
}

#[test]
fn given_keys_are_rotated_by_giving_another() {
    let digits = "5c".repeat(32);
    let one = Vault::given(&digits.clone().into()).unwrap();
    let sealed = one.seal(&LABEL, &"hunter2".into()).unwrap();
    let told = one.add_key().unwrap_err().to_string();
    assert!(told.contains("add `2:` and 64 new hexadecimal digits"), "{told}");
    let two = Vault::given(&format!("1:{digits}, 2:{}", "6d".repeat(32)).into()).unwrap();
    assert_eq!((two.newest().unwrap(), two.drop_old_keys().unwrap()), (2, 0));
    assert_eq!(two.open(&LABEL, &sealed).unwrap().expose_secret(), "hunter2");
    for wrong in ["", "1:", "0:5c", "2", &format!("1:{digits} 1:{digits}")] {
        assert!(matches!(Vault::given(&wrong.to_owned().into()), Err(Error::Malformed { .. })), "{wrong}");
    }
}

#[test]
fn nothing_secret_is_in_what_is_shown_for_debugging() {
    let (_folder, vault) = in_file();
    vault.begin().unwrap();
    let shown = format!("{vault:?} {:?}", vault.seal(&LABEL, &"hunter2".into()).unwrap());
    assert!(shown.contains("REDACTED") && !shown.contains("hunter2") && !shown.contains(", 1"), "{shown}");
}
