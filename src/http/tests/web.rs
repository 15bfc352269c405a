//! The web app's side of the server: who may do things with a cookie, who is told what about oneself, which page comes.

use super::*;

const COOKIE: (&str, &str) = ("cookie", "conducto_token=admin");
const APP: (&str, &str) = ("x-conducto-app", "1");

#[rstest]
#[case::of_the_app(&[COOKIE, APP], 404)]
#[case::as_browsers_say_it(&[COOKIE, APP, ("sec-fetch-site", "same-origin"), ("origin", "http://ci.example"), ("host", "ci.example")], 404)]
#[case::without_the_header(&[COOKIE], 401)]
#[case::of_another_site(&[COOKIE, APP, ("sec-fetch-site", "cross-site")], 401)]
#[case::of_a_neighbour(&[COOKIE, APP, ("sec-fetch-site", "same-site")], 401)]
#[case::from_another_host(&[COOKIE, APP, ("origin", "http://evil.example"), ("host", "ci.example")], 401)]
#[case::from_nowhere(&[COOKIE, APP, ("origin", "null"), ("host", "ci.example")], 401)]
#[case::without_a_cookie(&[APP], 401)]
#[case::with_a_token_that_only_looks(&[("cookie", "conducto_token=reader"), APP], 403)]
#[tokio::test]
async fn a_cookie_does_things_only_where_our_own_page_asks(#[case] headers: &[(&str, &str)], #[case] status: u16) {
    let service = Service::start().await;
    // There is no such pipeline: whoever hears that was let in.
    for address in ["/api/v1/pipelines/abc-def/cancel", "/api/v1/pipelines/abc-def/nodes/a/reset"] {
        let answer = service.post(address, headers).await;
        assert_eq!(answer.status.as_u16(), status, "{address}: {}", answer.text);
    }
}

#[tokio::test]
async fn everybody_is_told_who_they_are_and_what_they_may() {
    let service = Service::start().await;
    let me = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let admin = me(&service.get("/api/v1/me", &[COOKIE]).await.text);
    assert_eq!((&admin["name"], &admin["may_operate"]), (&"admin".into(), &true.into()));
    assert_eq!(me(&service.get("/api/v1/me", &[READER]).await.text)["may_operate"], false);
    let anyone = ask(service.app(true), request(Request::get("/api/v1/me"), &[])).await;
    assert_eq!(me(&anyone.text)["name"], Value::Null);
    assert_eq!(service.get("/api/v1/me", &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn browsers_get_the_app_where_it_was_built_and_everybody_else_the_pages_without_script() {
    let service = Service::start().await;
    let html = ("accept", "text/html,*/*");
    let shell = service.get("/app/p/abc-def/n/x", &[READER, html]).await;
    if super::super::web::is_built() {
        assert_eq!(shell.status, StatusCode::OK);
        let policy = shell.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        let script = shell.text.split('"').find(|part| part.ends_with(".js")).unwrap();
        for (accepted, encoding) in [("gzip", Some("gzip")), ("br;q=0, gzip", Some("gzip")), ("identity", None)] {
            // It says nothing about anybody, so it needs no token.
            let request = request(Request::get(script), &[("accept-encoding", accepted)]);
            let response = service.app(false).oneshot(request).await.unwrap();
            let found = response.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap());
            assert_eq!((response.status(), found), (StatusCode::OK, encoding), "{accepted}");
            assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        }
        let tag = shell.headers[header::ETAG].to_str().unwrap();
        let again = service.get("/app/", &[READER, html, ("if-none-match", tag)]).await;
        assert_eq!((again.status, again.text.len()), (StatusCode::NOT_MODIFIED, 0));
    } else {
        assert_eq!(shell.status, StatusCode::NOT_FOUND);
        assert!(service.get("/app/", &[READER, html]).await.text.contains("make web"));
    }
    assert_eq!(service.get("/app/p/abc-def/n/x?plain", &[READER, html]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(service.get("/app/assets/none.js", &[]).await.status, StatusCode::NOT_FOUND);
    let text = service.get("/app/", &[READER, ("accept", "text/plain")]).await;
    assert!(text.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"));
}

#[tokio::test]
async fn a_delivery_that_started_nothing_can_be_dealt_with_again() {
    let service = Service::start().await;
    let guid = "72d3162e-cc78-11e3-81ab-4c9367dc0958";
    // An event that nothing here reacts to.
    const BODY: &str = r#"{"action":"opened","repository":{"full_name":"acme/api"}}"#;
    let mut request = delivery(BODY).body(Body::from(BODY)).unwrap();
    request.headers_mut().insert("x-github-event", "issues".parse().unwrap());
    assert_eq!(service.ask(request).await.status, StatusCode::ACCEPTED);
    let one = || async {
        let answer = service.get(&format!("/api/v1/deliveries/{guid}"), &[READER]).await;
        serde_json::from_str::<Value>(&answer.text).unwrap()
    };
    let settled = || async {
        while one().await["state"] == "new" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled()).await.unwrap();
    assert_eq!(one().await["state"], "ignored");
    let replay = format!("/api/v1/deliveries/{guid}/replay");
    assert_eq!(service.post(&replay, &[READER]).await.status, StatusCode::FORBIDDEN);
    let answer = service.post(&replay, &[ADMIN]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    tokio::time::timeout(Duration::from_secs(20), settled()).await.unwrap();
    assert_eq!(one().await["state"], "ignored");
    assert_eq!(service.post("/api/v1/deliveries/none/replay", &[ADMIN]).await.status, StatusCode::NOT_FOUND);
}
