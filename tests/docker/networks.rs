//! The networks of many pipelines at once: small, distinct, beside what others use, and gone afterwards.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, Ordering},
};

use conducto::{
    clock,
    executor::{
        Error, Executor,
        docker::{Access, Docker, Options, Range},
    },
    model::PipelineId,
};
use futures_util::future::{join_all, try_join_all};

use crate::{SOCKET, docker, lines};

/// A server that makes nothing but networks.
struct Server {
    id: String,
    range: String,
    executor: Docker,
}

impl Server {
    fn new(range: String) -> Self {
        let id = clock::new_uuid().to_string();
        let executor = Self::executor(&id, &range);
        Self { id, range, executor }
    }

    fn executor(id: &str, range: &str) -> Docker {
        let networks = Range::parse(range).unwrap();
        Docker::new(Options {
            server: id.into(),
            binary: "/nonexistent".into(),
            socket: SOCKET.into(),
            networks,
            access: Access::default(),
        })
    }

    fn crash(&mut self) {
        self.executor = Self::executor(&self.id, &self.range);
    }

    fn networks(&self) -> Vec<String> {
        lines(&["network", "ls", "-q", "--filter", &format!("label=com.conducto.server={}", self.id)])
    }

    /// Lists the first addresses of the networks, each of which has sixteen.
    fn subnets(&self) -> BTreeSet<Ipv4Addr> {
        let networks = self.networks();
        let mut inspect = vec!["network", "inspect", "--format", "{{range .IPAM.Config}}{{.Subnet}}{{end}}"];
        inspect.extend(networks.iter().map(String::as_str));
        let subnets = lines(&inspect);
        let first: BTreeSet<_> =
            subnets.iter().map(|text| text.strip_suffix("/28").unwrap().parse().unwrap()).collect();
        assert_eq!(first.len(), networks.len(), "all are distinct: {subnets:?}");
        first
    }

    async fn have(&self, pipelines: &[PipelineId]) -> Result<(), Error> {
        try_join_all(pipelines.iter().map(|pipeline| self.executor.have_network(pipeline))).await.map(|_| ())
    }

    async fn release(&self, pipelines: &[PipelineId]) {
        for released in join_all(pipelines.iter().map(|pipeline| self.executor.release(pipeline))).await {
            released.unwrap();
        }
        assert!(self.networks().is_empty());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for network in self.networks() {
            docker(&["network", "rm", &network]);
        }
    }
}

/// A network that somebody else made.
struct Foreign(String);

impl Foreign {
    fn new(subnet: &str) -> Self {
        let name = format!("conducto-test-{}", clock::new_uuid());
        let made = docker(&["network", "create", "--subnet", subnet, &name]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self(name)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        docker(&["network", "rm", &self.0]);
    }
}

/// Returns the beginning of 1,024 addresses that no other test uses, and hardly another run of the tests.
fn block() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = (std::process::id() * 4 + COUNT.fetch_add(1, Ordering::Relaxed)) % 64;
    format!("10.217.{}", number * 4)
}

fn pipelines(count: usize) -> Vec<PipelineId> {
    std::iter::repeat_with(clock::new_pipeline_id).take(count).collect()
}

#[tokio::test]
async fn sixty_pipelines_at_once_get_networks_beside_a_foreign_one_and_leave_nothing() {
    let block = block();
    let _foreign = Foreign::new(&format!("{block}.16/28"));
    // Room for 64, of which one is taken.
    let mut server = Server::new(format!("{block}.0/22"));
    let pipelines = pipelines(60);
    server.have(&pipelines).await.unwrap();
    // Again is no mistake.
    server.have(&pipelines[..3]).await.unwrap();
    let subnets = server.subnets();
    assert_eq!(subnets.len(), 60);
    let first: Ipv4Addr = format!("{block}.0").parse().unwrap();
    assert!(subnets.iter().all(|subnet| (0..1024).contains(&(subnet.to_bits() - first.to_bits()))), "{subnets:?}");
    assert!(!subnets.contains(&format!("{block}.16").parse().unwrap()), "{subnets:?}");

    server.crash();
    let owned: BTreeSet<_> = server.executor.owned_pipelines().await.unwrap().into_iter().collect();
    assert_eq!(owned, pipelines.iter().cloned().collect());
    server.release(&pipelines).await;
    assert!(server.executor.owned_pipelines().await.unwrap().is_empty());
}

#[tokio::test]
async fn two_servers_share_a_range() {
    let range = format!("{}.0/22", block());
    let (one, other) = (Server::new(range.clone()), Server::new(range));
    let (ones, others) = (pipelines(8), pipelines(8));
    let (first, second) = tokio::join!(one.have(&ones), other.have(&others));
    first.and(second).unwrap();
    assert!(one.subnets().is_disjoint(&other.subnets()));
    one.release(&ones).await;
    assert_eq!(other.networks().len(), 8);
    other.release(&others).await;
}

#[tokio::test]
async fn a_range_that_is_used_up_is_named() {
    let server = Server::new(format!("{}.0/27", block()));
    let pipelines = pipelines(3);
    server.have(&pipelines[..2]).await.unwrap();
    let error = server.have(&pipelines[2..]).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains(&server.range), "{error}");
    // One that ends makes room.
    server.executor.release(&pipelines[0]).await.unwrap();
    server.have(&pipelines[2..]).await.unwrap();
    server.release(&pipelines).await;
}
