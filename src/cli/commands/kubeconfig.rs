//! `coderctl kubeconfig`: how `kubectl` and others reach the deployment's cluster. It holds no
//! credential: a token is asked of the AWS CLI each time.
//! <https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html>

use crate::aws::eks::access::Access;
use crate::aws::eks::cluster::Cluster;
use crate::cli::args::{Global, KubeconfigArgs, Output};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::session::Session;
use crate::cli::{files, print};
use crate::kind::Kind;
use crate::observe::observe;
use crate::registry;
use serde_json::{Value, json};

/// The first line of a file that this command has written, and may replace.
const WRITTEN_BY: &str = "# Written by coderctl kubeconfig.\n";

pub(super) async fn run(global: &Global, args: &KubeconfigArgs) -> Result<Exit> {
    let session = super::session(global, None).await?;
    let access = access(&session).await?;
    let config = config(&session, &access, global.profile.as_deref());
    let text = match global.output {
        Output::Json => serde_json::to_string_pretty(&config).unwrap_or_default(),
        Output::Human | Output::Markdown => serde_saphyr::to_string(&config).map_err(|error| {
            let message = format!("writing a kubeconfig as YAML: {error}");
            Failure::new(Exit::Failed, message, "this is a fault in coderctl; please report it")
        })?,
    };
    let Some(path) = &args.into else {
        print::out(&text);
        return Ok(Exit::Done);
    };
    let is_theirs = std::fs::read_to_string(path).is_ok_and(|text| !text.starts_with(WRITTEN_BY));
    if is_theirs && !args.force {
        return Err(Failure::new(
            Exit::Refused,
            format!("{} was not written by coderctl kubeconfig", path.display()),
            "name another file and list both in KUBECONFIG, or replace it with --force",
        ));
    }
    files::write(path, &format!("{WRITTEN_BY}{text}"))?;
    print::note(&format!("wrote {}: export KUBECONFIG={0}", path.display()));
    Ok(Exit::Done)
}

/// How the deployment's only cluster is reached.
async fn access(session: &Session) -> Result<Access> {
    let kinds = registry::named(Cluster::NAME);
    let snapshot = observe(&session.cx, &kinds, &session.graph, &session.regions()).await;
    if let Some(unread) = snapshot.unreadable.first() {
        return Err(Failure::new(
            Exit::Incomplete,
            format!("listing {}: {}", unread.kind, unread.error),
            "whether there is a cluster can't be told",
        ));
    }
    let clusters = snapshot.live.iter().filter_map(|live| {
        live.found
            .is_present()
            .then(|| live.found.live())?
            .downcast_ref::<<Cluster as Kind>::Live>()
            .cloned()
    });
    let mut clusters: Vec<_> = clusters.collect();
    let Some(cluster) = clusters.pop() else {
        let name = &session.cx.deployment.name;
        let message = format!("{name} has no cluster");
        return Err(Failure::new(Exit::Failed, message, "apply first: coderctl apply"));
    };
    cluster.access.ok_or_else(|| {
        let message = format!("the cluster {} has no endpoint yet", cluster.name);
        Failure::new(Exit::Failed, message, "wait until it is made: `coderctl apply` does")
    })
}

fn config(session: &Session, access: &Access, profile: Option<&str>) -> Value {
    let name = session.cx.deployment.name.as_str();
    let mut exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": [
            "--region", access.region, "eks", "get-token", "--cluster-name", access.cluster,
            "--output", "json",
        ],
        "interactiveMode": "IfAvailable",
    });
    if let Some(profile) = profile {
        exec["env"] = json!([{"name": "AWS_PROFILE", "value": profile}]);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {
            "server": access.endpoint,
            "certificate-authority-data": access.certificate_authority,
        }}],
        "users": [{"name": name, "user": {"exec": exec}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    })
}
