//! The clock of the API server, as the head of an answer says it.

use ::http::header;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

use super::connect::Kube;
use super::transport::Call;
use crate::providers::Refusal;

impl Kube {
    /// By how much the server's clock is ahead of this machine's; nothing where its answer has no date. Asked once: an
    /// answer that was waited for would say less.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn clock(&self) -> Result<Option<SignedDuration>, Refusal> {
        let request = Call::get("/version").request().map_err(|trouble| trouble.refusal(1))?;
        let before = Timestamp::now();
        let response = self.transport.way.open(request, self.transport.way.timeout).await;
        let response = response.map_err(|trouble| trouble.refusal(1))?;
        let after = Timestamp::now();
        let said = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        let said = said.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        // The server wrote it between the two, and cut it to whole seconds.
        Ok(said.map(|said| {
            if said.as_second() < before.as_second() {
                said.duration_since(before)
            } else if said > after {
                said.duration_since(after)
            } else {
                SignedDuration::ZERO
            }
        }))
    }
}
