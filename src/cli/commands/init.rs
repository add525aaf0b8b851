//! `coderctl init`: a few questions, and a spec with comments.

use crate::cli::args::{Global, InitArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::spec::{Diagnostics, Input, load, presets};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// What is asked.
struct Question {
    /// Its place in the spec, which is also how a wrong answer is spoken of.
    path: &'static str,
    /// The flag that answers it.
    flag: &'static str,
    text: &'static str,
    /// What an empty answer means; nothing if there has to be one.
    default: Option<&'static str>,
    /// What stands for an answer as long as there is none, when the others are looked at.
    sample: &'static str,
    /// Whether only a pattern with Coder in it needs it.
    for_coder: bool,
}

const QUESTIONS: [Question; 7] = [
    Question {
        path: "project_name",
        flag: "--project-name",
        text: "Project (the first part of every name)",
        default: Some("coder"),
        sample: "coder",
        for_coder: false,
    },
    Question {
        path: "environment",
        flag: "--environment",
        text: "Environment (the second part)",
        default: Some("prod"),
        sample: "prod",
        for_coder: false,
    },
    Question {
        path: "owner",
        flag: "--owner",
        text: "Who answers for it (a team's address, the tag `owner`)",
        default: None,
        sample: "team@example.com",
        for_coder: false,
    },
    Question {
        path: "account",
        flag: "--account",
        text: "AWS account (12 digits; nothing is done in any other)",
        default: None,
        sample: "123456789012",
        for_coder: false,
    },
    Question {
        path: "home_region",
        flag: "--home-region",
        text: "Region (it cannot change)",
        default: Some("us-east-1"),
        sample: "us-east-1",
        for_coder: false,
    },
    Question {
        path: "dns.base_domain",
        flag: "--base-domain",
        text: "Domain (Coder will be coder.<domain>; Route 53 must have a zone for it)",
        default: None,
        sample: "example.com",
        for_coder: true,
    },
    Question {
        path: "coder.owner.email",
        flag: "--email",
        text: "E-mail address of Coder's first user",
        default: None,
        sample: "admin@example.com",
        for_coder: true,
    },
];

pub(super) fn run(global: &Global, args: &InitArgs) -> Result<Exit> {
    let out = args.out.as_path();
    if out.exists() {
        return Err(Failure::new(
            Exit::Refused,
            format!("{} is there already, and is left as it is", out.display()),
            "name another file: coderctl init --out FILE",
        ));
    }
    let preset = presets().iter().find(|preset| preset.name == args.pattern).ok_or_else(|| {
        let known: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
        Failure::new(
            Exit::Usage,
            format!("there is no pattern {}", args.pattern),
            format!("there is: {}", known.join(", ")),
        )
    })?;
    let has_coder = preset.text.lines().any(|line| line == "coder:");
    let questions: Vec<&Question> =
        QUESTIONS.iter().filter(|question| has_coder || !question.for_coder).collect();
    let mut answers: Vec<(&Question, String)> =
        questions.iter().map(|question| (*question, question.sample.to_owned())).collect();
    for (at, question) in questions.iter().enumerate() {
        if let Some(given) = given(question, args) {
            answers[at].1 = given;
            continue;
        }
        loop {
            answers[at].1 = answer(question)?;
            // Whoever can be asked is asked again. What flags say is looked at in the end.
            let tried = check(&write(&args.pattern, &answers), out);
            let Err(Failure { diagnostics: Some(problems), .. }) = tried else { break };
            if !print::can_ask() || is_elsewhere(&problems, question) {
                break;
            }
            for problem in problems.items() {
                print::note(&format!("  {}", problem.message()));
            }
        }
    }
    let text = write(&args.pattern, &answers);
    check(&text, out)?;
    save(&text, out)?;
    // The embedded AWS has one account, and one hosted zone.
    let sandbox = format!(
        "coderctl apply -f {} --sandbox --set account=\"'123456789012'\" --set \
         dns.base_domain=example.com",
        out.display()
    );
    print::note(&format!("wrote {}", out.display()));
    print::note(&format!("try it without an account: {sandbox}"));
    print::note(&format!("see what it would do: coderctl plan -f {}", out.display()));
    if global.output == crate::cli::args::Output::Json {
        print::json_out(&serde_json::json!({"format_version": "1.0", "file": out}));
    }
    Ok(Exit::Done)
}

/// Whether none of the problems is about the answer to this question.
fn is_elsewhere(problems: &Diagnostics, question: &Question) -> bool {
    !problems.items().any(|problem| problem.message().starts_with(question.path))
}

/// The answer that a flag gives.
fn given(question: &Question, args: &InitArgs) -> Option<String> {
    let flags = [
        ("--project-name", &args.project_name),
        ("--environment", &args.environment),
        ("--owner", &args.owner),
        ("--account", &args.account),
        ("--home-region", &args.home_region),
        ("--base-domain", &args.base_domain),
        ("--email", &args.email),
    ];
    let (_, value) = flags.iter().find(|(flag, _)| *flag == question.flag)?;
    (*value).clone()
}

/// The answer that somebody types, or the default.
fn answer(question: &Question) -> Result<String> {
    if !print::can_ask() {
        return question.default.map(str::to_owned).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("{} is not given, and there is no terminal to ask on", question.path),
                format!("add {} VALUE", question.flag),
            )
        });
    }
    let default = question.default.map(|default| format!(" [{default}]")).unwrap_or_default();
    loop {
        let typed = print::ask(&format!("{}{default}:", question.text)).ok_or_else(|| {
            Failure::new(Exit::Refused, "no answer; nothing was written", "run it again")
        })?;
        match (typed.as_str(), question.default) {
            ("", Some(default)) => return Ok(default.to_owned()),
            ("", None) => print::note("  it has no default"),
            _ => return Ok(typed),
        }
    }
}

/// The spec's text. Answers are written as JSON strings, which YAML reads as they are.
fn write(pattern: &str, answers: &[(&Question, String)]) -> String {
    let of = |path: &str| {
        let found = answers.iter().find(|(question, _)| question.path == path);
        let value = found.map(|(_, answer)| answer.as_str());
        value.map(|value| serde_json::Value::from(value).to_string())
    };
    let mut text = String::new();
    let mut line = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    line(&format!(
        "# What is written here overrides the pattern: coderctl pattern show {pattern}. What every"
    ));
    line("# key means: coderctl schema --format markdown.");
    line("version: 1");
    line(&format!("pattern: {pattern}"));
    line("");
    let top = [
        ("project_name", "# Together they are the deployment's name."),
        ("environment", ""),
        ("owner", "# Who answers for it: the tag `owner` of every resource."),
        ("account", "# Nothing is done in any other account."),
        ("home_region", "# The lock and the record are here. It cannot change."),
    ];
    for (key, comment) in top {
        if let Some(value) = of(key) {
            if !comment.is_empty() {
                line(comment);
            }
            line(&format!("{key}: {value}"));
        }
    }
    if let Some(domain) = of("dns.base_domain") {
        line("");
        line("dns:");
        line("  # Route 53 must have a hosted zone for it, and the internet must be sent there.");
        line(&format!("  base_domain: {domain}"));
    }
    if let Some(email) = of("coder.owner.email") {
        line("");
        line("coder:");
        line("  # The first user. Its password is made, and kept in Secrets Manager.");
        line("  owner:");
        line(&format!("    email: {email}"));
        line("  # A Premium licence, by reference: a spec never holds a secret itself.");
        line("  # license: {secrets_manager: coder/license}");
        line("");
        line("# From where the Kubernetes API and Coder are reached; the default is anywhere.");
        line("# cluster:");
        line("#   endpoint: {public_access_cidrs: [203.0.113.0/24]}");
        line("# ingress:");
        line("#   allowed_cidrs: [203.0.113.0/24]");
    }
    text
}

/// Loads the text as any spec is loaded, so that nothing is written that `plan` would refuse.
fn check(text: &str, out: &Path) -> Result<()> {
    let folder = folder(out);
    let mut draft = tempfile::Builder::new()
        .prefix(".coderctl-init-")
        .suffix(".yaml")
        .tempfile_in(folder)
        .map_err(|error| unwritable(out, &error))?;
    draft.write_all(text.as_bytes()).map_err(|error| unwritable(out, &error))?;
    load(&Input { files: vec![draft.path().to_owned()], set: Vec::new() })?;
    Ok(())
}

/// Writes the whole file or none, and never over another.
fn save(text: &str, out: &Path) -> Result<()> {
    let mut file =
        tempfile::NamedTempFile::new_in(folder(out)).map_err(|error| unwritable(out, &error))?;
    file.write_all(text.as_bytes()).map_err(|error| unwritable(out, &error))?;
    file.persist_noclobber(out).map_err(|error| unwritable(out, &error.error))?;
    Ok(())
}

fn folder(out: &Path) -> &Path {
    out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unwritable(out: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("writing {}: {error}", out.display()),
        "name a file in a folder that can be written: coderctl init --out FILE",
    )
}
