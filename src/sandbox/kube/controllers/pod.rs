//! The life of a pod: put on a node, image pulled, started, ready; or not, and why.

use super::{Moment, claim, condition, container, event, schedule, set_condition};
use crate::sandbox::coderd;
use crate::sandbox::kube::store::{Store, mark_deleted_with, name_of};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long an image is pulled.
const PULL: u64 = 15_000;
/// How long a container takes from its start to its first good probe.
const READY: u64 = 10_000;
/// How often a pod that can't go on is tried again.
const RETRY: u64 = 10_000;
/// The longest pause between two starts of a container that crashes.
const LONGEST: u64 = 300_000;
/// How long a process takes to end when it is asked to.
const END: u64 = 2_000;

/// What the API does not show of a pod.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::sandbox::kube) struct Life {
    stage: Stage,
    /// When the stage ends, in milliseconds since 1970.
    until: u64,
    restarts: u64,
    started: u64,
    /// What the container wrote.
    pub(in crate::sandbox::kube) log: Vec<String>,
    /// When a pod that is being deleted is gone.
    gone: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    #[default]
    Unscheduled,
    Pulling,
    Waiting,
    Starting,
    Ready,
    Crashed,
}

/// Whether a pod is being deleted.
pub(in crate::sandbox::kube) fn stopping(pod: &Value) -> bool {
    pod["metadata"].get("deletionTimestamp").is_some()
}

/// Whether a pod takes traffic.
pub(in crate::sandbox::kube) fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// Begins the end of a pod. One that runs nowhere is gone at once.
pub(super) fn terminate(moment: &mut Moment<'_>, pod: Value) {
    begin_end(moment.store, pod, moment.at);
}

/// As [`terminate`], for a delete that the API takes; answers the pod as it is then, or `None`
/// when it is gone.
pub(in crate::sandbox::kube) fn begin_end(
    store: &mut Store,
    mut pod: Value,
    at: u64,
) -> Option<Value> {
    let grace = pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
    if pod["spec"]["nodeName"].as_str().is_none() || grace == 0 {
        store.remove("pods", &pod);
        return None;
    }
    if !stopping(&pod) {
        mark_deleted_with(&mut pod, at, grace);
        return Some(store.put("pods", pod));
    }
    Some(pod)
}

/// Brings every pod further.
pub(super) fn run(moment: &mut Moment<'_>) {
    let pods: Vec<Value> = moment.store.of("pods").cloned().collect();
    let mut lives = std::mem::take(&mut moment.store.lives);
    lives.retain(|uid, _| pods.iter().any(|pod| pod["metadata"]["uid"] == uid.as_str()));
    for pod in pods {
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let mut life = lives.remove(&uid).unwrap_or_default();
        let mut next = pod.clone();
        if step(moment, &mut next, &mut life) {
            moment.put_if_changed("pods", &pod, next);
            lives.insert(uid, life);
        } else {
            moment.store.remove("pods", &pod);
        }
    }
    moment.store.lives = lives;
}

/// One step; `false` when the pod is gone.
fn step(moment: &mut Moment<'_>, pod: &mut Value, life: &mut Life) -> bool {
    if stopping(pod) {
        return ending(moment, pod, life);
    }
    if pod["status"]["phase"].is_null() {
        pod["status"] = json!({"phase": "Pending", "qosClass": "Burstable"});
    }
    match life.stage {
        Stage::Unscheduled => place(moment, pod, life),
        Stage::Pulling if moment.at < life.until => moment.wake(life.until),
        Stage::Waiting if moment.at < life.until => {
            // A missing Secret may be there now.
            moment.wake(life.until);
        }
        Stage::Crashed if moment.at < life.until => moment.wake(life.until),
        Stage::Pulling | Stage::Waiting | Stage::Crashed => start(moment, pod, life),
        Stage::Starting if moment.at < life.until => moment.wake(life.until),
        Stage::Starting => {
            life.stage = Stage::Ready;
            show(
                moment,
                pod,
                life,
                &json!({"running": {"startedAt": super::stamp(life.started)}}),
                true,
            );
        }
        Stage::Ready => {}
    }
    true
}

fn ending(moment: &mut Moment<'_>, pod: &mut Value, life: &mut Life) -> bool {
    let gone = *life.gone.get_or_insert_with(|| {
        let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(30) * 1_000;
        let hooks = pod["spec"]["containers"].as_array().into_iter().flatten();
        let sleeps = hooks.map(|container| {
            let hook = &container["lifecycle"]["preStop"];
            let words: Vec<&str> = hook["exec"]["command"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .flat_map(str::split_whitespace)
                .collect();
            let after = words.iter().position(|word| word.ends_with("sleep"));
            let said = after.and_then(|at| words.get(at + 1)).and_then(|text| text.parse().ok());
            hook["sleep"]["seconds"].as_u64().or(said).unwrap_or_default()
        });
        let sleep = sleeps.max().unwrap_or_default() * 1_000;
        moment.at + grace.min(sleep + END)
    });
    if moment.at >= gone {
        return false;
    }
    moment.wake(gone);
    let now = moment.stamp();
    if is_ready(pod) {
        set_condition(&mut pod["status"], json!({"type": "Ready", "status": "False"}), &now);
    }
    true
}

fn place(moment: &mut Moment<'_>, pod: &mut Value, life: &mut Life) {
    let now = moment.stamp();
    match schedule::place(moment.store, pod) {
        Ok(node) => {
            event::say(
                moment,
                pod,
                "Normal",
                "Scheduled",
                &format!("Successfully assigned {} to {node}", full_name(pod)),
            );
            pod["spec"]["nodeName"] = node.into();
            pod["status"]["startTime"] = now.clone().into();
            let set = json!({"type": "PodScheduled", "status": "True"});
            set_condition(&mut pod["status"], set, &now);
            life.stage = Stage::Pulling;
            life.until = moment.at + PULL;
            moment.wake(life.until);
            show(moment, pod, life, &waiting("ContainerCreating", ""), false);
            // The scheduler's next decision must see this one.
            moment.store.put("pods", pod.clone());
        }
        Err(why) => {
            let old = condition(pod, "PodScheduled").map(|old| old["message"].clone());
            if old != Some(why.clone().into()) {
                event::say(moment, pod, "Warning", "FailedScheduling", &why);
            }
            let set = json!({"type": "PodScheduled", "status": "False",
                             "reason": "Unschedulable", "message": why});
            set_condition(&mut pod["status"], set, &now);
            // Nodes come without anybody writing anything.
            let retry = moment.at + RETRY;
            moment.wake(retry);
        }
    }
}

/// Starts the containers, or says why they can't.
fn start(moment: &mut Moment<'_>, pod: &mut Value, life: &mut Life) {
    let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let images = containers.iter().filter_map(|container| container["image"].as_str());
    if let Some(image) = images.into_iter().find(|image| !container::image_exists(image)) {
        let first = life.stage == Stage::Pulling;
        let why = if first {
            format!(
                "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": \
                 failed to resolve reference \"{image}\": {image}: not found"
            )
        } else {
            format!("Back-off pulling image \"{image}\"")
        };
        let said = format!("Failed to pull image \"{image}\": not found");
        event::say(moment, pod, "Warning", "Failed", &said);
        let reason = if first { "ErrImagePull" } else { "ImagePullBackOff" };
        return wait(moment, pod, life, reason, &why);
    }
    let unbound = claim::unbound(moment.store, pod);
    if let Some(why) = unbound.or_else(|| container::missing_volume(moment.store, pod)) {
        event::say(moment, pod, "Warning", "FailedMount", &why);
        return wait(moment, pod, life, "ContainerCreating", "");
    }
    if pod["status"]["podIP"].is_null() {
        let address = moment.store.pod_ip();
        pod["status"]["podIP"] = address.clone().into();
        pod["status"]["podIPs"] = json!([{"ip": address}]);
        pod["status"]["hostIP"] = "10.0.0.10".into();
    }
    let mut after = 0;
    for one in &containers {
        let environment = match container::environment(moment.store, pod, one) {
            Ok(environment) => environment,
            Err(why) => {
                event::say(moment, pod, "Warning", "Failed", &format!("Error: {why}"));
                return wait(moment, pod, life, "CreateContainerConfigError", &why);
            }
        };
        let Some(version) = container::coderd_version(one) else { continue };
        let at = moment.at;
        let booted = coderd::boot(
            &mut moment.store.coder,
            moment.around.database,
            &version,
            &environment,
            at,
        );
        match booted {
            Ok(booted) => {
                life.log = booted.log;
                after = after.max(booted.ready_after_ms);
            }
            Err(log) => return crash(moment, pod, life, log),
        }
    }
    let probed = containers.iter().any(|one| one["readinessProbe"].is_object());
    life.started = moment.at;
    life.stage = Stage::Starting;
    life.until = moment.at + after + if probed { READY } else { 1_000 };
    moment.wake(life.until);
    event::say(moment, pod, "Normal", "Started", "Started container");
    show(moment, pod, life, &json!({"running": {"startedAt": moment.stamp()}}), false);
}

fn wait(moment: &mut Moment<'_>, pod: &mut Value, life: &mut Life, reason: &str, why: &str) {
    life.stage = Stage::Waiting;
    life.until = moment.at + RETRY;
    moment.wake(life.until);
    show(moment, pod, life, &waiting(reason, why), false);
}

fn crash(moment: &mut Moment<'_>, pod: &mut Value, life: &mut Life, log: Vec<String>) {
    let pause = (10_000_u64 << life.restarts.min(5)).min(LONGEST);
    life.stage = Stage::Crashed;
    life.until = moment.at + pause;
    life.log = log;
    moment.wake(life.until);
    let name = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default();
    let why = format!(
        "back-off {}s restarting failed container={name} pod={}",
        pause / 1_000,
        full_name(pod)
    );
    event::say(
        moment,
        pod,
        "Warning",
        "BackOff",
        &format!("Back-off restarting failed container {name} in pod {}", name_of(pod)),
    );
    let state = waiting("CrashLoopBackOff", &why);
    show(moment, pod, life, &state, false);
    let ended = json!({"terminated": {
        "exitCode": 1, "reason": "Error", "startedAt": moment.stamp(), "finishedAt": moment.stamp(),
    }});
    for status in pod["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
        status["lastState"] = ended.clone();
    }
    life.restarts += 1;
}

fn waiting(reason: &str, why: &str) -> Value {
    if why.is_empty() {
        return json!({"waiting": {"reason": reason}});
    }
    json!({"waiting": {"reason": reason, "message": why}})
}

/// Writes the status of a pod whose containers are all in `state`.
fn show(moment: &Moment<'_>, pod: &mut Value, life: &Life, state: &Value, ready: bool) {
    let now = moment.stamp();
    let running = state.get("running").is_some();
    pod["status"]["phase"] =
        if running || life.restarts > 0 { "Running" } else { "Pending" }.into();
    let word = if ready { "True" } else { "False" };
    set_condition(&mut pod["status"], json!({"type": "Initialized", "status": "True"}), &now);
    for kind in ["ContainersReady", "Ready"] {
        let mut set = json!({"type": kind, "status": word});
        if !ready {
            set["reason"] = "ContainersNotReady".into();
        }
        set_condition(&mut pod["status"], set, &now);
    }
    let one = |container: &Value| {
        json!({
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": ready,
            "started": running,
            "restartCount": life.restarts,
            "state": state,
            "lastState": {},
        })
    };
    let all = pod["spec"]["containers"].as_array().into_iter().flatten().map(one).collect();
    pod["status"]["containerStatuses"] = all;
}

fn full_name(pod: &Value) -> String {
    format!("{}/{}", pod["metadata"]["namespace"].as_str().unwrap_or_default(), name_of(pod))
}
