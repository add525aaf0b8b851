//! The load balancers that controllers in a cluster have made for its Services and Ingresses. They
//! are known by the tags that the controllers set.
//! <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/service/annotations/>
//! <https://cloud-provider-aws.sigs.k8s.io/service_controller/>

use super::{Elb, tags_of};
use crate::aws::call::{gone_is_fine, pages, safe};
use crate::kind::{Cx, Result, TAG_DEPLOYMENT, Tags};

/// A load balancer that a controller has made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Balancer {
    /// Its ARN.
    pub(crate) arn: String,
    /// Its name.
    pub(crate) name: String,
    /// Namespace and name of what it was made for, where its tags say.
    pub(crate) service: Option<(String, String)>,
    /// The ids of its security groups.
    pub(crate) groups: Vec<String>,
}

/// Whether a resource with these tags was made by a controller of the cluster.
pub(crate) fn is_of_cluster(tags: &Tags, cluster: &str) -> bool {
    tags.get(&format!("kubernetes.io/cluster/{cluster}")).is_some_and(|value| value == "owned")
        || tags.get("elbv2.k8s.aws/cluster").is_some_and(|value| value == cluster)
}

/// All that controllers of the cluster have made.
pub(crate) async fn all(cx: &Cx, cluster: &str) -> Result<Vec<Balancer>> {
    let elb = cx.api::<Elb>()?;
    let pages = pages(
        cx,
        "elasticloadbalancing:DescribeLoadBalancers",
        |marker| elb.0.describe_load_balancers().set_marker(marker).send(),
        |page| page.next_marker(),
    )
    .await?;
    let there: Vec<_> = pages.iter().flat_map(|page| page.load_balancers()).collect();
    let arns: Vec<String> =
        there.iter().filter_map(|one| one.load_balancer_arn().map(str::to_owned)).collect();
    let tags = tags_of(cx, &arns).await?;
    let of_cluster = there.into_iter().filter_map(|one| {
        let arn = one.load_balancer_arn()?;
        let tags = tags.get(arn)?;
        let is_theirs = is_of_cluster(tags, cluster) && !tags.contains_key(TAG_DEPLOYMENT);
        is_theirs.then(|| Balancer {
            arn: arn.to_owned(),
            name: one.load_balancer_name().unwrap_or_default().to_owned(),
            service: service(tags),
            groups: one.security_groups().to_vec(),
        })
    });
    Ok(of_cluster.collect())
}

fn service(tags: &Tags) -> Option<(String, String)> {
    let keys = ["kubernetes.io/service-name", "service.k8s.aws/stack", "ingress.k8s.aws/stack"];
    let (namespace, name) = keys.iter().find_map(|key| tags.get(*key))?.split_once('/')?;
    Some((namespace.to_owned(), name.to_owned()))
}

/// Deletes one with its listeners and target groups; all of it may be gone already.
pub(crate) async fn delete(cx: &Cx, balancer: &Balancer) -> Result<()> {
    let elb = cx.api::<Elb>()?;
    let arn = balancer.arn.as_str();
    let groups = gone_is_fine(
        safe(cx, "elasticloadbalancing:DescribeTargetGroups", || {
            elb.0.describe_target_groups().load_balancer_arn(arn).send()
        })
        .await,
    )?;
    gone_is_fine(
        safe(cx, "elasticloadbalancing:DeleteLoadBalancer", || {
            elb.0.delete_load_balancer().load_balancer_arn(arn).send()
        })
        .await,
    )?;
    let groups = groups.map(|answer| answer.target_groups.unwrap_or_default()).unwrap_or_default();
    for group in groups.iter().filter_map(|group| group.target_group_arn()) {
        gone_is_fine(
            safe(cx, "elasticloadbalancing:DeleteTargetGroup", || {
                elb.0.delete_target_group().target_group_arn(group).send()
            })
            .await,
        )?;
    }
    Ok(())
}
