//! What is told of Certificates and issuers, by their status as cert-manager writes it.

use super::*;

const NOW: &str = "2026-11-29T12:00:00Z";

fn at(kind: &str, object: &str, written: Option<&str>) -> Issued {
    let id = match kind {
        "ClusterIssuer" => "kube:ClusterIssuer/letsencrypt",
        _ => "kube:Certificate/alice/kwo-domains",
    };
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let object: Tree = serde_json::from_str(object).unwrap();
    Issued::of(&id.parse().unwrap(), &object, written.map(time), time(NOW))
}

fn certificate(metadata: &str, status: &str) -> Issued {
    at("Certificate", &format!(r#"{{"metadata":{{{metadata}}},"status":{{{status}}}}}"#), None)
}

fn ready(status: &str, rest: &str) -> String {
    format!(r#""conditions":[{{"type":"Ready","status":"{status}"{rest}}}]"#)
}

#[test]
fn a_certificate_that_is_valid_says_for_how_long() {
    let times = r#","notAfter":"2026-12-31T11:00:00Z","renewalTime":"2026-12-01T12:00:00Z""#;
    let issued = certificate("", &(ready("True", "") + times));
    assert_eq!((issued.state, issued.days_left, issued.why), (State::Ready, Some(31), None));
    assert_eq!(issued.renews_at, "2026-12-01T12:00:00Z".parse().ok());
    assert_eq!(issued.failed_at, None);
    // One that was due the day before yesterday.
    let late = r#","notAfter":"2026-12-31T11:00:00Z","renewalTime":"2026-11-27T12:00:00Z""#;
    let late = certificate("", &(ready("True", "") + late));
    assert_eq!(late.state, State::Failing);
    assert_eq!(late.why.unwrap(), "the renewal was due at 2026-11-27 12:00:00 UTC and has not begun");
    let ended = certificate("", &(ready("True", "") + r#","notAfter":"2026-11-29T11:00:00Z""#));
    assert_eq!((ended.state, ended.days_left), (State::Failing, Some(-1)));
}

#[test]
fn a_try_that_failed_is_told_with_its_reason_and_its_time_also_while_the_old_one_is_valid() {
    let failed = r#""lastFailureTime":"2026-11-29T11:59:00Z","failedIssuanceAttempts":3,
        "notAfter":"2026-12-31T11:00:00Z","conditions":[
        {"type":"Ready","status":"True","reason":"Ready","message":"Certificate is up to date"},
        {"type":"Issuing","status":"False","reason":"Failed","message":"The certificate request has failed:\nacme: rateLimited\u001b[2J."}]"#;
    let issued = certificate("", failed);
    assert_eq!((issued.state, issued.days_left), (State::Failing, Some(31)));
    assert_eq!(
        issued.why.unwrap(),
        "cert-manager could not issue the certificate, last at 2026-11-29 11:59:00 UTC (3 times in a row): \
         The certificate request has failed:\\n\
         acme: rateLimited\\u{1b}[2J (Failed)"
    );
    assert_eq!(issued.failed_at, "2026-11-29T11:59:00Z".parse().ok());
    let long = format!(
        r#""lastFailureTime":"{NOW}",{}"#,
        ready("False", &format!(r#","message":"{}""#, "x".repeat(9000)))
    );
    assert!(certificate("", &long).why.unwrap().len() < 500);
}

#[test]
fn what_takes_longer_than_an_hour_has_failed_and_what_is_new_has_not() {
    let since = |when: &str| {
        let rest = format!(r#","reason":"DoesNotExist","message":"no Secret","lastTransitionTime":"{when}""#);
        certificate("", &ready("False", &rest))
    };
    assert_eq!(since("2026-11-29T11:30:00Z").state, State::Waiting);
    let long = since("2026-11-29T10:30:00Z");
    assert_eq!(long.state, State::Failing);
    assert_eq!(long.why.unwrap(), "it is not ready since 2026-11-29 10:30:00 UTC: no Secret (DoesNotExist)");
    // cert-manager does not run.
    let silent = certificate(r#""creationTimestamp":"2026-11-29T09:00:00Z""#, "");
    assert_eq!(silent.state, State::Failing);
    assert!(silent.why.unwrap().ends_with("cert-manager said nothing of it: does it run?"));
    let new = certificate(r#""creationTimestamp":"2026-11-29T11:59:59Z""#, "");
    assert_eq!(new.state, State::Waiting);
}

#[test]
fn what_is_said_of_an_object_as_it_was_before_is_no_word_on_it() {
    let object = format!(
        r#"{{"metadata":{{"generation":2}},"status":{{"lastFailureTime":"2026-11-29T11:00:00Z",{}}}}}"#,
        ready("True", r#","observedGeneration":1"#)
    );
    let (just, long) = ("2026-11-29T11:59:00Z", "2026-11-29T09:59:00Z");
    assert_eq!(at("Certificate", &object, Some(just)).state, State::Waiting);
    assert_eq!(at("Certificate", &object, Some(just)).failed_at, None);
    let unseen = at("Certificate", &object, Some(long));
    assert_eq!(unseen.state, State::Failing);
    assert!(unseen.why.unwrap().ends_with("cert-manager did not look at what kwo changed"));
    let seen = object.replace(r#""observedGeneration":1"#, r#""observedGeneration":2"#);
    assert_eq!(at("Certificate", &seen, Some(just)).state, State::Failing);
}

#[test]
fn an_issuer_that_is_not_ready_has_failed_at_once() {
    let rest = r#","reason":"ErrRegisterACMEAccount","message":"no such account","lastTransitionTime":"2026-11-29T11:59:00Z""#;
    let object = format!(r#"{{"status":{{{}}}}}"#, ready("False", rest));
    let issuer = at("ClusterIssuer", &object, None);
    assert_eq!((issuer.state, issuer.called().as_str()), (State::Failing, "ClusterIssuer letsencrypt"));
    assert_eq!(
        issuer.why.unwrap(),
        "it is not ready since 2026-11-29 11:59:00 UTC: no such account (ErrRegisterACMEAccount)"
    );
    let rubbish =
        r#"{"status":{"conditions":["x",{"type":7},{"type":"Ready","status":"True"}],"notAfter":"soon"}}"#;
    assert_eq!(at("ClusterIssuer", rubbish, None).state, State::Ready);
}
