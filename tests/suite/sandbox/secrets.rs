//! Versions of secrets.

use super::*;
use aws_sdk_secretsmanager::Client as Secrets;

fn id(n: u8) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

#[tokio::test(start_paused = true)]
async fn a_value_is_rotated_by_moving_its_labels() {
    let sandbox = sandbox();
    let secrets = Secrets::new(&config(&sandbox, "AKIDSANDBOX", "us-east-1"));
    let create = secrets.create_secret().name("db").client_request_token(id(1));
    create.secret_string("one").send().await.unwrap();
    let put = secrets.put_secret_value().secret_id("db").client_request_token(id(2));
    put.secret_string("two").version_stages("AWSPENDING").send().await.unwrap();
    let staged = |stage: &str| {
        let call = secrets.get_secret_value().secret_id("db").version_stage(stage).send();
        async { call.await.map(|found| found.secret_string.unwrap()) }
    };
    assert_eq!(staged("AWSCURRENT").await.unwrap(), "one");
    assert_eq!(staged("AWSPENDING").await.unwrap(), "two");
    let update = || secrets.update_secret_version_stage().secret_id("db");
    let unnamed = update().version_stage("AWSCURRENT").move_to_version_id(id(2));
    assert_eq!(code(unnamed.clone().send().await), "InvalidParameterException");
    let nowhere = update().version_stage("AWSCURRENT").remove_from_version_id(id(1));
    assert_eq!(code(nowhere.send().await), "InvalidParameterException");
    unnamed.remove_from_version_id(id(1)).send().await.unwrap();
    let pending = update().version_stage("AWSPENDING").remove_from_version_id(id(2));
    pending.send().await.unwrap();
    assert_eq!(staged("AWSCURRENT").await.unwrap(), "two");
    assert_eq!(staged("AWSPREVIOUS").await.unwrap(), "one");
    assert_eq!(code(staged("AWSPENDING").await), "ResourceNotFoundException");

    let put = secrets.put_secret_value().secret_id("db").client_request_token(id(3));
    put.secret_string("three").send().await.unwrap();
    let list = secrets.list_secret_version_ids().secret_id("db");
    let listed = list.clone().send().await.unwrap();
    assert_eq!(listed.versions().len(), 2);
    let all = list.include_deprecated(true).send().await.unwrap();
    assert_eq!(all.versions().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn random_passwords_are_made_of_what_was_asked_for() {
    let sandbox = sandbox();
    let secrets = Secrets::new(&config(&sandbox, "AKIDSANDBOX", "us-east-1"));
    let call = || secrets.get_random_password().password_length(40).exclude_punctuation(true);
    let first = call().send().await.unwrap().random_password.unwrap();
    let second = call().send().await.unwrap().random_password.unwrap();
    assert_ne!(first, second);
    assert_eq!(first.len(), 40);
    assert!(first.chars().all(|letter| letter.is_ascii_alphanumeric()), "{first}");
    assert!(first.contains(|letter: char| letter.is_ascii_digit()));
    let none = call().exclude_lowercase(true).exclude_uppercase(true).exclude_numbers(true);
    assert_eq!(code(none.send().await), "InvalidParameterException");
}
