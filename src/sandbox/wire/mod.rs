//! What goes over the line: AWS's request and response forms, read into and written from plain
//! trees. The law names the members; the wire only knows how each protocol spells them.

pub(crate) mod auth;
pub(crate) mod form;
pub(crate) mod params;
pub(crate) mod reply;
pub(crate) mod rest;
pub(crate) mod xml;

/// One of the forms in which an AWS service takes requests and gives answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// EC2's own: form parameters without `member`, answers without a result element.
    Ec2Query,
    /// Form parameters with `member`, answers in XML: IAM, STS, ELBv2, RDS.
    AwsQuery,
    /// JSON 1.0 with the operation in `X-Amz-Target`.
    #[expect(dead_code, reason = "for services that are yet to be modelled")]
    AwsJson10,
    /// JSON 1.1 with the operation in `X-Amz-Target`: ACM, KMS, CloudWatch Logs, Secrets
    /// Manager.
    AwsJson11,
    /// Method and path name the operation, bodies are XML: S3.
    RestXml,
    /// Method and path name the operation, bodies are JSON: EKS.
    RestJson,
    /// The same with errors in an `ErrorResponse`: Route 53.
    RestXmlWrapped,
}
