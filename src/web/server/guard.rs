//! Who may ask: the headers that a browser cannot be made to lie about, and the token.
//!
//! A page of another site that a browser has open can send requests to this machine. Its name for the server gives it away
//! (`Host`, also after the name was bound to this machine's address), and a browser tells where a request comes from
//! (`Origin`, `Sec-Fetch-Site`).

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;

use super::link::link;
use crate::system::process::host_name;
use crate::text::hex;

/// Name of the cookie that holds the proof that a browser knew the token; the port follows, since browsers send the cookies
/// of a machine to all of its ports.
const COOKIE_NAME: &str = "burstlab_key_";

/// What a browser may do with the pages: load the server's own files, send forms to it, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(&str, &str); 6] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    // Without any referrer a browser says of its own forms that they come from nowhere (`Origin: null`).
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
];

/// Who asks a face of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Browsers: they prove the token with a cookie, which they get for an address with the token.
    Browsers,
    /// Programs: they send the token with every request.
    Programs,
}

/// Decides who may ask.
#[derive(Debug, Clone)]
pub struct Guard {
    clients: Clients,
    /// Names under which the server is asked, each with its port.
    hosts: Vec<String>,
    /// Any address of this machine will do, since the server listens at all of them.
    any_address: Option<u16>,
    /// Name of the cookie.
    cookie_name: String,
    /// Digests of the token and of the cookie.
    token: Option<[[u8; 32]; 2]>,
}

/// Why a request is not passed on. A face says it in its own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The server is asked under another name than this.
    OtherName(String),
    /// A page of another site sent the request.
    OtherSite,
    /// The token is missing or wrong.
    NoToken,
    /// The address holds the right token. The browser gets this cookie, and goes on to this address without the token.
    Welcome {
        /// The header `Set-Cookie`.
        cookie: String,
        /// The address.
        place: String,
    },
}

impl Guard {
    /// The guard of a server that listens at an address, which the user gave as `given`.
    pub fn new(clients: Clients, address: SocketAddr, given: Option<&str>, token: Option<&str>) -> Self {
        let port = address.port();
        let mut names = vec![
            address.ip().to_string(),
            "127.0.0.1".to_string(),
            "localhost".to_string(),
            "::1".to_string(),
        ];
        names.extend(given.map(str::to_string));
        let is_everywhere = address.ip().is_unspecified();
        if is_everywhere {
            names.extend(host_name());
        }
        Self {
            clients,
            hosts: names
                .iter()
                .map(|name| authority(name, port))
                // A browser leaves out the port that it takes anyhow.
                .flat_map(|host| [host.strip_suffix(":80").map(str::to_string), Some(host)])
                .flatten()
                .collect(),
            any_address: is_everywhere.then_some(port),
            cookie_name: format!("{COOKIE_NAME}{port}"),
            token: token.map(|token| [digest(token), digest(&cookie_of(token))]),
        }
    }

    /// Looks at a request.
    ///
    /// # Errors
    /// What stops it.
    pub fn judge(&self, request: &Request) -> Result<(), Stop> {
        let headers = request.headers();
        if self.clients == Clients::Programs && self.token.is_some() {
            // No browser adds this header by itself. So a page of another site gains nothing, whatever name it asks under,
            // and the server may have any name in its network.
            return if self.has_bearer(headers) { Ok(()) } else { Err(Stop::NoToken) };
        }
        let host = self.host(headers, request.uri());
        let host = host.ok_or_else(|| Stop::OtherName(self.hosts.first().cloned().unwrap_or_default()))?;
        let is_own_site = match self.clients {
            Clients::Browsers => is_own_site(request.method(), headers, &host),
            Clients::Programs => is_own_program(headers, &host),
        };
        if is_own_site { self.judge_token(headers, request.uri()) } else { Err(Stop::OtherSite) }
    }

    /// The name that a request gives the server, if it is one of its own.
    fn host(&self, headers: &HeaderMap, uri: &Uri) -> Option<String> {
        let mut given = headers.get_all(HOST).iter();
        let host = given.next()?.to_str().ok()?.to_ascii_lowercase();
        let own = |host: &str| {
            let is_address = || {
                let port = self.any_address?;
                let address: SocketAddr = host.parse().ok()?;
                (address.port() == port).then_some(())
            };
            self.hosts.iter().any(|known| known == host) || is_address().is_some()
        };
        let is_whole = given.next().is_none()
            && uri.authority().is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(&host));
        (is_whole && own(&host)).then_some(host)
    }

    fn has_bearer(&self, headers: &HeaderMap) -> bool {
        let Some([token, _]) = &self.token else { return true };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        // The name of the scheme may have any case (RFC 9110, section 11.1).
        let bearer = given
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        bearer.is_some_and(|(_, given)| same(&digest(given), token))
    }

    fn judge_token(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Stop> {
        let Some([token, cookie]) = &self.token else { return Ok(()) };
        if self.has_bearer(headers) {
            return Ok(());
        }
        // Also where the cookie is known already: the token does not stay in the address.
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        let pairs = pairs.map_or(Vec::new(), |pairs| pairs.0);
        let given = pairs.iter().find(|(name, given)| name == "token" && same(&digest(given), token));
        if let Some((_, given)) = given {
            let rest = pairs.iter().filter(|(name, _)| name != "token");
            let place = link(uri.path(), rest.map(|(name, value)| (name.as_str(), value.as_str())));
            let cookie =
                format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name, cookie_of(given));
            return Err(Stop::Welcome { cookie, place });
        }
        let cookies = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|all| all.split(';'));
        let mut keys =
            cookies.filter_map(|one| one.trim().strip_prefix(self.cookie_name.as_str())?.strip_prefix('='));
        if keys.any(|given| same(&digest(given), cookie)) { Ok(()) } else { Err(Stop::NoToken) }
    }
}

/// Adds what every answer has.
pub fn protect(response: &mut Response) {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer realm=\"burstlab\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
}

/// Whether a request comes from a page of this server, or from nobody's page.
fn is_own_site(method: &Method, headers: &HeaderMap, host: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if matches!(*method, Method::GET | Method::HEAD) {
        // A link on another page may lead here; a page that embeds or fetches what is here may not.
        return is_own_origin(headers)
            || text("sec-fetch-mode") == Some("navigate") && text("sec-fetch-dest") == Some("document");
    }
    match headers.get(ORIGIN) {
        Some(origin) => {
            origin.to_str().is_ok_and(|origin| origin.eq_ignore_ascii_case(&format!("http://{host}")))
        }
        None => text("sec-fetch-site").is_some() && is_own_origin(headers),
    }
}

/// Whether a browser says that a page of this server, or the reader, sends a request; other programs do not say.
pub fn is_own_origin(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| ["same-origin", "none"].iter().any(|own| site == own))
}

/// Whether a request comes from a program, or from a page of this server: a browser says of any other page where it is.
fn is_own_program(headers: &HeaderMap, host: &str) -> bool {
    let origin = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    origin.is_none_or(|origin| origin.eq_ignore_ascii_case(&format!("http://{host}")))
        && is_own_origin(headers)
}

/// `name:port`, with brackets around an address that has colons itself.
pub fn authority(name: &str, port: u16) -> String {
    let name = name.to_ascii_lowercase();
    match name.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{name}:{port}"),
    }
}

/// What the cookie holds: it proves the token and does not give it away.
fn cookie_of(token: &str) -> String {
    hex(&digest(&format!("burstlab cookie of {token}")))
}

fn digest(text: &str) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).into()
}

/// Whether two digests are the same, in a time that does not tell where they differ.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn passes(guard: &Guard, host: &str, more: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().uri("/runs").header(HOST, host);
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        guard.judge(&request.body(Body::empty()).unwrap()).is_ok()
    }

    #[test]
    fn a_server_answers_to_its_own_names_alone() {
        let guard = Guard::new(Clients::Browsers, "127.0.0.1:7117".parse().unwrap(), None, None);
        for host in ["127.0.0.1:7117", "localhost:7117", "[::1]:7117", "LocalHost:7117"] {
            assert!(passes(&guard, host, &[]), "{host}");
        }
        for host in
            ["192.168.0.5:7117", "localhost", "localhost:80", "localhost.evil:7117", "127.0.0.1:71170", ""]
        {
            assert!(!passes(&guard, host, &[]), "{host}");
        }
        let everywhere =
            Guard::new(Clients::Browsers, "0.0.0.0:7117".parse().unwrap(), Some("0.0.0.0"), None);
        assert!(passes(&everywhere, "192.168.0.5:7117", &[]) && passes(&everywhere, "[fe80::1]:7117", &[]));
        assert!(
            !passes(&everywhere, "192.168.0.5:7118", &[]) && !passes(&everywhere, "evil.example:7117", &[])
        );
        let usual = Guard::new(Clients::Browsers, "127.0.0.1:80".parse().unwrap(), Some("lab.local"), None);
        assert!(passes(&usual, "lab.local", &[]) && passes(&usual, "lab.local:80", &[]));
    }

    #[test]
    fn the_cookie_proves_the_token_and_is_another_text() {
        let token = "0123456789abcdef";
        let guard = Guard::new(Clients::Browsers, "127.0.0.1:7117".parse().unwrap(), None, Some(token));
        let host = "127.0.0.1:7117";
        assert!(!passes(&guard, host, &[]));
        assert!(passes(&guard, host, &[("authorization", "Bearer 0123456789abcdef")]));
        assert!(passes(&guard, host, &[("authorization", "bearer 0123456789abcdef")]));
        assert!(!passes(&guard, host, &[("authorization", "Basic 0123456789abcdef")]));
        assert!(!passes(&guard, host, &[("authorization", "Bearer 0123456789abcdeF")]));
        assert!(!passes(&guard, host, &[("authorization", "0123456789abcdef")]));
        let cookie = |value: &str| format!("a=b; {COOKIE_NAME}7117={value}");
        assert!(passes(&guard, host, &[("cookie", &cookie(&cookie_of(token)))]));
        assert!(!passes(&guard, host, &[("cookie", &cookie(token))]));
        assert!(!passes(&guard, host, &[("cookie", &format!("{COOKIE_NAME}7118={}", cookie_of(token)))]));
        assert!(!cookie_of(token).contains(token));
    }

    #[test]
    fn a_program_proves_itself_with_the_header_alone_and_then_under_any_name() {
        let token = Some("0123456789abcdef");
        let guard = Guard::new(Clients::Programs, "0.0.0.0:7118".parse().unwrap(), Some("0.0.0.0"), token);
        let bearer = ("authorization", "Bearer 0123456789abcdef");
        for host in ["127.0.0.1:7118", "forecast.serving.svc:7118"] {
            assert!(passes(&guard, host, &[bearer]), "{host}");
            assert!(!passes(&guard, host, &[]), "{host}");
        }
        let cookie = format!("{COOKIE_NAME}7118={}", cookie_of("0123456789abcdef"));
        assert!(!passes(&guard, "127.0.0.1:7118", &[("cookie", &cookie)]));
    }

    #[test]
    fn a_page_of_another_site_cannot_send_rows_to_a_server_without_a_token() {
        let guard = Guard::new(Clients::Programs, "127.0.0.1:7118".parse().unwrap(), None, None);
        let host = "127.0.0.1:7118";
        assert!(passes(&guard, host, &[]) && passes(&guard, host, &[("origin", "http://127.0.0.1:7118")]));
        assert!(!passes(&guard, "evil.example:7118", &[]));
        for header in
            [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
        {
            assert!(!passes(&guard, host, &[header]), "{header:?}");
        }
    }
}
