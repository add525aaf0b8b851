//! Service-linked roles: made once, shared by all, and never taken away.

use super::super::harness::{Before, World};
use super::site::effects;
use coderctl::aws::iam::service_linked_role::{Service, ServiceLinkedRole};
use coderctl::kind::{Class, Deployment, Kind, Wanted};

const DESIRED: ServiceLinkedRole = ServiceLinkedRole { service: Service::AutoScaling };

#[tokio::test(start_paused = true)]
async fn a_service_linked_role_is_made_once_and_stays() {
    let world = World::new();
    let address = world.address("identity/service-linked-role/autoscaling");
    let wanted = [Wanted { address: &address, desired: &DESIRED }];
    let nothing = Before::default();
    let list = || ServiceLinkedRole::list(&world.cx, &wanted, &nothing);
    assert!(list().await.unwrap().ours.is_empty());
    let cx = world.step("identity/service-linked-role/autoscaling");
    let made = DESIRED.create(&cx).await.unwrap();
    assert_eq!(made.id.as_str(), "AWSServiceRoleForAutoScaling");
    assert!(made.live.arn.ends_with(
        ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    ));
    assert_eq!(effects(&DESIRED, &made), []);
    // Made already, by whomever: taken as it is.
    let again = DESIRED.create(&cx).await.unwrap();
    assert_eq!(again.live, made.live);
    let listed = list().await.unwrap();
    assert_eq!(listed.ours.len(), 1);
    assert_eq!(listed.ours[0].owner.address, address);

    // With nothing wanted it is not there, so nobody deletes it; and who tries is refused.
    assert!(world.list::<ServiceLinkedRole>().await.ours.is_empty());
    let error = ServiceLinkedRole::delete(&cx, &made).await.unwrap_err();
    assert_eq!(error.class, Class::Local);
    assert!(ServiceLinkedRole::read(&cx, &made).await.unwrap().is_some());
    world.assert_actions::<ServiceLinkedRole>();
}

#[tokio::test(start_paused = true)]
async fn before_there_is_a_uid_it_can_not_lend_one() {
    let world = World::new();
    DESIRED.create(&world.step("identity/service-linked-role/autoscaling")).await.unwrap();
    let before_first_apply =
        world.cx.with_deployment(Deployment { uid: None, ..world.cx.deployment.as_ref().clone() });
    let address = world.address("identity/service-linked-role/autoscaling");
    let wanted = [Wanted { address: &address, desired: &DESIRED }];
    let nothing = Before::default();
    let listed = ServiceLinkedRole::list(&before_first_apply, &wanted, &nothing).await.unwrap();
    assert!(listed.ours.is_empty());
}
