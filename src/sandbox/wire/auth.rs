//! Who calls, where and which service: all of it stands in a request's Signature Version 4.
//!
//! Signatures are not verified: the sandbox has no secrets. A request without one is refused, as
//! AWS refuses it.

use crate::sandbox::failure::Failure;

/// What the credential scope of a signature says
/// (`AKID/20261121/us-east-1/ec2/aws4_request`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The access key's id.
    pub(crate) access_key: String,
    /// The region that the request was signed for.
    pub(crate) region: String,
    /// The service's signing name: `ec2`.
    pub(crate) service: String,
}

/// Reads the signature of a request, from the `Authorization` header or a presigned URL.
pub(crate) fn signed(parts: &http::request::Parts) -> Result<Signed, Failure> {
    from_header(parts).or_else(|| from_query(parts)).ok_or_else(|| {
        Failure::new("MissingAuthenticationToken", "Request is missing Authentication Token")
            .with_status(403)
    })
}

fn from_header(parts: &http::request::Parts) -> Option<Signed> {
    let header = parts.headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let rest = header.strip_prefix("AWS4-")?;
    let at = rest.find("Credential=")? + "Credential=".len();
    let scope = rest[at..].split([',', ' ']).next()?;
    // Signature Version 4a signs for a set of regions, which stands in a header of its own.
    let regions = parts.headers.get("x-amz-region-set").and_then(|value| value.to_str().ok());
    scoped(scope, regions)
}

fn from_query(parts: &http::request::Parts) -> Option<Signed> {
    let query = parts.uri.query()?;
    let scope = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name.eq_ignore_ascii_case("X-Amz-Credential"))?
        .1;
    scoped(&scope, None)
}

fn scoped(scope: &str, regions: Option<&str>) -> Option<Signed> {
    let fields: Vec<&str> = scope.split('/').collect();
    match (fields.as_slice(), regions) {
        ([key, _day, region, service, "aws4_request"], _) => Some(Signed {
            access_key: (*key).to_owned(),
            region: (*region).to_owned(),
            service: (*service).to_owned(),
        }),
        ([key, _day, service, "aws4_request"], Some(regions)) => Some(Signed {
            access_key: (*key).to_owned(),
            region: regions.split(',').next().unwrap_or_default().to_owned(),
            service: (*service).to_owned(),
        }),
        _ => None,
    }
}
