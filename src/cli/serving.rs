//! Options that `burstlab ui` and `burstlab serve` share: where the server listens, and who may ask.

use clap::Args;

use super::usage;
use crate::web::ServerPlace;

/// A token that is shorter can be guessed.
const SHORTEST_TOKEN: usize = 16;

#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// Listen on this address or name, so that other machines can ask; needs a token
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// What a client must know, at least 16 characters: it sends the header "Authorization: Bearer TOKEN", and a browser
    /// gives ui ?token=TOKEN once
    #[arg(long, env = "BURSTLAB_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl PlaceArgs {
    /// The place.
    ///
    /// # Errors
    /// A token that can be guessed, or none where other machines can ask.
    pub(super) fn place(&self, port: u16) -> anyhow::Result<ServerPlace> {
        let remedy = "give one with --token or in BURSTLAB_TOKEN, for example from `openssl rand -hex 16`";
        match &self.token {
            Some(token)
                if token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                return Err(usage(format!(
                    "a token has at least {SHORTEST_TOKEN} characters without spaces; {remedy}"
                )));
            }
            None if self.host.as_deref().is_some_and(|host| !is_loopback(host)) => {
                return Err(usage(format!(
                    "with --host other machines can ask, so a token is needed; {remedy}"
                )));
            }
            _ => {}
        }
        Ok(ServerPlace { host: self.host.clone(), port, token: self.token.clone() })
    }

    /// Whether a client must know a token.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
