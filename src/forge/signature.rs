//! The door for webhook bodies: nothing beyond it accepts bytes whose signature was not checked. Knows no event.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use tokio_util::bytes::Bytes;

use super::event::Malformed;

/// Something that came with a good signature. Made only in this file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

/// The secrets a signature may be made with: the current one, and during a rotation the previous one too.
#[derive(Clone, Debug)]
pub struct WebhookSecrets {
    secrets: Vec<SecretString>,
}

/// The secrets cannot protect anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecrets {
    /// No secret at all, or one without a character.
    #[error("a webhook secret is empty: whoever knows the address could start pipelines")]
    Empty,
    /// More than the current and the previous one.
    #[error("at most two webhook secrets may be active: the current one and the one it replaces")]
    TooMany,
}

/// Why a body is not accepted. The answer is 401 for all of them, without saying more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no `X-Hub-Signature-256`.
    #[error("the delivery is not signed")]
    Missing,
    /// It is not `sha256=` and 64 hexadecimal digits.
    #[error("the signature is not of the form sha256=<64 hexadecimal digits>")]
    Unreadable,
    /// It was made with another secret, or for another body.
    #[error("the signature does not fit the body")]
    Mismatch,
}

impl WebhookSecrets {
    /// Takes the one or two active secrets, the current one first.
    ///
    /// # Errors
    /// When there is none, an empty one, or more than two.
    pub fn build(secrets: impl IntoIterator<Item = SecretString>) -> Result<Self, BadSecrets> {
        let secrets: Vec<_> = secrets.into_iter().collect();
        if secrets.is_empty() || secrets.iter().any(|secret| secret.expose_secret().is_empty()) {
            return Err(BadSecrets::Empty);
        }
        if secrets.len() > 2 {
            return Err(BadSecrets::TooMany);
        }
        Ok(Self { secrets })
    }

    /// Checks the value of `X-Hub-Signature-256` against the raw body, in constant time for each secret.
    ///
    /// # Errors
    /// When no active secret gives this signature for this body.
    pub fn verify(&self, signature: Option<&str>, body: Bytes) -> Result<Verified<Bytes>, Refused> {
        let digits = signature.ok_or(Refused::Missing)?.strip_prefix("sha256=").ok_or(Refused::Unreadable)?;
        let mut expected = [0; 32];
        hex::decode_to_slice(digits, &mut expected).map_err(|_| Refused::Unreadable)?;
        let fits = self.secrets.iter().any(|secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
                .expect("HMAC takes a key of any length");
            mac.update(&body);
            mac.verify_slice(&expected).is_ok()
        });
        if fits { Ok(Verified(body)) } else { Err(Refused::Mismatch) }
    }
}

impl<T> Verified<T> {
    /// Takes up again what was verified before it was committed to the inbox.
    ///
    /// Only for bodies read back from the inbox, which takes nothing but `Verified` ones.
    pub fn from_inbox(body: T) -> Self {
        Self(body)
    }

    /// Returns what was verified.
    pub fn as_inner(&self) -> &T {
        &self.0
    }

    /// Gives out what was verified.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Returns the JSON text of a body: the body itself, or the field `payload` of a form.
///
/// # Errors
/// When a form has no such field.
pub fn json_text(content_type: Option<&str>, body: Verified<Bytes>) -> Result<Verified<Bytes>, Malformed> {
    let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(body);
    }
    form_urlencoded::parse(&body.0)
        .find(|(name, _)| name == "payload")
        .map(|(_, value)| Verified(Bytes::from(value.into_owned())))
        .ok_or(Malformed::NoPayload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secrets(values: &[&str]) -> WebhookSecrets {
        WebhookSecrets::build(values.iter().map(|value| SecretString::from(*value))).unwrap()
    }

    fn hello() -> Bytes {
        Bytes::from_static(b"Hello, World!")
    }

    #[test]
    fn the_vector_of_the_documentation_verifies() {
        let verified = secrets(&["It's a Secret to Everybody"]).verify(Some(DOCUMENTED), hello()).unwrap();
        assert_eq!(verified.into_inner(), hello());
    }

    #[test]
    fn one_changed_byte_is_refused() {
        let secrets = secrets(&["It's a Secret to Everybody"]);
        assert_eq!(secrets.verify(Some(DOCUMENTED), Bytes::from_static(b"Hello, World?")), Err(Refused::Mismatch));
        let changed = DOCUMENTED.replace("757107", "757106");
        assert_eq!(secrets.verify(Some(&changed), hello()), Err(Refused::Mismatch));
    }

    #[test]
    fn both_secrets_are_good_during_a_rotation() {
        assert!(secrets(&["new", "It's a Secret to Everybody"]).verify(Some(DOCUMENTED), hello()).is_ok());
        assert_eq!(secrets(&["new", "old"]).verify(Some(DOCUMENTED), hello()), Err(Refused::Mismatch));
    }

    #[test]
    fn anything_but_a_whole_sha256_is_unreadable() {
        let secrets = secrets(&["It's a Secret to Everybody"]);
        assert_eq!(secrets.verify(None, hello()), Err(Refused::Missing));
        let sha1 = format!("sha1={}", "0".repeat(40));
        let long = format!("{DOCUMENTED}00");
        for bad in
            ["", "sha256=", &sha1, &DOCUMENTED[..DOCUMENTED.len() - 1], &DOCUMENTED[..60], &long, &DOCUMENTED[7..]]
        {
            assert_eq!(secrets.verify(Some(bad), hello()), Err(Refused::Unreadable), "{bad}");
        }
        let spaced = DOCUMENTED.replace("=75", "= 5");
        assert_eq!(secrets.verify(Some(&spaced), hello()), Err(Refused::Unreadable));
    }

    #[test]
    fn an_empty_secret_is_no_secret() {
        assert_eq!(WebhookSecrets::build([]).unwrap_err(), BadSecrets::Empty);
        assert_eq!(
            WebhookSecrets::build([SecretString::from("a"), SecretString::from("")]).unwrap_err(),
            BadSecrets::Empty
        );
        assert_eq!(WebhookSecrets::build(["a", "b", "c"].map(SecretString::from)).unwrap_err(), BadSecrets::TooMany);
    }

    #[test]
    fn a_form_holds_the_text_in_its_payload_field() {
        let form = Verified(Bytes::from_static(b"x=1&payload=%7B%22zen%22%3A%22a+b%26c%22%7D"));
        let kind = Some("application/x-www-form-urlencoded; charset=utf-8");
        assert_eq!(json_text(kind, form.clone()).unwrap().into_inner(), Bytes::from_static(br#"{"zen":"a b&c"}"#));
        assert_eq!(json_text(Some("application/json"), form.clone()).unwrap(), form);
        assert_eq!(json_text(kind, Verified(Bytes::from_static(b"{}"))), Err(Malformed::NoPayload));
    }
}
