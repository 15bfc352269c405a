//! A GitHub App as GitHub sees it: its signature, its installation, the tokens it gets, the deliveries of its webhook.

use std::collections::HashMap;

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asker, Board, GitHub, Request, State, parameter, refuse};
use crate::{clock, standin::delivery::Delivery};

/// How long a token is good, in seconds.
const LIFE: i64 = 3_600;

#[derive(Debug)]
pub(super) struct App {
    id: u64,
    public_key: String,
    installation: u64,
    /// Tokens that were given out.
    tokens: HashMap<String, Given>,
    life: i64,
}

#[derive(Clone, Debug)]
struct Given {
    expires_at: Timestamp,
    reads_only: bool,
    repositories: Option<Vec<u64>>,
}

#[derive(Deserialize)]
struct Claims {
    iss: Value,
    iat: i64,
    exp: i64,
}

/// A delivery of the App's webhook that GitHub remembers.
#[derive(Clone, Debug)]
pub struct MissedDelivery {
    /// Number of the try.
    pub id: u64,
    /// What was to be delivered.
    pub delivery: Delivery,
    /// When.
    pub at: Timestamp,
    /// Whether it was answered well.
    pub is_ok: bool,
}

impl App {
    pub(super) fn new(id: u64, public_key: &str) -> Self {
        let public_key = public_key.to_owned();
        Self { id, public_key, installation: 42, tokens: HashMap::new(), life: LIFE }
    }

    fn is_signed(&self, token: &str) -> bool {
        let Ok(key) = DecodingKey::from_rsa_pem(self.public_key.as_bytes()) else { return false };
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_required_spec_claims(&["exp"]);
        let Ok(read) = jsonwebtoken::decode::<Claims>(token, &key, &rules) else { return false };
        let (Claims { iss, iat, exp }, now) = (read.claims, clock::now().as_second());
        let iss = iss.as_u64().or_else(|| iss.as_str()?.parse().ok());
        iss == Some(self.id) && iat <= now && exp <= now + 600
    }
}

impl GitHub {
    /// Moves the App to another installation, as when a repository is transferred; the tokens of the one before are void.
    pub fn move_installation(&self, installation: u64) {
        self.board.change(|state| {
            if let Some(app) = &mut state.app {
                app.installation = installation;
                app.tokens.clear();
            }
        });
    }

    /// Makes every token void, as when somebody revokes them.
    pub fn revoke_tokens(&self) {
        self.board.change(|state| state.app.as_mut().map(|app| app.tokens.clear()));
    }

    /// Gives tokens from now on this many seconds to live.
    pub fn shorten_tokens(&self, seconds: i64) {
        self.board.change(|state| state.app.as_mut().map(|app| app.life = seconds));
    }

    /// Says what a token may be used for: the repositories, where it is for some only, and whether it only reads.
    pub fn token_scope(&self, token: &str) -> Option<(Option<Vec<u64>>, bool)> {
        self.board.look(|state| {
            let given = state.app.as_ref()?.tokens.get(token)?;
            Some((given.repositories.clone(), given.reads_only))
        })
    }

    /// Remembers deliveries of the App's webhook, those that arrived and those that did not.
    pub fn remember(&self, deliveries: impl IntoIterator<Item = (Delivery, Timestamp, bool)>) {
        self.board.change(|state| {
            for (delivery, at, is_ok) in deliveries {
                let id = 1_000 + state.deliveries.len() as u64;
                state.deliveries.push(MissedDelivery { id, delivery, at, is_ok });
            }
            state.deliveries.sort_by_key(|delivery| delivery.at);
        });
    }
}

/// Says who asks, by the token of the request; else the words of the refusal.
pub(super) fn asker(board: &Board<State>, request: &Request) -> Result<Asker, &'static str> {
    let given = request.header("authorization").unwrap_or_default();
    if given.is_empty() {
        return Err("Requires authentication");
    }
    let token = given.strip_prefix("Bearer ").or_else(|| given.strip_prefix("token ")).unwrap_or_default();
    let now = clock::now();
    let asker = board.look(|state| {
        if !state.token.is_empty() && token == state.token {
            return Some(Asker::Person);
        }
        let app = state.app.as_ref()?;
        match app.tokens.get(token) {
            Some(known) if now < known.expires_at => Some(Asker::Installation { reads_only: known.reads_only }),
            Some(_) => None,
            None => app.is_signed(token).then_some(Asker::App),
        }
    });
    asker.ok_or("Bad credentials")
}

pub(super) fn answer(board: &Board<State>, request: &Request, steps: &[&str], query: &str) -> Response {
    match (request.method.as_str(), steps) {
        ("GET", ["repositories", id, "installation"]) => {
            let known = board.look(|state| {
                let id = id.parse::<u64>().ok()?;
                state.repositories.get(&id).and(state.app.as_ref()).map(|app| app.installation)
            });
            match known {
                Some(installation) => Json(json!({"id": installation})).into_response(),
                None => refuse(StatusCode::NOT_FOUND, "Not Found"),
            }
        }
        ("POST", ["app", "installations", id, "access_tokens"]) => give_token(board, request, id),
        ("GET", ["app", "hook", "deliveries"]) => list(board, query),
        ("GET", ["app", "hook", "deliveries", id]) => one(board, id),
        _ => refuse(StatusCode::NOT_FOUND, "Not Found"),
    }
}

fn give_token(board: &Board<State>, request: &Request, id: &str) -> Response {
    let body = &request.body;
    let repositories = body["repository_ids"].as_array().map(|ids| ids.iter().filter_map(Value::as_u64).collect());
    let permissions = body["permissions"].as_object();
    let reads_only = permissions.is_some_and(|asked| asked.values().all(|word| word == "read"));
    let token = format!("ghs_{}", clock::new_key());
    let given = board.change(|state| {
        let app = state.app.as_mut().filter(|app| app.installation.to_string() == id)?;
        let expires_at = Timestamp::from_second(clock::now().as_second() + app.life).ok()?;
        app.tokens.insert(token.clone(), Given { expires_at, reads_only, repositories });
        Some(expires_at)
    });
    match given {
        Some(expires_at) => {
            (StatusCode::CREATED, Json(json!({"token": token, "expires_at": expires_at}))).into_response()
        }
        None => refuse(StatusCode::NOT_FOUND, "Not Found"),
    }
}

/// Pages by a cursor that says nothing to whoever reads it.
fn list(board: &Board<State>, query: &str) -> Response {
    let size = parameter(query, "per_page").and_then(|size| size.parse().ok()).unwrap_or(30_usize).clamp(1, 100);
    let skip = match parameter(query, "cursor") {
        None => 0,
        Some(cursor) => match hex::decode(&cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok()) {
            Some(skip) => skip,
            None => return refuse(StatusCode::BAD_REQUEST, "Invalid cursor"),
        },
    };
    let (page, total) = board.look(|state| {
        let newest_first = state.deliveries.iter().rev().skip(skip).take(size);
        (newest_first.map(shown).collect::<Vec<_>>(), state.deliveries.len())
    });
    let end = skip + page.len();
    if end < total {
        let cursor = hex::encode(end.to_string());
        let url = format!("http://{}/app/hook/deliveries?per_page={size}&cursor={cursor}", board.address());
        return ([(header::LINK, format!("<{url}>; rel=\"next\""))], Json(page)).into_response();
    }
    Json(page).into_response()
}

fn one(board: &Board<State>, id: &str) -> Response {
    let found = board.look(|state| state.deliveries.iter().find(|one| one.id.to_string() == id).cloned());
    match found {
        None => refuse(StatusCode::NOT_FOUND, "Not Found"),
        Some(found) => {
            let mut body = shown(&found);
            let payload: Value = serde_json::from_slice(&found.delivery.body).unwrap_or_default();
            body["request"] = json!({"headers": {}, "payload": payload});
            body["response"] = json!({"headers": {}, "payload": ""});
            Json(body).into_response()
        }
    }
}

fn shown(one: &MissedDelivery) -> Value {
    json!({
        "id": one.id, "guid": one.delivery.guid, "delivered_at": one.at, "redelivery": false, "duration": 0.1,
        "status": if one.is_ok { "OK" } else { "failed to connect to host" },
        "status_code": if one.is_ok { 202 } else { 0 }, "event": one.delivery.event, "action": null,
        "installation_id": null, "repository_id": null, "throttled_at": null,
    })
}
