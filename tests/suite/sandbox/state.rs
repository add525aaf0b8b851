//! The state file, and what ids are made from.

use super::*;
use coderctl::sandbox::OpenError;

#[tokio::test(start_paused = true)]
async fn two_handles_share_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let one = Sandbox::open(&path, clock(), 7).unwrap();
    let two = Sandbox::open(&path, clock(), 8).unwrap();
    let first = vpc(&client(&one), "10.0.0.0/16").await;
    let second = vpc(&client(&two), "10.0.0.0/16").await;
    assert_ne!(first, second);
    for sandbox in [&one, &two] {
        let seen = client(sandbox).describe_vpcs().vpc_ids(&first).vpc_ids(&second).send().await;
        assert_eq!(seen.unwrap().vpcs().len(), 2);
    }
    // A third process comes later, with a clock that is behind.
    wait(&one, 1000).await;
    address(&client(&one)).await;
    let latest = coderctl::sandbox::last_time(&path).unwrap().unwrap();
    let early = Clock::starting_at(SystemTime::UNIX_EPOCH, 1);
    let three = Sandbox::open(&path, early, 7).unwrap();
    assert!(three.clock().now() >= latest);
    assert_eq!(client(&three).describe_vpcs().send().await.unwrap().vpcs().len(), 3);

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "only the file and its lock: {names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_changes_nothing_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let sandbox = Sandbox::open(&path, clock(), 7).unwrap();
    let ec2 = client(&sandbox);
    vpc(&ec2, "10.0.0.0/16").await;
    let before = std::fs::read(&path).unwrap();
    assert_eq!(code(ec2.delete_vpc().vpc_id("vpc-1").send().await), "InvalidVpcID.NotFound");
    ec2.describe_vpcs().send().await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);

    // Where the file can't be replaced, the call fails and nothing has happened.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let failed = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await;
    assert_eq!(code(failed), "InternalError");
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, &before).unwrap();
    assert_eq!(ec2.describe_vpcs().send().await.unwrap().vpcs().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_not_a_new_world() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let sandbox = Sandbox::open(&path, clock(), 7).unwrap();
    vpc(&client(&sandbox), "10.0.0.0/16").await;
    let whole = std::fs::read(&path).unwrap();
    for damaged in [&whole[..whole.len() - 1], b"", b"{}", b"{\"format\":1}", b"\xff"] {
        std::fs::write(&path, damaged).unwrap();
        let error = Sandbox::open(&path, clock(), 7).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("world.json"), "{error}");
        assert!(error.hint().contains("coderctl sandbox reset"));
        let answer = client(&sandbox).describe_vpcs().send().await;
        assert_eq!(code(answer), "InternalError");
    }
    std::fs::write(&path, b"{\"format\":99}").unwrap();
    let error = Sandbox::open(&path, clock(), 7).unwrap_err();
    assert!(matches!(error, OpenError::OtherFormat { found: 99, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_ids() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(vpc(&client(&sandbox()), "10.0.0.0/16").await);
    }
    assert_eq!(ids[0], ids[1]);
    assert!(ids[0].starts_with("vpc-0") && ids[0].len() == 21);
    let other = Sandbox::in_memory(clock(), 8);
    assert_ne!(vpc(&client(&other), "10.0.0.0/16").await, ids[0]);
}

#[tokio::test(start_paused = true)]
async fn a_reset_empties_the_world_for_everyone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let sandbox = Sandbox::open(&path, clock(), 7).unwrap();
    let ec2 = client(&sandbox);
    vpc(&ec2, "10.0.0.0/16").await;
    std::fs::write(&path, "damaged").unwrap();
    coderctl::sandbox::reset(&path, 7).unwrap();
    assert_eq!(ec2.describe_vpcs().send().await.unwrap().vpcs().len(), 1);
    vpc(&ec2, "10.0.0.0/16").await;
    let again = Sandbox::open(&path, clock(), 7).unwrap();
    assert_eq!(client(&again).describe_vpcs().send().await.unwrap().vpcs().len(), 2);
}

#[test]
fn handles_in_several_threads_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let work = |path: std::path::PathBuf| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let sandbox = Sandbox::open(&path, clock(), 7).unwrap();
            let mut knobs = sandbox.knobs();
            knobs.addresses_per_region = 100;
            sandbox.set_knobs(knobs);
            let ec2 = client(&sandbox);
            for _ in 0..20 {
                address(&ec2).await;
            }
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let path = path.clone();
            scope.spawn(move || work(path));
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let count = runtime.block_on(async {
        let sandbox = Sandbox::open(&path, clock(), 7).unwrap();
        client(&sandbox).describe_addresses().send().await.unwrap().addresses().len()
    });
    assert_eq!(count, 60);
}
