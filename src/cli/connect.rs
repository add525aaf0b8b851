//! What a command talks to: real AWS, or the sandbox.

use super::args::Global;
use super::exit::Exit;
use super::failure::{Failure, Result};
use super::trace::TraceParent;
use crate::accept::web::PublicWeb;
#[cfg(feature = "sandbox")]
use crate::accept::web::Web;
use crate::aws::Clients;
use crate::aws::clients::{AssumeRole, Connection};
#[cfg(feature = "sandbox")]
use crate::aws::route53::dns::Dns;
use crate::aws::route53::dns::PublicDns;
use crate::aws::secrets::SecretSources;
use crate::clock::Clock;
use crate::kind::Connectors;
use crate::name::Region;
#[cfg(feature = "sandbox")]
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How much faster the sandbox's time runs than the wall's: fifteen minutes in twenty seconds.
pub const SANDBOX_RATE: u32 = 45;

/// What a command talks to.
pub struct Connected {
    /// The one clock.
    pub clock: Clock,
    /// AWS.
    pub clients: Clients,
    /// What kinds build their clients from.
    pub connectors: Connectors,
}

/// Connects to what the flags say. `own_cluster` says whether the deployment has a cluster of its
/// own: the sandbox has one besides for those that do not.
///
/// # Errors
/// When the sandbox's state can not be opened, or the kubeconfig can not be read.
pub async fn connect(
    global: &Global,
    folder: &Path,
    home: &Region,
    use_fips: bool,
    assume_role: Option<AssumeRole>,
    own_cluster: bool,
) -> Result<Connected> {
    #[cfg(feature = "sandbox")]
    if let Some(path) = &global.sandbox {
        return sandboxed(global, folder, path, home, own_cluster).await;
    }
    #[cfg(not(feature = "sandbox"))]
    if global.sandbox.is_some() {
        return Err(Failure::plain(Exit::Usage, "this build has no sandbox"));
    }
    let clock = Clock::real();
    let connection = Connection {
        profile: global.profile.clone(),
        endpoint_url: global.endpoint_url.clone(),
        use_fips,
        assume_role,
    };
    let mut clients = Clients::connect(&connection, home, clock).await;
    if let Some(trace) = TraceParent::from_env() {
        clients = clients.traced(trace.trace_id());
    }
    let connectors =
        Connectors::default().with(clients.clone()).with(SecretSources::of_process(folder));
    let connectors = connectors
        .with(PublicDns::of_machine())
        .with(PublicWeb::of_machine())
        .with(crate::kube::ClusterTransport::over_tls());
    let connectors = with_cluster(global, connectors).await?;
    Ok(Connected { clock, clients, connectors })
}

async fn with_cluster(global: &Global, connectors: Connectors) -> Result<Connectors> {
    let Some(path) = &global.kubeconfig else { return Ok(connectors) };
    let cluster = crate::kube::Cluster::from_kubeconfig(path, global.context.as_deref())
        .await
        .map_err(|error| Failure::doing("reading the kubeconfig", error))?;
    Ok(connectors.with(cluster))
}

/// Where the sandbox's state is kept: as given, or in the user's state folder (`@`, which is what
/// `--sandbox` alone means).
pub fn sandbox_path(given: Option<&PathBuf>) -> PathBuf {
    match given {
        Some(path) if path.as_os_str() != "@" => path.clone(),
        _ => {
            let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(|| {
                std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"))
            });
            state.unwrap_or_else(std::env::temp_dir).join("coderctl/sandbox.json")
        }
    }
}

/// The account of the sandbox.
#[cfg(feature = "sandbox")]
pub const SANDBOX_ACCOUNT: &str = "123456789012";

/// The public DNS, as the sandbox's Route 53 fills it.
#[cfg(feature = "sandbox")]
struct SandboxDns(crate::sandbox::Sandbox);

#[cfg(feature = "sandbox")]
impl Dns for SandboxDns {
    fn name_servers<'a>(
        &'a self,
        domain: &'a str,
    ) -> futures::future::BoxFuture<'a, std::result::Result<BTreeSet<String>, String>> {
        let servers = self.0.resolve(domain, "NS");
        let servers = servers.iter().map(|server| server.trim_end_matches('.').to_lowercase());
        Box::pin(std::future::ready(Ok(servers.collect())))
    }

    fn addresses<'a>(
        &'a self,
        name: &'a str,
    ) -> futures::future::BoxFuture<'a, std::result::Result<BTreeSet<String>, String>> {
        let addresses = self.0.resolve(name, "A").into_iter().collect();
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// The internet, from the sandbox's names to the servers in its clusters.
#[cfg(feature = "sandbox")]
struct SandboxWeb {
    clusters: crate::sandbox::Clusters,
    region: Region,
}

#[cfg(feature = "sandbox")]
impl Web for SandboxWeb {
    fn healthz<'a>(
        &'a self,
        host: &'a str,
    ) -> futures::future::BoxFuture<'a, std::result::Result<(u16, String), String>> {
        let answer = self.clusters.healthz(self.region.as_str(), host);
        Box::pin(std::future::ready(answer))
    }
}

/// What stands for the internet around a sandbox.
#[cfg(feature = "sandbox")]
pub fn internet_of(
    sandbox: crate::sandbox::Sandbox,
    clusters: crate::sandbox::Clusters,
    home: &Region,
) -> (PublicDns, PublicWeb) {
    let web = SandboxWeb { clusters, region: home.clone() };
    let dns = PublicDns(std::sync::Arc::new(SandboxDns(sandbox)));
    (dns, PublicWeb(std::sync::Arc::new(web)))
}

#[cfg(feature = "sandbox")]
async fn sandboxed(
    global: &Global,
    folder: &Path,
    path: &PathBuf,
    home: &Region,
    own_cluster: bool,
) -> Result<Connected> {
    use crate::sandbox::kube::KubeService;
    use crate::sandbox::{Clusters, SandboxHttp};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    let sandbox = open_sandbox(&sandbox_path(Some(path)), SANDBOX_RATE)?;
    let clock = sandbox.clock();
    let base = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new(home.to_string()))
        .http_client(SandboxHttp::new(sandbox.clone()))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::from_keys(
            "AKIASANDBOX",
            "sandbox",
            None,
        )))
        .build();
    let clients = Clients::from_config(base, true, clock, clock.unix());
    let connectors =
        Connectors::default().with(clients.clone()).with(SecretSources::of_process(folder));
    let state = sandbox_path(Some(path));
    let clusters = Clusters::new(sandbox.clone(), SANDBOX_ACCOUNT, Some(state.clone()));
    let (dns, web) = internet_of(sandbox.clone(), clusters.clone(), home);
    let connectors = connectors.with(dns).with(web);
    if global.kubeconfig.is_some() {
        let connectors = with_cluster(global, connectors).await?;
        return Ok(Connected { clock, clients, connectors });
    }
    let has_clusters = !sandbox.clusters(SANDBOX_ACCOUNT, home.as_str()).is_empty();
    let connectors = if own_cluster || has_clusters {
        connectors.with(crate::kube::ClusterTransport::new(move |access| {
            let api = clusters
                .at(access.region.as_str(), &access.endpoint)
                .map_err(|error| crate::kind::Error::local(error.to_string()))?;
            Ok(::kube::Client::new(KubeService::new(api), "default"))
        }))
    } else {
        let service = KubeService::new(open_cluster(&state, clock)?);
        connectors.with(crate::kube::Cluster::new(::kube::Client::new(service, "default")))
    };
    Ok(Connected { clock, clients, connectors })
}

/// Opens the sandbox in a file; the folder is made if it is not there.
///
/// # Errors
/// When the state can not be read, or is damaged.
#[cfg(feature = "sandbox")]
pub fn open_sandbox(path: &std::path::Path, rate: u32) -> Result<crate::sandbox::Sandbox> {
    use crate::sandbox::Sandbox;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("making the sandbox's folder {}: {error}", folder.display()),
                "name another file: --sandbox=FILE",
            )
        })?;
    }
    let clock = Clock::starting_at(std::time::SystemTime::now(), rate);
    // The seed counts for a new file only: ids differ from sandbox to sandbox as they do in AWS.
    Sandbox::open(path, clock, clock.unix()).map_err(|error| {
        Failure::new(Exit::Failed, format!("opening the sandbox: {error}"), error.hint())
    })
}

/// Where the state of the sandbox's cluster is kept: beside that of its AWS.
pub fn kube_path(path: &Path) -> PathBuf {
    path.with_extension("cluster.json")
}

/// Opens the sandbox's cluster.
///
/// # Errors
/// When its state can not be read, or is damaged.
#[cfg(feature = "sandbox")]
pub fn open_cluster(path: &Path, clock: Clock) -> Result<crate::sandbox::kube::KubeSandbox> {
    crate::sandbox::kube::KubeSandbox::open(&kube_path(path), clock, clock.unix()).map_err(
        |error| {
            let message = format!("opening the sandbox's cluster: {error}");
            Failure::new(Exit::Failed, message, error.hint())
        },
    )
}
