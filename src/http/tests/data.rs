//! Shared data by its addresses: of a pipeline that has not begun, and of users.

use std::{fs, os::unix::fs::symlink};

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{ADMIN, Answer, READER, Service, actions, ask};

const DATA: &str = "/api/v1/pipelines/abc-def/data";
const USER: &str = "/api/v1/data/user";

impl Service {
    async fn with_pipeline() -> Self {
        Self::start_with(&[actions::launch()]).await
    }

    async fn call(&self, method: Method, address: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = Request::builder().method(method).uri(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn put(&self, address: &str, body: &[u8]) -> StatusCode {
        self.call(Method::PUT, address, &[ADMIN], body).await.status
    }
}

#[rstest]
#[case(DATA)]
#[case(USER)]
#[tokio::test]
async fn what_is_stored_can_be_listed_read_in_part_and_deleted(#[case] store: &str) {
    let service = Service::with_pipeline().await;
    let object = format!("{store}/reports/a%20b.txt");
    assert_eq!(service.put(&object, b"0123456789").await, StatusCode::NO_CONTENT);
    assert_eq!(service.put(&format!("{store}/reports/more/c"), b"1").await, StatusCode::NO_CONTENT);
    let listed = service.get(&format!("{store}?prefix=/reports&usage=true"), &[READER]).await;
    let entries = json!([
        {"name": "reports/a b.txt", "folder": false, "size": 10}, {"name": "reports/more", "folder": true, "size": 0}
    ]);
    assert_eq!(serde_json::from_str::<Value>(&listed.text).unwrap(), json!({"entries": entries, "usage": 11}));

    let whole = service.get(&object, &[READER]).await;
    assert_eq!((whole.status, whole.text.as_str()), (StatusCode::OK, "0123456789"));
    let part = service.get(&object, &[READER, ("range", "bytes=2-4")]).await;
    assert_eq!((part.status, part.text.as_str()), (StatusCode::PARTIAL_CONTENT, "234"));
    assert_eq!(part.headers["content-range"], "bytes 2-4/10");
    let none = service.get(&object, &[READER, ("range", "bytes=10-")]).await;
    assert_eq!(
        (none.status, &none.headers["content-range"]),
        (StatusCode::RANGE_NOT_SATISFIABLE, &"bytes */10".parse().unwrap())
    );
    let tag = whole.headers["etag"].to_str().unwrap().to_owned();
    let known = service.get(&object, &[READER, ("if-none-match", &tag)]).await;
    assert_eq!((known.status, known.text.as_str()), (StatusCode::NOT_MODIFIED, ""));
    service.put(&object, b"changed").await;
    let stale = service.get(&object, &[READER, ("range", "bytes=2-4"), ("if-range", &tag)]).await;
    assert_eq!((stale.status, stale.text.as_str()), (StatusCode::OK, "changed"));
    let size = service.call(Method::HEAD, &object, &[READER], b"").await;
    assert_eq!((&size.headers["content-length"], size.text.as_str()), (&"7".parse().unwrap(), ""));

    let delete = |address: String| {
        let service = &service;
        async move { service.call(Method::DELETE, &address, &[ADMIN], b"").await.status }
    };
    assert_eq!(delete(format!("{store}/reports")).await, StatusCode::CONFLICT);
    assert_eq!(delete(format!("{store}/reports?recursive=true")).await, StatusCode::NO_CONTENT);
    assert_eq!(delete(object.clone()).await, StatusCode::NOT_FOUND);
    assert_eq!(service.get(&object, &[READER]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn names_that_lead_out_are_too_long_or_too_large_are_refused_with_the_reason() {
    let service = Service::with_pipeline().await;
    let long = "x/".repeat(2_048);
    for (name, status, words) in [
        (long.as_str(), 400, "4096 bytes; at most 1024"),
        ("a/%2e%2e/%2e%2e/secret", 400, "leads out of the store"),
        ("a%00b", 400, "null character"),
        ("large", 413, "more than 1000 bytes"),
    ] {
        let answer = service.call(Method::PUT, &format!("{DATA}/{name}"), &[ADMIN], &[7; 1_001]).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        assert!(answer.text.contains(words), "{}", answer.text);
    }
    for letter in ["a", "b", "c", "d", "e"] {
        assert_eq!(service.put(&format!("{DATA}/{letter}"), &[7; 1_000]).await, StatusCode::NO_CONTENT);
    }
    assert_eq!(service.put(&format!("{DATA}/f"), b"x").await, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(service.get("/api/v1/pipelines/xyz-xyz/data", &[READER]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn links_that_a_node_has_made_lead_nowhere() {
    let service = Service::with_pipeline().await;
    assert_eq!(service.put(&format!("{DATA}/x"), b"x").await, StatusCode::NO_CONTENT);
    let profile = fs::read_dir(service.base.path()).unwrap().map(|entry| entry.unwrap().path());
    let profile = profile.filter(|path| path.join("pipelines").is_dir()).last().unwrap();
    let data = profile.join("pipelines/abc-def/data");
    symlink("../../../config", data.join("config")).unwrap();
    symlink(service.base.path(), data.join("base")).unwrap();
    for name in ["config", "base/config", "base/admin-token"] {
        let answer = service.get(&format!("{DATA}/{name}"), &[ADMIN]).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{name}: {}", answer.text);
    }
}

#[rstest]
#[case("page.html", false)]
#[case("drawing.svg", false)]
#[case("plot.png", true)]
#[tokio::test]
async fn what_a_browser_could_run_is_a_download_in_a_sandbox(#[case] name: &str, #[case] is_shown: bool) {
    let service = Service::with_pipeline().await;
    service.put(&format!("{DATA}/{name}"), b"<script>alert(1)</script>").await;
    for address in [format!("/gw/manager/data/abc-def/pipeline/{name}"), format!("{DATA}/{name}")] {
        let answer = service.get(&address, &[("cookie", "conducto_token=reader")]).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}");
        let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-disposition"), if is_shown { "inline" } else { "attachment" });
        assert_eq!(header("content-type"), if is_shown { "image/png" } else { "application/octet-stream" });
        assert!(header("content-security-policy").contains("sandbox"));
        assert_eq!(header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn who_may_look_may_not_store_and_user_data_is_not_for_everybody() {
    let service = Service::with_pipeline().await;
    service.put(&format!("{USER}/a"), b"of ada").await;
    service.put(&format!("{DATA}/a"), b"of the pipeline").await;
    for (method, headers, status) in [
        (Method::PUT, &[READER][..], 403),
        (Method::DELETE, &[READER], 403),
        (Method::PUT, &[], 401),
        (Method::GET, &[], 401),
    ] {
        for store in [DATA, USER] {
            let answer = service.call(method.clone(), &format!("{store}/a"), headers, b"x").await;
            assert_eq!(answer.status.as_u16(), status, "{method} {store}");
        }
    }
    let anonymous = |address: String| ask(service.app(true), Request::get(address).body(Body::empty()).unwrap());
    assert_eq!(anonymous(format!("{DATA}/a")).await.text, "of the pipeline");
    assert_eq!(anonymous(format!("{USER}/a")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(anonymous("/gw/manager/data/abc-def/user/a".into()).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(service.get("/gw/manager/data/abc-def/user/a", &[READER]).await.text, "of ada");
    assert_eq!(service.get("/gw/manager/data/abc-def/secret/a", &[READER]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn admins_reach_the_data_of_other_owners_and_nobody_else_does() {
    let service = Service::with_pipeline().await;
    service.put(&format!("{USER}/a?owner=bob"), b"of bob").await;
    assert_eq!(service.get(&format!("{USER}/a?owner=bob"), &[ADMIN]).await.text, "of bob");
    assert_eq!(service.get(&format!("{USER}/a?owner=bob"), &[READER]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(service.get(&format!("{USER}/a"), &[ADMIN]).await.status, StatusCode::NOT_FOUND);
    let owner = "/api/v1/repositories/acme/api/owner";
    assert_eq!(
        service.call(Method::PUT, owner, &[READER], b"{\"owner\": \"bob\"}").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(service.call(Method::PUT, owner, &[ADMIN], b"{\"owner\": \"bob\"}").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        service.call(Method::PUT, owner, &[ADMIN], b"{\"owner\": \"\"}").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn caches_beyond_the_budget_make_room_for_the_newest() {
    let service = Service::with_pipeline().await;
    for checksum in ["1", "2", "3"] {
        let address = format!("{USER}/conducto-cache/deps/{checksum}.tar.gz");
        assert_eq!(service.put(&address, &[7; 400]).await, StatusCode::NO_CONTENT);
    }
    let listed = service.get(&format!("{USER}?prefix=conducto-cache/deps"), &[READER]).await;
    let listed: Value = serde_json::from_str(&listed.text).unwrap();
    let names: Vec<&str> = listed["entries"].as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["conducto-cache/deps/2.tar.gz", "conducto-cache/deps/3.tar.gz"]);
}
