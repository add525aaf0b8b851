//! The associations of subnets with a route table.

use super::RouteTable;
use crate::aws::call::{Repeat, call, gone_is_fine, safe};
use crate::aws::ec2::subnet::Subnet;
use crate::aws::ec2::{Ec2, filter, fresh, told};
use crate::kind::{Cx, Result, seconds};
use crate::value::Id;
use aws_sdk_ec2::types::{RouteTableAssociation, RouteTableAssociationStateCode};

/// Makes `subnet` use `table`; takes it over from the table it uses now, if it names one.
pub(super) async fn make(cx: &Cx, table: &Id<RouteTable>, subnet: &Id<Subnet>) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    let fresh = [fresh("InvalidRouteTableID.NotFound"), fresh("InvalidSubnetID.NotFound")];
    let associated = call(cx, "ec2:AssociateRouteTable", Repeat::Safe, &fresh, || {
        ec2.0
            .associate_route_table()
            .route_table_id(table.as_str())
            .subnet_id(subnet.as_str())
            .send()
    })
    .await;
    let error = match associated {
        Err(error) if error.is_code("Resource.AlreadyAssociated") => error,
        other => return other.map(|_| ()),
    };
    // Reads may lag behind what refused the call.
    for _ in 0..30 {
        match of(cx, subnet).await? {
            // An attempt whose answer was lost.
            Some((_, there)) if there == table.as_str() => return Ok(()),
            Some((id, _)) => {
                let replaced = safe(cx, "ec2:ReplaceRouteTableAssociation", || {
                    ec2.0
                        .replace_route_table_association()
                        .association_id(&id)
                        .route_table_id(table.as_str())
                        .send()
                })
                .await;
                if gone_is_fine(replaced)?.is_some() {
                    return Ok(());
                }
            }
            None => {}
        }
        cx.pause(seconds(2)).await?;
    }
    Err(error)
}

/// The association of a subnet, and the table that it names.
async fn of(cx: &Cx, subnet: &Id<Subnet>) -> Result<Option<(String, String)>> {
    let ec2 = cx.api::<Ec2>()?;
    let answer = safe(cx, "ec2:DescribeRouteTables", || {
        ec2.0
            .describe_route_tables()
            .filters(filter("association.subnet-id", [subnet.as_str()]))
            .send()
    })
    .await?;
    let of_subnet = |association: &&RouteTableAssociation| {
        association.subnet_id() == Some(subnet.as_str()) && is_there(association)
    };
    let tables = answer.route_tables();
    let Some(now) = tables.iter().flat_map(|table| table.associations()).find(of_subnet) else {
        return Ok(None);
    };
    let id = told(now.route_table_association_id(), "id of an association")?;
    let table = told(now.route_table_id(), "route table of an association")?;
    Ok(Some((id.to_owned(), table.to_owned())))
}

pub(super) async fn end(cx: &Cx, association: &str) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    gone_is_fine(
        safe(cx, "ec2:DisassociateRouteTable", || {
            ec2.0.disassociate_route_table().association_id(association).send()
        })
        .await,
    )?;
    Ok(())
}

/// Whether an association is in force, or about to be.
pub(super) fn is_there(association: &RouteTableAssociation) -> bool {
    !matches!(
        association.association_state().and_then(|state| state.state()),
        Some(
            RouteTableAssociationStateCode::Disassociated
                | RouteTableAssociationStateCode::Disassociating
                | RouteTableAssociationStateCode::Failed
        )
    )
}
