//! The versions of Aurora PostgreSQL that clusters can be made of.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBEngineVersions.html>

use super::ENGINE;
use crate::aws::call::pages;
use crate::aws::rds::Rds;
use crate::kind::{Cx, Result};

/// All that RDS offers, the oldest first: `16.9`.
///
/// # Errors
/// Whatever RDS says.
pub async fn offered(cx: &Cx) -> Result<Vec<String>> {
    let rds = cx.api::<Rds>()?;
    let pages = pages(
        cx,
        "rds:DescribeDBEngineVersions",
        |marker| rds.0.describe_db_engine_versions().engine(ENGINE).set_marker(marker).send(),
        |page| page.marker(),
    )
    .await?;
    let all = pages.iter().flat_map(|page| page.db_engine_versions());
    Ok(all.filter_map(|one| one.engine_version()).map(str::to_owned).collect())
}
