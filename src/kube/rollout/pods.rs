//! Why a pod is not ready, in its own words.
//! <https://kubernetes.io/docs/tasks/debug/debug-application/debug-pods/>

use crate::kind::{Cx, Result};
use crate::kube::client::{Call, Kube};
use crate::secret::MASK;
use serde_json::Value;

/// After so many restarts, one more does not help. Coder itself may need a few until its
/// database answers.
const RESTARTS: i64 = 5;
/// The longest line of a log that is shown, in characters.
const LONGEST_LINE: usize = 300;

/// What is wrong with a pod.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trouble {
    /// In words: `ImagePullBackOff: Back-off pulling image "x" (image x)`.
    pub(super) why: String,
    /// The reason alone, which stays the same from look to look.
    reason: String,
    /// The pod.
    pub(super) pod: Option<String>,
    /// The container, where it is one that has run.
    container: Option<String>,
    /// It never recovers.
    pub(super) is_final: bool,
    /// It does not recover unless somebody does something, or it has just begun.
    pub(super) is_grave: bool,
}

impl Trouble {
    fn new(reason: &str, why: String) -> Trouble {
        Trouble {
            why,
            reason: reason.to_owned(),
            pod: None,
            container: None,
            is_final: false,
            is_grave: false,
        }
    }

    /// One that may pass.
    pub(super) fn passing(why: String) -> Trouble {
        Trouble::new("", why)
    }

    /// One that stays if it has stayed for a while.
    pub(super) fn grave(why: String) -> Trouble {
        Trouble { is_grave: true, ..Trouble::new("", why) }
    }

    /// Whether it is the same as before, in a pod of the same Deployment. Pulling an image fails
    /// under two names in turn.
    pub(super) fn is_like(&self, other: &Trouble) -> bool {
        let pull = |reason: &str| matches!(reason, "ErrImagePull" | "ImagePullBackOff");
        self.reason == other.reason || (pull(&self.reason) && pull(&other.reason))
    }

    fn weight(&self) -> u8 {
        match (self.is_final, self.is_grave, self.reason.as_str()) {
            (true, _, _) => 3,
            (_, true, _) => 2,
            (_, _, "Unschedulable") => 1,
            _ => 0,
        }
    }
}

/// The worst trouble among the pods of a Deployment; `None` where none says anything.
pub(super) async fn worst(
    cx: &Cx,
    kube: &Kube,
    namespace: &str,
    deployment: &Value,
) -> Result<Option<Trouble>> {
    let labels = deployment["spec"]["selector"]["matchLabels"].as_object();
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let mut call = Call::get(format!("/api/v1/namespaces/{namespace}/pods"), "pods", false);
    call.operation = "list pods".to_owned();
    call.query = vec![("labelSelector", selector.join(","))];
    let pods = kube.list(cx, &call).await?;
    let mut worst: Option<Trouble> = None;
    for pod in pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()) {
        let Some(trouble) = of_pod(pod) else { continue };
        if worst.as_ref().is_none_or(|worst| trouble.weight() > worst.weight()) {
            worst = Some(trouble);
        }
    }
    Ok(worst)
}

fn of_pod(pod: &Value) -> Option<Trouble> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&pod["metadata"]["name"]);
    let statuses = ["initContainerStatuses", "containerStatuses"];
    let statuses = statuses.iter().filter_map(|field| pod["status"][*field].as_array()).flatten();
    let of_containers = statuses.filter_map(of_container);
    let trouble = of_containers.max_by_key(Trouble::weight).or_else(|| {
        let conditions = pod["status"]["conditions"].as_array()?;
        let condition =
            |of: &str| conditions.iter().find(|it| it["type"] == of && it["status"] == "False");
        if let Some(unscheduled) = condition("PodScheduled") {
            let (reason, message) = (text(&unscheduled["reason"]), text(&unscheduled["message"]));
            return Some(Trouble::new(&reason, format!("{reason}: {message}")));
        }
        // A pod that was evicted, or whose node was lost, says so of itself.
        let reason = text(&pod["status"]["reason"]);
        if !reason.is_empty() {
            let message = text(&pod["status"]["message"]);
            return Some(Trouble::new(&reason, format!("{reason}: {message}")));
        }
        let unready = condition("ContainersReady")?;
        let message = text(&unready["message"]);
        let why = if message.is_empty() {
            "its containers are not ready yet".to_owned()
        } else {
            format!("not ready: {message}")
        };
        Some(Trouble::new("NotReady", why))
    })?;
    Some(Trouble { pod: Some(name), ..trouble })
}

fn of_container(status: &Value) -> Option<Trouble> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&status["name"]);
    let waiting = &status["state"]["waiting"];
    if let Some(reason) = waiting["reason"].as_str() {
        let message = text(&waiting["message"]);
        let said = if message.is_empty() { String::new() } else { format!(": {message}") };
        let trouble = Trouble::new(reason, format!("{reason}{said}"));
        return match reason {
            "InvalidImageName" => Some(Trouble { is_final: true, ..trouble }),
            "ErrImagePull" | "ImagePullBackOff" => {
                let image = text(&status["image"]);
                let why = format!("{} (image {image})", trouble.why);
                Some(Trouble { is_grave: true, why, ..trouble })
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                Some(Trouble { is_grave: true, ..trouble })
            }
            "CrashLoopBackOff" => {
                let restarts = status["restartCount"].as_i64().unwrap_or(0);
                let is_final = restarts >= RESTARTS;
                let why = format!("{} ({restarts} restarts{})", trouble.why, ended(status));
                Some(Trouble { is_final, container: Some(name), why, ..trouble })
            }
            "ContainerCreating" | "PodInitializing" => None,
            _ => Some(trouble),
        };
    }
    if let Some(code) = status["state"]["terminated"]["exitCode"].as_i64().filter(|code| *code != 0)
    {
        let why = format!("container {name} ended with exit code {code}");
        return Some(Trouble { container: Some(name), ..Trouble::new("Ended", why) });
    }
    let runs = status["state"]["running"].is_object() && status["ready"] == false;
    runs.then(|| {
        let why = format!("container {name} runs, and its readiness probe does not pass yet");
        Trouble { container: Some(name), ..Trouble::new("NotReady", why) }
    })
}

/// How a container ended the last time.
fn ended(status: &Value) -> String {
    let last = &status["lastState"]["terminated"];
    match (last["exitCode"].as_i64(), last["reason"].as_str()) {
        (Some(_), Some("OOMKilled")) => {
            ", OOMKilled: it used more memory than its limit".to_owned()
        }
        (Some(code), _) => format!(", exit code {code}"),
        _ => String::new(),
    }
}

/// The last line that the troubled container has written, without anything secret.
pub(super) async fn last_line(
    cx: &Cx,
    kube: &Kube,
    namespace: &str,
    trouble: &Trouble,
) -> Option<String> {
    let (pod, container) = (trouble.pod.as_ref()?, trouble.container.as_ref()?);
    for previous in ["true", "false"] {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log");
        let mut call = Call::get(path, "pods/log", false);
        call.query = vec![
            ("container", container.clone()),
            ("tailLines", "5".to_owned()),
            ("previous", previous.to_owned()),
        ];
        // A log that can not be read is no reason to hide what is known.
        let Ok(log) = kube.text(cx, &call).await else { continue };
        let Some(line) = log.lines().rev().find(|line| !line.trim().is_empty()) else { continue };
        let line: String =
            without_credentials(line.trim()).chars().filter(|c| !c.is_control()).collect();
        return Some(cx.masks.clean(&line).chars().take(LONGEST_LINE).collect());
    }
    None
}

/// A line without what stands between `://` and `@`: programs quote the URL that they can not
/// connect to, and the password in it may be one that this process has never read.
fn without_credentials(line: &str) -> String {
    let mut rest = line;
    let mut clean = String::new();
    while let Some((before, after)) = rest.split_once("://") {
        clean.push_str(before);
        clean.push_str("://");
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        match after[..end].rfind('@') {
            Some(at) => {
                clean.push_str(MASK);
                rest = &after[at..];
            }
            None => rest = after,
        }
    }
    clean.push_str(rest);
    clean
}
