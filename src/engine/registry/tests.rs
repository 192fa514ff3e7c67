//! A registry that lies: what tenants or a stranger on the way could make it answer. What the real one answers is in
//! `tests/peers/platform/usage.rs`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Client, Closed, walk};

mod fake;

use fake::{Fake, PASSWORD, digest, digest_of, image, of, told};

#[tokio::test]
async fn what_the_registry_stores_counts_and_not_what_a_manifest_says() {
    let fake = Fake::new();
    let (config, layer, other) = (digest_of(1), digest_of(2), digest_of(3));
    let body = image(&config, &[(&layer, json!(1)), (&other, json!(-5))]);
    let root = fake.manifest("alice/web", &body);
    fake.holds(&[("alice/web", &[("v1", &root), ("v2", &root), ("latest", &root)])]);
    for (digest, size) in [(&config, 10), (&layer, 5000), (&other, 700)] {
        fake.blob("alice/web", digest, size);
    }
    let held = fake.held().await;
    let length = body.to_string().len() as u64;
    assert_eq!(of(&held, "alice/web"), (5710 + length, 3, 0), "{:?}", told(&held));
    assert_eq!((held.unread_in_all, held.by_manifest), (0, 0));
    // Three tags of one image: it is read once.
    assert_eq!(fake.count("GET /v2/alice/web/manifests/"), 1);
    assert_eq!(fake.count(&format!("HEAD /v2/alice/web/blobs/{layer}")), 1);
}

#[tokio::test]
async fn an_index_counts_with_its_platforms_and_attestations_and_what_is_shared_once() {
    let fake = Fake::new();
    let layers: Vec<String> = (1..=5).map(digest_of).collect();
    let of_image = |layer: usize| image(&layers[0], &[(&layers[layer], json!(0))]);
    let platforms: Vec<String> = (1..=3).map(|layer| fake.manifest("alice/web", &of_image(layer))).collect();
    let parts: Vec<Value> = platforms.iter().map(|digest| json!({"digest": digest, "size": 1})).collect();
    // It names one of them twice, and is an image besides.
    let both =
        json!({"manifests": [parts[0], parts[1], parts[2], parts[0]], "layers": [{"digest": layers[4]}]});
    let index = fake.manifest("alice/web", &both);
    // The same image, in a repository of somebody else.
    fake.manifest("bob/web", &of_image(1));
    fake.holds(&[("alice/web", &[("v1", &index)]), ("bob/web", &[("v1", &platforms[0])])]);
    for (layer, size) in layers.iter().zip([10, 100, 200, 300, 1000]) {
        fake.blob("alice/web", layer, size);
        fake.blob("bob/web", layer, size);
    }
    let held = fake.held().await;
    let bodies: usize = (1..=3).map(|layer| of_image(layer).to_string().len()).sum();
    let bytes = 1610 + (bodies + both.to_string().len()) as u64;
    assert_eq!(of(&held, "alice/web"), (bytes, 1, 0), "{:?}", told(&held));
    assert_eq!(of(&held, "bob/web"), (110 + of_image(1).to_string().len() as u64, 1, 0));
    let read: usize = platforms
        .iter()
        .map(|digest| {
            fake.asked
                .lock()
                .unwrap()
                .iter()
                .filter(|asked| asked.contains(&format!("manifests/{digest}")))
                .count()
        })
        .sum();
    assert_eq!(read, 3);
}

#[tokio::test]
async fn a_list_that_goes_on_elsewhere_or_for_ever_ends_and_the_password_stays() {
    let elsewhere = Fake::new();
    let away = elsewhere.address().await;
    let cases = [
        (format!("{away}/v2/_catalog?last=a"), "the list goes on at another place"),
        ("//127.0.0.1:1/v2/_catalog?last=a".to_owned(), "the list goes on at another place"),
        ("/v2/bob/tags/list?last=a".to_owned(), "the list goes on at another place"),
        ("/v2/_catalog?n=100".to_owned(), "the list goes on and on without a new name"),
    ];
    for (link, why) in cases {
        let fake = Fake::new();
        fake.holds(&[("alice/web", &[])]);
        fake.list("/v2/_catalog?n=100", &json!(["alice/web"]), &link);
        let held = fake.held().await;
        assert_eq!(held.holdings.repositories.len(), 1, "{link}");
        assert!(told(&held)[0].contains(why), "{link}: {:?}", told(&held));
        assert!(fake.count("GET /v2/_catalog") <= 2, "{link}");
    }
    assert_eq!(elsewhere.count(""), 0);
    // A list of pages is one list.
    let fake = Fake::new();
    fake.list("/v2/_catalog?n=100", &json!(["alice/a"]), "/v2/_catalog?last=alice%2Fa&n=100");
    fake.list("/v2/_catalog?last=alice%2Fa&n=100", &json!(["alice/b"]), "");
    fake.list("/v2/alice/a/tags/list?n=100", &json!(null), "");
    let held = fake.held().await;
    assert_eq!((held.holdings.repositories.len(), held.unread_in_all), (2, 0), "{:?}", told(&held));
}

#[tokio::test]
async fn names_that_are_none_are_told_and_never_asked_for() {
    let fake = Fake::new();
    let names = json!(["alice/web", "../v2/bob", "bob/\u{1b}[31m", "x?y=/tags/list", "\u{202e}a"]);
    fake.holds(&[("alice/web", &[])]);
    fake.list("/v2/_catalog?n=100", &names, "");
    fake.list("/v2/alice/web/tags/list?n=100", &json!(["v1", "a/../../x", "\r\nx: y"]), "");
    let held = fake.held().await;
    assert_eq!(held.holdings.repositories.len(), 1);
    // Nor is there an image behind the tag that is one.
    assert_eq!((of(&held, "alice/web"), held.unread_in_all), ((0, 1, 3), 7), "{:?}", told(&held));
    assert!(told(&held).contains(&"alice/web:v1: the registry does not have it (404)".to_owned()));
    for asked in fake.asked.lock().unwrap().iter() {
        assert!(!asked.contains("..") && !asked.contains("x?y") && !asked.contains("\nx: y"), "{asked}");
        assert!(asked.to_ascii_lowercase().contains("authorization: basic "), "{asked}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_hides_nothing_else() {
    let fake = Fake::new();
    let (config, layer) = (digest_of(1), digest_of(2));
    let good = fake.manifest("alice/web", &image(&config, &[(&layer, json!(1))]));
    fake.blob("alice/web", &config, 10);
    fake.blob("alice/web", &layer, 90);
    let path = |digest: &str| format!("GET /v2/bob/bad/manifests/{digest}");
    let [forged, long, broken, failing] = [10, 11, 12, 13].map(digest_of);
    // One that says of itself that it is in it is one of these: nobody can make its digest.
    fake.says(
        &path(&forged),
        (200, String::new(), json!({"manifests": [{"digest": forged}]}).to_string().into_bytes()),
    );
    fake.says(&path(&long), (200, String::new(), vec![b' '; 4 * 1024 * 1024 + 1]));
    fake.says(&path(&broken), (302, "location: http://127.0.0.1:1/\r\n".to_owned(), Vec::new()));
    fake.says(&path(&failing), (500, "retry-after: 0\r\n".to_owned(), Vec::new()));
    let none = fake.manifest("bob/bad", &json!({"schemaVersion": 1}));
    let odd = fake.manifest("bob/bad", &json!({"layers": [{"digest": "sha256:../../x", "size": 1}]}));
    let many: Vec<Value> = (0..1001).map(|_| json!({"digest": layer})).collect();
    let many = fake.manifest("bob/bad", &json!({"layers": many}));
    let tags = [
        ("a", &forged),
        ("b", &long),
        ("c", &broken),
        ("d", &failing),
        ("e", &none),
        ("f", &odd),
        ("g", &many),
    ];
    let tags: Vec<(&str, &str)> = tags.map(|(tag, digest)| (tag, digest.as_str())).to_vec();
    fake.holds(&[("alice/web", &[("v1", &good)]), ("bob/bad", &tags)]);
    fake.says(
        "HEAD /v2/bob/bad/manifests/a",
        (200, format!("docker-content-digest: {forged}\r\n"), Vec::new()),
    );
    let held = fake.held().await;
    assert_eq!(of(&held, "alice/web").2, 0, "{:?}", told(&held));
    assert_eq!((of(&held, "bob/bad"), held.unread_in_all), ((0, 7, 7), 7), "{:?}", told(&held));
    for (digest, why) in [
        (&forged, "what the registry gives is not what the digest says"),
        (&long, "has more than 4194304 bytes"),
        (&broken, "leads elsewhere (302)"),
        (&failing, "answers 500"),
        (&none, "neither layers nor manifests"),
        (&odd, "by a digest that is none"),
        (&many, "more than 1000 parts"),
    ] {
        let found = told(&held).into_iter().find(|told| told.contains(digest.as_str())).unwrap();
        assert!(found.starts_with("bob/bad@") && found.contains(why), "{found}");
    }
}

#[tokio::test]
async fn indexes_in_indexes_come_to_an_end() {
    let fake = Fake::new();
    let layer = digest_of(1);
    fake.blob("alice/web", &layer, 100);
    let mut last = fake.manifest("alice/web", &json!({"layers": [{"digest": layer, "size": 1}]}));
    for _ in 0..2 {
        last = fake.manifest("alice/web", &json!({"manifests": [{"digest": last}]}));
    }
    fake.holds(&[("alice/web", &[("v1", &last)])]);
    assert_eq!(fake.held().await.unread_in_all, 0);
    for _ in 0..40 {
        last = fake.manifest("alice/web", &json!({"manifests": [{"digest": last}]}));
    }
    fake.holds(&[("alice/web", &[("v1", &last)])]);
    let held = fake.held().await;
    assert_eq!(of(&held, "alice/web").2, 1);
    assert!(told(&held)[0].contains("indexes name it that are in one another"), "{:?}", told(&held));
}

#[tokio::test]
async fn sizes_that_are_none_are_no_sizes() {
    let fake = Fake::new();
    let layers: Vec<String> = (1..=7).map(digest_of).collect();
    let says = [json!(100), json!(-1), json!(u64::MAX), json!("7"), json!(50), json!(60), json!(70)];
    let parts: Vec<Value> =
        layers.iter().zip(&says).map(|(digest, size)| json!({"digest": digest, "size": size})).collect();
    let mut body = json!({"layers": parts});
    // A layer that is kept elsewhere is none of the registry's.
    body["layers"][5]["urls"] = json!(["https://example.com/layer"]);
    let root = fake.manifest("alice/web", &body);
    fake.holds(&[("alice/web", &[("v1", &root)])]);
    let elsewhere = || (307, "location: http://127.0.0.1:1/\r\n".to_owned(), Vec::new());
    for layer in &layers[..4] {
        fake.says(&format!("HEAD /v2/alice/web/blobs/{layer}"), elsewhere());
    }
    let huge = "content-length: 18446744073709551615\r\n".to_owned();
    fake.says(&format!("HEAD /v2/alice/web/blobs/{}", layers[4]), (200, huge, Vec::new()));
    let held = fake.held().await;
    let length = body.to_string().len() as u64;
    // One of a length that none is, and one that is gone, may take something: nobody knows how much.
    let (bytes, _, unread) = of(&held, "alice/web");
    assert_eq!((bytes, unread), (100 + length, 5), "{:?}", told(&held));
    assert_eq!((held.by_manifest, held.unread_in_all), (1, 5));
}

#[tokio::test]
async fn a_password_goes_to_the_registry_alone() {
    let password = PASSWORD.as_bytes().to_vec().into();
    let whole = Duration::from_secs(5);
    for unsafe_one in
        ["http://registry.example.com", "http://127.0.0.1.example.com", "ftp://127.0.0.1", "registry"]
    {
        let Err(Closed::Away(why)) = Client::open(unsafe_one, "pull", &password, whole).await else {
            panic!("{unsafe_one}");
        };
        assert!(why.contains("no https address"), "{why}");
    }
    for (status, headers, wanted) in [
        (401, "", Closed::Refused),
        (
            302,
            "location: http://127.0.0.1:1/\r\n",
            Closed::Away("ADDRESS answers, and not as a registry that is ready (302)".to_owned()),
        ),
    ] {
        let fake = Fake::new();
        fake.says("GET /v2/", (status, headers.to_owned(), Vec::new()));
        let address = fake.address().await;
        let found = Client::open(&address, "pull", &password, whole).await.err().unwrap();
        let found = match found {
            Closed::Away(why) => Closed::Away(why.replace(&address, "ADDRESS")),
            closed => closed,
        };
        assert_eq!(found, wanted);
        assert!(!format!("{found:?}").contains(PASSWORD));
        assert_eq!(fake.count(""), 1);
    }
}

#[tokio::test]
async fn when_the_time_is_over_nothing_more_is_asked_for() {
    let fake = Fake::new();
    fake.holds(&[("alice/web", &[])]);
    let mut client = fake.open(Duration::from_secs(60)).await.ok().unwrap();
    client.end = tokio::time::Instant::now();
    let asked = fake.count("");
    let held = walk(client, []).await;
    assert_eq!((held.unread_in_all, fake.count("")), (1, asked));
    assert!(told(&held)[0].contains("there was no time left"), "{:?}", told(&held));
}

#[tokio::test]
async fn keys_that_programs_read_differently_hide_nothing() {
    let fake = Fake::new();
    let (small, big) = (digest_of(1), digest_of(2));
    fake.blob("alice/web", &small, 10);
    let part = |digest: &str| format!(r#"{{"digest":"{digest}","size":1}}"#);
    let (one, two) = (part(&small), part(&big));
    let odd = [
        format!(r#"{{"layers":[{one}],"Layers":[{two}]}}"#),
        format!(r#"{{"layers":[{one}],"LAYERS":[{two}]}}"#),
        format!("{{\"layers\":[{one}],\"layer\u{17f}\":[{two}]}}"),
        format!(r#"{{"layers":[{one}],"layer\u017f":[{two}]}}"#),
        format!(r#"{{"layers":[{one}],"layers":[{two}]}}"#),
        format!(r#"{{"config":{one},"Manifests":[{two}]}}"#),
        format!(r#"{{"layers":[{{"digest":"{small}","Digest":"{big}"}}]}}"#),
        format!(r#"{{"config":{{"digest":"{small}","digest":"{big}"}}}}"#),
        format!(r#"{{"manifests":[{{"DIGEST":"{big}"}}],"layers":[]}}"#),
    ];
    let digests: Vec<String> = odd.iter().map(|text| digest(text.as_bytes())).collect();
    for (text, digest) in odd.iter().zip(&digests) {
        let path = format!("GET /v2/alice/web/manifests/{digest}");
        fake.says(&path, (200, String::new(), text.clone().into_bytes()));
    }
    let tags: Vec<String> = (0..odd.len()).map(|number| format!("v{number}")).collect();
    let tags: Vec<(&str, &str)> =
        tags.iter().map(String::as_str).zip(digests.iter().map(String::as_str)).collect();
    fake.holds(&[("alice/web", &tags)]);
    let held = fake.held().await;
    assert_eq!(of(&held, "alice/web"), (0, odd.len(), odd.len()), "{:?}", told(&held));
    for told in told(&held) {
        assert!(told.ends_with("it has a key that programs read differently"), "{told}");
    }
}

#[tokio::test]
async fn where_manifests_disagree_the_least_counts_and_is_called_so() {
    let fake = Fake::new();
    let layer = digest_of(1);
    let [much, little] = [5000, 7].map(|size| json!({"layers": [{"digest": layer, "size": size}]}));
    let roots =
        [("alice/web", &much), ("mallory/web", &little)].map(|(name, body)| fake.manifest(name, body));
    fake.holds(&[("alice/web", &[("v1", &roots[0])]), ("mallory/web", &[("v1", &roots[1])])]);
    for name in ["alice/web", "mallory/web"] {
        let elsewhere = (307, "location: http://127.0.0.1:1/\r\n".to_owned(), Vec::new());
        fake.says(&format!("HEAD /v2/{name}/blobs/{layer}"), elsewhere);
    }
    let held = fake.held().await;
    assert_eq!(of(&held, "alice/web"), (7 + much.to_string().len() as u64, 1, 1), "{:?}", told(&held));
    // It is one part, and both are told.
    assert_eq!((held.unread_in_all, held.unread.len()), (1, 2));
    assert!(
        told(&held).iter().all(|told| told.contains("manifests say different ones")),
        "{:?}",
        told(&held)
    );
}

#[tokio::test]
async fn decoys_of_somebody_else_hide_no_layer() {
    let fake = Fake::new();
    let layer = digest_of(1);
    let urls = json!(["https://example.com/layer"]);
    let body = json!({"layers": [{"digest": layer, "size": 1, "urls": urls}]});
    // They come first, and have the manifest and not the layer.
    let decoys: Vec<String> = (0..40).map(|number| format!("mallory/a{number}")).collect();
    let root = fake.manifest("mallory/zoo", &body);
    let tags = [("v1", root.as_str())];
    let mut all: Vec<(&str, &[(&str, &str)])> = Vec::new();
    for decoy in &decoys {
        fake.manifest(decoy, &body);
        all.push((decoy, &tags));
    }
    all.push(("alice/web", &tags));
    fake.manifest("alice/web", &body);
    fake.holds(&all);
    fake.list("/v2/_catalog?n=100", &json!(all.iter().map(|(name, _)| *name).collect::<Vec<_>>()), "");
    let gone = fake.held().await;
    // More repositories name it than are asked, so nobody knows that it is nowhere.
    assert_eq!((of(&gone, "alice/web").2, gone.unread_in_all), (1, 1), "{:?}", told(&gone));
    fake.blob("alice/web", &layer, 5000);
    let held = fake.held().await;
    let bytes = 5000 + body.to_string().len() as u64;
    assert_eq!(of(&held, "alice/web"), (bytes, 1, 0), "{:?}", told(&held));
}

#[tokio::test]
async fn a_registry_that_fails_for_one_part_is_asked_for_the_others() {
    let fake = Fake::new();
    let layers: Vec<String> = (1..=5).map(digest_of).collect();
    let parts: Vec<(&str, Value)> = layers.iter().map(|layer| (layer.as_str(), json!(70))).collect();
    let body = image(&layers[0], &parts);
    let root = fake.manifest("alice/web", &body);
    fake.holds(&[("alice/web", &[("v1", &root)])]);
    for (layer, status) in layers.iter().zip([502, 503, 504, 429]) {
        fake.says(
            &format!("HEAD /v2/alice/web/blobs/{layer}"),
            (status, "retry-after: 0\r\n".to_owned(), Vec::new()),
        );
    }
    fake.blob("alice/web", &layers[4], 900);
    let held = fake.held().await;
    assert_eq!(of(&held, "alice/web"), (900 + body.to_string().len() as u64, 1, 4), "{:?}", told(&held));
    assert_eq!(fake.count(&format!("HEAD /v2/alice/web/blobs/{}", layers[1])), 4);
}

#[tokio::test]
async fn whoever_fills_the_list_of_what_is_unread_hides_nobody() {
    let fake = Fake::new();
    let tags: Vec<(String, String)> =
        (0..300).map(|number| (format!("v{number}"), digest_of(number))).collect();
    let tags: Vec<(&str, &str)> = tags.iter().map(|(tag, digest)| (tag.as_str(), digest.as_str())).collect();
    let own = digest_of(999);
    fake.holds(&[("mallory/web", &tags), ("alice/web", &[("v1", &own)])]);
    fake.list(
        "/v2/mallory/web/tags/list?n=100",
        &json!(tags.iter().map(|(tag, _)| *tag).collect::<Vec<_>>()),
        "",
    );
    let held = fake.held().await;
    assert_eq!(held.unread_in_all, 301);
    let of = |name: &str| held.unread.iter().filter(|unread| unread.repository.starts_with(name)).count();
    assert_eq!((of("mallory/"), of("alice/")), (20, 1), "{:?}", told(&held));
}
