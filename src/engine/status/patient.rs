//! Looks at folders that may be on a server which is away: a look there never ends, and nobody is to wait for it.

use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a look may take.
const ANSWER: Duration = Duration::from_secs(5);

/// What a look gives; nothing where it takes too long. Its thread is left behind, and ends with the program.
pub(crate) async fn patient<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    within(ANSWER, look).await
}

async fn within<T: Send + 'static>(answer: Duration, look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = oneshot::channel();
    let begun = thread::Builder::new().spawn(move || tell.send(look()).is_ok());
    match begun {
        Ok(_) => timeout(answer, told).await.ok().and_then(Result::ok),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_that_does_not_end_is_left_behind() {
        assert_eq!(patient(|| 7).await, Some(7));
        let (_hold, held) = std::sync::mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(20), move || held.recv().is_ok()).await, None);
    }
}
