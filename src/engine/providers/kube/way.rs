//! The way to one API server: one request along it, its answer piece by piece, and what went wrong on it, in words.
//! How often a request is sent, and when, is in `wire.rs`.

use std::error::Error;
use std::io;
use std::ops::Deref;
use std::time::Duration;

use ::kube::Client;
use ::kube::client::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::answer::Trouble;
use super::{distrust, login};

/// The way to one API server.
pub(super) struct Way {
    pub(super) client: Client,
    /// Its address, for people.
    pub(super) server: String,
    /// The proxy that leads to it, for people.
    pub(super) proxy: Option<String>,
    /// For one try, from sending to the answer's head, and again between any two pieces of its body.
    pub(super) timeout: Duration,
}

impl Way {
    /// Sends it, and waits this long for the head of the answer.
    pub(super) async fn open(
        &self,
        request: Request<Body>,
        patience: Duration,
    ) -> Result<Response<Body>, Trouble> {
        let response = timeout(patience, self.client.send(request)).await;
        response.map_err(|_| self.silence(patience))?.map_err(|error| self.trouble(&error))
    }

    /// The next piece of the body; nothing at its end.
    pub(super) async fn piece(
        &self,
        answer: &mut Response<Body>,
        patience: Option<Duration>,
    ) -> Result<Option<impl Deref<Target = [u8]>>, Trouble> {
        loop {
            let next = answer.body_mut().frame();
            let frame = match patience {
                Some(patience) => timeout(patience, next).await.map_err(|_| self.silence(patience))?,
                None => next.await,
            };
            let Some(frame) = frame else { return Ok(None) };
            // What is no data are trailers, which say nothing here.
            if let Ok(data) = frame.map_err(|error| self.trouble(&error))?.into_data() {
                return Ok(Some(data));
            }
        }
    }

    pub(super) fn silence(&self, patience: Duration) -> Trouble {
        Trouble::Lost(format!("{} did not answer within {patience:?}", self.way()))
    }

    /// The server, and the proxy where there is one.
    fn way(&self) -> String {
        match &self.proxy {
            Some(proxy) => format!("{} through the proxy {proxy}", self.server),
            None => self.server.clone(),
        }
    }

    /// Sorts an error of the client and puts it into words.
    fn trouble(&self, error: &(dyn Error + 'static)) -> Trouble {
        let server = &self.way();
        if let Some(::kube::Error::Auth(auth)) = error.downcast_ref() {
            return Trouble::Hopeless(login::failed(server, None, auth));
        }
        let links = links(error);
        for link in &links {
            match link.downcast_ref::<rustls::Error>() {
                Some(rustls::Error::InvalidCertificate(why)) => {
                    return Trouble::Hopeless(format!(
                        "kwo cannot trust the certificate of {server}: {}",
                        distrust::certificate(why)
                    ));
                }
                Some(rustls::Error::AlertReceived(alert)) => {
                    return Trouble::Hopeless(format!(
                        "{server} refuses the secure connection: {}",
                        distrust::alert(*alert)
                    ));
                }
                _ => {}
            }
        }
        let refused = links.iter().any(|link| {
            link.downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        });
        if refused {
            return Trouble::NotSent(match &self.proxy {
                Some(proxy) => {
                    format!("connection refused by the proxy {proxy}, which leads to {}", self.server)
                }
                None => format!("connection refused by {server}"),
            });
        }
        let connecting = links.iter().any(|link| {
            link.downcast_ref::<hyper_util::client::legacy::Error>()
                .is_some_and(hyper_util::client::legacy::Error::is_connect)
        });
        if connecting {
            Trouble::NotSent(format!("could not connect to {server}: {}", last(&links)))
        } else {
            Trouble::Lost(format!("lost the connection to {server}: {}", last(&links)))
        }
    }
}

/// An error and all that caused it, also where one is wrapped by an I/O error.
fn links<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut links = vec![error];
    let mut here = error;
    loop {
        let wrapped = here.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let Some(cause) = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| here.source())
        else {
            return links;
        };
        links.push(cause);
        here = cause;
    }
}

/// The deepest cause, in words.
fn last(links: &[&(dyn Error + 'static)]) -> String {
    links.last().map(ToString::to_string).unwrap_or_default()
}

/// An error and its causes in one line; a cause that the one before it has already told is left out.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for link in links(error) {
        let said = link.to_string();
        if text.is_empty() {
            text = said;
        } else if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
    }
    text
}
