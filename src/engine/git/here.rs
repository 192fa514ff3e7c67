//! The repository that a folder lies in, where somebody works: looked at, and never written to. It may be a stranger's
//! checkout, so nothing that its own settings name is run.

use std::fs;
use std::path::{Path, PathBuf};

use super::clone::Clone;
use super::process::GitError;

/// How many branches and tags are looked at for the one that was meant.
const NAMES: usize = 1_000;

/// How long their list may be.
const LIST: usize = 1 << 20;

impl Clone {
    /// The repository that this folder lies in, and the folder at its top. Git is not asked, for it would look further
    /// than into the folders above.
    #[must_use]
    pub fn around(folder: &Path) -> Option<(Clone, PathBuf)> {
        let folder = fs::canonicalize(folder).ok()?;
        folder.ancestors().find_map(|top| {
            let git = top.join(".git");
            let folder = if git.exists() {
                git
            } else {
                let bare = top.join("HEAD").is_file()
                    && ["objects", "refs"].iter().all(|name| top.join(name).is_dir());
                bare.then(|| top.to_owned())?
            };
            Some((Clone { folder, own: true }, top.to_owned()))
        })
    }

    /// The commit that two others both follow, and none that follows that one.
    ///
    /// # Errors
    /// When there is none.
    pub async fn parted(&self, one: &str, other: &str) -> Result<String, GitError> {
        self.git().args(["merge-base", one, other]).run(None).await.map(|given| given.line())
    }

    /// The branches and tags; none where they cannot be listed.
    pub async fn names(&self) -> Vec<String> {
        let count = format!("--count={NAMES}");
        let args =
            ["for-each-ref", "--format=%(refname:short)", &count, "refs/heads", "refs/tags", "refs/remotes"];
        let Ok(given) = self.git().args(args).at_most(LIST).run(None).await else { return Vec::new() };
        String::from_utf8_lossy(&given.out).lines().map(str::to_owned).collect()
    }
}
