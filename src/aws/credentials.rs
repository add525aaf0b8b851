//! How long the credentials last.

use super::Clients;
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::ProvideCredentials;
use std::time::SystemTime;

/// Where those who put temporary credentials into the environment say when they end: the AWS CLI
/// (`aws configure export-credentials --format env`) and aws-vault.
const EXPIRY_VARIABLES: [&str; 2] = ["AWS_CREDENTIAL_EXPIRATION", "AWS_SESSION_EXPIRATION"];

impl Clients {
    /// When the credentials end for good; `None` where they do not, where they are renewed without
    /// anybody's doing, or where nobody knows. `variable` reads the environment.
    ///
    /// A role that we assume ourselves is assumed again whenever its session ends: what counts is
    /// what it is assumed with.
    pub async fn credentials_end(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Option<SystemTime> {
        let provider = self.source.clone().or_else(|| self.base.credentials_provider())?;
        let credentials = provider.provide_credentials().await.ok()?;
        if is_renewed(&credentials) {
            return None;
        }
        credentials.expiry().or_else(|| said_by(&credentials, variable))
    }
}

fn features(credentials: &Credentials) -> &[AwsCredentialFeature] {
    credentials.get_property::<Vec<AwsCredentialFeature>>().map_or(&[], Vec::as_slice)
}

/// Whether asking their source again gives new ones: an instance's or a container's role, a
/// process, a role that is assumed with lasting credentials. A sign-in ends, and so does the token
/// of a CI job.
fn is_renewed(credentials: &Credentials) -> bool {
    features(credentials).iter().any(|feature| {
        matches!(
            feature,
            AwsCredentialFeature::CredentialsImds
                | AwsCredentialFeature::CredentialsHttp
                | AwsCredentialFeature::CredentialsProcess
                | AwsCredentialFeature::CredentialsProfileProcess
                | AwsCredentialFeature::CredentialsStsAssumeRole
        )
    })
}

/// The end of credentials of the environment, which do not tell it themselves.
fn said_by(
    credentials: &Credentials,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<SystemTime> {
    let of_env = features(credentials).contains(&AwsCredentialFeature::CredentialsEnvVars);
    if !of_env || credentials.session_token().is_none() {
        return None;
    }
    let text = EXPIRY_VARIABLES.iter().find_map(|name| variable(name))?;
    text.trim().parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}
