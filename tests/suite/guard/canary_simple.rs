//! No secret of SR-Simple gets out in its whole life: not while everything goes well, and not where
//! AWS, the cluster and Coder refuse what they are sent and quote all of it.

use super::binary::Folder;
use super::canary::decode;
use crate::suite::deployment::{Deployment, destroy, spec};
use crate::suite::harness::config;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use coderctl::cli::drive::{Caller, carry_out};
use coderctl::cli::rotation::Rotation;
use coderctl::event::{Event, Sink};
use coderctl::plan::Options;
use coderctl::sandbox::{Effect, Fault, Faults};
use coderctl::spec::Loaded;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

const SIMPLE: &str = "examples/sr-simple.yaml";
const CLIENT_SECRET: &str = "canary-oidc-Zq7/x+\"quoted\"";

fn license() -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"jti": "canary", "license_expires": 1_900_000_000});
    format!("{}.{}.canary-signature-Wm3", part(json!({"alg": "EdDSA"})), part(claims))
}

/// All secrets that there are, or were.
#[derive(Default)]
struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Adds what Secrets Manager holds, in whole and by member.
    fn learn(&mut self, dump: &Value) {
        let accounts = dump["accounts"].as_object().unwrap().values();
        for region in accounts.flat_map(|account| account["regions"].as_object().unwrap().values())
        {
            self.texts(&region["secrets"]);
        }
        self.0.retain(|secret| secret.len() >= 8);
    }

    fn texts(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(text) = map.get("text").and_then(Value::as_str) {
                    self.0.insert(text.to_owned());
                    let object: Value = serde_json::from_str(text).unwrap_or_default();
                    self.0.extend(object["password"].as_str().map(str::to_owned));
                }
                map.values().for_each(|value| self.texts(value));
            }
            Value::Array(items) => items.iter().for_each(|value| self.texts(value)),
            _ => {}
        }
    }

    /// Asserts that none is in `text`, in any of the forms that it may take.
    fn assert_not_in(&self, text: &str, place: &str) {
        assert!(self.0.len() >= 3, "there is nothing to look for: {}", self.0.len());
        for secret in &self.0 {
            let quoted = Value::from(secret.as_str()).to_string();
            let forms = [
                secret.clone(),
                quoted.trim_matches('"').to_owned(),
                form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
                percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC)
                    .to_string(),
                STANDARD.encode(secret),
                URL_SAFE_NO_PAD.encode(secret),
            ];
            for form in forms {
                if let Some(at) = text.find(&form) {
                    let mut from = at.saturating_sub(300);
                    while !text.is_char_boundary(from) {
                        from -= 1;
                    }
                    panic!("a secret is in {place}, behind: {}", &text[from..at]);
                }
            }
        }
    }
}

/// What a life has said, and left where secrets do not belong.
struct Life {
    account: Deployment,
    secrets: Secrets,
    said: Arc<Mutex<String>>,
}

impl Life {
    fn sink(&self) -> Sink {
        let said = self.said.clone();
        Arc::new(move |event: Event| {
            let json = serde_json::to_string(&event).unwrap();
            writeln!(said.lock().unwrap(), "{event:?}\n{json}").unwrap();
        })
    }

    fn say(&self, text: &str) {
        writeln!(self.said.lock().unwrap(), "{text}").unwrap();
    }

    /// One process: plans and carries out. Answers whether all is done.
    async fn run(&self, spec: &Loaded, options: &Options) -> bool {
        let mut session = self.account.open(spec).await.unwrap();
        let plan = session.plan(options).await.plan;
        self.say(&format!("{plan:?}\n{}", serde_json::to_string(&plan).unwrap()));
        if plan.is_empty() {
            return true;
        }
        let (caller, sink) = (Caller::default(), self.sink());
        match carry_out(&mut session, &plan, options, &caller, |_, _| sink).await {
            Ok(carried) => {
                self.say(&format!("{:?} {:?}", carried.outcome, session.notes));
                carried.outcome.is_complete()
            }
            Err(failure) => {
                self.say(&format!("{failure:?}"));
                false
            }
        }
    }

    async fn rotate(&self, spec: &Loaded) -> bool {
        let mut session = self.account.open(spec).await.unwrap();
        let sink = self.sink();
        let done = async {
            let rotation = Rotation::prepare(&mut session).await?;
            rotation.carry_out(&mut session, &Caller::default(), |_, _| sink).await
        };
        match done.await {
            Ok(carried) => {
                self.say(&format!("{:?}", carried.outcome));
                carried.outcome.is_complete()
            }
            Err(failure) => {
                self.say(&format!("{failure:?}"));
                false
            }
        }
    }

    /// From now on, the first call of each of these is refused, and all of it is quoted.
    fn quote(&self, calls: &[&str]) {
        let quote = Effect::Error {
            status: 400,
            code: "InvalidParameterValue".to_owned(),
            message: "canary: {request}".to_owned(),
        };
        let script = calls.iter().map(|call| Fault::on_operation(call, quote.clone()));
        self.account.sandbox.set_faults(Faults::script(script));
    }

    /// Looks everywhere.
    fn look(&mut self) {
        let mut dump = self.account.sandbox.dump();
        self.secrets.learn(&dump);
        for account in dump["accounts"].as_object_mut().unwrap().values_mut() {
            for region in account["regions"].as_object_mut().unwrap().values_mut() {
                region["secrets"].take();
                forget(&mut region["rds"], &["password", "next_password"]);
            }
        }
        let mut kept = dump.to_string();
        decode(&dump["s3"], &mut kept);
        assert!(kept.contains("us-east-1/network/vpc"), "the record can be read here");
        for (_, mut cluster) in self.account.inside() {
            without_values(&mut cluster);
            kept.push_str(&cluster.to_string());
        }
        self.secrets.assert_not_in(&kept, "the account");
        let said = self.said.lock().unwrap();
        self.secrets.assert_not_in(&said, "what was said");
    }
}

/// Takes the values out of Secrets, those of watches' history too; the rest of them stays.
fn without_values(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("kind").is_some_and(|kind| kind == "Secret") {
                map.remove("data");
            }
            map.values_mut().for_each(without_values);
        }
        Value::Array(items) => items.iter_mut().for_each(without_values),
        _ => {}
    }
}

fn forget(value: &mut Value, keys: &[&str]) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !keys.contains(&key.as_str()));
            map.values_mut().for_each(|value| forget(value, keys));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| forget(value, keys)),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_of_sr_simple_gets_out_while_everybody_quotes() {
    let account = Deployment::new(5);
    let manager = aws_sdk_secretsmanager::Client::new(&config(&account.sandbox));
    for (number, name, value) in
        [(1, "idp/coder", CLIENT_SECRET.to_owned()), (2, "coder/license", license())]
    {
        let token = format!("00000000-0000-4000-8000-00000000000{number}");
        let secret = manager.create_secret().name(name).secret_string(value);
        secret.client_request_token(token).send().await.unwrap();
    }
    let mut set = vec![
        "coder.oidc.issuer_url=https://id.example.com",
        "coder.oidc.client_id=coder",
        "coder.oidc.client_secret.secrets_manager=idp/coder",
        "coder.license.secrets_manager=coder/license",
    ];
    let wanted = spec(SIMPLE, &set);
    let mut life = Life { account, secrets: Secrets::default(), said: Arc::default() };
    let quoted = [
        "secretsmanager:CreateSecret",
        "secretsmanager:PutSecretValue",
        "rds:CreateDBCluster",
        "kubernetes:patch secrets",
        "kubernetes:patch deployments",
        "coder:POST users/first",
        "coder:POST users/login",
        "coder:POST users/{user}/keys/tokens",
        "coder:POST licenses",
    ];
    life.quote(&quoted);
    let mut runs = 1;
    while !life.run(&wanted, &Options::default()).await {
        runs += 1;
        assert!(runs < 15, "{}", life.said.lock().unwrap());
    }
    life.look();
    let quotes = life.said.lock().unwrap().matches("canary: ").count();
    assert!(quotes >= quoted.len(), "{quotes} quotes in {runs} runs");

    life.quote(&[
        "secretsmanager:PutSecretValue",
        "rds:ModifyDBCluster",
        "secretsmanager:UpdateSecretVersionStage",
        "kubernetes:patch secrets",
        "kubernetes:patch deployments",
    ]);
    let mut runs = 1;
    while !life.rotate(&wanted).await {
        runs += 1;
        assert!(runs < 10, "{}", life.said.lock().unwrap());
    }
    assert!(runs >= 4, "{runs}");
    life.look();

    set.push("coder.version=2.37.1");
    let changed = spec(SIMPLE, &set);
    life.quote(&["kubernetes:patch deployments"]);
    // The first is that of the plan's rehearsal, which then only notes it.
    while !life.run(&changed, &Options::default()).await {}
    life.look();
    assert!(life.run(&changed, &destroy()).await, "{}", life.said.lock().unwrap());
    life.look();
}

#[test]
fn no_secret_of_sr_simple_is_in_what_the_program_writes() {
    let folder = Folder::new();
    let text = std::fs::read_to_string(super::deployment::path(SIMPLE)).unwrap();
    folder.write("coderctl.yaml", &text);
    let mut said = String::new();
    let mut run = |args: &[&str]| {
        let mut all = vec!["--json-into", "events.jsonl"];
        all.extend(args);
        // On a busy machine, the sandbox's fast clock may leave a call without an answer; what is
        // cut short goes on, and says no secret either.
        for left in (0..3).rev() {
            // The finest log that there is.
            let ran = folder.run_with(("CODERCTL_LOG", "trace"), &all);
            said.push_str(&ran.out);
            said.push_str(&ran.err);
            if ran.code == 0 || left == 0 {
                ran.exits(0);
                break;
            }
        }
    };
    run(&["plan", "--out", "plan.json"]);
    run(&["apply", "--yes"]);
    run(&["rotate", "db-password", "--yes"]);
    run(&["plan", "--output", "json"]);
    run(&["outputs", "--output", "json"]);
    run(&["runs"]);
    let read = |name: &str| std::fs::read_to_string(folder.path(name)).unwrap();
    let mut secrets = Secrets::default();
    secrets.learn(&serde_json::from_str(&read("account.json")).unwrap());
    run(&["destroy", "--yes", "--confirm", "coder-prod"]);
    assert!(said.contains("rotated: "), "it was rotated");
    for file in ["plan.json", "events.jsonl"] {
        secrets.assert_not_in(&read(file), file);
    }
    secrets.assert_not_in(&said, "standard output and error");
}
