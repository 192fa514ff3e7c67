//! Objects of the repository by their ids: their size, without reading them, and their content.

use super::clone::Clone;
use super::process::GitError;

impl Clone {
    /// How long these objects are, each of which has to be of this kind.
    ///
    /// # Errors
    /// When git cannot be asked, or one is not there.
    pub(super) async fn sizes(&self, kind: &str, ids: &[&str]) -> Result<Vec<u64>, GitError> {
        let given = self.git().args(["cat-file", "--batch-check"]).run(Some(lines(ids))).await?;
        let text = String::from_utf8_lossy(&given.out).into_owned();
        let mut told = text.lines();
        ids.iter()
            .map(|id| {
                let size = told.next().and_then(|line| head(line, kind, id));
                size.ok_or_else(|| not_whole(kind, id))
            })
            .collect()
    }

    /// What these objects hold. Whoever asks knows that it is not too much.
    ///
    /// # Errors
    /// When git cannot be asked, or one is not there.
    pub(super) async fn contents(&self, kind: &str, ids: &[&str]) -> Result<Vec<Vec<u8>>, GitError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let given = self.git().args(["cat-file", "--batch"]).run(Some(lines(ids))).await?;
        let mut rest = given.out.as_slice();
        ids.iter()
            .map(|id| next(&mut rest, kind, id).map(<[u8]>::to_vec).ok_or_else(|| not_whole(kind, id)))
            .collect()
    }
}

fn lines(ids: &[&str]) -> Vec<u8> {
    ids.iter().flat_map(|id| format!("{id}\n").into_bytes()).collect()
}

fn not_whole(kind: &str, id: &str) -> GitError {
    GitError::Odd { what: "cat-file".to_owned(), said: format!("the {kind} {id} is not whole") }
}

/// The size that the head of an object gives, which has to be this one.
fn head(line: &str, kind: &str, id: &str) -> Option<u64> {
    line.strip_prefix(id)?.strip_prefix(' ')?.strip_prefix(kind)?.strip_prefix(' ')?.parse().ok()
}

/// The next object of a batch, which has to be this one.
fn next<'o>(rest: &mut &'o [u8], kind: &str, id: &str) -> Option<&'o [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let size = usize::try_from(head(std::str::from_utf8(&rest[..end]).ok()?, kind, id)?).ok()?;
    let content = rest.get(end + 1..end.checked_add(1)?.checked_add(size)?)?;
    *rest = rest.get(end + 2 + size..)?;
    Some(content)
}
