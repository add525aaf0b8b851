//! S3: buckets with their settings, objects with their versions and conditional writes.
//!
//! Only its ETags are not S3's: they are made from SHA-256 instead of MD5. Clients must not
//! read meaning into an ETag anyway.

mod bucket;
mod chunked;
mod config;
mod list;
mod model;
mod object;
mod reply;
mod route;
pub(crate) mod tree;

pub(crate) use model::S3;

use super::service::{Operation, Service};
use super::wire::Protocol;

pub(crate) static SERVICE: Service = Service {
    name: "s3",
    protocol: Protocol::RestXml,
    xmlns: "http://s3.amazonaws.com/doc/2006-03-01/",
    throttling: (503, "SlowDown"),
    law: include_str!("../law/s3.json"),
    operations: &[
        Operation::read("ListBuckets", bucket::list),
        Operation::write("CreateBucket", bucket::create),
        Operation::read("HeadBucket", bucket::head),
        Operation::read("GetBucketLocation", bucket::location),
        Operation::write("DeleteBucket", bucket::delete),
        Operation::write("PutBucketVersioning", config::put_versioning),
        Operation::read("GetBucketVersioning", config::get_versioning),
        Operation::write("PutBucketEncryption", config::put_encryption),
        Operation::read("GetBucketEncryption", config::get_encryption),
        Operation::write("DeleteBucketEncryption", config::delete_encryption),
        Operation::write("PutPublicAccessBlock", config::put_public_access_block),
        Operation::read("GetPublicAccessBlock", config::get_public_access_block),
        Operation::write("DeletePublicAccessBlock", config::delete_public_access_block),
        Operation::write("PutBucketPolicy", config::put_policy),
        Operation::read("GetBucketPolicy", config::get_policy),
        Operation::write("DeleteBucketPolicy", config::delete_policy),
        Operation::write("PutBucketTagging", config::put_tagging),
        Operation::read("GetBucketTagging", config::get_tagging),
        Operation::write("DeleteBucketTagging", config::delete_tagging),
        Operation::write("PutBucketOwnershipControls", config::put_ownership),
        Operation::read("GetBucketOwnershipControls", config::get_ownership),
        Operation::write("DeleteBucketOwnershipControls", config::delete_ownership),
        Operation::write("PutBucketLifecycleConfiguration", config::put_lifecycle),
        Operation::read("GetBucketLifecycleConfiguration", config::get_lifecycle),
        Operation::write("DeleteBucketLifecycle", config::delete_lifecycle),
        Operation::write("PutObject", object::put),
        Operation::read("GetObject", object::get),
        Operation::read("HeadObject", object::head),
        Operation::write("DeleteObject", object::delete),
        Operation::write("DeleteObjects", object::delete_many),
        Operation::read("ListObjectsV2", list::objects),
        Operation::read("ListObjectVersions", list::versions),
    ],
    route: Some(route::find),
};
