//! A server that lies or breaks off. What an honest one does is tested at the one in `tests/peers/dns`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kwo_planner::systems::dns::{KEY, KEY_ID};
use kwo_planner::systems::{Connection, System};
use kwo_planner::tree::{SmolStr, Tree};
use secrecy::SecretSlice;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::Servers;
use crate::providers::dns::records::{Comment, RecordSet};
use crate::providers::dns::server::{Opener as _, Patch, Server, Wrote, ZoneWay};
use crate::secrets::Credentials;

/// A server that gives these answers one after the other; says what it was asked.
async fn server(answers: Vec<(u16, String)>) -> (Box<dyn Server>, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&asked);
    tokio::spawn(async move {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 65_536];
            let length = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            told.lock().unwrap().push(request.split(' ').nth(1).unwrap_or_default().to_owned());
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} Told\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let text = |text: &str| Tree::from(SmolStr::from(text));
    let settings = [("url", text(&url)), ("zone", text("Z1"))];
    let connection = Connection {
        system: System::Dns,
        part: "example.com".into(),
        settings: Tree::map(settings.map(|(key, value)| (SmolStr::new_static(key), value))),
        secrets: BTreeMap::new(),
    };
    let secrets = [(KEY, "secret"), (KEY_ID, "AKID")];
    let secrets =
        secrets.map(|(name, value)| (name.into(), Ok(SecretSlice::from(value.as_bytes().to_vec()))));
    let credentials = Credentials { connection, secrets: BTreeMap::from(secrets) };
    let way = ZoneWay { credentials: &credentials, vault: None, timeout: Duration::from_secs(5) };
    (Servers::default().open(&way).unwrap(), asked)
}

fn zone() -> (u16, String) {
    let zone = "<HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name></HostedZone>";
    (200, format!("<GetHostedZoneResponse>{zone}</GetHostedZoneResponse>"))
}

fn list(sets: &[String], next: &str) -> (u16, String) {
    let is = !next.is_empty();
    (
        200,
        format!(
            "<ListResourceRecordSetsResponse><ResourceRecordSets>{}</ResourceRecordSets><IsTruncated>{is}</IsTruncated>{next}\
             </ListResourceRecordSetsResponse>",
            sets.concat()
        ),
    )
}

fn set(name: &str, of: &str, more: &str) -> String {
    format!(
        "<ResourceRecordSet><Name>{name}</Name><Type>{of}</Type>{more}<TTL>60</TTL><ResourceRecords><ResourceRecord><Value>\
         192.0.2.1</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
    )
}

fn soa() -> String {
    set("example.com.", "SOA", "")
}

fn next(name: &str, of: &str, identifier: &str) -> String {
    format!(
        "<NextRecordName>{name}</NextRecordName><NextRecordType>{of}</NextRecordType>\
         <NextRecordIdentifier>{identifier}</NextRecordIdentifier>"
    )
}

#[tokio::test]
async fn a_list_goes_on_in_the_middle_of_a_policy() {
    let identified =
        |identifier: &str| format!("<SetIdentifier>{identifier}</SetIdentifier><Weight>1</Weight>");
    let name = r"\052.w.example.com.";
    let (server, asked) = server(vec![
        zone(),
        list(&[soa(), set(name, "A", &identified("blue"))], &next(name, "A", "green one")),
        list(&[set(name, "A", &identified("green one"))], ""),
    ])
    .await;
    let sets = server.read(None).await.unwrap();
    let told: Vec<String> =
        sets.iter().map(|set| format!("{} {} {}", set.of, set.name, set.records.len())).collect();
    assert_eq!(told, ["A *.w.example.com 2", "SOA example.com 1"]);
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0], "/2013-04-01/hostedzone/Z1");
    assert_eq!(asked[1], "/2013-04-01/hostedzone/Z1/rrset?maxitems=300");
    let query = "identifier=green%20one&maxitems=300&name=%5C052.w.example.com.&type=A";
    assert_eq!(asked[2], format!("/2013-04-01/hostedzone/Z1/rrset?{query}"));
}

#[tokio::test]
async fn a_list_that_is_not_all_of_the_zone_is_not_believed() {
    let www = || set("www.example.com.", "A", "");
    let on = || next("www.example.com.", "A", "");
    for (lists, says) in [
        (vec![list(&[www()], "")], "its list has no SOA record"),
        (vec![list(&[soa()], "<X/>")], "does not say where it goes on"),
        (vec![list(&[soa()], &on()), list(&[], &on())], "its list does not go on"),
        (vec![list(&[soa()], &on()), list(&[soa()], "")], "its list has a record set twice"),
        (
            vec![(200, list(&[soa()], "").1.replace("<IsTruncated>false</IsTruncated>", ""))],
            "whether it ends",
        ),
        (vec![(200, list(&[soa()], "").1[..80].to_owned())], "its answer is no XML"),
        (vec![list(&[set("www.example.org.", "A", "")], "")], "that none of this zone has"),
    ] {
        let (server, _) = server([vec![zone()], lists].concat()).await;
        let why = server.read(None).await.unwrap_err();
        assert!(why.contains("does not answer like Route 53: ") && why.contains(says), "{says}: {why}");
        assert_eq!(server.recall("A", "www.example.com"), None);
    }
}

#[tokio::test]
async fn what_was_seen_is_forgotten_where_somebody_else_wrote() {
    let (www, other) = ("www.example.com", "other.example.com");
    let changed = "<ErrorResponse><Error><Code>InvalidChangeBatch</Code><Message>[Tried to create resource record set \
                   [name='www.example.com.', type='A'] but it already exists]</Message></Error></ErrorResponse>";
    let (server, asked) = server(vec![
        zone(),
        list(&[soa()], ""),
        (400, changed.to_owned()),
        // It was asked for one name, and the list begins with the zone.
        list(&[soa()], ""),
        list(&[set("www.example.com.", "A", ""), set("x.www.example.com.", "A", "")], ""),
        list(&[], ""),
    ])
    .await;
    server.read(None).await.unwrap();
    assert_eq!(server.recall("A", www), Some(Vec::new()));
    let content = "kwo1 cluster=u tenant=t sum=s".into();
    let after = RecordSet {
        name: www.into(),
        of: "A".into(),
        ttl: 60,
        records: vec!["192.0.2.2".into()],
        comments: vec![Comment { account: "kwo".into(), content, modified_at: None }],
    };
    let patch = Patch { before: None, after, writes_records: true };
    assert!(matches!(server.write(&[patch]).await, Wrote::Changed(why) if why.contains("already exists")));
    assert_eq!((server.recall("A", www), server.recall("A", other)), (None, Some(Vec::new())));
    let why = server.read(Some(www)).await.unwrap_err();
    assert!(why.contains("its list begins with another one"), "{why}");
    assert_eq!(server.recall("A", www), None);
    assert_eq!(server.read(Some(www)).await.unwrap().len(), 1);
    assert_eq!(server.recall("A", www).unwrap()[0].records, ["192.0.2.1"]);
    let asked = asked.lock().unwrap();
    assert!(asked[4].ends_with("rrset?maxitems=300&name=www.example.com."), "{}", asked[4]);
    assert!(asked[5].ends_with("rrset?maxitems=300&name=_kwo.www.example.com."), "{}", asked[5]);
}
