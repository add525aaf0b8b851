//! Lets AWS SDK clients talk to a sandbox in the same process.

use super::world::Sandbox;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

/// An HTTP client whose whole internet is one sandbox. Give it to an SDK config as `http_client`,
/// and the sandbox's clock as `sleep_impl` and `time_source`.
///
/// A lost connection is an I/O error of the connector; a call that is never answered stays pending
/// until the SDK's own timeout gives up.
#[derive(Clone, Debug)]
pub struct SandboxHttp {
    sandbox: Sandbox,
}

impl SandboxHttp {
    /// A client of `sandbox`.
    pub fn new(sandbox: Sandbox) -> Self {
        SandboxHttp { sandbox }
    }
}

impl HttpConnector for SandboxHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sandbox = self.sandbox.clone();
        HttpConnectorFuture::new(async move {
            let request =
                request.try_into_http1x().map_err(|error| ConnectorError::user(Box::new(error)))?;
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
            let response = sandbox
                .handle(http::Request::from_parts(parts, body))
                .await
                .map_err(|lost| ConnectorError::io(Box::new(lost)))?;
            HttpResponse::try_from(response.map(SdkBody::from))
                .map_err(|error| ConnectorError::other(Box::new(error), None))
        })
    }
}

impl HttpClient for SandboxHttp {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
