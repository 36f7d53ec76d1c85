//! The resource directory (RFC 9176) as resources.

use std::time::Duration;

use url::Url;

use super::path::Path;
use super::{links, not_allowed, refuse};
use crate::directory::{Directory, Endpoint, EndpointName, Fetch, Limits, Location, Refusal};
use crate::exchange::{Request, Response};
use crate::link_format::Link;
use crate::message::{Code, options};

/// When to come again with what is too much now, in seconds.
const BUSY_FOR: u32 = 30;

/// Answers what is asked of the directory.
#[derive(Debug)]
pub(crate) struct Registrar(Directory);

/// What a request brings about beside its answer.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// An endpoint has registered, perhaps anew.
    Registered(Location),
    /// An endpoint is still there, perhaps elsewhere than before.
    Updated(Location),
    /// An endpoint has left.
    Removed(Box<Endpoint>),
    /// An endpoint's links are to be fetched; what they are is for [`Registrar::fetched`].
    Fetch(Fetch),
}

type Answered = Result<(Response, Effect), Refusal>;

impl Registrar {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Directory::new("/rd", limits))
    }

    /// Answers a request for a resource of the directory. `source` is where it came from.
    pub(crate) fn answer(
        &mut self,
        now: Duration,
        source: &Url,
        path: &Path,
        request: &Request,
    ) -> (Response, Effect) {
        let query: Vec<&str> = request.queries().collect();
        let answered = match (path, request.method) {
            (Path::Directory, Code::POST) => self.register(now, source, &query, request),
            (Path::Directory, _) => Ok((not_allowed("POST"), Effect::Nothing)),
            (Path::Registration(location), Code::POST) => {
                self.update(now, *location, source, &query)
            }
            (Path::Registration(location), Code::DELETE) => self.remove(*location),
            (Path::Registration(_), _) => Ok((not_allowed("POST and DELETE"), Effect::Nothing)),
            (Path::SimpleRegistration, Code::POST) => self.register_simply(now, source, &query),
            (Path::SimpleRegistration, _) => Ok((not_allowed("POST"), Effect::Nothing)),
            (_, Code::GET) => self.look_up(path, &query),
            _ => Ok((not_allowed("GET"), Effect::Nothing)),
        };
        answered.unwrap_or_else(|refusal| (refused(&refusal), Effect::Nothing))
    }

    fn register(
        &mut self,
        now: Duration,
        source: &Url,
        query: &[&str],
        request: &Request,
    ) -> Answered {
        let format = request.options.uint(options::CONTENT_FORMAT);
        let format = format.map(|format| u16::try_from(format).unwrap_or(u16::MAX));
        let registered = self.0.register(now, source, query, format, &request.payload)?;
        let mut response = Response::new(Code::CREATED);
        for segment in ["rd".to_owned(), registered.location.to_string()] {
            response.options.add(options::LOCATION_PATH, segment);
        }
        Ok((response, Effect::Registered(registered.location)))
    }

    fn update(
        &mut self,
        now: Duration,
        location: Location,
        source: &Url,
        query: &[&str],
    ) -> Answered {
        self.0.update(now, location, source, query)?;
        Ok((Response::new(Code::CHANGED), Effect::Updated(location)))
    }

    fn remove(&mut self, location: Location) -> Answered {
        let endpoint = self.0.remove(location)?;
        Ok((Response::new(Code::DELETED), Effect::Removed(Box::new(endpoint))))
    }

    fn register_simply(&mut self, now: Duration, source: &Url, query: &[&str]) -> Answered {
        let fetch = self.0.register_simply(now, source, query)?;
        Ok((Response::new(Code::CHANGED), fetch.map_or(Effect::Nothing, Effect::Fetch)))
    }

    fn look_up(&self, path: &Path, query: &[&str]) -> Answered {
        let found: Vec<Link> = match path {
            Path::EndpointLookup => self.0.look_up_endpoints(query)?,
            _ => self.0.look_up_resources(query)?,
        };
        Ok((links::document(&found), Effect::Nothing))
    }

    /// What a fetch brought; where the endpoint is registered now.
    pub(crate) fn fetched(
        &mut self,
        now: Duration,
        name: &EndpointName,
        response: &Response,
    ) -> Result<Location, Refusal> {
        let format = response.content_format();
        let registered = self.0.fetched(now, name, format, &response.payload)?;
        Ok(registered.location)
    }

    /// A fetch failed.
    pub(crate) fn not_fetched(&mut self, name: &EndpointName) {
        self.0.not_fetched(name);
    }

    /// What has ended by now.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<Endpoint> {
        self.0.expire(now)
    }

    /// When the next thing ends.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.0.next_deadline()
    }

    /// One registration.
    pub(crate) fn endpoint(&self, location: Location) -> Option<&Endpoint> {
        self.0.endpoint(location)
    }
}

fn refused(refusal: &Refusal) -> Response {
    let response = refuse(Code(refusal.code()), refusal.to_string());
    match refusal {
        Refusal::Full(_) | Refusal::Busy(_) => response.max_age(BUSY_FOR),
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Url {
        Url::parse("coap://192.0.2.7:40000").unwrap()
    }

    fn asked(registrar: &mut Registrar, request: &Request) -> (Response, Effect) {
        let path = Path::of(request).unwrap();
        registrar.answer(Duration::ZERO, &source(), &path, request)
    }

    #[test]
    fn a_registration_is_made_found_renewed_and_removed() {
        let mut registrar = Registrar::new(Limits::default());
        let register = Request::new(Code::POST, "/rd").query("ep=node").body(40, "</t>;rt=temp");
        let (response, effect) = asked(&mut registrar, &register);
        assert_eq!(response.code, Code::CREATED);
        let path: Vec<_> = response.options.all(options::LOCATION_PATH).cloned().collect();
        let location = format!("/rd/{}", str::from_utf8(&path[1]).unwrap());
        let Effect::Registered(place) = effect else { panic!("{effect:?}") };
        assert_eq!(location, format!("/rd/{place}"));
        assert_eq!(registrar.endpoint(place).unwrap().base(), &source());

        let (found, _) = asked(&mut registrar, &Request::get("/rd-lookup/res").query("rt=temp"));
        assert_eq!(found.payload, "<coap://192.0.2.7:40000/t>;rt=\"temp\"");
        let (found, _) = asked(&mut registrar, &Request::get("/rd-lookup/ep").query("ep=node"));
        assert!(found.payload.starts_with(format!("<{location}>").as_bytes()), "{found:?}");

        let update = Request::new(Code::POST, &location).query("lt=60");
        assert_eq!(asked(&mut registrar, &update).0.code, Code::CHANGED);
        assert_eq!(registrar.next_deadline(), Some(Duration::from_secs(60)));
        let (response, effect) = asked(&mut registrar, &Request::new(Code::DELETE, &location));
        assert_eq!(response.code, Code::DELETED);
        assert!(matches!(effect, Effect::Removed(_)));
        assert_eq!(asked(&mut registrar, &update).0.code, Code::NOT_FOUND);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let mut registrar = Registrar::new(Limits::default());
        let (response, _) = asked(&mut registrar, &Request::new(Code::POST, "/rd"));
        assert_eq!(response.code, Code::BAD_REQUEST);
        assert!(response.payload.starts_with(b"`ep` is missing"), "{response:?}");
        assert_eq!(asked(&mut registrar, &Request::get("/rd")).0.code, Code::METHOD_NOT_ALLOWED);
        let json = Request::new(Code::POST, "/rd").query("ep=a").body(50, "[]");
        assert_eq!(asked(&mut registrar, &json).0.code, Code::UNSUPPORTED_CONTENT_FORMAT);
    }

    #[test]
    fn a_simple_registration_is_fetched() {
        let mut registrar = Registrar::new(Limits::default());
        let simply = Request::new(Code::POST, "/.well-known/rd").query("ep=simple");
        let (response, effect) = asked(&mut registrar, &simply);
        let Effect::Fetch(fetch) = effect else { panic!("{effect:?}") };
        assert_eq!(response.code, Code::CHANGED);
        assert_eq!(fetch.target.as_str(), "coap://192.0.2.7:40000/.well-known/core");
        let links = Response::with_body(Code::CONTENT, 40, "</t>");
        let place = registrar.fetched(Duration::ZERO, &fetch.name, &links).unwrap();
        assert_eq!(registrar.endpoint(place).unwrap().links().len(), 1);
    }
}
