//! Who may ask: the headers that a browser cannot be made to lie about, and the token.
//!
//! A page of another site that a browser has open can send requests to this machine. Its name for the server gives it away
//! (`Host`, also after the name was bound to this machine's address), and a browser tells where a request comes from
//! (`Origin`, `Sec-Fetch-Site`).

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;

use super::address::link;
use super::answer::message;
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

/// Decides who may ask.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Names under which the server is asked, each with its port.
    hosts: Vec<String>,
    /// Any address of this machine will do, since the server listens at all of them.
    any_address: Option<u16>,
    /// Name of the cookie.
    cookie_name: String,
    /// Digests of the token and of the cookie.
    token: Option<[[u8; 32]; 2]>,
}

/// What a request comes to before a page is made.
pub enum Admission {
    /// A page may be made.
    Pass,
    /// This is answered instead.
    Stop(Box<Response>),
}

impl Guard {
    /// The guard of a server that listens at an address, which the user gave as `given`.
    pub fn new(address: SocketAddr, given: Option<&str>, token: Option<&str>) -> Self {
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
    pub fn judge(&self, request: &Request) -> Admission {
        let headers = request.headers();
        let Some(host) = self.host(headers, request.uri()) else {
            return stop(
                StatusCode::FORBIDDEN,
                &format!(
                    "This server is asked under another name than its own. Open it at http://{}, or start it with \
                     `--host NAME` if that name is its own.",
                    self.hosts.first().map_or("", String::as_str)
                ),
            );
        };
        if !is_own_site(request.method(), headers, &host) {
            return stop(
                StatusCode::FORBIDDEN,
                "A page of another site sent this request. Open the page here and try again.",
            );
        }
        self.judge_token(headers, request.uri())
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

    fn judge_token(&self, headers: &HeaderMap, uri: &Uri) -> Admission {
        let Some([token, cookie]) = &self.token else { return Admission::Pass };
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let bearer = text(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_some_and(|given| same(&digest(given), token)) {
            return Admission::Pass;
        }
        // Also where the cookie is known already: the token does not stay in the address.
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        let pairs = pairs.map_or(Vec::new(), |pairs| pairs.0);
        let given = pairs.iter().find(|(name, given)| name == "token" && same(&digest(given), token));
        if let Some((_, given)) = given {
            let rest = pairs.iter().filter(|(name, _)| name != "token");
            let place = link(uri.path(), rest.map(|(name, value)| (name.as_str(), value.as_str())));
            return Admission::Stop(Box::new(self.welcome(given, &place)));
        }
        let cookies = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|all| all.split(';'));
        let mut keys =
            cookies.filter_map(|one| one.trim().strip_prefix(self.cookie_name.as_str())?.strip_prefix('='));
        if keys.any(|given| same(&digest(given), cookie)) {
            return Admission::Pass;
        }
        stop(
            StatusCode::UNAUTHORIZED,
            "This server wants its token: add ?token=TOKEN to the address once, or send the header \
             \"Authorization: Bearer TOKEN\".",
        )
    }

    /// The page that sets the cookie. The browser leaves it by itself: after a redirect from another site it would not send the
    /// cookie yet.
    fn welcome(&self, token: &str, place: &str) -> Response {
        let mut response = message(StatusCode::OK, "Welcome", "The token is right. One moment.", None);
        let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name, cookie_of(token));
        for (name, value) in [(SET_COOKIE, cookie), (axum::http::header::REFRESH, format!("0; url={place}"))]
        {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Adds what every answer has.
pub fn protect(response: &mut Response) {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
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

fn stop(status: StatusCode, told: &str) -> Admission {
    let title = if status == StatusCode::UNAUTHORIZED { "Who are you?" } else { "Not from here" };
    Admission::Stop(Box::new(message(status, title, told, None)))
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
        matches!(guard.judge(&request.body(Body::empty()).unwrap()), Admission::Pass)
    }

    #[test]
    fn a_server_answers_to_its_own_names_alone() {
        let guard = Guard::new("127.0.0.1:7117".parse().unwrap(), None, None);
        for host in ["127.0.0.1:7117", "localhost:7117", "[::1]:7117", "LocalHost:7117"] {
            assert!(passes(&guard, host, &[]), "{host}");
        }
        for host in
            ["192.168.0.5:7117", "localhost", "localhost:80", "localhost.evil:7117", "127.0.0.1:71170", ""]
        {
            assert!(!passes(&guard, host, &[]), "{host}");
        }
        let everywhere = Guard::new("0.0.0.0:7117".parse().unwrap(), Some("0.0.0.0"), None);
        assert!(passes(&everywhere, "192.168.0.5:7117", &[]) && passes(&everywhere, "[fe80::1]:7117", &[]));
        assert!(
            !passes(&everywhere, "192.168.0.5:7118", &[]) && !passes(&everywhere, "evil.example:7117", &[])
        );
        let usual = Guard::new("127.0.0.1:80".parse().unwrap(), Some("lab.local"), None);
        assert!(passes(&usual, "lab.local", &[]) && passes(&usual, "lab.local:80", &[]));
    }

    #[test]
    fn the_cookie_proves_the_token_and_is_another_text() {
        let token = "0123456789abcdef";
        let guard = Guard::new("127.0.0.1:7117".parse().unwrap(), None, Some(token));
        let host = "127.0.0.1:7117";
        assert!(!passes(&guard, host, &[]));
        assert!(passes(&guard, host, &[("authorization", "Bearer 0123456789abcdef")]));
        assert!(!passes(&guard, host, &[("authorization", "Bearer 0123456789abcdeF")]));
        assert!(!passes(&guard, host, &[("authorization", "0123456789abcdef")]));
        let cookie = |value: &str| format!("a=b; {COOKIE_NAME}7117={value}");
        assert!(passes(&guard, host, &[("cookie", &cookie(&cookie_of(token)))]));
        assert!(!passes(&guard, host, &[("cookie", &cookie(token))]));
        assert!(!passes(&guard, host, &[("cookie", &format!("{COOKIE_NAME}7118={}", cookie_of(token)))]));
        assert!(!cookie_of(token).contains(token));
    }
}
