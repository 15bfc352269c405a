//! What a pipeline pulls images with, where its people have set that.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::{claim::Withheld, hand_over::ask};
use crate::{
    dispatch::{error::Error, handle::Dispatch, shared::Shared},
    model::PipelineId,
};

/// Names of the secrets, as in the old product.
const USER: &str = "DOCKERHUB_USER";
const PASSWORD: &str = "DOCKERHUB_PASSWORD";

/// A login at a registry of images.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password, or a token in its place.
    pub password: SecretString,
}

impl Dispatch {
    /// Returns what the images of a pipeline are pulled with: the secrets `DOCKERHUB_USER` and `DOCKERHUB_PASSWORD` within
    /// its reach, whatever its conducto.cfg gives to nodes. Nothing where one of them is not set, and for the code of a fork.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown pipeline, [`Error::Unavailable`] when the secrets cannot be read.
    pub async fn registry_credentials(&self, id: &PipelineId) -> Result<Option<Credentials>, Error> {
        credentials(&self.shared, id).await
    }
}

async fn credentials(shared: &Arc<Shared>, id: &PipelineId) -> Result<Option<Credentials>, Error> {
    let Some(claim) = ask(shared, id, None).await? else { return Ok(None) };
    let opened = claim.fetch_only(shared, &[USER, PASSWORD]).await.map_err(|withheld| match withheld {
        Withheld::Unavailable(error) => error,
        Withheld::Because(words) => Error::Unavailable(words.into()),
    })?;
    let (mut user, mut password) = (None, None);
    for opened in opened {
        let place = if opened.name == USER { &mut user } else { &mut password };
        *place = Some(opened.value);
    }
    Ok(user.zip(password).map(|(user, password)| Credentials { user: user.expose_secret().to_owned(), password }))
}
