//! Asks a running gateway over HTTP.

use std::time::Duration;

use reqwest::header::{ACCEPT, LINK};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::failure::{Exit, Failure};
use super::output::printable;

/// Where the gateway is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Target {
    /// The gateway to ask
    #[arg(
        long,
        global = true,
        env = "THINGWAY_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    url: Url,
}

pub(super) struct Client {
    base: Url,
    http: reqwest::Client,
}

/// Long enough for a busy gateway on a slow link; a write adds what it waits for its device.
const PATIENCE: Duration = Duration::from_secs(10);

impl Client {
    pub(super) fn new(target: &Target) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .connect_timeout(PATIENCE)
            .user_agent(concat!("thingway/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        Ok(Self { base: target.url.clone(), http })
    }

    /// The URL of a path, each segment escaped as needed.
    pub(super) fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.http.get(url)
    }

    pub(super) fn put(&self, url: Url) -> RequestBuilder {
        self.http.put(url)
    }

    pub(super) fn post(&self, url: Url) -> RequestBuilder {
        self.http.post(url)
    }

    /// Sends, and turns every answer but a good one into a failure.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        patience: Duration,
    ) -> Result<Response, Failure> {
        match tokio::time::timeout(patience, request.send()).await {
            Ok(Ok(response)) if response.status().is_success() => Ok(response),
            Ok(Ok(response)) => Err(refused(response).await),
            Ok(Err(error)) => Err(self.unreachable(&error)),
            Err(_) => Err(self.silent(patience)),
        }
    }

    pub(super) async fn text(&self, url: Url) -> Result<String, Failure> {
        let response = self.send(self.get(url), PATIENCE).await?;
        response.text().await.map_err(|error| self.unreachable(&error))
    }

    pub(super) async fn json<T: DeserializeOwned>(&self, url: Url) -> Result<T, Failure> {
        let text = self.text(url).await?;
        self.understood(&text)
    }

    /// All items of a listing, page after page (`Link: …; rel="next"`).
    pub(super) async fn all<T: DeserializeOwned>(&self, first: Url) -> Result<Vec<T>, Failure> {
        let mut items = Vec::new();
        let mut next = Some(first);
        while let Some(url) = next {
            let request = self.get(url.clone()).header(ACCEPT, "application/json");
            let response = self.send(request, PATIENCE).await?;
            next = next_page(&response, &url);
            let text = response.text().await.map_err(|error| self.unreachable(&error))?;
            items.append(&mut self.understood::<Vec<T>>(&text)?);
        }
        Ok(items)
    }

    pub(super) fn understood<T: DeserializeOwned>(&self, text: &str) -> Result<T, Failure> {
        serde_json::from_str(text).map_err(|error| {
            let message = format!(
                "{} answered something else than a Thingway gateway does ({error}); name the \
                 gateway with --url",
                self.base
            );
            Failure::new(Exit::Failed, message)
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let message = format!(
            "no gateway answers at {} ({cause}); start one with `thingway`, or name another with \
             --url or THINGWAY_URL",
            self.base
        );
        Failure::new(Exit::Unreachable, message)
    }

    fn silent(&self, patience: Duration) -> Failure {
        let seconds = patience.as_secs();
        let message = format!("{} did not answer within {seconds} s", self.base);
        Failure::new(Exit::TimedOut, message)
    }
}

/// A problem document (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

async fn refused(response: Response) -> Failure {
    let status = response.status();
    let exit = match status {
        StatusCode::NOT_FOUND => Exit::NotFound,
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => Exit::TimedOut,
        _ => Exit::Failed,
    };
    let body = response.text().await.unwrap_or_default();
    let problem: Problem = serde_json::from_str(&body).unwrap_or_default();
    let message = match (problem.title, problem.detail) {
        (Some(title), Some(detail)) => format!("{title}: {detail}"),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => format!("the gateway answered {status}"),
    };
    Failure::Said { exit, message: printable(&message), details: serde_json::from_str(&body).ok() }
}

fn next_page(response: &Response, current: &Url) -> Option<Url> {
    let links = response.headers().get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    links.flat_map(|value| value.split(',')).find_map(|link| next_link(link, current))
}

/// One link of a `Link` header (RFC 8288), if it leads to the next page of the same gateway.
fn next_link(link: &str, current: &Url) -> Option<Url> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let mut parameters = parameters.split(';').map(str::trim);
    if !parameters.any(|parameter| matches!(parameter, "rel=\"next\"" | "rel=next")) {
        return None;
    }
    let next = current.join(target).ok()?;
    (next.origin() == current.origin() && next != *current).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_escaped_in_paths() {
        let target = Target { url: "http://gateway/base/".parse().unwrap() };
        // The provider of TLS is the process's business; without one no client can be made.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::new(&target).unwrap();
        let url = client.url(&["things", "urn:dev:a/b"], &[("thing", "a&b")]);
        assert_eq!(url.as_str(), "http://gateway/base/things/urn:dev:a%2Fb?thing=a%26b");
    }

    #[test]
    fn only_the_next_page_of_the_same_gateway_is_followed() {
        let current = "http://gateway/things?limit=2".parse().unwrap();
        let next = |link| next_link(link, &current).map(String::from);
        assert_eq!(
            next(" </things?limit=2&offset=2>; rel=\"next\"").unwrap(),
            "http://gateway/things?limit=2&offset=2"
        );
        assert_eq!(next("</things>; rel=\"canonical\"; etag=\"5\""), None);
        assert_eq!(next("<http://elsewhere/things>; rel=\"next\""), None);
    }
}
