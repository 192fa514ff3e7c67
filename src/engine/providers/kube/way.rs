//! The way to one API server: one request along it, its answer piece by piece, and what went wrong on it, in words.
//! How often a request is sent, and when, is in `transport.rs`.

use std::error::Error;
use std::io;
use std::ops::Deref;
use std::time::Duration;

use ::kube::Client;
use ::kube::client::Body;
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::causes::{last, links};
use super::response::Trouble;
use super::{distrust, login};

/// The way to one API server.
pub(in crate::providers) struct Way {
    pub(in crate::providers) client: Client,
    /// Its address, for people.
    pub(in crate::providers) server: String,
    /// The proxy that leads to it, for people.
    pub(in crate::providers) proxy: Option<String>,
    /// For one try, from sending to the answer's head, and again between any two pieces of its body.
    pub(in crate::providers) timeout: Duration,
    /// A kubeconfig leads there, and says which certificate authority to trust.
    pub(in crate::providers) by_kubeconfig: bool,
}

impl Way {
    /// Sends it, and waits this long for the head of the answer.
    pub(in crate::providers) async fn open(
        &self,
        request: Request<Body>,
        patience: Duration,
    ) -> Result<Response<Body>, Trouble> {
        let response = timeout(patience, self.client.send(request)).await;
        response.map_err(|_| self.silence(patience))?.map_err(|error| self.trouble(&error))
    }

    /// The next piece of the body; nothing at its end.
    pub(in crate::providers) async fn piece(
        &self,
        response: &mut Response<Body>,
        patience: Option<Duration>,
    ) -> Result<Option<impl Deref<Target = [u8]>>, Trouble> {
        loop {
            let next = response.body_mut().frame();
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

    pub(in crate::providers) fn silence(&self, patience: Duration) -> Trouble {
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
                    return Trouble::Distrusted(format!(
                        "kwo cannot trust the certificate of {server}: {}",
                        distrust::certificate(why, self.by_kubeconfig)
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
