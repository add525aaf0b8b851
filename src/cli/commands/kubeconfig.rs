//! `coderctl kubeconfig`.

use crate::aws::eks::access::Access;
use crate::aws::eks::cluster::{Cluster, Live, Phase};
use crate::cli::args::{Global, KubeconfigArgs, Output};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::cli::session::Session;
use crate::graph::AnyKind;
use crate::kind::Kind;
use crate::observe::observe;
use crate::report::yaml;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// The first line, by which the next run knows that a file is its own.
const HEADER: &str = "# Written by coderctl kubeconfig";

pub(super) async fn run(global: &Global, args: &KubeconfigArgs) -> Result<Exit> {
    let session = super::session(global, None).await?;
    let access = access(&session).await?;
    let name = session.cx.deployment.name.to_string();
    let role = global.assume_role.clone().or_else(|| {
        let assume = session.loaded.as_ref()?.spec.assume_role.as_ref()?;
        Some(assume.role_arn.clone())
    });
    let config = kubeconfig(&name, &access, global.profile.as_deref(), role.as_deref());
    let text = match global.output {
        Output::Json => format!("{config:#}\n"),
        Output::Human | Output::Markdown => {
            format!("{HEADER} for {name}\n{}", yaml::document(&config))
        }
    };
    match &args.out {
        None => print::out(&text),
        Some(path) => {
            write(path, &text, args.force)?;
            print::note(&format!("{} has the context {name}", path.display()));
        }
    }
    Ok(Exit::Done)
}

/// How the deployment's own cluster is reached.
async fn access(session: &Session) -> Result<Access> {
    let deployment = &session.cx.deployment;
    if session.loaded.as_ref().is_some_and(|loaded| loaded.spec.cluster.is_none()) {
        return Err(Failure::new(
            Exit::Spec,
            format!("the spec of {} makes no cluster", deployment.name),
            "a kubeconfig is for the cluster of the section `cluster`",
        ));
    }
    let kinds: Vec<&dyn AnyKind> =
        session.kinds.iter().copied().filter(|kind| kind.name() == Cluster::NAME).collect();
    let snapshot = observe(&session.cx, &kinds, &session.graph, &session.regions()).await;
    if let Some(unread) = snapshot.unreadable.first() {
        return Err(Failure::doing("reading the cluster", unread.error.clone()));
    }
    let live = snapshot.live.iter().rev().find(|live| live.found.is_present());
    let Some(live) = live.and_then(|live| live.found.live_ref().downcast_ref::<Live>()) else {
        return Err(Failure::new(
            Exit::Failed,
            format!("{} has no cluster yet", deployment.name),
            "apply first: coderctl apply",
        ));
    };
    live.access.clone().ok_or_else(|| {
        let why = if live.phase == Phase::Creating { ": it is being made" } else { "" };
        Failure::new(
            Exit::Failed,
            format!("cluster {} has no endpoint yet{why}", live.name),
            "wait until it is ACTIVE; `coderctl apply` waits for it",
        )
    })
}

/// A kubeconfig without any credential: whoever uses it asks the AWS CLI for a token.
/// <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>,
/// <https://docs.aws.amazon.com/cli/latest/reference/eks/get-token.html>
fn kubeconfig(name: &str, access: &Access, profile: Option<&str>, role: Option<&str>) -> Value {
    let Access { cluster, region, endpoint, certificate_authority } = access;
    let region = region.to_string();
    let mut args = vec![
        "--region",
        region.as_str(),
        "eks",
        "get-token",
        "--cluster-name",
        cluster,
        "--output",
        "json",
    ];
    if let Some(role) = role {
        args.extend(["--role-arn", role]);
    }
    let mut exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": args,
        "interactiveMode": "IfAvailable",
    });
    if let Some(profile) = profile {
        exec["env"] = json!([{"name": "AWS_PROFILE", "value": profile}]);
    }
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{
            "name": name,
            "cluster": {
                "server": endpoint,
                "certificate-authority-data": certificate_authority,
            },
        }],
        "users": [{"name": name, "user": {"exec": exec}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    })
}

/// Replaces the file as a whole, readable for its owner alone.
fn write(path: &Path, text: &str, force: bool) -> Result<()> {
    let shown = path.display();
    let failed = |error: &dyn std::fmt::Display| {
        let hint = "name a file in a folder that you may write to";
        Failure::new(Exit::Failed, format!("writing the kubeconfig to {shown}: {error}"), hint)
    };
    match std::fs::read(path) {
        Ok(there) if !force && !there.is_empty() && !there.starts_with(HEADER.as_bytes()) => {
            return Err(Failure::new(
                Exit::Refused,
                format!("{shown} is there, and was not written by coderctl"),
                "name another file and list both in KUBECONFIG, or replace it with --force",
            ));
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&error)),
        _ => {}
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file has mode 0600 from the start.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error))?;
    Ok(())
}
