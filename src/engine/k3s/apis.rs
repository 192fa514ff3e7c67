//! Which APIs that go with a later Kubernetes somebody has asked for: the API server says it in its metrics, which are megabytes. They
//! are read as they come, and only these lines are kept.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio::time::timeout;

use super::ready::client;
use crate::providers::chain;
use kwo_planner::k3s::Deprecated;
use kwo_planner::units::size;

/// How long the whole look may take.
const WHOLE: Duration = Duration::from_secs(60);
/// No metrics are longer; those of a large cluster are a tenth of it.
const LONGEST: u64 = 256 << 20;
/// No line of this metric is longer. Those of others may be, and nobody reads them.
const LONGEST_LINE: usize = 4096;
/// So many are kept: more than Kubernetes has.
const MOST: usize = 1000;

/// Looks at them.
pub(super) async fn look(kubeconfig: &Path) -> Result<Vec<Deprecated>, String> {
    let look = async {
        let client = client(kubeconfig).await?;
        let request = Request::get("/metrics").body(Body::empty());
        let request = request.map_err(|error| format!("the metrics of the API server: {error}"))?;
        let answer = client.send(request).await;
        let answer = answer.map_err(|error| format!("the API does not answer: {}", chain(&error)))?;
        if !answer.status().is_success() {
            return Err(format!("the API server answers {} for its metrics", answer.status().as_u16()));
        }
        let (mut body, mut lines, mut length) = (answer.into_body(), Lines::default(), 0u64);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| format!("the metrics broke off: {}", chain(&error)))?;
            let Ok(bytes) = frame.into_data() else { continue };
            length += bytes.len() as u64;
            if length > LONGEST {
                return Err(format!("the metrics are longer than {}", size(LONGEST)));
            }
            lines.read(&bytes);
        }
        Ok(lines.ended())
    };
    timeout(WHOLE, look).await.unwrap_or_else(|_| Err("the API server does not end its metrics".to_owned()))
}

/// What was read of them so far.
#[derive(Default)]
struct Lines {
    /// The beginning of a line whose end has not come yet; no more of it than counts.
    begun: Vec<u8>,
    found: BTreeSet<Deprecated>,
}

impl Lines {
    fn read(&mut self, bytes: &[u8]) {
        let mut parts = bytes.split(|byte| *byte == b'\n');
        if let Some(first) = parts.next() {
            self.add(first);
        }
        for part in parts {
            self.line();
            self.add(part);
        }
    }

    fn add(&mut self, part: &[u8]) {
        let room = (LONGEST_LINE + 1).saturating_sub(self.begun.len());
        self.begun.extend(part.iter().take(room));
    }

    fn line(&mut self) {
        let line = std::str::from_utf8(&self.begun).ok().filter(|line| line.len() <= LONGEST_LINE);
        if let Some(api) = line.and_then(Deprecated::of)
            && self.found.len() < MOST
        {
            self.found.insert(api);
        }
        self.begun.clear();
    }

    fn ended(mut self) -> Vec<Deprecated> {
        self.line();
        self.found.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(resource: &str) -> String {
        format!(
            "apiserver_requested_deprecated_apis{{group=\"a\",removed_release=\"1.38\",resource=\"{resource}\",subresource=\"\",version=\"v1beta1\"}} 1"
        )
    }

    fn found(bytes: &[u8], part: usize) -> Vec<String> {
        let mut lines = Lines::default();
        for part in bytes.chunks(part) {
            lines.read(part);
            assert!(lines.begun.len() <= LONGEST_LINE + 1);
        }
        lines.ended().into_iter().map(|api| api.resource.to_string()).collect()
    }

    #[test]
    fn lines_count_wherever_the_parts_of_an_answer_begin() {
        let other = "x".repeat(3 * LONGEST_LINE);
        let text =
            format!("# HELP y\n{}\n{other}\n{}\n\n{}{other}\n{}", line("a"), line("b"), line("c"), line("d"));
        for part in [1, 7, 1000, 1 << 20] {
            assert_eq!(found(text.as_bytes(), part), ["a", "b", "d"], "{part}");
        }
        // What is no text is no line of this metric.
        let odd = [&b"\xff\n"[..], line("a").as_bytes(), b"\n\xff"].concat();
        assert_eq!(found(&odd, 3), ["a"]);
        let many: String = (0..2 * MOST).map(|one| line(&one.to_string()) + "\n").collect();
        assert_eq!(found(many.as_bytes(), 4096).len(), MOST);
    }
}
