//! Tokens that nodes have: each is good while its attempt is live. Made again the same after a restart, and kept nowhere.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::model::Fence;

/// How they begin.
const BEGINNING: &str = "cdn_";

/// Makes them, and knows them again.
pub(super) struct NodeTokens(Vec<u8>);

impl NodeTokens {
    pub(super) fn new(key: Vec<u8>) -> Self {
        Self(key)
    }

    /// Returns the token of an attempt.
    pub(super) fn token(&self, fence: Fence) -> String {
        format!("{BEGINNING}{fence}_{}", hex::encode(self.mac(fence).finalize().into_bytes()))
    }

    /// Returns the attempt for which a token was made; nothing for any other text. How long it takes tells nothing.
    pub(super) fn fence(&self, token: &str) -> Option<Fence> {
        let (fence, digits) = token.strip_prefix(BEGINNING)?.split_once('_')?;
        let fence = Fence(fence.parse().ok()?);
        self.mac(fence).verify_slice(&hex::decode(digits).ok()?).ok().map(|()| fence)
    }

    fn mac(&self, fence: Fence) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.0).expect("a key of any length will do");
        mac.update(b"conducto node ");
        mac.update(&fence.0.to_be_bytes());
        mac
    }
}

impl fmt::Debug for NodeTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeTokens(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_attempt_and_its_server_only() {
        let tokens = NodeTokens::new(vec![1; 32]);
        let token = tokens.token(Fence(17));
        assert!(token.starts_with("cdn_17_") && !format!("{tokens:?}").contains('1'));
        assert_eq!(tokens.fence(&token), Some(Fence(17)));
        assert_eq!(NodeTokens::new(vec![2; 32]).fence(&token), None);
        for other in
            [token.replace("_17_", "_18_"), token[..token.len() - 2].to_owned(), "cdn_17_".into(), "cdn_".into()]
        {
            assert_eq!(tokens.fence(&other), None, "{other}");
        }
    }
}
