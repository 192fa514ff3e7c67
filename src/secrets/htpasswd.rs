//! htpasswd files with bcrypt hashes, as a container registry reads them.

use kwo_planner::secrets::User;
use secrecy::{ExposeSecret, SecretSlice};

/// The cost of a hash: 2^10 rounds, as many as a registry can check for every request of a pull.
const COST: u32 = 10;

/// A file that admits these users with these passwords.
pub(super) fn write(users: &[User], passwords: &[SecretSlice<u8>]) -> Result<SecretSlice<u8>, String> {
    let mut file = String::new();
    for (user, password) in users.iter().zip(passwords) {
        let hash = bcrypt::hash_with_result(password.expose_secret(), COST)
            .map_err(|error| format!("the password of {} cannot be hashed: {error}", user.name))?;
        file.push_str(&format!("{}:{}\n", user.name, hash.format_for_version(bcrypt::Version::TwoY)));
    }
    Ok(file.into_bytes().into())
}

/// Does the file admit these users with these passwords, and nobody else?
pub(super) fn admits(file: &[u8], users: &[User], passwords: &[SecretSlice<u8>]) -> bool {
    let Ok(text) = std::str::from_utf8(file) else { return false };
    let lines = text.lines().filter(|line| !line.is_empty()).map(|line| line.split_once(':'));
    let Some(lines) = lines.collect::<Option<Vec<(&str, &str)>>>() else { return false };
    lines.len() == users.len()
        && users.iter().zip(passwords).all(|(user, password)| {
            lines.iter().any(|(name, hash)| {
                *name == user.name && bcrypt::verify(password.expose_secret(), hash).unwrap_or(false)
            })
        })
}

#[cfg(test)]
mod tests {
    use kwo_planner::roster::SecretRef;
    use kwo_planner::secrets::Password;

    use super::*;

    #[test]
    fn it_admits_whom_it_was_written_for() {
        let user = |name: &str| User {
            name: name.into(),
            password: Password::Reference(SecretRef::Env("P".into())),
        };
        let (users, passwords) = ([user("a"), user("b")], [b"one".to_vec().into(), b"two".to_vec().into()]);
        let file = write(&users, &passwords).unwrap();
        let text = std::str::from_utf8(file.expose_secret()).unwrap();
        assert!(text.starts_with("a:$2y$10$"), "{text}");
        assert!(admits(file.expose_secret(), &users, &passwords));
        let swapped = [b"two".to_vec().into(), b"one".to_vec().into()];
        assert!(!admits(file.expose_secret(), &users, &swapped));
        assert!(!admits(file.expose_secret(), &users[..1], &passwords[..1]));
        assert!(!admits(b"", &users, &passwords));
        // A registry that finds such a line lets nobody in.
        assert!(!admits(format!("{text}no colon\n").as_bytes(), &users, &passwords));
    }
}
