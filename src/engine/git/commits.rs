//! What is asked about commits: who wrote one, and which came after which.

use jiff::Timestamp;

use kwo_planner::plain::acts;

use super::clone::Clone;
use super::process::GitError;
use crate::history::Commit;

impl Clone {
    /// Who wrote a commit, when, and what for.
    ///
    /// # Errors
    /// When it is not in the clone.
    pub async fn describe(&self, id: &str) -> Result<Commit, GitError> {
        // `show` compares the commit with the one before it, even where that is not to be seen: with a tree that names
        // itself many times over it does not come to an end.
        let format = "--format=%H%x00%an <%ae>%x00%ct%x00%s";
        let args = ["log", "--max-count=1", "--no-show-signature", format, id, "--"];
        let told = self.git().args(args).run(None).await?.line();
        let odd = || GitError::Odd { what: "log".to_owned(), said: told.chars().take(200).collect() };
        let parts: Vec<&str> = told.split('\0').collect();
        let [id, author, when, subject] = parts.as_slice() else { return Err(odd()) };
        let when =
            when.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or_else(odd)?;
        let plain = |text: &str| text.chars().filter(|char| !acts(*char)).take(200).collect();
        Ok(Commit { id: (*id).to_owned(), author: plain(author), when, subject: plain(subject) })
    }

    /// Is the second commit the first one, or does it come after it?
    ///
    /// # Errors
    /// When git cannot be asked. A commit that is not in the clone comes before none, and after none.
    pub async fn follows(&self, first: &str, second: &str) -> Result<bool, GitError> {
        if !self.has(first).await? || !self.has(second).await? {
            return Ok(false);
        }
        self.git().args(["merge-base", "--is-ancestor", first, second]).ask().await
    }

    /// Is the commit in the clone?
    ///
    /// # Errors
    /// When git cannot be asked.
    pub async fn has(&self, id: &str) -> Result<bool, GitError> {
        match self.commit(id).await {
            Ok(_) => Ok(true),
            Err(GitError::Failed { status, .. }) if status.code() == Some(1) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
