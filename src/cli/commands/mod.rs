//! One file a command.

mod adopt;
mod apply;
mod completions;
mod destroy;
mod explain;
mod init;
mod kubeconfig;
mod lock;
mod outputs;
mod pattern;
mod plan;
mod render;
mod rotate;
mod runs;
#[cfg(feature = "sandbox")]
mod sandbox;
mod schema;
pub(super) mod status;
mod validate;
mod version;

use super::args::{Cli, Command, Global};
use super::connect::connect;
use super::exit::Exit;
use super::failure::{Failure, Result};
use super::session::{Session, Target};
use crate::aws::clients::AssumeRole;
use crate::aws::secrets::SecretSources;
use crate::kind::Tags;
use crate::name::{DeploymentName, Region};
use crate::pattern::Facts;
use crate::secret::{Secret, SecretRef};
use crate::spec::{Input, Loaded, load};
use std::path::{Path, PathBuf};

/// Runs a command.
pub(super) async fn run(cli: Cli) -> Result<Exit> {
    let Cli { global, command } = cli;
    match command {
        Command::Init(args) => init::run(&global, &args),
        Command::Validate => validate::run(&global),
        Command::Plan(args) => plan::run(&global, &args).await,
        Command::Apply(args) => apply::run(&global, &args).await,
        Command::Destroy(args) => destroy::run(&global, &args).await,
        Command::Outputs(args) => outputs::run(&global, &args).await,
        Command::Status(args) => status::run(&global, &args).await,
        Command::Render(args) => render::run(&global, &args),
        Command::Kubeconfig(args) => kubeconfig::run(&global, &args).await,
        Command::Explain(args) => explain::run(&global, &args).await,
        Command::Adopt(args) => adopt::run(&global, &args).await,
        Command::Rotate(args) => rotate::run(&global, &args).await,
        Command::Lock(args) => lock::run(&global, &args).await,
        Command::Runs(args) => runs::run(&global, &args).await,
        Command::Pattern(args) => pattern::run(&global, &args),
        Command::Schema(args) => schema::run(&args),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::run(&global, &args).await,
        Command::Completions { shell } => completions::run(shell),
        Command::Version => version::run(&global),
    }
}

/// Loads the spec that the flags name.
fn spec(global: &Global) -> Result<Loaded> {
    let files = if global.files.is_empty() {
        vec![PathBuf::from("coderctl.yaml")]
    } else {
        global.files.clone()
    };
    Ok(load(&Input { files, set: global.set.clone() })?)
}

/// A view of the deployment that the spec describes. `facts` are those of a plan file.
async fn session(global: &Global, facts: Option<Facts>) -> Result<Session> {
    session_of(global, spec(global)?, facts).await
}

/// As [`session`], for a spec that is loaded already.
async fn session_of(global: &Global, loaded: Loaded, facts: Option<Facts>) -> Result<Session> {
    let spec = &loaded.spec;
    let assume_role = match (&global.assume_role, &spec.assume_role) {
        (Some(role_arn), _) => Some(AssumeRole {
            role_arn: role_arn.clone(),
            external_id: None,
            session_name: "coderctl".to_owned(),
        }),
        (None, Some(assume)) => {
            let external_id =
                match &assume.external_id {
                    None => None,
                    Some(reference) => Some(local_secret(global, reference).map_err(|error| {
                        Failure::doing("reading assume_role.external_id", error)
                    })?),
                };
            Some(AssumeRole {
                role_arn: assume.role_arn.clone(),
                external_id,
                session_name: assume.session_name.clone(),
            })
        }
        (None, None) => None,
    };
    let own_cluster = spec.cluster.is_some();
    let folder = spec_folder(global);
    let home = &spec.home_region;
    let connected = connect(global, &folder, home, spec.use_fips, assume_role, own_cluster).await?;
    let target = Target::of(&loaded);
    let session = Session::open(connected, Some(loaded), target, facts).await?;
    interruptible(&session);
    Ok(session)
}

/// A view of a deployment by its name alone, to destroy it.
async fn session_without_spec(
    global: &Global,
    name: DeploymentName,
    home_region: Region,
) -> Result<Session> {
    let assume_role = global.assume_role.as_ref().map(|role_arn| AssumeRole {
        role_arn: role_arn.clone(),
        external_id: None,
        session_name: "coderctl".to_owned(),
    });
    let connected =
        connect(global, Path::new("."), &home_region, false, assume_role, false).await?;
    let target = Target { name, account: None, home_region, tags: Tags::new(), bucket: None };
    let session = Session::open(connected, None, target, None).await?;
    interruptible(&session);
    Ok(session)
}

/// The folder that the spec's relative paths start from.
fn spec_folder(global: &Global) -> PathBuf {
    let first = global.files.first().and_then(|file| file.parent());
    first.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// A secret that must be known before there are credentials for Secrets Manager.
fn local_secret(global: &Global, reference: &SecretRef) -> crate::kind::Result<Secret> {
    SecretSources::of_process(spec_folder(global)).local(reference)
}

/// From now on, the first Ctrl-C or SIGTERM asks the session to stop, and the second ends the
/// process at once.
fn interruptible(session: &Session) {
    let cancel = session.cx.cancel.clone();
    tokio::spawn(async move {
        signal().await;
        if super::print::is_asking() {
            super::print::note("\ninterrupted; nothing was changed");
            std::process::exit(Exit::Interrupted as i32);
        }
        cancel.cancel();
        super::print::note(
            "interrupted: starting nothing more, waiting for calls in flight (again to stop now)",
        );
        signal().await;
        super::print::note("stopped; the lock's lease runs out by itself in two minutes");
        std::process::exit(Exit::Interrupted as i32);
    });
}

async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
