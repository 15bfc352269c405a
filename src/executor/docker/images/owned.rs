//! The images that this server has made: which there are, and how one goes. Knows no recipe.

use std::collections::HashMap;

use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptionsBuilder};

use super::{
    super::{
        client::{Client, refusal, translate},
        container::SERVER_LABEL,
    },
    make::{BUILT, INSTALLED},
};
use crate::executor::{Error, OwnedImage};

/// Lists the images of a server's making.
pub(in super::super) async fn owned(client: &Client, server: &str) -> Result<Vec<OwnedImage>, Error> {
    let filters = HashMap::from([("label", vec![format!("{SERVER_LABEL}={server}")])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let images = client.engine().await?.list_images(Some(options)).await.map_err(translate)?;
    let ours = |tag: &String| tag.starts_with(BUILT) || tag.starts_with(INSTALLED);
    let owned = images.into_iter().flat_map(|image| {
        let bytes = u64::try_from(image.size).unwrap_or_default();
        image.repo_tags.into_iter().filter(ours).map(move |reference| OwnedImage { reference, bytes })
    });
    Ok(owned.collect())
}

/// Removes an image unless a container or another image uses it. Returns whether it is gone.
pub(in super::super) async fn remove(client: &Client, reference: &str) -> Result<bool, Error> {
    let options = RemoveImageOptionsBuilder::new().build();
    match client.engine().await?.remove_image(reference, Some(options), None).await {
        Ok(_) => Ok(true),
        Err(fault) => match refusal(&fault) {
            Some((404, _)) => Ok(true),
            Some((409, _)) => Ok(false),
            _ => Err(translate(fault)),
        },
    }
}
