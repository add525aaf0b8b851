//! A plan is carried out as it was shown, or not at all.

use super::binary::Folder;
use serde_json::Value;

fn planned() -> Folder {
    let folder = Folder::new();
    folder.tiny();
    folder.run(&["plan", "--out", "plan.json"]).exits(0);
    folder
}

fn edit(folder: &Folder, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(folder.path("plan.json")).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    change(&mut file);
    folder.write("plan.json", &file.to_string());
}

#[test]
fn a_plan_file_is_carried_out_and_then_nothing_is_left_of_it() {
    let folder = planned();
    folder.run(&["apply", "plan.json"]).exits(0);
    folder.run(&["plan", "--detailed-exitcode"]).exits(0);
    // What is done already is done.
    folder.run(&["apply", "plan.json"]).exits(0);
}

#[test]
fn what_is_left_of_a_plan_file_is_carried_out() {
    let folder = planned();
    // Half of it is done by then, as after a run that was cut short.
    folder
        .run(&["apply", "--yes", "--exclude", "us-east-1/observability/log-group/other"])
        .exits(0);
    folder.run(&["plan", "--detailed-exitcode"]).exits(2);
    folder.run(&["apply", "plan.json"]).exits(0);
    folder.run(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn a_plan_that_something_overtook_is_not_carried_out() {
    let folder = planned();
    folder.run(&["apply", "--yes", "--set", "log_groups.app.retention_days=60"]).exits(0);
    folder.run(&["apply", "plan.json"]).exits(19).says("moved");
    folder
        .run(&["plan", "--detailed-exitcode", "--set", "log_groups.app.retention_days=60"])
        .exits(0);
}

#[test]
fn a_plan_file_that_was_edited_cut_off_or_is_of_a_newer_program_is_refused() {
    let folder = planned();
    let whole = std::fs::read_to_string(folder.path("plan.json")).unwrap();

    edit(&folder, |file| file["plan"]["items"][0]["summary"] = "harmless".into());
    folder.run(&["apply", "plan.json"]).exits(11).says("changed after it was written");

    folder.write("plan.json", &whole[..whole.len() / 2]);
    folder.run(&["apply", "plan.json"]).exits(11).says("cut off");

    folder.write("plan.json", &whole);
    edit(&folder, |file| file["coderctl"] = "99.0.0".into());
    folder.run(&["apply", "plan.json"]).exits(11).says("99.0.0");

    folder.write("plan.json", &whole);
    edit(&folder, |file| file["format"] = "coderctl-plan/2".into());
    folder.run(&["apply", "plan.json"]).exits(11).says("coderctl-plan/2");

    folder.write("plan.json", "{}");
    folder.run(&["apply", "plan.json"]).exits(11).says("not a plan file");

    folder.run(&["plan", "--detailed-exitcode"]).exits(2);
}

#[test]
fn a_plan_file_brings_its_own_spec() {
    let folder = planned();
    folder.run(&["apply", "plan.json", "--set", "owner=other"]).exits(10);
    // The spec beside it may have changed since.
    folder.write("coderctl.yaml", "not a spec");
    folder.run(&["apply", "plan.json"]).exits(0);
}

#[test]
fn a_plan_for_another_account_is_refused() {
    let folder = Folder::new();
    folder.tiny();
    folder.run(&["plan", "--set", "account='210987654321'"]).exits(12).says("210987654321");
}

#[test]
fn a_destroy_is_planned_and_carried_out_from_its_file() {
    let folder = Folder::new();
    folder.tiny();
    folder.run(&["apply", "--yes"]).exits(0);
    folder.run(&["plan", "--destroy", "--out", "plan.json"]).exits(0);
    folder.run(&["apply", "plan.json"]).exits(13).says("--yes");
    folder.run(&["apply", "plan.json", "--yes", "--confirm", "coder-prod"]).exits(0);
    folder.run(&["plan", "--destroy", "--detailed-exitcode"]).exits(0);
}
