//! `coderctl sandbox`.

use crate::cli::args::{Global, Output, SandboxAction, SandboxArgs, ServeArgs};
use crate::cli::connect::{SANDBOX_ACCOUNT, kube_path, open_cluster, open_sandbox, sandbox_path};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::sandbox::{Clusters, Front, Knobs, serve_kubernetes};
use serde_json::json;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

pub(super) async fn run(global: &Global, args: &SandboxArgs) -> Result<Exit> {
    let path = sandbox_path(global.sandbox.as_ref());
    match &args.action {
        SandboxAction::Path => {
            print::out(&path.display().to_string());
            Ok(Exit::Done)
        }
        SandboxAction::Reset => {
            for file in [path.clone(), kube_path(&path)] {
                match std::fs::remove_file(&file) {
                    Ok(()) => print::note(&format!("removed {}", file.display())),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => {
                        let message = format!("removing {}: {error}", file.display());
                        return Err(Failure::plain(Exit::Failed, message));
                    }
                }
            }
            Ok(Exit::Done)
        }
        SandboxAction::Serve(args) => serve(global, &path, args).await,
    }
}

async fn listen(port: u16) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("listening on 127.0.0.1:{port}: {error}"),
            "choose another port with --port or --kubernetes-port; 0 takes a free one",
        )
    })
}

async fn serve(global: &Global, path: &Path, args: &ServeArgs) -> Result<Exit> {
    let speed = args.speed;
    let sandbox = open_sandbox(path, speed)?;
    let cluster = open_cluster(path, sandbox.clock())?;
    let (aws, kubernetes) = (listen(args.port).await?, listen(args.kubernetes_port).await?);
    let address = |listener: &TcpListener| {
        listener.local_addr().map_err(|error| {
            Failure::plain(Exit::Failed, format!("reading the port that was taken: {error}"))
        })
    };
    let (aws_at, kubernetes_at) = (address(&aws)?, address(&kubernetes)?);
    let front = front(args, &format!("http://{kubernetes_at}"))?;
    sandbox.set_knobs(Knobs { kubernetes: Some(front), ..sandbox.knobs() });
    let clusters = Clusters::new(sandbox.clone(), SANDBOX_ACCOUNT, Some(path.to_owned()));
    let kubeconfig = write_kubeconfig(path, &format!("http://{kubernetes_at}"))?;
    if global.output == Output::Json {
        print::out(
            &json!({
                "aws_endpoint_url": format!("http://{aws_at}"),
                "kubeconfig": kubeconfig,
                "state": path,
            })
            .to_string(),
        );
    } else {
        print::out(&format!(
            "# state: {}\n\
             export AWS_ENDPOINT_URL=http://{aws_at} AWS_REGION=us-east-1\n\
             export AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox\n\
             export KUBECONFIG={}\n\
             # serving until interrupted; time runs {speed} times as fast",
            path.display(),
            kubeconfig.display()
        ));
    }
    let stop = tokio::sync::Notify::new();
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
        stop.notify_waiters();
    };
    let failed = |error: std::io::Error| {
        Failure::plain(Exit::Failed, format!("serving the sandbox: {error}"))
    };
    tokio::select! {
        result = crate::sandbox::serve(sandbox, aws, stop.notified()) => result.map_err(failed)?,
        result = serve_kubernetes(cluster, clusters, kubernetes, stop.notified()) => {
            result.map_err(failed)?;
        }
        () = interrupted => {}
    }
    Ok(Exit::Done)
}

/// Where clients find the Kubernetes APIs of clusters, and what they are to trust there.
fn front(args: &ServeArgs, own: &str) -> Result<Front> {
    let url = args.kubernetes_url.as_deref().unwrap_or(own).trim_end_matches('/').to_owned();
    let authority = args.kubernetes_ca.as_ref().map(|file| {
        std::fs::read_to_string(file).map_err(|error| {
            let message = format!("reading the authority {}: {error}", file.display());
            Failure::plain(Exit::Usage, message)
        })
    });
    Ok(Front { url, authority: authority.transpose()? })
}

fn write_kubeconfig(path: &Path, server: &str) -> Result<PathBuf> {
    let file = path.with_extension("kubeconfig");
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "sandbox",
        "clusters": [{"name": "sandbox", "cluster": {"server": server}}],
        "users": [{"name": "sandbox", "user": {}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
    });
    // A kubeconfig is YAML, and JSON is YAML.
    std::fs::write(&file, format!("{text:#}\n")).map_err(|error| {
        Failure::plain(Exit::Failed, format!("writing {}: {error}", file.display()))
    })?;
    Ok(file)
}
