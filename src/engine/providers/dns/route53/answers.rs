//! What Route 53 answers: pages of a list, hosted zones, and refusals with a code and messages. What a stranger wrote into a
//! message is shown on one line and no longer than needed.

use http::StatusCode;
use kwo_planner::plain::one_line;
use kwo_planner::tree::SmolStr;

use super::seen::Listed;
use super::xml::{Element, read};
use crate::providers::api::Answer;
use crate::providers::dns::records::name;

/// The longest part of what was said that is shown.
const SHOWN: usize = 300;

/// The longest id of a hosted zone.
const LONGEST_ID: usize = 32;

/// The codes of a server that has too much to do, or of a change that another one has to end before.
const BUSY: [&str; 5] = [
    "Throttling",
    "ThrottlingException",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "ServiceUnavailable",
];

/// What a message about a change says where what kwo saw is no longer so.
const CHANGED: [&str; 4] =
    ["already exists", "was not found", "do not match the current values", "conflicts with other records"];

/// An answer that is none to the question.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum No {
    /// Not now.
    Busy(String),
    /// What was seen is no longer so.
    Changed(String),
    /// The key may not do it, or not with all that was named: a policy can be about names.
    Denied(String),
    /// Anything else.
    Other(String),
}

impl No {
    pub(super) fn why(self) -> String {
        let (No::Busy(why) | No::Changed(why) | No::Denied(why) | No::Other(why)) = self;
        why
    }
}

/// What was asked, for whoever has to allow it.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) server: &'a str,
    pub(super) zone: &'a str,
    /// The hosted zone, where it is known.
    pub(super) id: Option<&'a str>,
    /// The action of IAM.
    pub(super) action: &'a str,
    /// The partition of AWS.
    pub(super) partition: &'a str,
}

/// The element that an answer consists of.
pub(super) fn result(answer: &Answer, root: &str, about: &About<'_>) -> Result<Element, No> {
    let unlike = |why: &str| No::Other(format!("{} does not answer like Route 53: {why}", about.server));
    if !answer.status.is_success() {
        return Err(refused(answer, about));
    }
    let element = read(&answer.body).map_err(|why| unlike(&why))?;
    if element.name != root {
        return Err(unlike("its answer is another one"));
    }
    Ok(element)
}

fn refused(answer: &Answer, about: &About<'_>) -> No {
    let About { server, zone, id, action, partition } = about;
    let (status, (code, messages)) = (answer.status, said(&answer.body));
    let all = messages.join(", ");
    // A name says nothing about what happened to it.
    let about_all = without_names(&all);
    let mut shown: String = one_line(&all.replace('\n', " ")).chars().take(SHOWN).collect();
    if !shown.is_empty() {
        shown = format!(": {shown}");
    }
    let code = if code.is_empty() { status.to_string() } else { one_line(&code).chars().take(60).collect() };
    let told = |advice: &str| No::Other(format!("{server} answers {code}{shown}; {advice}"));
    match code.as_str() {
        code if BUSY.contains(&code) => No::Busy(format!("{server} puts kwo off ({code}){shown}")),
        _ if answer.is_busy() => No::Busy(format!("{server} answers {code}{shown}")),
        "AccessDenied" | "AccessDeniedException" | "NotAuthorized" => {
            let of = id.map_or("*".to_owned(), |id| format!("arn:{partition}:route53:::hostedzone/{id}"));
            No::Denied(told(&format!("the access key has to be allowed `route53:{action}` on `{of}`")).why())
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" => told(
            "there is no such access key: let AWS_ACCESS_KEY_ID be the id of one that exists there and is active, and give \
             AWS_SESSION_TOKEN too if it has one",
        ),
        "ExpiredToken" | "ExpiredTokenException" => {
            told("the access key has ended: put a new one in its place")
        }
        "RequestExpired" | "RequestTimeTooSkewed" => told("set the clock of this machine, by NTP"),
        "SignatureDoesNotMatch" if all.contains("expired") || all.contains("not yet current") => {
            told("set the clock of this machine, by NTP")
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" => No::Other(format!(
            "{server} refuses the key ({status}){shown}; AWS_SECRET_ACCESS_KEY has to be the secret of the access key that \
             AWS_ACCESS_KEY_ID names"
        )),
        "NoSuchHostedZone" => told(&format!(
            "let `zone` under `dns.zones` be the id of the hosted zone {zone}, as `aws route53 list-hosted-zones` shows it"
        )),
        "InvalidChangeBatch" if about_all.to_lowercase().contains("protect") => told(
            "a protection keeps the record set as it is: end it by `aws route53 delete-resource-record-set-protections`, or \
             take the host out of the roster",
        ),
        "InvalidChangeBatch" if CHANGED.iter().any(|changed| about_all.contains(changed)) => {
            No::Changed(format!("{server} has other records by now than kwo saw{shown}"))
        }
        code => No::Other(format!("{server} answers {code}{shown}")),
    }
}

/// A message without what stands in quotes.
fn without_names(text: &str) -> String {
    text.split('\'').step_by(2).collect()
}

/// The code of a refusal, and what it says. A batch of changes may say it in a form of its own.
fn said(body: &[u8]) -> (String, Vec<String>) {
    let Ok(root) = read(body) else { return Default::default() };
    let messages = |element: &Element| -> Vec<String> {
        let list = element.child("Messages").or_else(|| element.child("messages"));
        let list = list.into_iter().flat_map(|list| &list.children);
        let own = element.child("Message").or_else(|| element.child("message"));
        list.chain(own).map(|message| message.text.clone()).collect()
    };
    match root.child("Error") {
        Some(error) => {
            let mut all = messages(error);
            all.extend(messages(&root));
            (error.text_of("Code").unwrap_or_default().to_owned(), all)
        }
        None => (root.name.clone(), messages(&root)),
    }
}

/// Where the next page of a list of record sets begins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Start {
    pub(super) name: String,
    pub(super) of: Option<String>,
    pub(super) identifier: Option<String>,
}

/// One page of a list of record sets, and where the next one begins.
///
/// # Errors
/// When it is none of this zone.
pub(super) fn page(element: &Element, zone: &str) -> Result<(Vec<Listed>, Option<Start>), String> {
    let list = element.child("ResourceRecordSets").ok_or("its answer has no list")?;
    let sets = list.children.iter().map(|set| Listed::read(set, zone));
    let sets: Vec<Listed> = sets.collect::<Result<_, _>>()?;
    let text = |name: &str| element.text_of(name).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let next = match element.text_of("IsTruncated") {
        Some("false") => None,
        Some("true") => Some(Start {
            name: text("NextRecordName").ok_or("its list ends early, and does not say where it goes on")?,
            of: text("NextRecordType"),
            identifier: text("NextRecordIdentifier"),
        }),
        _ => return Err("its list does not say whether it ends".to_owned()),
    };
    Ok((sets, next))
}

/// A hosted zone.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Hosted {
    pub(super) id: SmolStr,
    pub(super) name: SmolStr,
    pub(super) private: bool,
}

/// Reads a hosted zone.
///
/// # Errors
/// When it is none.
pub(super) fn hosted(element: &Element) -> Result<Hosted, String> {
    let id = element.text_of("Id").unwrap_or_default();
    let id = id.strip_prefix("/hostedzone/").unwrap_or(id);
    // It becomes a part of paths and commands.
    if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("the id of a hosted zone is none".to_owned());
    }
    let private = element.child("Config").and_then(|config| config.text_of("PrivateZone"));
    Ok(Hosted {
        id: id.into(),
        name: name(element.text_of("Name").unwrap_or_default()),
        private: private.is_some_and(|private| private == "true"),
    })
}

/// Is it an answer that leaves open whether a change was made?
pub(super) fn is_open(status: StatusCode) -> bool {
    status.is_server_error() || status.is_success()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS: &str = "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"";

    fn no(status: u16, body: &str) -> No {
        let answer = Answer::of(status, body);
        let about = About {
            server: "https://r53",
            zone: "example.com",
            id: Some("Z1"),
            action: "ListResourceRecordSets",
            partition: "aws",
        };
        result(&answer, "R", &about).unwrap_err()
    }

    fn error(code: &str, message: &str) -> String {
        format!(
            "<ErrorResponse {NS}><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>x</RequestId></ErrorResponse>"
        )
    }

    #[test]
    fn a_refusal_is_told_by_its_code_with_what_to_do() {
        for (status, code, message, kind, says) in [
            (400, "Throttling", "Rate exceeded", "busy", "puts kwo off (Throttling): Rate exceeded"),
            (400, "PriorRequestNotComplete", "", "busy", "puts kwo off (PriorRequestNotComplete)"),
            (503, "x", "", "busy", "answers x"),
            (
                403,
                "AccessDenied",
                "User: arn:aws:iam::1:user/kwo is not authorized",
                "denied",
                "not authorized; the access key has to be allowed `route53:ListResourceRecordSets` on \
                 `arn:aws:route53:::hostedzone/Z1`",
            ),
            (
                403,
                "InvalidClientTokenId",
                "The security token is invalid",
                "other",
                "there is no such access key",
            ),
            (
                403,
                "SignatureDoesNotMatch",
                "The request signature",
                "other",
                "refuses the key (403 Forbidden): The",
            ),
            (
                403,
                "SignatureDoesNotMatch",
                "Signature expired: a is now earlier than b",
                "other",
                "the clock of this",
            ),
            (
                403,
                "SignatureDoesNotMatch",
                "Signature not yet current: a",
                "other",
                "the clock of this machine",
            ),
            (
                404,
                "NoSuchHostedZone",
                "No hosted zone found",
                "other",
                "let `zone` under `dns.zones` be the id",
            ),
            (
                400,
                "InvalidChangeBatch",
                "[Tried to create resource record set [name='a.', type='A'] but it already exists]",
                "changed",
                "has other records by now than kwo saw: [Tried to create",
            ),
            (
                400,
                "InvalidChangeBatch",
                "[Tried to delete resource record set [name='a.', type='A'] but the values provided do not match the \
                 current values]",
                "changed",
                "current values",
            ),
            (400, "InvalidChangeBatch", "FATAL problem: DomainLabelTooLong", "other", "DomainLabelTooLong"),
            (
                400,
                "InvalidChangeBatch",
                "[The resource record set [name='a.', type='A'] is protected (ask ops) and was not found]",
                "other",
                "a protection keeps the record set as it is",
            ),
            (
                400,
                "InvalidChangeBatch",
                "[Tried to create resource record set [name='protected.', type='A'] but it already exists]",
                "changed",
                "has other records by now",
            ),
            (502, "", "", "other", "answers 502 Bad Gateway"),
        ] {
            let no = no(status, &error(code, message));
            let is = match &no {
                No::Busy(_) => "busy",
                No::Changed(_) => "changed",
                No::Denied(_) => "denied",
                No::Other(_) => "other",
            };
            let why = no.why();
            assert!(is == kind && why.contains(says), "{kind} {why}");
        }
        // The older form of a batch that is refused.
        let body = format!(
            "<InvalidChangeBatch {NS}><Messages><Message>Tried to create a, but it already exists</Message></Messages>\
             </InvalidChangeBatch>"
        );
        assert!(matches!(no(400, &body), No::Changed(why) if why.contains("already exists")));
    }

    #[test]
    fn what_is_no_answer_is_none_and_what_a_stranger_wrote_harms_nobody() {
        assert!(
            no(200, "<html/>").why().contains("does not answer like Route 53: its answer is another one")
        );
        assert!(no(200, "<R").why().contains("does not answer like Route 53: its answer is no XML"));
        assert_eq!(no(502, "<html>").why(), "https://r53 answers 502 Bad Gateway");
        let why = no(400, &error("a\u{1b}[1m\nb", &"x\u{1b}\n".repeat(500))).why();
        assert!(!why.contains('\u{1b}') && !why.contains('\n') && why.len() < 1000, "{why}");
    }

    #[test]
    fn a_list_says_whether_it_ends() {
        let told = |rest: &str| {
            let text = format!("<R><ResourceRecordSets></ResourceRecordSets>{rest}</R>");
            page(&read(text.as_bytes()).unwrap(), "example.com")
        };
        assert_eq!(told("<IsTruncated>false</IsTruncated>").unwrap().1, None);
        let next = "<IsTruncated>true</IsTruncated><NextRecordName>a.</NextRecordName><NextRecordType>A</NextRecordType>";
        let start = Start { name: "a.".to_owned(), of: Some("A".to_owned()), identifier: None };
        assert_eq!(told(next).unwrap().1, Some(start));
        assert!(told("").unwrap_err().contains("whether it ends"));
        assert!(told("<IsTruncated>true</IsTruncated>").unwrap_err().contains("where it goes on"));
    }

    #[test]
    fn an_id_that_none_has_is_refused() {
        let told = |id: &str| {
            let text = format!(
                "<H><Id>{id}</Id><Name>Example.COM.</Name><Config><PrivateZone>true</PrivateZone></Config></H>"
            );
            hosted(&read(text.as_bytes()).unwrap())
        };
        let is = Hosted { id: "Z1".into(), name: "example.com".into(), private: true };
        assert_eq!(told("/hostedzone/Z1"), Ok(is));
        for id in ["", "/hostedzone/", "../x", "Z1/rrset", &"Z".repeat(40)] {
            assert!(told(id).is_err(), "{id}");
        }
    }
}
