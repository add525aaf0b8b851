//! The documentation says what the program does.

use clap::CommandFactory;
use coderctl::cli::{Cli, Exit};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

#[test]
fn every_exit_code_is_documented_and_no_other() {
    // Read from the source, so that a new variant can not be forgotten here.
    let source = read("src/cli/exit.rs");
    let declared: BTreeSet<i32> = source
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = ")?.1.parse().ok())
        .collect();
    assert!(declared.contains(&(Exit::Moved as i32)) && declared.contains(&(Exit::Done as i32)));
    let text = read("docs/errors.md");
    let (_, section) = text.split_once("## Exit codes").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let documented: BTreeMap<i32, &str> = section
        .lines()
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            Some((cells.next()?.parse().ok()?, cells.next()?))
        })
        .collect();
    assert_eq!(documented.keys().copied().collect::<BTreeSet<_>>(), declared);
    assert!(documented.values().all(|meaning| !meaning.is_empty()));
}

#[test]
fn every_command_and_option_is_documented_and_no_other() {
    let text = read("docs/commands.md");
    let sections: BTreeMap<&str, &str> = text
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap_or((section, "")))
        .collect();
    let cli = Cli::command();
    let commands: BTreeMap<&str, &clap::Command> =
        cli.get_subcommands().map(|command| (command.get_name(), command)).collect();
    assert_eq!(sections.keys().collect::<BTreeSet<_>>(), commands.keys().collect::<BTreeSet<_>>());
    let head = text.split("\n## ").next().unwrap();
    for option in options(&cli) {
        assert!(head.contains(&option), "docs/commands.md does not name {option}");
    }
    for (name, command) in commands {
        let actions = command.get_subcommands();
        let all =
            options(command).into_iter().chain(actions.flat_map(|action| {
                options(action).into_iter().chain([action.get_name().to_owned()])
            }));
        // `apply` and `destroy` share options with `plan`, and say so.
        let section = match name {
            "apply" | "destroy" => format!("{}{}", sections[name], sections["plan"]),
            _ => sections[name].to_owned(),
        };
        for option in all {
            assert!(section.contains(&option), "docs/commands.md, {name}: {option} is missing");
        }
    }
}

fn options(command: &clap::Command) -> Vec<String> {
    command
        .get_arguments()
        .filter_map(|argument| argument.get_long())
        .filter(|long| !matches!(*long, "help" | "version"))
        .map(|long| format!("--{long}"))
        .collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<_> =
        std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.push(root.join("README.md"));
    let mut links = 0;
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            links += 1;
            let target = page.parent().unwrap().join(file);
            assert!(target.exists(), "{} links to {link}, which is not there", page.display());
        }
    }
    assert!(links > 10);
}
