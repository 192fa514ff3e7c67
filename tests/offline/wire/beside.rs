//! What is in a cluster besides what kwo makes: read page by page, and told as unseen where it could not be read whole.

use std::collections::BTreeSet;

use kwo_engine::providers::{Home as _, Surroundings};
use kwo_planner::hits::Beside;
use kwo_planner::tree::Tree;
use testkit::loopback::Reply::{self, Answer};
use testkit::scripted::Scripted;

use crate::wire::kube;

/// The names that were seen, what came of it, and the paths that were asked for.
async fn seen(
    kind: Beside,
    namespace: Option<&str>,
    replies: Vec<Reply>,
) -> (Vec<String>, Result<(), String>, Vec<String>) {
    let server = Scripted::playing(replies);
    let kube = kube(&server).await;
    let around: &dyn Surroundings = kube.surroundings().expect("a cluster");
    let mut names = Vec::new();
    let listed = around
        .each(kind, namespace, &mut |object| {
            names.extend(object.at("/metadata/name").and_then(Tree::as_text).map(ToString::to_string));
        })
        .await;
    let asked = server.asked().into_iter().map(|asked| asked.path).collect();
    (names, listed.map_err(|why| why.to_string()), asked)
}

fn page(names: &[&str], next: &str) -> Reply {
    let items: Vec<String> =
        names.iter().map(|name| format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)).collect();
    let body = format!(r#"{{"metadata":{{"continue":"{next}"}},"items":[{}]}}"#, items.join(","));
    Answer(200, "", body)
}

#[tokio::test]
async fn what_is_there_is_read_page_by_page() {
    let (names, listed, asked) =
        seen(Beside::Ingress, None, vec![page(&["a", "b"], "n/1"), page(&["c"], "")]).await;
    assert_eq!((names.as_slice(), listed), (["a", "b", "c"].map(str::to_owned).as_slice(), Ok(())));
    let first = "/apis/networking.k8s.io/v1/ingresses?limit=500";
    assert_eq!(asked, [first.to_owned(), format!("{first}&continue=n%2F1")]);
    let (_, _, asked) = seen(Beside::Pod, Some("a"), vec![page(&[], "")]).await;
    assert_eq!(asked, ["/api/v1/namespaces/a/pods?limit=500"]);
}

#[tokio::test]
async fn what_could_not_be_read_whole_is_no_nothing() {
    let no = |status| Answer(status, "", r#"{"message":"it is so"}"#.to_owned());
    for (kind, replies, said) in [
        (Beside::Pod, vec![no(403)], Some("list pods: refused: it is so")),
        (Beside::Pod, vec![page(&["a"], "n"), no(410)], Some("list pods: refused: it is so")),
        (Beside::Service, vec![no(404)], Some("list services: refused: it is so")),
        (
            Beside::Service,
            vec![Answer(200, "", "{}".to_owned())],
            Some("list services: the answer is not a list"),
        ),
        (
            Beside::Service,
            vec![Answer(200, "", "<html>".to_owned())],
            Some("list services: the answer cannot be read"),
        ),
        // Where the kind is not even known there are none of it.
        (Beside::Certificate, vec![no(404)], None),
        (Beside::Certificate, vec![no(403)], Some("list certificates.cert-manager.io: refused: it is so")),
    ] {
        let (_, listed, _) = seen(kind, None, replies).await;
        assert_eq!(listed.err().as_deref(), said, "{kind:?}");
    }
}

/// What was seen of the Secrets of a name, and the paths that were asked for.
async fn secrets(replies: Vec<Reply>) -> (Result<usize, String>, Vec<String>) {
    let server = Scripted::playing(replies);
    let kube = kube(&server).await;
    let around: &dyn Surroundings = kube.surroundings().expect("a cluster");
    let found = around.secrets_called("kwo-domains-tls").await;
    let asked = server.asked().into_iter().map(|asked| asked.path).collect();
    (found.map(|found| found.len()).map_err(|why| why.to_string()), asked)
}

#[tokio::test]
async fn secrets_of_one_name_are_read_page_by_page_or_not_at_all() {
    let (found, asked) = secrets(vec![page(&["a", "b"], "n/1"), page(&["c"], "")]).await;
    let first = "/api/v1/secrets?limit=5000&fieldSelector=metadata.name%3Dkwo-domains-tls";
    assert_eq!((found, asked), (Ok(3), vec![first.to_owned(), format!("{first}&continue=n%2F1")]));
    // This is how a server says that there are none.
    let none = || Answer(200, "", r#"{"metadata":{},"items":null}"#.to_owned());
    assert_eq!(secrets(vec![none()]).await.0, Ok(0));
    let no = |status| Answer(status, "", r#"{"message":"it is so"}"#.to_owned());
    for (replies, said) in [
        (vec![no(403)], "list secrets: refused: it is so"),
        (vec![no(404)], "list secrets: refused: it is so"),
        (vec![page(&["a"], "n"), no(410)], "list secrets: refused: it is so"),
        (vec![Answer(200, "", "{}".to_owned())], "list secrets: the answer is not a list"),
        (vec![Answer(200, "", "[".to_owned())], "list secrets: the answer cannot be read"),
    ] {
        assert_eq!(secrets(replies).await.0, Err(said.to_owned()));
    }
    let server = Scripted::playing(vec![none()]);
    let kube = kube(&server).await;
    let of_one = BTreeSet::from(["a".into()]);
    assert_eq!(kube.surroundings().expect("a cluster").running(&of_one).await, Ok(0));
}
