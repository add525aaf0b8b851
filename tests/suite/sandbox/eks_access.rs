//! Add-ons of EKS clusters, access to their API, and roles for pods.

use super::eks::{NODE_ROLE, Place};
use super::*;
use aws_sdk_eks::types as t;

#[tokio::test(start_paused = true)]
async fn addons_wait_for_what_they_need() {
    let place = Place::new().await;
    place.cluster("one").await;
    let add = |name: &str| place.eks.create_addon().cluster_name("one").addon_name(name);
    for name in ["kube-proxy", "eks-pod-identity-agent", "coredns", "aws-ebs-csi-driver"] {
        add(name).send().await.unwrap();
    }
    assert_eq!(code(add("nonsense").send().await), "InvalidParameterException");
    assert_eq!(code(add("coredns").send().await), "ResourceInUseException");
    wait(&place.sandbox, 20).await;
    for name in ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"] {
        assert_eq!(place.addon_status("one", name).await, "ACTIVE", "{name}");
    }
    assert_eq!(place.addon_status("one", "coredns").await, "CREATING");
    wait(&place.sandbox, 41).await;
    let degraded = place.addon("one", "coredns").await;
    assert_eq!(degraded.status().unwrap().as_str(), "DEGRADED");
    let issue = &degraded.health().unwrap().issues()[0];
    assert_eq!(issue.code().unwrap().as_str(), "InsufficientNumberOfReplicas");
    // Tainted nodes are no use to it until it tolerates them.
    let taint = t::Taint::builder().key("only").effect(t::TaintEffect::NoSchedule).build();
    place.group_of("one", "tainted").taints(taint).send().await.unwrap();
    wait(&place.sandbox, 120).await;
    assert_eq!(place.addon_status("one", "coredns").await, "DEGRADED");
    let update = place.eks.update_addon().cluster_name("one").addon_name("coredns");
    update.clone().configuration_values("{nonsense").send().await.unwrap_err();
    let tolerant = r#"{"tolerations": [{"operator": "Exists"}]}"#;
    update.configuration_values(tolerant).send().await.unwrap();
    assert_eq!(place.addon_status("one", "coredns").await, "UPDATING");
    wait(&place.sandbox, 21).await;
    assert_eq!(place.addon_status("one", "coredns").await, "ACTIVE");
    assert_eq!(place.addon("one", "coredns").await.configuration_values(), Some(tolerant));
    assert_eq!(place.addon_status("one", "aws-ebs-csi-driver").await, "DEGRADED");
    place.group_of("one", "plain").send().await.unwrap();
    wait(&place.sandbox, 90).await;
    assert_eq!(place.addon_status("one", "aws-ebs-csi-driver").await, "ACTIVE");

    // The default version is what an add-on gets that names none.
    let known = place.eks.describe_addon_versions().kubernetes_version("1.35");
    let known = known.addon_name("coredns").send().await.unwrap();
    let default = known.addons()[0].addon_versions().iter().find(|version| {
        version.compatibilities().iter().any(|compatibility| compatibility.default_version())
    });
    let default = default.unwrap().addon_version().unwrap();
    assert_eq!(place.addon("one", "coredns").await.addon_version(), Some(default));
    let schema = place.eks.describe_addon_configuration().addon_name("coredns");
    schema.addon_version(default).send().await.unwrap();

    let delete = place.eks.delete_addon().cluster_name("one").addon_name("coredns");
    delete.clone().preserve(true).send().await.unwrap();
    assert_eq!(place.addon_status("one", "coredns").await, "DELETING");
    wait(&place.sandbox, 9).await;
    assert_eq!(code(delete.send().await), "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn an_addon_in_the_place_of_a_self_managed_one_conflicts() {
    let place = Place::new().await;
    place.cluster_of("one").bootstrap_self_managed_addons(true).send().await.unwrap();
    wait(&place.sandbox, 541).await;
    let add = place.eks.create_addon().cluster_name("one").addon_name("kube-proxy");
    add.send().await.unwrap();
    wait(&place.sandbox, 19).await;
    let failed = place.addon("one", "kube-proxy").await;
    assert_eq!(failed.status().unwrap().as_str(), "CREATE_FAILED");
    assert_eq!(
        failed.health().unwrap().issues()[0].code().unwrap().as_str(),
        "ConfigurationConflict"
    );
    let update = place.eks.update_addon().cluster_name("one").addon_name("kube-proxy");
    update.resolve_conflicts(t::ResolveConflicts::Overwrite).send().await.unwrap();
    wait(&place.sandbox, 21).await;
    assert_eq!(place.addon_status("one", "kube-proxy").await, "ACTIVE");
}

#[tokio::test(start_paused = true)]
async fn who_may_use_a_cluster() {
    let place = Place::new().await;
    place.role("admin", "ec2.amazonaws.com", &[]).await;
    place.cluster("one").await;
    let admin = "arn:aws:iam::123456789012:role/admin";
    let create = |principal: &str| {
        place.eks.create_access_entry().cluster_name("one").principal_arn(principal)
    };
    let session = create("arn:aws:sts::123456789012:assumed-role/admin/me").send().await;
    assert_eq!(code(session), "InvalidParameterException");
    let missing = create("arn:aws:iam::123456789012:role/none").send().await;
    assert_eq!(code(missing), "InvalidParameterException");
    let made = create(admin).kubernetes_groups("ops").tags("a", "b").send().await.unwrap();
    let made = made.access_entry().unwrap().clone();
    assert_eq!(
        made.username(),
        Some("arn:aws:sts::123456789012:assumed-role/admin/{{SessionName}}")
    );
    assert_eq!(code(create(admin).send().await), "ResourceInUseException");

    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";
    let whole = t::AccessScope::builder().r#type(t::AccessScopeType::Cluster).build();
    let associate = place.eks.associate_access_policy().cluster_name("one").principal_arn(admin);
    let wrong = associate.clone().policy_arn(format!("{policy}X")).access_scope(whole.clone());
    assert_eq!(code(wrong.send().await), "InvalidParameterException");
    associate.policy_arn(policy).access_scope(whole).send().await.unwrap();
    let list = place.eks.list_associated_access_policies().cluster_name("one").principal_arn(admin);
    let listed = list.send().await.unwrap();
    assert_eq!(listed.principal_arn(), Some(admin));
    assert_eq!(listed.associated_access_policies()[0].policy_arn(), Some(policy));
    let access = &place.sandbox.clusters("123456789012", "us-east-1")[0].access;
    assert_eq!(access[0].policies, [(policy.to_owned(), Vec::<String>::new())]);
    let update = place.eks.update_access_entry().cluster_name("one").principal_arn(admin);
    update.set_kubernetes_groups(Some(Vec::new())).username("boss").send().await.unwrap();
    let describe = place.eks.describe_access_entry().cluster_name("one").principal_arn(admin);
    let seen = describe.clone().send().await.unwrap().access_entry().unwrap().clone();
    assert_eq!((seen.username(), seen.kubernetes_groups().len()), (Some("boss"), 0));

    // Tags, by ARN.
    let arn = seen.access_entry_arn().unwrap();
    place.eks.tag_resource().resource_arn(arn).tags("c", "d").send().await.unwrap();
    place.eks.untag_resource().resource_arn(arn).tag_keys("a").tag_keys("x").send().await.unwrap();
    let tags = place.eks.list_tags_for_resource().resource_arn(arn).send().await.unwrap();
    assert_eq!(tags.tags().unwrap().keys().collect::<Vec<_>>(), ["c"]);
    let nothing = place.eks.list_tags_for_resource().resource_arn(format!("{arn}x"));
    assert_eq!(code(nothing.send().await), "NotFoundException");

    let dissociate = place.eks.disassociate_access_policy().cluster_name("one");
    let dissociate = dissociate.principal_arn(admin).policy_arn(policy);
    dissociate.clone().send().await.unwrap();
    assert_eq!(code(dissociate.send().await), "ResourceNotFoundException");
    place.eks.delete_access_entry().cluster_name("one").principal_arn(admin).send().await.unwrap();
    assert_eq!(code(describe.send().await), "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn the_maker_of_a_cluster_may_be_its_administrator() {
    let place = Place::new().await;
    let access = t::CreateAccessConfigRequest::builder()
        .authentication_mode(t::AuthenticationMode::ApiAndConfigMap);
    place.cluster_of("one").access_config(access.build()).send().await.unwrap();
    let old = t::CreateAccessConfigRequest::builder().build();
    place.cluster_of("two").access_config(old).send().await.unwrap();
    wait(&place.sandbox, 541).await;
    let entries = place.eks.list_access_entries().cluster_name("one").send().await.unwrap();
    assert_eq!(entries.access_entries(), ["arn:aws:iam::123456789012:user/sandbox"]);
    let none = place.eks.list_access_entries().cluster_name("two").send().await;
    assert_eq!(code(none), "InvalidRequestException");
}

#[tokio::test(start_paused = true)]
async fn roles_for_pods() {
    let place = Place::new().await;
    place.cluster("one").await;
    let create = place
        .eks
        .create_pod_identity_association()
        .cluster_name("one")
        .namespace("coder")
        .service_account("coder");
    let wrong = create.clone().role_arn(NODE_ROLE).send().await;
    assert_eq!(code(wrong), "InvalidParameterException");
    let right = create.clone().role_arn("arn:aws:iam::123456789012:role/pods");
    let made = right.clone().client_request_token("t").send().await.unwrap();
    let id = made.association().unwrap().association_id().unwrap().to_owned();
    let again = right.clone().client_request_token("t").send().await.unwrap();
    assert_eq!(again.association().unwrap().association_id(), Some(id.as_str()));
    assert_eq!(code(right.send().await), "ResourceInUseException");
    let list = place.eks.list_pod_identity_associations().cluster_name("one");
    let found = list.clone().namespace("coder").service_account("coder").send().await.unwrap();
    assert_eq!(found.associations().len(), 1);
    let found = list.namespace("other").send().await.unwrap();
    assert_eq!(found.associations().len(), 0);
    place.role("other", "pods.eks.amazonaws.com", &[]).await;
    wait(&place.sandbox, 11).await;
    let other = "arn:aws:iam::123456789012:role/other";
    let update = place.eks.update_pod_identity_association().cluster_name("one");
    update.association_id(&id).role_arn(other).send().await.unwrap();
    let describe = place.eks.describe_pod_identity_association().cluster_name("one");
    let describe = describe.association_id(&id);
    let seen = describe.clone().send().await.unwrap();
    assert_eq!(seen.association().unwrap().role_arn(), Some(other));
    let delete = place.eks.delete_pod_identity_association().cluster_name("one");
    delete.association_id(&id).send().await.unwrap();
    assert_eq!(code(describe.send().await), "ResourceNotFoundException");

    // Those of an add-on come and go with it.
    let identity = t::AddonPodIdentityAssociations::builder()
        .service_account("ebs-csi-controller-sa")
        .role_arn(other)
        .build()
        .unwrap();
    let add = place.eks.create_addon().cluster_name("one").addon_name("aws-ebs-csi-driver");
    add.pod_identity_associations(identity).send().await.unwrap();
    let list = place.eks.list_pod_identity_associations().cluster_name("one");
    let found = list.clone().send().await.unwrap();
    let owner = found.associations()[0].owner_arn();
    assert_eq!(owner, place.addon("one", "aws-ebs-csi-driver").await.addon_arn());
    let delete = place.eks.delete_addon().cluster_name("one").addon_name("aws-ebs-csi-driver");
    delete.send().await.unwrap();
    wait(&place.sandbox, 9).await;
    assert_eq!(list.send().await.unwrap().associations().len(), 0);
}
