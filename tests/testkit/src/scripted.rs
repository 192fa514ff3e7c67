//! A server that answers as a test tells it to, one request after the other: for what a real API server does only on
//! a bad day. How it is reached is in `loopback.rs`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::loopback::{Asked, Loopback, Reply};

/// The server; ends with the process.
pub struct Scripted {
    /// Leads to it.
    pub kubeconfig: PathBuf,
    asked: Arc<Mutex<Vec<Asked>>>,
    _server: Loopback,
}

impl Scripted {
    /// Answers by this script. Whether it is ready is no part of any: it is.
    pub fn start(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Scripted {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Mutex::new(script), Arc::clone(&asked));
        let server = Loopback::start(move |asked| {
            if asked.path == "/readyz" {
                return Reply::Answer(200, "", "ok".to_owned());
            }
            let reply = (script.lock().expect("nobody panicked"))(&asked);
            log.lock().expect("nobody panicked").push(asked);
            reply
        });
        Scripted { kubeconfig: server.kubeconfig.clone(), asked, _server: server }
    }

    /// Answers with these, one after the other.
    pub fn playing(replies: Vec<Reply>) -> Scripted {
        let mut replies = replies.into_iter();
        Scripted::start(move |_| {
            replies.next().unwrap_or(Reply::Answer(418, "", r#"{"message":"the script is over"}"#.to_owned()))
        })
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panicked").clone()
    }
}
