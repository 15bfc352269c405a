//! One network per pipeline, with a small subnet of our own choice: the engine's own choice runs out after thirty.

use std::{collections::HashMap, sync::Arc};

use bollard::{
    errors::Error as Fault,
    models::{Ipam, IpamConfig, NetworkCreateRequest},
    query_parameters::{InspectNetworkOptions, ListNetworksOptions, ListNetworksOptionsBuilder},
};

use super::{
    client::{Client, if_found, refusal, translate},
    container::{PIPELINE_LABEL, SERVER_LABEL},
    subnet::Range,
};
use crate::{executor::Error, model::PipelineId};

/// How many subnets are tried before giving up.
const TRIES: usize = 64;

/// The networks of this server.
#[derive(Debug)]
pub(super) struct Networks {
    server: String,
    range: Range,
    /// One at a time: two networks may neither share a name nor a subnet, and the engine prevents only the latter.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Networks {
    pub(super) fn new(server: String, range: Range) -> Self {
        Self { server, range, turn: Arc::default() }
    }

    /// Returns the name of a pipeline's network.
    pub(super) fn name(pipeline: &PipelineId) -> String {
        format!("conducto_network_{pipeline}")
    }

    /// Makes the pipeline's network if there is none. Whoever asked may go away meanwhile: what the engine has begun, it ends;
    /// until it has, nobody else may look whether there is one.
    pub(super) async fn have(&self, client: &Client, pipeline: &PipelineId) -> Result<(), Error> {
        let engine = client.engine().await?.clone();
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (server, range, pipeline) = (self.server.clone(), self.range, pipeline.clone());
        let made = tokio::spawn(async move {
            let made = make(&engine, &server, range, &pipeline).await;
            drop(turn);
            made
        });
        made.await
            .unwrap_or_else(|error| Err(Error::Refused { message: format!("the making of a network ended: {error}") }))
    }

    /// Removes the pipeline's network, if it is ours. By its id: the engine allows two of one name.
    pub(super) async fn release(&self, client: &Client, pipeline: &PipelineId) -> Result<(), Error> {
        let engine = client.engine().await?;
        let _turn = self.turn.lock().await;
        let labels = [(SERVER_LABEL, self.server.as_str()), (PIPELINE_LABEL, pipeline.as_str())];
        let filters = HashMap::from([("label", labels.map(|(key, value)| format!("{key}={value}")).to_vec())]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let networks = engine.list_networks(Some(options)).await.map_err(translate)?;
        for id in networks.into_iter().filter_map(|network| network.id) {
            if_found(engine.remove_network(&id).await)?;
        }
        Ok(())
    }

    /// Lists the pipelines that have a network of ours.
    pub(super) async fn owned(&self, client: &Client) -> Result<Vec<PipelineId>, Error> {
        let filters = HashMap::from([("label", vec![format!("{SERVER_LABEL}={}", self.server)])]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let networks = client.engine().await?.list_networks(Some(options)).await.map_err(translate)?;
        let pipeline = |labels: HashMap<String, String>| PipelineId::parse(labels.get(PIPELINE_LABEL)?).ok();
        Ok(networks.into_iter().filter_map(|network| pipeline(network.labels?)).collect())
    }
}

async fn make(engine: &bollard::Docker, server: &str, range: Range, pipeline: &PipelineId) -> Result<(), Error> {
    let name = Networks::name(pipeline);
    if if_found(engine.inspect_network(&name, None::<InspectNetworkOptions>).await)?.is_some() {
        return Ok(());
    }
    let taken = taken(engine).await?;
    let mut last = None;
    for subnet in range.free(&taken).take(TRIES) {
        match engine.create_network(request(server, &name, pipeline, subnet)).await {
            Ok(_) => return Ok(()),
            // Something outside of Docker, or another server, is faster or was there before.
            Err(fault) if is_overlap(&fault) => last = Some(fault.to_string()),
            Err(fault) => return Err(translate(fault)),
        }
    }
    let message = last.unwrap_or_else(|| "none is free".to_owned());
    Err(Error::Refused { message: format!("no subnet of {range} can be had for the pipeline's network: {message}") })
}

fn request(server: &str, name: &str, pipeline: &PipelineId, subnet: Range) -> NetworkCreateRequest {
    let labels = [(SERVER_LABEL, server), (PIPELINE_LABEL, pipeline.as_str())];
    let config = IpamConfig { subnet: Some(subnet.to_string()), ..IpamConfig::default() };
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam { config: Some(vec![config]), ..Ipam::default() }),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..NetworkCreateRequest::default()
    }
}

async fn taken(engine: &bollard::Docker) -> Result<Vec<Range>, Error> {
    let networks = engine.list_networks(None::<ListNetworksOptions>).await.map_err(translate)?;
    let configs = networks.into_iter().filter_map(|network| network.ipam?.config).flatten();
    Ok(configs.filter_map(|config| Range::read(&config.subnet?)).collect())
}

fn is_overlap(fault: &Fault) -> bool {
    refusal(fault)
        .is_some_and(|(_, message)| message.contains("overlaps") || message.contains("conflicts with network"))
}
